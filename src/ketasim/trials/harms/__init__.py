"""Adverse events at treatment visits, their numbers, and incidence tables."""

from __future__ import annotations
