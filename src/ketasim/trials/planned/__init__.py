"""The planned analyses of a study file, computed from what a trial recorded."""

from __future__ import annotations
