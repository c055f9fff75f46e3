"""Fitting the model to what is known, and asking it why."""

from __future__ import annotations

from ketasim.inference.calibration import Calibration, calibrate, write_values
from ketasim.inference.targets import Target, load_targets

__all__ = ["Calibration", "Target", "calibrate", "load_targets", "write_values"]
