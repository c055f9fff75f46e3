"""When this process loaded the package, before any other part of it."""

from __future__ import annotations

import time

__all__ = ["BEGUN"]

#: Seconds since 1970.
BEGUN = time.time()
