"""Where the contract begins in an address."""

from __future__ import annotations

__all__ = ["API"]

#: Base of the contract.
API = "/api/v1"
