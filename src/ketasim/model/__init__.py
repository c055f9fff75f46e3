"""The causal chain from a dose to a mood: one file a stage, joined in ``chain``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.model.chain import MEDIATORS, SEVERITY_STATES, STAGES, Chain, build_chain
from ketasim.model.clamp import Clamp, parse_clamp
from ketasim.model.kinetics import simulate_kinetics, simulate_kinetics_many, untreated
from ketasim.model.options import load_options
from ketasim.model.parameters import Parameter, ParameterSet, load_parameters, read_overrides
from ketasim.model.patients import Patient
from ketasim.model.simulator import Run, Simulator
from ketasim.model.stage import Derived, Equations, Input, Provides, Reads, Stage, State, Symbols
from ketasim.model.summary import summarise_course
from ketasim.model.times import output_times
from ketasim.model.titration import run_with_rule

if TYPE_CHECKING:
    from ketasim.model.readouts import person_parameters

__all__ = [
    "MEDIATORS",
    "SEVERITY_STATES",
    "STAGES",
    "Chain",
    "Clamp",
    "Derived",
    "Equations",
    "Input",
    "Parameter",
    "ParameterSet",
    "Patient",
    "Provides",
    "Reads",
    "Run",
    "Simulator",
    "Stage",
    "State",
    "Symbols",
    "build_chain",
    "load_options",
    "load_parameters",
    "output_times",
    "parse_clamp",
    "person_parameters",
    "read_overrides",
    "run_with_rule",
    "simulate_kinetics",
    "simulate_kinetics_many",
    "summarise_course",
    "untreated",
]

# Published read-outs are tables and need pandas, which one person's course must not wait for.
# Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(__name__, {"ketasim.model.readouts": ("person_parameters",)})
