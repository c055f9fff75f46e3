"""Calibration: priors from the tables, named targets, a search by many starts, and a posterior ensemble."""

from __future__ import annotations

from ketasim.inference.calibration.fitting import Calibration, calibrate, ensemble_around
from ketasim.inference.calibration.prior import BIOLOGY, FREE, INFORMED, SCORING, Prior, shrinkage
from ketasim.inference.calibration.writing import write_values

__all__ = [
    "BIOLOGY",
    "FREE",
    "INFORMED",
    "SCORING",
    "Calibration",
    "Prior",
    "calibrate",
    "ensemble_around",
    "shrinkage",
    "write_values",
]
