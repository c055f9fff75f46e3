"""Persons drawn by the thousand.

Every purpose (a covariate, a parameter, a harm, stress) has a counter-based stream of its own
in each replicate, in which each person has his place: neither how many there are, nor how they
are cut into chunks, nor another parameter, nor a longer run changes a person.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.model.parameters import correlated
from ketasim.population.covariates import ANCESTRIES, COVARIATES, HARMS
from ketasim.population.entry import EntrySplit, refused_scores, score_quantile, share_inside
from ketasim.population.margins import normal_scores
from ketasim.population.people import People
from ketasim.population.screening import FAILURE, draw_covariates
from ketasim.population.spec import PopulationSpec
from ketasim.population.streams import FloatArray, IntArray, Places
from ketasim.population.truncation import Parent
from ketasim.population.variability import Variability, check_spreads

__all__ = ["draw_occasions", "draw_people", "typical_people"]

#: The biology cannot sit exactly at the end of a scale, where its read-out has no inverse.
_SCALE_MARGIN = 0.5
#: Days, or doses, of a person that lie side by side in one stream.
_SPAN = 32


def draw_people(
    spec: PopulationSpec,
    variability: Variability,
    *,
    seed: SupportsIndex,
    study: str,
    replicates: npt.ArrayLike,
    subjects: npt.ArrayLike,
    parents: Sequence[Parent],
    which: npt.ArrayLike,
    days: int,
    stress_tau_h: float,
    stress_sd_points: float,
    error_sd: float,
    covariates: Mapping[str, npt.NDArray[Any]] | None = None,
    baseline: npt.ArrayLike | None = None,
) -> People:
    """Draw people.

    Parameters
    ----------
    spec : PopulationSpec
        Who is let in.
    variability : Variability
        How parameters differ between people.
    seed, study, replicates, subjects
        Name the people, as for :func:`~ketasim.population.uniforms`. The arm does not: the same
        number is the same person in another arm.
    parents : sequence of Parent
        Populations behind the scores at entry, as of :meth:`PopulationSpec.parent`.
    which : array_like of int, shape (n,)
        Parent of each person.
    days : int
        Days of life stress; more of them leave the first ones as they are.
    stress_tau_h : float
        Time constant of life stress, in hours.
    stress_sd_points : float
        Points of the scale per unit of stress z; at most 0.8 of the parent SD is used.
    error_sd : float
        SD of occasion and rater error at entry, in points.
    covariates : mapping, optional
        What :func:`draw_covariates` gave for the same people; drawn if not given.
    baseline : array_like, shape (n,), optional
        Scores at entry of real people, in points; drawn if not given.

    Returns
    -------
    People
        In the order of ``subjects``.

    Raises
    ------
    StudyError
        If a number is negative, there is no day, or nobody can enter.

    Notes
    -----
    The total at entry is normal between the entry limits. Given the total, stress and error at
    entry follow their joint normal distribution, so that people who were let in because of a bad
    day or a harsh rater get better without treatment.
    """
    check_spreads({"stress_sd_points": stress_sd_points, "error_sd": error_sd})
    places = Places.of(replicates, subjects)
    if covariates is None:
        covariates = draw_covariates(spec, seed=seed, study=study, replicates=replicates, subjects=subjects)
    parent_of = _which(which, parents, len(places.row))

    def normal(*purpose: str) -> FloatArray:
        return normal_scores(places.uniforms(seed, study, *purpose))

    split = EntrySplit.of(parents, parent_of, stress_sd_points, error_sd)
    if baseline is None:
        score = score_quantile(parents, parent_of, np.asarray(covariates["entry_u"], dtype=np.float64))
    else:
        score = np.array(baseline, dtype=np.float64)
    stress, error = split.given(score, normal("entry", "stress"), normal("entry", "error"))
    severity = np.clip(score - error, _SCALE_MARGIN, spec.scale_maximum - _SCALE_MARGIN)
    screened, failures = _screening(
        spec, covariates, parents, parent_of, places.uniforms(seed, study, "entry", "screening")
    )
    return People(
        np.asarray(replicates, dtype=np.int64),
        np.asarray(subjects, dtype=np.int64),
        {name: np.asarray(covariates[name], dtype=np.float64) for name in COVARIATES},
        score,
        stress,
        score - severity,
        severity,
        _deviations(variability, {name: normal("parameter", name) for name in variability.people}),
        _stress_paths(stress, days, stress_tau_h, places, seed, study),
        {name: normal("frailty", name) for name in HARMS},
        screened,
        failures,
    )


def typical_people(
    spec: PopulationSpec, n: int, parents: Sequence[Parent], which: npt.ArrayLike, days: int
) -> People:
    """Return typical people: usual covariates, no deviation, no life stress, no error.

    Parameters
    ----------
    spec : PopulationSpec
        Gives the covariates: means, what most people have, and the median of a heavy tail.
    n : int
        Number of people.
    parents, which
        As for :func:`draw_people`; the score at entry is the mean that a parent shows.
    days : int
        Days of life stress, which is 0.

    Returns
    -------
    People
        Replicate 0, subjects from 1.

    Raises
    ------
    StudyError
        If there is no day, or ``which`` does not fit.
    """
    _check_days(days)
    parent_of = _which(which, parents, n)
    shown = np.array([parent.shown_mean for parent in parents], dtype=np.float64)[parent_of]
    shares = dict(zip(ANCESTRIES, spec.ancestry_shares, strict=True))
    usual = max(shares, key=lambda name: shares[name])
    typical = {
        name: float(name == usual) if name in ANCESTRIES else spec.margins[name].typical
        for name in COVARIATES
    }
    return People(
        np.zeros(n, dtype=np.int64),
        np.arange(1, n + 1, dtype=np.int64),
        {name: np.full(n, value) for name, value in typical.items()},
        shown,
        np.zeros(n),
        np.zeros(n),
        shown.copy(),
        {},
        np.zeros((n, days)),
        {name: np.zeros(n) for name in HARMS},
        np.ones(n, dtype=np.int64),
        {},
    )


def draw_occasions(
    spreads: Mapping[str, float],
    n_occasions: int,
    *,
    seed: SupportsIndex,
    study: str,
    replicates: npt.ArrayLike,
    subjects: npt.ArrayLike,
) -> dict[str, FloatArray]:
    """Draw how parameters deviate at each dose of each person.

    Parameters
    ----------
    spreads : mapping of str to float
        Standard deviation between the doses of one person by the name of the parameter, on the log
        scale (logit for a share).
    n_occasions : int
        Number of doses.
    seed, study, replicates, subjects
        Name the people, as for :func:`~ketasim.population.uniforms`.

    Returns
    -------
    dict of str to ndarray, shape (n, n_occasions)
        Deviations on the scale of the spread. A longer course begins with the shorter one.

    Raises
    ------
    StudyError
        If the number of doses or a spread is negative.
    """
    if n_occasions < 0:
        raise StudyError(f"n_occasions {n_occasions!r} is negative; give the number of doses.")
    check_spreads(spreads)
    places = Places.of(replicates, subjects)
    return {
        name: sd * _side_by_side(places, n_occasions, seed, study, "occasion", name)
        for name, sd in spreads.items()
    }


def _side_by_side(places: Places, wanted: int, seed: SupportsIndex, study: str, *purpose: str) -> FloatArray:
    """Standard normal numbers, shape (n, wanted); more of them leave the first ones as they are."""
    spans = [
        places.blocks(seed, study, _SPAN, *purpose, span)[:, : wanted - span * _SPAN]
        for span in range(-(-wanted // _SPAN))
    ]
    return normal_scores(np.concatenate([np.empty((len(places.row), 0)), *spans], axis=1))


def _which(which: npt.ArrayLike, parents: Sequence[Parent], n: int) -> IntArray:
    """Parent of each person, checked."""
    found = np.asarray(which, dtype=np.int64)
    if found.shape != (n,) or (n and not 0 <= int(found.min()) <= int(found.max()) < len(parents)):
        raise StudyError(
            f"people: which of shape {found.shape} does not name one of {len(parents)} parents for each of "
            f"{n} people."
        )
    return found


def _deviations(variability: Variability, normal: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Deviations of parameters on the scale of their spreads, correlated."""
    together = correlated(dict(normal), variability.correlations)
    return {name: sd * together[name] for name, sd in variability.people.items()}


