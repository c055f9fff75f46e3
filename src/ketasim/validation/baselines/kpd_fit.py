"""Fits the K-PD baseline to clinical calibration rows by penalised maximum likelihood.

The penalty is weak: the range of each parameter in the table counts as 95 % of a normal distribution. Without
it the rows leave several parameters at the ends of their ranges (no dose response, no end of the effect).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ketasim.errors import ModelError
from ketasim.validation.baselines.facts import RowFacts
from ketasim.validation.baselines.kpd import Kpd, KpdParameter, load_kpd

__all__ = ["KpdFit", "fit_kpd", "write_kpd"]

FloatArray = npt.NDArray[np.float64]

_STARTS = 12
_SEED = 20
#: Minus log-likelihood of values at which a row cannot be predicted.
_IMPOSSIBLE = 1e6
#: Width of a range in SDs of its normal distribution.
_WIDTH = 3.92
#: Posterior over prior SD up to which a value counts as informed by the rows.
_INFORMED = 0.7


@dataclass(frozen=True)
class KpdFit:
    """A fit of the K-PD model.

    Parameters
    ----------
    parameters : tuple of KpdParameter
        With the fitted values.
    shrinkage : tuple of float
        SD of each value (curvature of the likelihood and range together) over that of its range;
        1: the rows say nothing.
    rows : int
        Rows fitted.
    log_likelihood : float
        At the fitted values.
    spread : float
        Largest minus smallest penalised log-likelihood over the starts that ended within one unit of
        the best.
    agreed, starts : int
        Starts that ended within one unit of the best, and all of them.
    """

    parameters: tuple[KpdParameter, ...]
    shrinkage: tuple[float, ...]
    rows: int
    log_likelihood: float
    spread: float
    agreed: int
    starts: int


def fit_kpd(
    rows: Sequence[RowFacts],
    parameters: Sequence[KpdParameter] | None = None,
    *,
    starts: int = _STARTS,
    seed: int = _SEED,
    progress: Callable[[int, int], None] | None = None,
) -> KpdFit:
    """Fit all parameters from several starts.

    Parameters
    ----------
    rows : sequence of RowFacts
        Only measured calibration rows that the model covers are used.
    parameters : sequence of KpdParameter, optional
        Start and ranges; default: the shipped ones.
    starts, seed : int
        Number of starts; all but the first are drawn within the ranges.
    progress : callable, optional
        Told how many starts are done, and their number.

    Returns
    -------
    KpdFit

    Raises
    ------
    ModelError
        If there are fewer rows than parameters.
    """
    table = tuple(load_kpd() if parameters is None else parameters)
    model = Kpd({item.name: item.value for item in table})
    used = [row for row in rows if row.is_calibration and model.covers(row) and math.isfinite(row.y)]
    if len(used) < len(table):
        raise ModelError(
            f"K-PD: {len(used)} calibration rows cannot tell {len(table)} parameters; mark more "
            "clinical rows of the MADRS or HAM-D as calibration."
        )
    low, high = (np.array([_inner(item, end) for item in table]) for end in ("low", "high"))

    def fit_loss(at: FloatArray) -> float:
        values = {item.name: _outer(item, x) for item, x in zip(table, at, strict=True)}
        return _minus_log_likelihood(Kpd(values), used)

    def loss(at: FloatArray) -> float:
        off = (at - 0.5 * (low + high)) / (high - low) * _WIDTH
        return fit_loss(at) + 0.5 * float(off @ off)

    random = np.random.default_rng(seed)
    first = np.array([_inner(item, "value") for item in table])
    points = [first, *(random.uniform(low, high) for _ in range(starts - 1))]
    found = []
    for done, start in enumerate(points, start=1):
        result = minimize(loss, start, method="L-BFGS-B", bounds=list(zip(low, high, strict=True)))
        found.append((float(result.fun), np.asarray(result.x)))
        if progress is not None:
            progress(done, starts)
    best, at = min(found, key=lambda item: item[0])
    near = [value for value, _ in found if value - best <= 1.0]
    fitted = tuple(replace(item, value=_outer(item, x)) for item, x in zip(table, at, strict=True))
    shrinkage = _shrinkage(fit_loss, at, low, high)
    return KpdFit(fitted, shrinkage, len(used), -fit_loss(at), max(near) - best, len(near), starts)


def _inner(item: KpdParameter, end: str) -> float:
    value = float(getattr(item, end))
    return math.log(value) if item.distribution == "lognormal" else value


def _outer(item: KpdParameter, x: float) -> float:
    value = math.exp(x) if item.distribution == "lognormal" else float(x)
    return min(max(value, item.low), item.high)


def _minus_log_likelihood(model: Kpd, rows: Sequence[RowFacts]) -> float:
    total = 0.0
    for row in rows:
        found = model.predict(row)
        if found is None or not found.sd > 0.0:
            return _IMPOSSIBLE
        z = (row.y - found.mean) / found.sd
        total += 0.5 * z * z + math.log(found.sd)
    return total


def _shrinkage(
    loss: Callable[[FloatArray], float], at: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[float, ...]:
    """SD of each value over that of its range, the range taken as 95 % of a normal distribution."""
    prior = (high - low) / _WIDTH
    size = at.size
    step = 0.02 * (high - low)
    centre = np.clip(at, low + step, high - step)
    curvature = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            ends = []
            for a, b in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                moved = centre.copy()
                moved[i] += 0.5 * a * step[i]
                moved[j] += 0.5 * b * step[j]
                ends.append(loss(moved))
            slope = (ends[0] - ends[1] - ends[2] + ends[3]) / (step[i] * step[j])
            curvature[i, j] = curvature[j, i] = slope
    scaled = curvature * np.outer(prior, prior)
    values, vectors = np.linalg.eigh(scaled)
    # A direction in which the likelihood curves the wrong way says nothing.
    inverse = (vectors / (np.maximum(values, 0.0) + 1.0)) @ vectors.T
    return tuple(float(item) for item in np.sqrt(np.diag(inverse)))


def write_kpd(fit: KpdFit, path: Path) -> Path:
    """Write the fitted table; a value that the rows inform is graded ``calibrated``.

    Returns
    -------
    Path
        The file.
    """
    draft = path.with_suffix(".part")
    heads = ("name", "value", "unit", "low", "high", "distribution", "source", "grade", "note")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        for item, share in zip(fit.parameters, fit.shrinkage, strict=True):
            grade = "calibrated" if share <= _INFORMED else "assumed"
            note = f"{item.note.split(' | fit:')[0]} | fit: posterior SD {share:.2f} of the prior SD"
            numbers = (f"{item.value:.6g}", item.unit, f"{item.low:g}", f"{item.high:g}")
            writer.writerow((item.name, *numbers, item.distribution, "assumed", grade, note))
    draft.replace(path)
    return path
