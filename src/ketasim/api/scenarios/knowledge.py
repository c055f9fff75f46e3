"""Draws of what is not known: typical values that hold for one person again and again.

Three kinds are put together, draw by draw. The biology comes from the shipped posterior, or, under a rival
wiring, from the sets that its own fit leaves possible; the scoring layer from the posterior; kinetics,
harms and pain, which that posterior holds still, from the ranges of their tables.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.plans import Plan
from ketasim.model.hypotheses import DEFAULT_WIRING
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.population import draw_parameter_sets
from ketasim.population.draws import Draws, load_posterior
from ketasim.population.uncertainty import uncertain_parameters
from ketasim.trials.scoring import ScoringParameters

__all__ = ["SCORING", "drawn_values"]

FloatArray = npt.NDArray[np.float64]

#: Parameters of the scoring layer.
SCORING: Final = frozenset(field.name for field in fields(ScoringParameters))
#: Stages that the posterior holds still, and the grades whose ranges are drawn: kinetics that were fitted,
#: and all that is uncertain of harms and pain.
_RANGES: Final[Mapping[str, tuple[str, ...]]] = {
    "pharmacokinetics": ("calibrated",),
    "safety": ("calibrated", "assumed"),
    "pain": ("calibrated", "assumed"),
}
#: What a person has at rest is a fact about him; of the two fractions of norketamine only one can be drawn by
#: itself, as together they are at most one.
_NOT_DRAWN: Final = ("systolic_rest", "diastolic_rest", "heart_rate_rest", "dhnk_fraction")
#: A definition: which doses are one treatment visit.
_DEFINITION: Final = "visit_gap"
_SEED, _SETS = 1, 200


def drawn_values(
    plan: Plan, columns: Mapping[str, FloatArray], count: int
) -> tuple[dict[str, FloatArray], list[ScoringParameters]]:
    """Parameters of a person moved as draws say, and numbers of the scoring layer of each draw.

    Parameters
    ----------
    plan : Plan
        The scenario; what it sets itself is not drawn.
    columns : mapping of str to array, shape (count,)
        Parameters in which the person differs from the tables.
    count : int
        Draws; after the last of a kind its first one comes again.
    """
    moved = dict(columns)
    for draws in (_biology(plan), _ranges()):
        free = draws.only(name for name in draws.names if name not in plan.fixed)
        moved = free.columns(plan.parameters, moved, np.arange(count) % len(free))
    shipped = load_posterior()
    scored = shipped.only(SCORING - {*plan.fixed, _DEFINITION}).take(np.arange(count) % len(shipped))
    return moved, [ScoringParameters.from_table(own) for own in scored.sets(plan.parameters)]


def _biology(plan: Plan) -> Draws:
    """Draws of what was fitted to the biology."""
    wiring = plan.scenario.mechanism.wiring
    if wiring == DEFAULT_WIRING:
        shipped = load_posterior()
        return shipped.only(name for name in shipped.names if name not in SCORING)
    names, values = _wiring_draws(wiring)
    return Draws(names, values, np.array([plan.parameters[name].value for name in names]))


@cache
def _wiring_draws(wiring: str) -> tuple[tuple[str, ...], FloatArray]:
    """Sets that the targets leave possible for a wiring; a parameter that it does not open is left out."""
    table = resources.files("ketasim.model.parameters") / "wiring_draws.csv"
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    own = [row for row in rows if row["wiring"] == wiring]
    names = tuple(name for name in own[0] if name not in ("wiring", "draw") and own[0][name])
    return names, np.array([[float(row[name]) for name in names] for row in own])


@cache
def _ranges() -> Draws:
    """Draws from the ranges of tables, each parameter by itself."""
    tables, fitted = load_parameters(), set(load_posterior().names)
    names = [
        name
        for name in uncertain_parameters(tables)
        if tables[name].grade in _RANGES.get(tables[name].stage, ())
        and name not in fitted
        and name not in _NOT_DRAWN
    ]
    few = ParameterSet({name: tables[name] for name in names})
    sets = draw_parameter_sets(few, _SETS, _SEED)
    values = np.array([[own[name].value for name in names] for own in sets])
    return Draws(tuple(names), values, np.array([tables[name].value for name in names]))
