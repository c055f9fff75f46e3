"""How well numbers are known, and the sources that are no publication."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["GRADES", "OWN_SOURCES"]

#: Sources that are no publication, and what each is in plain words. Every other source is a citation key.
OWN_SOURCES: Mapping[str, str] = {
    "assumed": "assumed: no source gives it",
    "circuit_network_runs": "read from this project's own spiking network runs",
    "pk_calibration": "fitted by this project to published concentrations",
    "pubchem": "PubChem compound record",
    "scale_definition": "definition of the scale",
    "spread_calibration": "fitted by this project to published standard deviations of change",
    "slow_feasibility": "fitted by this project to published trials (feasibility fit)",
}

#: How well a number is known, best first.
GRADES = ("measured", "derived", "calibrated", "assumed")
