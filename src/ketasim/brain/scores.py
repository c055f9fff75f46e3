"""Score of the whole brain against published network findings, row by row, hits and misses.

``network_rows.csv`` says which experiment and read-out stand for an observation. Only signs are scored: the
model has no spread between people, so that a standardised size has no counterpart here.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from ketasim.brain.conditions import Conditions, load_conditions
from ketasim.brain.couplings import Coupling
from ketasim.brain.illness import HEALTHY, BrainState, density_course, depressed
from ketasim.brain.model import BrainModel
from ketasim.brain.rule import VerdictRow, decide, state_after
from ketasim.errors import BrainError

__all__ = ["OUTCOMES", "Score", "score_rows"]

OUTCOMES = ("hit", "miss", "not modelled", "excluded")
"""``not modelled``: no read-out stands for it; ``excluded``: the source was recalled, not read."""

_HOURS = {"24 h": 24.0, "2 d": 48.0, "10 d": 240.0}
_NEEDED = ("id", "citation", "quantity", "value", "seen")


@dataclass(frozen=True)
class Score:
    """One observation against the model.

    Parameters
    ----------
    id, citation, quantity : str
        Of the observation.
    observed : float
        Published value; its sign counts, and 0 is no change.
    experiment : str
        Brain and condition that stand for it; empty if not modelled.
    readout : str
        Read-out that stands for it; ``normalised`` is rule 2.
    predicted : float or None
        Change in Fisher z; for ``normalised`` 1 or 0.
    outcome : str
        One of :data:`OUTCOMES`.
    why : str
        Reason or remark.
    """

    id: str
    citation: str
    quantity: str
    observed: float
    experiment: str
    readout: str
    predicted: float | None
    outcome: str
    why: str


@cache
def _experiments() -> Mapping[str, Mapping[str, str]]:
    text = resources.files("ketasim.brain").joinpath("network_rows.csv").read_text(encoding="utf-8")
    return {row["id"]: row for row in csv.DictReader(text.splitlines())}


def _contrast(
    brain: str, condition: str, coupling: Coupling, limits: Conditions
) -> tuple[BrainState, BrainState]:
    """States before and during an experiment."""
    baseline = HEALTHY if brain == "healthy" else depressed(conditions=limits)
    if condition == "illness":
        return HEALTHY, baseline
    if condition == "ketamine":
        block_e, block_i = limits.block(limits.clinical_concentration)
        return baseline, replace(baseline, block_excitatory=block_e, block_inhibitory=block_i)
    if condition == "midazolam":
        return baseline, replace(baseline, inhibition_gain=limits.midazolam_inhibition)
    if condition == "antidepressant":
        density = baseline.density * (1.0 + limits.antidepressant_density_gain)
        return baseline, replace(baseline, density=density, adapted_density=density)
    course = density_course(baseline.density, adapts=coupling.adapts, conditions=limits)
    return baseline, state_after(baseline, course, _HOURS[condition])


def _agrees(observed: float, change: float, limits: Conditions) -> bool:
    if observed == 0.0:
        return abs(change) < limits.null_band
    return abs(change) >= limits.change_least and math.copysign(1.0, change) == math.copysign(1.0, observed)


def _normalised(row: VerdictRow, condition: str) -> float | None:
    """1 if the insula read-out counts as normalised at that time, 0 if not, None without an insula."""
    if row.signs.insula_gap is None:
        return None
    if condition == "2 d":
        return float(row.signs.normalised(row.limits))
    # Not normalised at 10 days is a finding only if it was so at 2 days.
    return float(not row.signs.back(row.limits))


def _changes(
    model: BrainModel, coupling: Coupling, wanted: Iterable[tuple[str, str]], limits: Conditions
) -> dict[tuple[str, str], dict[str, float | None]]:
    """Change of every read-out in each experiment."""
    healthy = coupling.healthy(model, limits)
    known: dict[BrainState, dict[str, float | None]] = {}

    def read(state: BrainState) -> dict[str, float | None]:
        if state not in known:
            known[state] = coupling.readouts(healthy, state, limits)
        return known[state]

    found: dict[tuple[str, str], dict[str, float | None]] = {}
    for brain, condition in wanted:
        before, after = (read(state) for state in _contrast(brain, condition, coupling, limits))
        change: dict[str, float | None] = {}
        for name, start in before.items():
            end = after[name]
            change[name] = None if start is None or end is None else end - start
        found[(brain, condition)] = change
    return found


def score_rows(
    rows: Iterable[Mapping[str, object]],
    model: BrainModel,
    coupling: Coupling,
    conditions: Conditions | None = None,
) -> list[Score]:
    """Score observations against one coupling.

    Parameters
    ----------
    rows : iterable of mappings
        Observations with ``id, citation, quantity, value, seen``; those that are no network row are left
        out of the answer.
    model : BrainModel
        A healthy brain without long-range inhibition.
    coupling : Coupling
        How density acts.
    conditions : Conditions, optional
        Default: the shipped ones.

    Returns
    -------
    list of Score
        In the order of the rows: every network row of ``network_rows.csv``, and as ``excluded`` those
        that were recalled and not read.

    Raises
    ------
    BrainError
        If a row lacks a column or another quantity has the id of a network row, or a state is unstable.
    """
    limits = load_conditions() if conditions is None else conditions
    table = _experiments()
    chosen: list[tuple[Mapping[str, object], Mapping[str, str]]] = []
    for row in rows:
        missing = [name for name in _NEEDED if name not in row]
        if missing:
            raise BrainError(f"an observation has no {missing[0]!r}; needed are {', '.join(_NEEDED)}.")
        plan = table.get(str(row["id"]))
        if plan is not None and plan["quantity"] != row["quantity"]:
            raise BrainError(
                f"observation {row['id']} is of {row['quantity']!r}, but {plan['quantity']!r} is expected; "
                "correct network_rows.csv."
            )
        if plan is not None:
            chosen.append((row, plan))
    late = decide(model, [coupling], (0.0,), limits).rows[0]
    read = {
        (plan["brain"], plan["condition"]) for _, plan in chosen if plan["readout"] not in ("", "normalised")
    }
    changes = _changes(model, coupling, sorted(read), limits)
    return [_score(row, plan, changes, late, limits) for row, plan in chosen]


def _score(
    row: Mapping[str, object],
    plan: Mapping[str, str],
    changes: Mapping[tuple[str, str], Mapping[str, float | None]],
    late: VerdictRow,
    limits: Conditions,
) -> Score:
    observed, readout, why = float(str(row["value"])), plan["readout"], plan["why"]
    experiment = f"{plan['brain']}, {plan['condition']}" if readout else ""
    head = (str(row["id"]), str(row["citation"]), str(row["quantity"]), observed, experiment, readout)
    if row["seen"] != "seen":
        return Score(*head, None, "excluded", "recalled, not read in a source")
    if not readout:
        return Score(*head, None, "not modelled", why)
    if readout == "normalised":
        predicted = _normalised(late, plan["condition"])
        hit = predicted == observed
    else:
        predicted = changes[(plan["brain"], plan["condition"])][readout]
        hit = predicted is not None and _agrees(observed, predicted, limits)
    if predicted is None:
        return Score(*head, None, "not modelled", "the parcellation lacks the regions")
    return Score(*head, predicted, "hit" if hit else "miss", why)
