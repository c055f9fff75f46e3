"""Fitting the model to what is known: calibration of the chain and of the scoring layer."""

from __future__ import annotations

from ketasim.inference.calibration import Calibration, calibrate, write_values
from ketasim.inference.placebo import calibrate_scoring
from ketasim.inference.targets import Target, load_targets

__all__ = ["Calibration", "Target", "calibrate", "calibrate_scoring", "load_targets", "write_values"]
