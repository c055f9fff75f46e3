"""Prefrontal circuit: what the spiking network computed, and closed-form surfaces fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.circuit.formulas import CLASSES, LOG_LIMIT, OUTPUTS, coefficient_names, log_ratio
from ketasim.circuit.runs import NetworkRun, load_network_runs

if TYPE_CHECKING:
    from ketasim.circuit.surfaces import Coefficient, Quality, Surfaces, fit_surfaces, write_parameters

__all__ = [
    "CLASSES",
    "LOG_LIMIT",
    "OUTPUTS",
    "Coefficient",
    "NetworkRun",
    "Quality",
    "Surfaces",
    "coefficient_names",
    "fit_surfaces",
    "load_network_runs",
    "log_ratio",
    "write_parameters",
]


# Late, because Python warns when `python -m ketasim.circuit.surfaces` finds the module imported already,
# and because only the fit needs scipy. Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.circuit.surfaces": (
                "Coefficient",
                "Quality",
                "Surfaces",
                "fit_surfaces",
                "write_parameters",
            )
        },
    )
