"""How much studies of one kind differ beyond chance and beyond what parameters leave open.

One rule for all: the standard deviation of a normal effect of the study, on the scale of the row's
class (``absolute``: in SDs between persons), by maximum likelihood over measured calibration rows, given
the model's mean and its variance by parameters and sampling; a miss beyond three SDs counts with its
logarithm, here as in the fit. A class has one value, and a domain one of its own where it has at least eight
rows. Relapse counts as a class of its own; response, remission and standardised differences count as points:
a study moves everybody's total, and a share by as much as that brings persons across its limit.

Of a number that pools ``k`` trials half of the variance is divided by ``k``: trials differ from each other,
which averages out, and the model is off for all trials of a kind, which does not. That it is half is assumed.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

from ketasim.errors import ModelError

if TYPE_CHECKING:
    from ketasim.validation.predict.predicted import Predicted

__all__ = ["BETWEEN_FILE", "Between", "fit_between", "load_between", "pooled", "tamed", "write_between"]

FloatArray = npt.NDArray[np.float64]

BETWEEN_FILE = "between.csv"
#: Domain of the row that holds for every other domain of a class.
ALL = "all"
#: Rows from which a domain has a value of its own, and below which a class has none.
_FEWEST, _FEWEST_CLASS = 8, 3
_HEADS = ("row_class", "domain", "sd", "rows", "source", "grade", "note")
#: Share of the variance between studies that is common to all trials of a pool.
_COMMON = 0.5
#: Beyond this a miss counts with its logarithm: one row must not outweigh a dozen, nor be given up.
_WIDE = 3.0
#: Largest SD that is tried, in root mean squares of what the model is off.
_MOST = 3.0


@dataclass(frozen=True)
class Between:
    """Standard deviations between studies by class and domain.

    Parameters
    ----------
    values : mapping of (str, str) to float
        By class and domain (or ``all``), on the scale of the class.
    rows : mapping of (str, str) to int
        Rows that each comes from.
    """

    values: Mapping[tuple[str, str], float]
    rows: Mapping[tuple[str, str], int]

    def of(self, item: Predicted) -> float:
        """SD between studies for a prediction, on the scale of its class."""
        return self.sd(item.spread_class, item.domain) * _unit(item)

    def sd(self, row_class: str, domain: str) -> float:
        """SD of a class in a domain; that of the class where the domain has none, and 0 without either.

        That of ``absolute`` is in SDs between persons, since its rows have many units.
        """
        own = self.values.get((row_class, domain))
        return self.values.get((row_class, ALL), 0.0) if own is None else own


def pooled(trials: int) -> float:
    """Factor on the SD between studies of a number that pools some trials."""
    return math.sqrt(_COMMON + (1.0 - _COMMON) / trials)


def tamed(misses: FloatArray) -> FloatArray:
    """Misses in SDs, those beyond a few SDs drawn in smoothly."""
    large = np.maximum(np.abs(misses), _WIDE)
    return np.where(np.abs(misses) <= _WIDE, misses, np.sign(misses) * _WIDE * (1.0 + np.log(large / _WIDE)))


def fit_between(predictions: Iterable[Predicted]) -> Between:
    """Fit all standard deviations.

    Parameters
    ----------
    predictions : iterable
        Of any rows; measured quantitative calibration rows are used.

    Returns
    -------
    Between
    """
    groups: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for item in predictions:
        if item.kind != "quantitative" or item.row.use != "calibration" or item.row.source_kind != "measured":
            continue
        unit = _unit(item)
        off, sd = (item.scaled - item.centre) / unit, item.sd() / unit
        if math.isfinite(off) and math.isfinite(sd):
            for domain in (ALL, item.domain):
                groups.setdefault((item.spread_class, domain), []).append((off, sd * sd))
    kept = {
        key: own
        for key, own in sorted(groups.items())
        if len(own) >= (_FEWEST_CLASS if key[1] == ALL else _FEWEST)
    }
    return Between({key: _sd(own) for key, own in kept.items()}, {key: len(own) for key, own in kept.items()})


def _unit(item: Predicted) -> float:
    """In what an SD between studies counts.

    The SD between persons where rows of a class have many units, and what a point does where the row is
    made of points; less where trials are pooled.
    """
    unit = pooled(item.trials)
    if item.row_class == "absolute" and item.within > 0.0:
        unit *= math.sqrt(item.within)
    return unit * item.per_point if item.spread_class == "points" else unit


def _sd(pairs: Sequence[tuple[float, float]]) -> float:
    """Maximum-likelihood SD of an effect, given deviations and known variances."""
    off, variance = np.array(pairs, dtype=np.float64).T
    most = _MOST * float(np.sqrt(np.mean(off**2))) + 1e-12

    def loss(sd: float) -> float:
        whole = variance + sd * sd + 1e-24
        return float(np.sum(0.5 * tamed(off / np.sqrt(whole)) ** 2 + 0.5 * np.log(whole)))

    # The likelihood may have its maximum at the edge, where a bounded search does not end.
    found = minimize_scalar(loss, bounds=(0.0, most), method="bounded", options={"xatol": 1e-6 * most})
    return 0.0 if loss(0.0) <= float(found.fun) else float(found.x)


def load_between(path: Path | None = None) -> Between:
    """Read the table of standard deviations.

    Parameters
    ----------
    path : Path, optional
        A table like the shipped one, which is the default.

    Raises
    ------
    ModelError
        If a value is not a number of at least 0.
    """
    source = resources.files(__package__) / BETWEEN_FILE if path is None else path
    values, rows = {}, {}
    for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines()):
        key = (row["row_class"], row["domain"])
        try:
            values[key], rows[key] = float(row["sd"]), int(row["rows"])
        except ValueError as error:
            raise ModelError(f"{source}: {key[0]}, {key[1]}: {error}; give numbers.") from error
        if not 0.0 <= values[key] < math.inf:
            raise ModelError(f"{source}: {key[0]}, {key[1]}: the SD {values[key]:g} must be at least 0.")
    return Between(values, rows)


def write_between(found: Between, path: Path) -> Path:
    """Write a table like the shipped one.

    Returns
    -------
    Path
        The file.
    """
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_HEADS)
        for (row_class, domain), sd in found.values.items():
            note = "maximum likelihood on measured calibration rows; on the scale of the class"
            rows = found.rows[row_class, domain]
            writer.writerow((row_class, domain, f"{sd:.6g}", rows, "assumed", "calibrated", note))
    draft.replace(path)
    return path
