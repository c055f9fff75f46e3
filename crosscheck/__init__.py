"""The neural levels computed a second time by other people's programs: ``make crosscheck``."""

from __future__ import annotations
