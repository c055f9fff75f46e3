"""Scenarios: a regimen given to a person in a setting, by a mechanism, and what comes of it.

What the explorer's page shows is this, and nothing more: the same numbers from Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.api.scenarios.faults import Fault, ScenarioError

if TYPE_CHECKING:
    from ketasim.api.scenarios.axis import Axis, default_axis
    from ketasim.api.scenarios.choices import (
        Choice,
        comedications,
        contexts,
        controls,
        expectancies,
        populations,
    )
    from ketasim.api.scenarios.definition import (
        Mechanism,
        Person,
        Scenario,
        Setting,
        read_scenario,
        scenario_hash,
    )
    from ketasim.api.scenarios.fields import PersonField, person_fields
    from ketasim.api.scenarios.models import model_hash, parameter_hash
    from ketasim.api.scenarios.preset_table import Preset, presets
    from ketasim.api.scenarios.python_text import to_python
    from ketasim.api.scenarios.result import ScenarioResult, Series
    from ketasim.api.scenarios.rows import Row, scenario_rows
    from ketasim.api.scenarios.run import simulate_scenario, simulate_scenarios
    from ketasim.api.scenarios.study_text import (
        study_gaps,
        study_parameters,
        to_parameter_file,
        to_study,
    )
    from ketasim.api.scenarios.switching import Switch, switches
    from ketasim.api.scenarios.warming import warm, warm_steps

__all__ = [
    "Axis",
    "Choice",
    "Fault",
    "Mechanism",
    "Person",
    "PersonField",
    "Preset",
    "Row",
    "Scenario",
    "ScenarioError",
    "ScenarioResult",
    "Series",
    "Setting",
    "Switch",
    "comedications",
    "contexts",
    "controls",
    "default_axis",
    "expectancies",
    "model_hash",
    "parameter_hash",
    "person_fields",
    "populations",
    "presets",
    "read_scenario",
    "scenario_hash",
    "scenario_rows",
    "simulate_scenario",
    "simulate_scenarios",
    "study_gaps",
    "study_parameters",
    "switches",
    "to_parameter_file",
    "to_python",
    "to_study",
    "warm",
    "warm_steps",
]

_HOMES = {
    "axis": ("Axis", "default_axis"),
    "choices": ("Choice", "comedications", "contexts", "controls", "expectancies", "populations"),
    "definition": ("Mechanism", "Person", "Scenario", "Setting", "read_scenario", "scenario_hash"),
    "fields": ("PersonField", "person_fields"),
    "models": ("model_hash", "parameter_hash"),
    "preset_table": ("Preset", "presets"),
    "python_text": ("to_python",),
    "result": ("ScenarioResult", "Series"),
    "rows": ("Row", "scenario_rows"),
    "run": ("simulate_scenario", "simulate_scenarios"),
    "study_text": ("study_gaps", "study_parameters", "to_parameter_file", "to_study"),
    "switching": ("Switch", "switches"),
    "warming": ("warm", "warm_steps"),
}

# Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(__name__, {f"{__name__}.{home}": names for home, names in _HOMES.items()})
