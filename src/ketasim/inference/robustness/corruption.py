"""Whether wrong numbers are found: a fifth of the observations corrupted, refitted robustly, and flagged.

The procedure sees corrupted data alone:

1. *Parameters.* Draws are weighted by how much better or worse the corrupted rows fit them than the
   published ones, by a density in which a share of rows is something else (a normal six times as wide): one
   wrong number then has little say.
2. *Spread between studies.* By maximum likelihood of the same kind of density, with its share
   and its width free, by class and domain as the shipped table has it, on calibration rows.
3. *Flags.* Each row is laid beside what parameters and spread are without its own study; it is flagged
   outside the 99 % interval, or where no such number can be (a negative concentration).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.validation.between import Between
from ketasim.validation.predict import Predicted
from ketasim.validation.predict.classes import to_class_scale

__all__ = ["Corrupted", "Rows", "corrupt", "flags", "robust_spread", "score_flags"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SHARE, TIMES = 0.2, 3.0
#: Half width of a 99 % interval in SDs.
_Z99 = 2.575829
#: How many times wider what is something else scatters, and its share, where parameters are weighted.
_WIDE, _ODD = 6.0, 0.05
#: Shares and widths of it, and SDs in usual deviations from the model, that are tried for the spread.
_WIDTHS = (6.0, 20.0)
_SHARES = np.array([0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4])
_STEPS = np.concatenate([[0.0], np.geomspace(0.02, 5.0, 48)])
#: Rows from which a domain has a value of its own, and below which a class has none, as in the shipped table.
_FEWEST, _FEWEST_CLASS = 8, 3
#: Draws that must count after weighting.
_EFFECTIVE = 20.0
_ALL = "all"


@dataclass(frozen=True, eq=False)
class Rows:
    """Measured numbers and what the clean model says of them.

    Parameters
    ----------
    items : tuple of Predicted
        Quantitative measured rows that are predicted.
    """

    items: tuple[Predicted, ...]

    @classmethod
    def of(cls, predictions: Sequence[Predicted]) -> Rows:
        """The rows of some predictions that can be looked at.

        Raises
        ------
        ModelError
            If there is none.
        """
        found = tuple(
            item
            for item in predictions
            if item.kind == "quantitative"
            and item.row.source_kind == "measured"
            and math.isfinite(item.centre)
            and math.isfinite(item.scaled)
            and item.sd() > 0.0
        )
        if not found:
            raise ModelError("corruption: no prediction is about a measured number; predict some first.")
        return cls(found)

    @property
    def values(self) -> FloatArray:
        """Published values, in the units of the rows."""
        return np.array([item.observed for item in self.items])

    @property
    def cells(self) -> FloatArray:
        """Shape (rows, draws); the mean where a draw has none."""
        return np.array([np.where(np.isfinite(item.cells), item.cells, item.centre) for item in self.items])

    @property
    def noise(self) -> FloatArray:
        """Variance of a cell by how few persons it is made of, shape (rows,)."""
        return np.array(
            [(item.within if item.noise is None else item.noise) / item.per_draw for item in self.items]
        )

    @property
    def sampling(self) -> FloatArray:
        """Variance of the published number by who was in its sample, shape (rows,)."""
        return np.array([item.sampling_variance for item in self.items])

    @property
    def used(self) -> BoolArray:
        """Calibration rows."""
        return np.array([item.row.use == "calibration" for item in self.items])

    @property
    def studies(self) -> list[str]:
        """Study of each row."""
        return [item.study for item in self.items]

    def scaled(self, values: FloatArray) -> FloatArray:
        """Values on the scales of the classes; NaN where there can be no such number."""
        return np.array(
            [_scaled(item, value) for item, value in zip(self.items, values.tolist(), strict=True)]
        )


def _scaled(item: Predicted, value: float) -> float:
    if item.row_class == "rate" and not 0.0 <= value <= 1.0:
        return math.nan
    return to_class_scale(item.row_class, value, item.n)


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Numbers of which some are wrong.

    Parameters
    ----------
    values : array, shape (rows,)
        In the units of the rows.
    places : array of int
        Which are wrong.
    """

    values: FloatArray
    places: npt.NDArray[np.int64]


