"""Ketasim: how ketamine treats depression, computed from a dose to a mood.

A research and teaching instrument, not for treating a person.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ketasim.api import Course, TrialResult, simulate, simulate_regimen, simulate_study
    from ketasim.dosing import Dose, Regimen, parse_regimen
    from ketasim.errors import (
        DoseError,
        EvidenceError,
        KetasimError,
        ModelError,
        SolverError,
        StudyError,
        UnitError,
    )
    from ketasim.model.parameters import Parameter, ParameterSet, load_parameters
    from ketasim.trials import Study
    from ketasim.units import UnitSystem

    __version__: str

__all__ = [
    "Course",
    "Dose",
    "DoseError",
    "EvidenceError",
    "KetasimError",
    "ModelError",
    "Parameter",
    "ParameterSet",
    "Regimen",
    "SolverError",
    "Study",
    "StudyError",
    "TrialResult",
    "UnitError",
    "UnitSystem",
    "__version__",
    "load_parameters",
    "parse_regimen",
    "simulate",
    "simulate_regimen",
    "simulate_study",
]

#: Where each public name lives. Loading the model takes seconds, and `ketasim --help` must not wait for it.
_HOMES = {
    "ketasim.api": ("Course", "TrialResult", "simulate", "simulate_regimen", "simulate_study"),
    "ketasim.dosing": ("Dose", "Regimen", "parse_regimen"),
    "ketasim.errors": (
        "DoseError",
        "EvidenceError",
        "KetasimError",
        "ModelError",
        "SolverError",
        "StudyError",
        "UnitError",
    ),
    "ketasim.model.parameters": ("Parameter", "ParameterSet", "load_parameters"),
    "ketasim.trials": ("Study",),
    "ketasim.units": ("UnitSystem",),
}


# Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used (PEP 562)."""
        if name == "__version__":
            from importlib.metadata import version

            value: object = version("ketasim")
        else:
            home = next((home for home, names in _HOMES.items() if name in names), None)
            if home is None:
                raise AttributeError(f"module 'ketasim' has no attribute {name!r}")
            value = getattr(import_module(home), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
