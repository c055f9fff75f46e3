"""Prefrontal circuit: what the spiking network computed, and closed-form surfaces fitted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    # Late, because Python warns when `python -m ketasim.circuit.surfaces` finds the module imported already,
    # and because only the fit needs scipy.
    if name in __all__:
        from ketasim.circuit import surfaces

        return getattr(surfaces, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
