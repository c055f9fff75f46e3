"""One line for each published row: what was found, what was predicted, and how both are scored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ketasim.validation.baselines import Baseline, RowFacts
from ketasim.validation.between import Between
from ketasim.validation.predict.classes import from_class_scale
from ketasim.validation.predict.predicted import Predicted
from ketasim.validation.scoreboard.metrics import Z95, interval_score
from ketasim.validation.scoreboard.signs import sign_range

__all__ = ["class_units", "row_table"]

#: Factors on all SDs that show whether the intervals are padded.
FACTORS: Mapping[str, float] = {"half": 0.5, "double": 2.0}


def class_units(training: Iterable[RowFacts], no_effect: Baseline) -> dict[str, float]:
    """Size of a usual effect in each group of rows, so that scores of different classes can be averaged.

    Parameters
    ----------
    training : iterable of RowFacts
        Measured calibration rows.
    no_effect : Baseline
        The baseline of no effect.

    Returns
    -------
    dict of str to float
        Root mean square of how far rows are from no effect, on the scale of the class, by group.
    """
    off: dict[str, list[float]] = {}
    for row in training:
        found = no_effect.predict(row)
        if found is not None and math.isfinite(row.y):
            off.setdefault(row.group, []).append(row.y - found.mean)
    return {name: max(float(np.sqrt(np.mean(np.square(own)))), 1e-9) for name, own in off.items()}


def row_table(
    predictions: Sequence[Predicted],
    facts: Mapping[tuple[str, str], RowFacts],
    baselines: Sequence[Baseline],
    between: Between,
    units: Mapping[str, float],
) -> pd.DataFrame:
    """Score every row.

    Parameters
    ----------
    predictions : sequence of Predicted
        One a row.
    facts : mapping of (study, row id) to RowFacts
        For the baselines.
    baselines : sequence of Baseline
        What the model is laid beside.
    between : Between
        SDs between studies.
    units : mapping of str to float
        See :func:`class_units`. In a group without calibration rows the published number itself is a
        usual effect.

    Returns
    -------
    DataFrame
        One line a row.
    """
    lines = []
    for item in predictions:
        line = _about(item)
        known = facts.get((item.study, item.row.id))
        unit = _unit(item, known, units)
        line |= _sign_line(item) if item.kind == "sign" else _number_line(item, between, unit)
        for baseline in baselines:
            line |= _baseline_line(item, known, baseline, unit)
        lines.append(line)
    return pd.DataFrame(lines)


def _unit(item: Predicted, known: RowFacts | None, units: Mapping[str, float]) -> float:
    """Size of a usual effect for a row."""
    usual = units.get(known.group) if known is not None else None
    if usual is not None:
        return usual
    return abs(item.scaled) if item.scaled and math.isfinite(item.scaled) else 1.0


def _about(item: Predicted) -> dict[str, Any]:
    row = item.row
    time_h = getattr(row, "time_h", None)
    return {
        "id": row.id,
        "study": item.study,
        "domain": item.domain,
        "stage": item.stage,
        "species": item.species,
        "citation": row.citation,
        "arm": row.arm,
        "comparator": row.comparator or "",
        "quantity": row.quantity,
        "statistic": row.statistic,
        "measure": getattr(row, "measure", None) or "at",
        "time_h": math.nan if time_h is None else float(time_h),
        "unit": row.unit,
        "n": float(item.n),
        "use": row.use,
        "source_kind": row.source_kind,
        "kind": item.kind,
        "row_class": item.row_class,
        "observed": float(item.observed),
        "observed_se": float(item.observed_se),
    }


_NOT_A_NUMBER = ("sd", "y", "mean", "z", "score", *(f"score_{name}" for name in FACTORS))


def _sign_line(item: Predicted) -> dict[str, Any]:
    low, high = sign_range(item)
    line: dict[str, Any] = dict.fromkeys(_NOT_A_NUMBER, math.nan)
    line |= dict.fromkeys(("inside", *(f"inside_{name}" for name in FACTORS)))
    return line | {
        "predicted": item.sign,
        "low": low,
        "high": high,
        "hit": item.sign == round(item.observed),
    }


def _number_line(item: Predicted, between: Between, unit: float) -> dict[str, Any]:
    extra = between.of(item)
    predicted, low, high, sd = item.interval(between=extra)
    y, mean = item.scaled, item.centre
    known = math.isfinite(y) and math.isfinite(mean) and sd > 0.0
    z = (y - mean) / sd if known else math.nan
    line: dict[str, Any] = {
        "predicted": predicted,
        "low": low,
        "high": high,
        "sd": sd,
        "y": y,
        "mean": mean,
        "z": z,
        "inside": abs(z) <= Z95 if known else None,
        "score": float(interval_score(y, mean, sd)) / unit if known else math.nan,
        "hit": abs(z) <= Z95 if known else None,
    }
    for name, factor in FACTORS.items():
        line[f"inside_{name}"] = abs(z) <= factor * Z95 if known else None
        line[f"score_{name}"] = float(interval_score(y, mean, factor * sd)) / unit if known else math.nan
    return line


def _baseline_line(
    item: Predicted, known: RowFacts | None, baseline: Baseline, unit: float
) -> dict[str, Any]:
    name = baseline.name
    line: dict[str, Any] = dict.fromkeys(
        (f"{name}_{part}" for part in ("predicted", "low", "high", "score")), math.nan
    )
    line[f"{name}_inside"] = None
    if known is None:
        return line
    if item.kind == "sign":
        guess = baseline.sign(known)
        return line | {f"{name}_predicted": math.nan if guess is None else float(guess)}
    found = baseline.predict(known)
    y = item.scaled
    if found is None or known.row_class != item.row_class or not math.isfinite(y):
        return line
    ends = (found.mean, found.mean - Z95 * found.sd, found.mean + Z95 * found.sd)
    middle, low, high = (from_class_scale(item.row_class, end) for end in ends)
    return line | {
        f"{name}_predicted": middle,
        f"{name}_low": low,
        f"{name}_high": high,
        f"{name}_inside": abs(y - found.mean) <= Z95 * found.sd,
        f"{name}_score": float(interval_score(y, found.mean, found.sd)) / unit,
    }
