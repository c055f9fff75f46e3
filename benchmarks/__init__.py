"""How fast the engine is, and how exact, beside other solvers: ``make bench``."""

from __future__ import annotations
