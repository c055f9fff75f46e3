"""Ketasim: how ketamine treats depression, computed from a dose to a mood.

A research and teaching instrument, not for treating a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim import _begun  # noqa: F401 - notes the time before anything else is loaded
from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.api import Course, TrialResult, simulate, simulate_regimen, simulate_study
    from ketasim.api.kinetics import simulate_pk
    from ketasim.api.power import study_power
    from ketasim.api.scenarios import Scenario, ScenarioError, simulate_scenario, simulate_scenarios
    from ketasim.dosing import Dose, Regimen, parse_regimen, read_nonmem
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
    "Scenario",
    "ScenarioError",
    "SolverError",
    "Study",
    "StudyError",
    "TrialResult",
    "UnitError",
    "UnitSystem",
    "__version__",
    "load_parameters",
    "parse_regimen",
    "read_nonmem",
    "simulate",
    "simulate_pk",
    "simulate_regimen",
    "simulate_scenario",
    "simulate_scenarios",
    "simulate_study",
    "study_power",
]

#: Where each public name lives. `ketasim --help` must not wait for the model.
_HOMES = {
    "ketasim.api": ("Course", "TrialResult", "simulate", "simulate_regimen", "simulate_study"),
    "ketasim.api.kinetics": ("simulate_pk",),
    "ketasim.api.power": ("study_power",),
    "ketasim.api.scenarios": ("Scenario", "ScenarioError", "simulate_scenario", "simulate_scenarios"),
    "ketasim.dosing": ("Dose", "Regimen", "parse_regimen", "read_nonmem"),
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
    _load = lazy_loader(__name__, _HOMES)

    def __getattr__(name: str) -> object:
        """Load a public name when it is first used."""
        if name != "__version__":
            return _load(name)
        from importlib.metadata import version

        globals()[name] = version("ketasim")
        return globals()[name]


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
