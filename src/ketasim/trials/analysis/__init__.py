"""Analyses of a trial: arrays in, small frozen results out; they know nothing of study files or tables.

Each method is imported from its own module, so that a trial loads only those that its study names.
"""

from __future__ import annotations

from ketasim.trials.analysis.estimate import Estimate, wald

__all__ = ["Estimate", "wald"]
