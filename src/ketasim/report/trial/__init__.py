"""The figures that trialists expect, and the section of the report that holds them."""

from __future__ import annotations
