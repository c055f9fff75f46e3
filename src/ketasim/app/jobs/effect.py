"""The main effect of a simulated trial: how often it is shown, and how far estimates of it lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.app.jobs.numbers import range_of
from ketasim.app.jobs.question import TrialQuestion
from ketasim.app.jobs.tally import Tally
from ketasim.design.curve import wilson
from ketasim.design.planned import Planned, favourable
from ketasim.report.words import number, unit_words, visit_text

__all__ = ["Effect", "effect_of"]

FloatArray = npt.NDArray[np.float64]

_BINS = 25
#: Fewer trials than this are counted, and not turned into shares of 100.
_MANY = 100
_SHOWN = ("q05", "q25", "q50", "q75", "q95")


@dataclass(frozen=True)
class Effect:
    """The effect in words and in numbers; the latter None where there are too few trials."""

    sentence: str
    power: Mapping[str, Any] | None
    distribution: Mapping[str, Any] | None


def effect_of(tally: Tally) -> Effect | None:
    """Describe the estimates of the main analysis; None if there is none, or nothing was estimated."""
    planned = tally.question.planned
    rows = tally.table("analyses")
    if planned is None or not len(rows):
        return None
    own = rows[rows["analysis"] == planned.analysis.id].drop_duplicates("replicate")
    # A hazard ratio without an event on one side is infinite.
    known = own[np.isfinite(own["estimate"].to_numpy(dtype=np.float64))]
    if not len(known):
        return None
    values = known["estimate"].to_numpy(dtype=np.float64)
    measure, unit = str(known["effect_measure"].iloc[0]), unit_words(str(known["unit"].iloc[0]))
    shown = _successes(tally.question, own)
    several = tally.trials > 1
    return Effect(
        _sentence(tally.question, planned, known, (measure, unit), shown if several else None),
        _power(tally.question, planned, shown, len(own) - len(known)) if several else None,
        _distribution(planned, values, measure, unit) if len(values) > 1 else None,
    )


def _successes(question: TrialQuestion, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Trials that conclude in the wanted direction; one that could not be analysed does not."""
    one_sided = question.planned is not None and question.planned.analysis.method == "non_inferiority"
    return np.array(
        [
            bool(row["rejected"])
            and (
                one_sided
                or favourable(question.direction, float(row["estimate"]), str(row["effect_measure"]))
            )
            for row in rows.to_dict("records")
        ],
        dtype=bool,
    )


def _power(
    question: TrialQuestion, planned: Planned, shown: npt.NDArray[np.bool_], lost: int
) -> dict[str, Any]:
    analysis = planned.analysis
    low, high = wilson(float(shown.sum()), float(len(shown)))
    against = f" against {question.plain_name(analysis.comparator)}" if analysis.comparator else ""
    at = visit_text(question.study, analysis.time_h)
    return {
        "analysis": analysis.id,
        "method": analysis.method,
        "label": f"{_quantity(question, planned)} at {at}, {question.name(analysis.arm)}{against}",
        "alpha": analysis.alpha,
        "value": float(shown.mean()),
        "low": low,
        "high": high,
        "trials": len(shown),
        "not_estimated": lost,
    }


def _quantity(question: TrialQuestion, planned: Planned) -> str:
    quantity = planned.analysis.quantity
    return question.scale_words if quantity == question.scale else quantity.replace("_", " ")


def _distribution(planned: Planned, values: FloatArray, measure: str, unit: str) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins=min(_BINS, max(5, round(len(values) ** 0.5))))
    quantiles = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    return {
        "analysis": planned.analysis.id,
        "unit": unit,
        "measure": measure,
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)),
        **dict(zip(_SHOWN, quantiles.tolist(), strict=True)),
        "edges": edges,
        "counts": counts,
    }


def _sentence(
    question: TrialQuestion,
    planned: Planned,
    rows: pd.DataFrame,
    measured: tuple[str, str],
    shown: npt.NDArray[np.bool_] | None,
) -> str:
    """Size of the effect, measured as something in a unit, with its range, and how often it is shown."""
    analysis = planned.analysis
    measure, unit = measured
    values = rows["estimate"].to_numpy(dtype=np.float64)
    middle = float(values.mean())
    if len(values) > 1:
        low, high = range_of(values)
        told = "range over trials"
    else:
        low, high = float(rows["low"].iloc[0]), float(rows["high"].iloc[0])
        told = "95 % interval"
    ranged = f"({told} {number(low)} to {number(high)})" if np.isfinite(low) else "(of one trial)"
    arm = question.plain_name(analysis.arm)
    against = question.plain_name(analysis.comparator) if analysis.comparator else ""
    at = visit_text(question.study, analysis.time_h)
    if "mean" in measure and against:
        way = "lower" if middle < 0.0 else "higher"
        size = (
            f"{_quantity(question, planned)} at {at} is {number(abs(middle))} {unit} {way} with {arm} "
            f"than with {against} {ranged}"
        )
    else:
        beside = f", {arm} against {against}" if against else f", {arm}"
        size = f"{measure[:1].upper()}{measure[1:]} at {at}{beside}: {number(middle)} {ranged}"
    if shown is None:
        return f"{size}."
    if len(shown) < _MANY:
        return f"{size}; {int(shown.sum())} of these {len(shown)} trials show it."
    return f"{size}; {round(100.0 * float(shown.mean()))} of 100 such trials would show it."
