"""Of a hundred such people: who responds and who has which harm, with the drug and with the control.

Chances are added up, not drawn: the error of a rating and the frailty towards a harm are integrated over
for each person. Ranges say how well so many virtual people tell the share, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from ketasim._lazy import lazy_module
from ketasim.api.scenarios.columns import peak_times
from ketasim.api.scenarios.rows import PLACES
from ketasim.api.scenarios.solving import Lot, Solved
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.number_needed import number_needed
from ketasim.trials.harms.events import load_harms
from ketasim.trials.harms.exposure import PEAKS, exposure
from ketasim.trials.scoring import visit_starts
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study.parts import RESPONSE_SHARE

if TYPE_CHECKING:
    from scipy import special
else:
    special = lazy_module("scipy.special")

__all__ = ["ITEMS", "Arm", "Hundred", "Share", "of_hundred"]

FloatArray = npt.NDArray[np.float64]

#: Harms that are told, with the name of the event in the table of harms.
_HARMS: Final[Mapping[str, tuple[str, str]]] = {
    "dissociation": ("Dissociation", "dissociation"),
    "nausea": ("Nausea", "nausea"),
    "severe_blood_pressure": ("Blood pressure up by 40 mmHg or more", "systolic_rise_40"),
    "sedation": ("Sedation", "sedation"),
}
#: What is told, in this order.
ITEMS: Final = ("response", "remission", *_HARMS)
_SCALE: Final = SCALES["madrs"]
#: Persons who stand for all frailties.
_FRAILTIES: Final = 400
_Z95: Final = 1.959964


@dataclass(frozen=True, eq=False)
class Arm:
    """Virtual people in one arm: who they are, their courses, and their scores."""

    lot: Lot
    solved: Solved
    scores: FloatArray


@dataclass(frozen=True)
class Share:
    """How many of a hundred, with the drug and with the control.

    Parameters
    ----------
    id, name, kind : str
        What happens, and whether it is a benefit or a harm.
    value, low, high : float
        With the drug, and the range.
    control, control_low, control_high : float
        With the control.
    """

    id: str
    name: str
    kind: str
    value: float
    low: float
    high: float
    control: float
    control_low: float
    control_high: float


@dataclass(frozen=True)
class Hundred:
    """Of a hundred such people.

    Parameters
    ----------
    people : int
        Virtual people who were counted.
    horizon_h : float
        Response and remission are at this time, harms at any visit before it.
    who : str
        In words.
    items : tuple of Share
        In the order of :data:`ITEMS`.
    needed : dict or None
        Number needed to treat for one more response: ``value``, ``low``, ``high`` (None where infinite)
        and ``text``; None for healthy people.
    """

    people: int
    horizon_h: float
    who: str
    items: tuple[Share, ...]
    needed: Mapping[str, Any] | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "people": self.people,
            "horizon_h": self.horizon_h,
            "calibrated": False,
            "who": self.who,
            "items": [vars(item) for item in self.items],
            "nnt": None
            if self.needed is None
            else {"id": "response", **self.needed, "horizon_h": self.horizon_h},
        }


def of_hundred(drug: Arm, control: Arm, horizon_h: float, who: str, *, ill: bool = True) -> Hundred:
    """Count virtual people.

    Parameters
    ----------
    drug, control : Arm
        The same people twice, in the same order.
    horizon_h : float
        Time at which they are asked; among the output times.
    who : str
        Who they are, in words.
    ill : bool
        Whether they are depressed: else there is nothing to respond.
    """
    chances = [_chances(arm, horizon_h) for arm in (drug, control)]
    items = []
    for name in ITEMS if ill else tuple(_HARMS):
        (value, low, high), (other, other_low, other_high) = (_percent(own[name]) for own in chances)
        label = _HARMS[name][0] if name in _HARMS else name.capitalize()
        kind = "harm" if name in _HARMS else "benefit"
        items.append(Share(name, label, kind, value, low, high, other, other_low, other_high))
    difference = chances[0]["response"] - chances[1]["response"]
    needed = _needed(difference) if ill else None
    return Hundred(len(drug.solved.kept), horizon_h, who, tuple(items), needed)


def _chances(arm: Arm, horizon_h: float) -> dict[str, FloatArray]:
    """Chance of each person of each thing."""
    block, kept = arm.lot.block, arm.solved.kept
    place = int(np.argmin(np.abs(arm.lot.times_h - horizon_h)))
    score, sd = arm.scores[:, place], block.numbers.error_sd("madrs", kept)
    entry = block.entry[kept]
    remission = math.nan if _SCALE.remission is None else _SCALE.remission
    found = {
        "response": special.ndtr(((1.0 - RESPONSE_SHARE) * entry - score) / sd),
        "remission": special.ndtr((remission - score) / sd),
    }
    return found | _harms(arm, horizon_h)


def _harms(arm: Arm, horizon_h: float) -> dict[str, FloatArray]:
    """Chance of each harm at any visit before the horizon."""
    doses = arm.lot.regimen.doses
    gap = arm.lot.plan.parameters["visit_gap"].value
    visits = visit_starts([dose.start_h for dose in doses], gap)
    visits = visits[visits < horizon_h]
    persons = len(arm.solved.kept)
    if not len(visits):
        return {name: np.zeros(persons) for name in _HARMS}
    grid = np.searchsorted(arm.lot.times_h, peak_times(visits) - 1e-9).clip(max=len(arm.lot.times_h) - 1)
    seen = arm.solved.values[:, grid]
    peaks = {name: seen[..., PLACES[name]].max(axis=2) for name in PEAKS if name != "sedation"}
    peaks["sedation"] = seen[..., PLACES["sedation"]].min(axis=2)
    given = np.array([dose.start_h for dose in doses if dose.is_active])[:, None]
    active = ((given >= visits) & (given < visits + gap)).any(axis=0)
    found = {}
    for name, (_, event) in _HARMS.items():
        harm = load_harms()[event]
        exposed = np.where(active, exposure(harm.exposure, peaks), 0.0)
        hazard = harm.hazard(exposed, np.arange(1, len(visits) + 1)).sum(axis=1)
        chance = -np.expm1(-hazard[:, None] * np.exp(harm.spread * _frailties())).mean(axis=1)
        found[name] = np.where((exposed > harm.threshold).any(axis=1), 1.0, chance)
    return found


@cache
def _frailties() -> FloatArray:
    """Standard normal numbers of equal weight that stand for all frailties."""
    return np.asarray(special.ndtri((np.arange(_FRAILTIES) + 0.5) / _FRAILTIES), dtype=np.float64)


def _percent(chances: FloatArray) -> tuple[float, float, float]:
    """Mean of chances of people, of a hundred, and the range of so many people."""
    mean = float(chances.mean())
    # Whether each has it is as uncertain as a coin of his chance; people differ beyond that.
    half = _Z95 * math.sqrt(max(mean * (1.0 - mean), 1e-12) / len(chances))
    return 100.0 * mean, 100.0 * max(0.0, mean - half), 100.0 * min(1.0, mean + half)


def _needed(differences: FloatArray) -> dict[str, Any]:
    """Number needed to treat from differences of chances of the same people."""
    value = float(differences.mean())
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else math.nan
    se = spread / math.sqrt(len(differences)) if math.isfinite(spread) else abs(value)
    low, high = value - _Z95 * se, value + _Z95 * se
    found = number_needed(Estimate("", value, se, math.inf, low, high, math.nan, math.nan, "paired"))

    def finite(number: float) -> float | None:
        return number if math.isfinite(number) else None

    ends = sorted((found.low, found.high))
    return {
        "value": finite(found.value),
        "direction": found.direction,
        "low": finite(ends[0]),
        "high": finite(ends[1]),
        "text": found.text,
    }