def corrupt(values: FloatArray, seed: int, share: float = SHARE) -> Corrupted:
    """Corrupt a share of the numbers: each of them three times as large, or with the other sign.

    Parameters
    ----------
    values : array, shape (rows,)
        Published values.
    seed : int
        Names which, and how.
    share : float
        Share of rows.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    places = np.sort(random.permutation(len(values))[: round(share * len(values))])
    factors = np.where(random.uniform(size=len(places)) < 0.5, TIMES, -1.0)
    wrong = values.copy()
    wrong[places] *= factors
    return Corrupted(wrong, places)


def robust_spread(off: FloatArray, variance: FloatArray, shares: FloatArray = _SHARES) -> float:
    """SD between studies of most rows, whatever a share of the others is.

    Parameters
    ----------
    off, variance : array, shape (rows,)
        Deviations from the model, and variances that are known.
    shares : array, shape (shares,)
        Shares of something else that are tried; 0 alone is the usual likelihood.

    Returns
    -------
    float
        Maximum of the likelihood over a grid of SDs, shares and widths.
    """
    size = float(np.median(np.abs(off))) / 0.6745 + 1e-12
    sds = 2.0 * size * _STEPS
    whole = variance[None, :] + sds[:, None] ** 2 + 1e-24
    usual = np.exp(-0.5 * off**2 / whole) / np.sqrt(whole)
    best, found = -np.inf, 0.0
    for width in _WIDTHS:
        wide = np.exp(-0.5 * off**2 / (width**2 * whole)) / (width * np.sqrt(whole))
        mixed = (1.0 - shares[:, None, None]) * usual + shares[:, None, None] * wide
        likelihood = np.log(mixed + 1e-300).sum(axis=2)
        place = np.unravel_index(int(np.argmax(likelihood)), likelihood.shape)
        if likelihood[place] > best:
            best, found = float(likelihood[place]), float(sds[place[1]])
    return found


def _units(rows: Rows) -> FloatArray:
    """In what an SD between studies counts in each row."""
    one = Between({(item.spread_class, _ALL): 1.0 for item in rows.items}, {})
    return np.array([one.of(item) for item in rows.items])


def _spreads(
    rows: Rows, off: FloatArray, variance: FloatArray, known: BoolArray, shares: FloatArray
) -> FloatArray:
    """SD between studies for each row, without its own study, on the scale of its class, shape (rows,)."""
    units = _units(rows)
    off, variance = off / units, variance / units**2
    classes = np.array([item.spread_class for item in rows.items])
    domains = np.array([item.domain for item in rows.items])
    studies = np.array(rows.studies, dtype=object)
    counted = known & rows.used
    found = np.zeros(len(off))
    for study, row_class, domain in dict.fromkeys(zip(studies, classes, domains, strict=True)):
        here = (studies == study) & (classes == row_class) & (domains == domain)
        others = counted & (classes == row_class) & (studies != study)
        own = others & (domains == domain)
        chosen = own if own.sum() >= _FEWEST else others
        if chosen.sum() >= _FEWEST_CLASS:
            found[here] = robust_spread(off[chosen], variance[chosen], shares)
    return np.asarray(found * units, dtype=np.float64)


def _log_density(rows: Rows, y: FloatArray, between: FloatArray) -> FloatArray:
    """Log density of each row under each draw, shape (rows, draws); 0 where there can be no such number."""
    variance = (rows.sampling + rows.noise + between**2)[:, None]
    off = (y[:, None] - rows.cells) ** 2 / variance
    usual = np.exp(-0.5 * off) / np.sqrt(variance)
    wide = np.exp(-0.5 * off / _WIDE**2) / np.sqrt(_WIDE**2 * variance)
    found = np.log((1.0 - _ODD) * usual + _ODD * wide + 1e-300)
    return np.asarray(np.where(np.isfinite(y)[:, None], found, 0.0), dtype=np.float64)


def _weights(log_weight: FloatArray) -> FloatArray:
    """Weights of draws, tempered until enough of them count."""
    power, wanted = 1.0, min(_EFFECTIVE, 0.5 * len(log_weight))
    while True:
        weight = np.exp(power * (log_weight - log_weight.max()))
        weight = np.asarray(weight / weight.sum(), dtype=np.float64)
        if 1.0 / float((weight**2).sum()) >= wanted:
            return weight
        power *= 0.8


def flags(rows: Rows, corrupted: FloatArray, *, robust: bool = True) -> BoolArray:
    """Flag rows that do not look like what the others say; see the module's text.

    Parameters
    ----------
    rows : Rows
        What the clean model says. Their published values enter only as what its draws are fitted to, so
        that weights can take them out.
    corrupted : array, shape (rows,)
        The numbers to be looked at, in the units of the rows.
    robust : bool
        Whether the spread between studies is fitted robustly; if not, as if no row could be wrong, which
        shows what that is worth.

    Returns
    -------
    array of bool, shape (rows,)
    """
    y = rows.scaled(corrupted)
    known = np.isfinite(y)
    cells, noise = rows.cells, rows.noise
    centre = cells.mean(axis=1)
    variance = np.maximum(cells.var(axis=1, ddof=1) - noise, 0.0) + rows.sampling
    off = np.where(known, y - centre, 0.0)
    between = _spreads(rows, off, variance, known, _SHARES if robust else np.zeros(1))
    used = rows.used[:, None]
    after = np.where(used, _log_density(rows, y, between), 0.0)
    before = np.where(used, _log_density(rows, rows.scaled(rows.values), between), 0.0)
    total = after.sum(axis=0) - before.sum(axis=0)
    found = np.zeros(len(y), dtype=bool)
    studies = np.array(rows.studies, dtype=object)
    for study in dict.fromkeys(rows.studies):
        own = studies == study
        # Draws were fitted to the published rows of this study too: they leave together with the wrong ones.
        weight = _weights(total - after[own].sum(axis=0))
        middle = cells[own] @ weight
        spread = np.maximum((cells[own] - middle[:, None]) ** 2 @ weight - noise[own], 0.0)
        sd = np.sqrt(spread + rows.sampling[own] + between[own] ** 2)
        found[own] = ~known[own] | (np.abs(np.where(known[own], y[own], middle) - middle) > _Z99 * sd)
    return found


def score_flags(rows: Rows, between: Between, wrong: Corrupted, flagged: BoolArray) -> dict[str, float]:
    """Count what was found.

    Parameters
    ----------
    rows : Rows
        The rows.
    between : Between
        SDs between studies of the clean fit.
    wrong : Corrupted
        What was corrupted.
    flagged : array of bool, shape (rows,)
        As of :func:`flags`.

    Returns
    -------
    dict of str to float
        ``corrupted`` rows; ``outside``: those whose corrupted value leaves the clean fit's 99 % interval
        (``impossible`` among them: no such number can be); ``found``: how many of them are flagged, and
        ``found_possible`` of those that can be; ``clean`` rows and ``false_alarms`` among them.
    """
    y = rows.scaled(wrong.values)
    sds = np.array([item.sd(between.of(item)) for item in rows.items])
    centre = np.array([item.centre for item in rows.items])
    possible = np.isfinite(y)
    outside = ~possible | (np.abs(np.where(possible, y, centre) - centre) > _Z99 * sds)
    is_wrong = np.zeros(len(y), dtype=bool)
    is_wrong[wrong.places] = True
    target = outside & is_wrong
    return {
        "corrupted": float(is_wrong.sum()),
        "outside": float(target.sum()),
        "impossible": float((target & ~possible).sum()),
        "found": float((target & flagged).sum()),
        "found_possible": float((target & possible & flagged).sum()),
        "clean": float((~is_wrong).sum()),
        "false_alarms": float((~is_wrong & flagged).sum()),
    }
