"""Rival mechanisms on the same footing: fitted alike, compared on what they were not fitted to."""

from __future__ import annotations

from ketasim.inference.rivals.calibration import WiringFit, calibrate_wirings
from ketasim.inference.rivals.tables import write_wirings

__all__ = ["WiringFit", "calibrate_wirings", "write_wirings"]
