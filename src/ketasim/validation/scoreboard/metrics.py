"""Scores of predictive distributions: interval score, coverage, z, accuracy of signs, skill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.validation.scoreboard.signs import BINARY, balanced_accuracy

__all__ = ["Z95", "coverage_curve", "interval_score", "summarise_rows"]

#: Half width of a 95 % interval in SDs, and what is outside of it.
Z95, ALPHA = 1.959964, 0.05


def interval_score(
    y: npt.ArrayLike, mean: npt.ArrayLike, sd: npt.ArrayLike, alpha: float = ALPHA
) -> npt.NDArray[np.float64]:
    """Interval score of a central normal interval (Gneiting and Raftery 2007); lower is better.

    Parameters
    ----------
    y, mean, sd : array_like
        Observed value, and mean and SD of the prediction, on one scale.
    alpha : float
        Chance outside the interval.

    Returns
    -------
    array
        Width of the interval, plus ``2 / alpha`` times the distance of ``y`` from it.
    """
    half = float(_quantile(1.0 - 0.5 * alpha)) * np.asarray(sd, dtype=np.float64)
    off = np.abs(np.asarray(y, dtype=np.float64) - np.asarray(mean, dtype=np.float64))
    return np.asarray(2.0 * half + 2.0 / alpha * np.maximum(off - half, 0.0), dtype=np.float64)


def _quantile(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(level))


def coverage_curve(z: npt.ArrayLike, levels: Sequence[float]) -> npt.NDArray[np.float64]:
    """Share of rows inside the central interval of each nominal level.

    Parameters
    ----------
    z : array_like
        Deviations in predictive SDs.
    levels : sequence of float
        From 0 to 1.
    """
    size = np.abs(np.asarray(z, dtype=np.float64))
    return np.array([np.mean(size <= _quantile(0.5 + 0.5 * level)) for level in levels])


def summarise_rows(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Score some rows.

    Parameters
    ----------
    rows : DataFrame
        As in :attr:`~ketasim.validation.scoreboard.board.Scoreboard.rows`.
    names : sequence of str
        Baselines.

    Returns
    -------
    dict
        Counts, coverage, scores and skill; NaN where there is nothing to score.
    """
    numbers = rows[(rows["kind"] == "quantitative") & rows["z"].notna()]
    signs = rows[rows["kind"] == "sign"]
    binary = signs["statistic"].isin(BINARY)
    found: dict[str, Any] = {
        "rows": len(rows),
        "quantitative": len(numbers),
        "inside_95": _mean(numbers["inside"]),
        "interval_score": _mean(numbers["score"]),
        "mean_abs_z": _mean(numbers["z"].abs()),
        "sign_rows": len(signs),
        "sign_row_accuracy": _accuracy(signs),
        "signs": int((~binary).sum()),
        "sign_accuracy": _accuracy(signs[~binary]),
        "binary": int(binary.sum()),
        "binary_accuracy": _accuracy(signs[binary]),
        "not_predicted": int(rows["predicted"].isna().sum()),
        "half_sd": {
            "inside_95": _mean(numbers["inside_half"]),
            "interval_score": _mean(numbers["score_half"]),
        },
        "double_sd": {
            "inside_95": _mean(numbers["inside_double"]),
            "interval_score": _mean(numbers["score_double"]),
        },
        "baselines": {name: _against(numbers, signs, name) for name in names},
    }
    return found


def _against(numbers: pd.DataFrame, signs: pd.DataFrame, name: str) -> dict[str, Any]:
    """Score a baseline, and the model on the same rows; skill is 1 less the ratio of both."""
    common = numbers[numbers[f"{name}_score"].notna()]
    own, theirs = _mean(common["score"]), _mean(common[f"{name}_score"])
    told = signs[signs[f"{name}_predicted"].notna() & ~signs["statistic"].isin(BINARY)]
    return {
        "quantitative": len(common),
        "interval_score": theirs,
        "model_interval_score": own,
        "skill": 1.0 - own / theirs if theirs > 0.0 else math.nan,
        "inside_95": _mean(common[f"{name}_inside"]),
        "sign_accuracy": balanced_accuracy(
            told["observed"].tolist(), [int(value) for value in told[f"{name}_predicted"]]
        ),
    }


def _accuracy(signs: pd.DataFrame) -> float:
    guesses = [None if pd.isna(value) else int(value) for value in signs["predicted"]]
    return balanced_accuracy(signs["observed"].tolist(), guesses)


def _mean(values: pd.Series) -> float:
    clean = values.dropna()
    return float(clean.astype(float).mean()) if len(clean) else math.nan
