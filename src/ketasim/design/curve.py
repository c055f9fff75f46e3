"""Power over sample size, with the error of a limited number of simulated trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from ketasim.population import stream

__all__ = ["POWER", "Needed", "needed_sizes", "power_curve", "wilson"]

FloatArray = npt.NDArray[np.float64]

#: A row a curve and size.
POWER = (
    "label",
    "analysis",
    "n_total",
    "n_by_arm",
    "replicates",
    "not_estimated",
    "power",
    "low",
    "high",
    "rejected",
    "rejected_low",
    "rejected_high",
    "estimate_mean",
    "estimate_sd",
    "se_mean",
    "effect_measure",
    "unit",
)

_Z95 = 1.959963984540054
#: Resamples of whole replicates, for the interval of a sample size.
_RESAMPLES = 400
_STEPS = 40


def wilson(successes: float, trials: float) -> tuple[float, float]:
    """Interval of 95 % of a share; stays within 0 and 1, and has a width at both ends.

    Parameters
    ----------
    successes, trials : float
        Need not be whole: of trials that resemble each other fewer count.

    Notes
    -----
    Wilson 1927, J Am Stat Assoc 22, 209.
    """
    if trials <= 0.0:
        return math.nan, math.nan
    share, z2 = successes / trials, _Z95**2
    centre = (share + z2 / (2.0 * trials)) / (1.0 + z2 / trials)
    half = _Z95 * math.sqrt(share * (1.0 - share) / trials + z2 / (4.0 * trials**2)) / (1.0 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def _share(hits: npt.NDArray[np.bool_], groups: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """A share with its interval; replicates of one group share a draw of the parameters."""
    count = len(hits)
    share = float(hits.mean())
    names, code = np.unique(groups, return_inverse=True)
    independent = float(count)
    if 1 < len(names) < count:
        own = np.bincount(code)
        # The variance of a ratio estimate over groups.
        excess = np.bincount(code, weights=hits.astype(float)) - share * own
        variance = len(names) / (len(names) - 1) * float((excess**2).sum()) / count**2
        if 0.0 < share < 1.0 and variance > 0.0:
            independent = min(float(count), max(share * (1.0 - share) / variance, 1.0))
        else:
            independent = float(len(names))
    return (share, *wilson(share * independent, independent))


def power_curve(replicates: pd.DataFrame, arms: Mapping[int, str]) -> pd.DataFrame:
    """Power at each size of each curve.

    Parameters
    ----------
    replicates : DataFrame
        Columns :data:`~ketasim.design.nested.REPLICATES`.
    arms : mapping of int to str
        How each size is split, in words.

    Returns
    -------
    DataFrame
        Columns :data:`POWER`. ``power`` is the share of replicates that reject in the wanted
        direction, ``rejected`` that of those that reject in any; both with Wilson's interval of the
        Monte-Carlo error. Where replicates share draws of the parameters, the interval is that of as
        many independent ones as give the variance between the draws. Mean and SD of the estimate are
        over replicates.
    """
    rows = []
    for _, own in replicates.groupby(["label", "n_total"], sort=False):
        total = int(own["n_total"].iloc[0])
        groups = own["set"].to_numpy(dtype=np.int64)
        power, low, high = _share(own["success"].to_numpy(dtype=bool), groups)
        rejected, rejected_low, rejected_high = _share(own["rejected"].to_numpy(dtype=bool), groups)
        known = own["estimate"].dropna()
        measure = own["effect_measure"][own["effect_measure"] != ""]
        unit = own["unit"][own["unit"] != ""]
        rows.append(
            (
                own["label"].iloc[0],
                own["analysis"].iloc[0],
                total,
                arms.get(total, ""),
                len(own),
                len(own) - len(known),
                power,
                low,
                high,
                rejected,
                rejected_low,
                rejected_high,
                float(known.mean()) if len(known) else math.nan,
                float(known.std(ddof=1)) if len(known) > 1 else math.nan,
                float(own["se"].mean()),
                "" if measure.empty else measure.iloc[0],
                "" if unit.empty else unit.iloc[0],
            )
        )
    return pd.DataFrame(rows, columns=list(POWER))


@dataclass(frozen=True)
class Needed:
    """Patients that a wanted power needs, from a curve through the simulated ones.

    Parameters
    ----------
    label : str
        The curve.
    target : float
        Wanted power.
    n : int or None
        Patients in all; None outside the simulated sizes, which are not extrapolated.
    low, high : int or None
        Limits of the 95 % interval; None where it reaches beyond the simulated sizes.
    note : str
        Why there is no number, or that the curve does not fit; empty if all is well.
    """

    label: str
    target: float
    n: int | None
    low: int | None
    high: int | None
    note: str = ""

    @property
    def words(self) -> str:
        """The same in a sentence."""
        begin = f"{self.label}: {100.0 * self.target:g} %"
        if self.n is None:
            return f"{begin}: {self.note}"
        low = "fewer than simulated" if self.low is None else str(self.low)
        high = "more than simulated" if self.high is None else str(self.high)
        return f"{begin} with {self.n} patients (95 % interval {low} to {high}). {self.note}".rstrip()


def needed_sizes(
    replicates: pd.DataFrame, targets: Sequence[float] = (0.8, 0.9), *, seed: int = 1
) -> list[Needed]:
    """Find the sizes at which power reaches some targets.

    Parameters
    ----------
    replicates : DataFrame
        Columns :data:`~ketasim.design.nested.REPLICATES`.
    targets : sequence of float
        Wanted power.
    seed : int
        Names the random numbers of the resampling.

    Returns
    -------
    list of Needed
        For each curve and target. Empty for a single size.

    Notes
    -----
    A line in the root of n is fitted to the normal quantile of power, by maximum likelihood of
    the binomial numbers with half a success and half a failure added: exact for a normal test of a
    fixed effect. With draws of the parameters the line is in the logarithm of n. Power never falls along
    it. The interval is that of 400 resamples of whole replicates (of draws of the parameters, if there
    are several), since all sizes share their patients.
    """
    found: list[Needed] = []
    for label, own in replicates.groupby("label", sort=False):
        table = own.pivot(index=["set", "replicate"], columns="n_total", values="success").dropna()
        if table.shape[1] < 2:
            continue
        hits = table.to_numpy(dtype=float)
        groups = table.index.get_level_values("set").to_numpy(dtype=np.int64)
        found += _needed(str(label), hits, groups, table.columns.to_numpy(dtype=float), targets, seed)
    return found


def _needed(
    label: str,
    hits: FloatArray,
    groups: npt.NDArray[np.int64],
    totals: FloatArray,
    targets: Sequence[float],
    seed: int,
) -> list[Needed]:
    several = len(np.unique(groups)) > 1
    places = np.log(totals) if several else np.sqrt(totals)
    clusters = groups if several else np.arange(len(hits))
    weights = np.concatenate([np.ones((1, len(hits))), _resampled(clusters, seed)])
    counts = weights.sum(axis=1)
    lines = _probit_lines(weights @ hits, counts, places)
    seen = hits.mean(axis=0)
    expected = ndtr(lines[0, 0] + lines[0, 1] * places)
    error = np.sqrt(np.maximum(expected * (1.0 - expected), 1.0 / len(hits)) / len(hits))
    misfit = bool(np.any(np.abs(seen - expected) > 4.0 * error)) and not several
    found = []
    for target in targets:
        with np.errstate(divide="ignore", invalid="ignore"):
            at = (ndtri(target) - lines[:, 0]) / lines[:, 1]
        flat = np.where(lines[:, 0] >= ndtri(target), -np.inf, np.inf)
        at = np.where(lines[:, 1] > 0.0, at, flat)
        n = np.exp(np.minimum(at, 50.0)) if several else np.maximum(at, 0.0) ** 2
        found.append(_within(label, target, n, totals, misfit))
    return found


def _within(label: str, target: float, n: FloatArray, totals: FloatArray, misfit: bool) -> Needed:
    """Keep what lies within the simulated sizes."""
    least, most = int(totals[0]), int(totals[-1])
    low, high = np.quantile(n[1:], [0.025, 0.975], method="closest_observation").tolist()
    note = "The curve does not fit the simulated power well; look at the figure." if misfit else ""
    middle: int | None = math.ceil(n[0]) if least <= n[0] <= most else None
    if n[0] > most:
        note = f"Needs more than the {most} patients that were simulated; give a larger --n."
    elif n[0] < least:
        note = f"The {least} patients of the smallest trial are enough; give a smaller --n."
    return Needed(
        label,
        target,
        middle,
        math.floor(low) if least <= low <= most else None,
        math.ceil(high) if least <= high <= most else None,
        note,
    )


def _resampled(groups: npt.NDArray[np.int64], seed: int) -> FloatArray:
    """How often each replicate is in each resample, shape (resamples, replicates)."""
    names, code = np.unique(groups, return_inverse=True)
    random = stream(seed, "power", "resampling")
    times = random.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=_RESAMPLES)
    return times[:, code].astype(np.float64)


def _probit_lines(hits: FloatArray, counts: FloatArray, places: FloatArray) -> FloatArray:
    """Fit rising probit lines to shares by Fisher scoring.

    Parameters
    ----------
    hits : array, shape (fits, sizes)
        Successes.
    counts : array, shape (fits,)
        Replicates.
    places : array, shape (sizes,)
        Where the sizes lie.

    Returns
    -------
    array, shape (fits, 2)
        Intercept and slope; a slope below 0 is 0, with the intercept of the mean.
    """
    centre, width = places.mean(), places.std()
    x = (places - centre) / width
    share = (hits + 0.5) / (counts[:, None] + 1.0)
    # The start: least squares on the quantiles.
    quantile = ndtri(share)
    a, b = quantile.mean(axis=1), (quantile * x).mean(axis=1)
    for _ in range(_STEPS):
        line = np.clip(a[:, None] + b[:, None] * x, -6.0, 6.0)
        p = ndtr(line)
        density = np.exp(-0.5 * line**2) / math.sqrt(2.0 * math.pi)
        # The weights may get tiny where power is 0 or 1 already.
        spread = np.maximum(p * (1.0 - p), 1e-12)
        weight = np.maximum(density**2 / spread, 1e-12)
        target = line + (share - p) * density / spread / weight
        s0, s1, s2 = weight.sum(1), (weight * x).sum(1), (weight * x**2).sum(1)
        t0, t1 = (weight * target).sum(1), (weight * x * target).sum(1)
        b_new = (s0 * t1 - s1 * t0) / np.maximum(s0 * s2 - s1**2, 1e-12)
        a_new = (t0 - s1 * b_new) / s0
        # Half steps: full ones may overshoot where all shares are near 0 or 1.
        moved = max(float(np.abs(a_new - a).max()), float(np.abs(b_new - b).max()))
        a, b = 0.5 * (a + a_new), 0.5 * (b + b_new)
        if moved < 1e-9:
            break
    falling = b <= 0.0
    a = np.where(falling, ndtri(share.mean(axis=1)), a)
    b = np.where(falling, 0.0, b)
    return np.stack([a - b * centre / width, b / width], axis=1)