def _check_days(days: int) -> None:
    if days < 1:
        raise StudyError(f"days: {days!r} is too few; a stress path needs at least 1 day.")


def _stress_paths(
    entry: FloatArray, days: int, tau_h: float, places: Places, seed: SupportsIndex, study: str
) -> FloatArray:
    """Life stress, shape (n, days): an Ornstein-Uhlenbeck process of unit variance, exact from day to day."""
    _check_days(days)
    if not tau_h > 0.0:
        raise StudyError(f"stress time constant: {tau_h!r} h must be above 0.")
    keep, kick = math.exp(-24.0 / tau_h), math.sqrt(-math.expm1(-48.0 / tau_h))
    # The number of the first day stays unused: that day's stress follows from the score at entry.
    path = _side_by_side(places, days, seed, study, "stress")
    path[:, 0] = entry
    for day in range(1, days):
        path[:, day] = keep * path[:, day - 1] + kick * path[:, day]
    return path


def _screening(
    spec: PopulationSpec,
    columns: Mapping[str, npt.NDArray[Any]],
    parents: Sequence[Parent],
    which: IntArray,
    u: FloatArray,
) -> tuple[IntArray, dict[str, IntArray]]:
    """Candidates seen, and those refused by rule."""
    seen = np.asarray(columns["screened"], dtype=np.int64)
    failures = {
        name.removeprefix(FAILURE): np.asarray(values, dtype=np.int64)
        for name, values in columns.items()
        if name.startswith(FAILURE)
    }
    if not spec.entry_reason:
        return seen.copy(), failures
    shares = np.array([share_inside(parent, spec.scale_maximum) for parent in parents])[which]
    refused = refused_scores(shares, seen, u)
    return seen + refused, {spec.entry_reason: refused, **failures}
