"""Covariates of persons: candidates are drawn until they may enter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.model.parameters import correlated
from ketasim.population.correlations import groups_of
from ketasim.population.covariates import ANCESTRIES, COVARIATES
from ketasim.population.margins import categories, normal_scores, positions
from ketasim.population.spec import PopulationSpec
from ketasim.population.streams import FloatArray, IntArray, Places

__all__ = ["FAILURE", "draw_covariates"]

#: Prefix of the columns that count the candidates whom a rule refused.
FAILURE = "failure: "
#: Fewer of the candidates than this must not pass, or nobody would ever fill the trial.
_SMALLEST_SHARE = 1e-3
_TRIAL_CANDIDATES = 20_000
#: Candidates for one place after which it is looked up whether there is any hope.
_PATIENCE = 25
_ANCESTRY = "ancestry"


def draw_covariates(
    spec: PopulationSpec,
    *,
    seed: SupportsIndex,
    study: str,
    replicates: npt.ArrayLike,
    subjects: npt.ArrayLike,
) -> dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]:
    """Draw the covariates of persons who may enter.

    Parameters
    ----------
    spec : PopulationSpec
        Who is let in.
    seed, study, replicates, subjects
        Name the persons, as for :func:`~ketasim.population.uniforms`.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        Each covariate by its name; ``entry_u``, the uniform number of the score at entry;
        ``screened``, how many candidates were seen up to this one; and ``failure: RULE``, how many
        of them each rule refused (a candidate counts for the first rule that refuses him).

    Raises
    ------
    StudyError
        If fewer than 1 in 1,000 candidates may enter; names the rule that refuses most.
    """
    places = Places.of(replicates, subjects)
    who = (np.asarray(replicates, dtype=np.int64), np.asarray(subjects, dtype=np.int64))
    n = len(who[0])
    again = _drawn_again(spec)
    every = (*(name for name in COVARIATES if name not in ANCESTRIES), _ANCESTRY)
    once = [name for name in every if name not in again]
    found: dict[str, FloatArray] = {}
    positions_once = _positions(spec, once, places, seed, study, 0)
    refused: dict[str, IntArray] = {rule.text: np.zeros(n, dtype=np.int64) for rule in spec.rules}
    pending, attempt = np.arange(n), 0
    while again and pending.size:
        if attempt == _PATIENCE:
            _check_share(spec)
        here = places if attempt == 0 else Places.of(who[0][pending], who[1][pending])
        candidates = _values(spec, _positions(spec, again, here, seed, study, attempt), {})
        passed = _screened(spec, candidates, refused, pending)
        for name, values in candidates.items():
            found.setdefault(name, np.empty(n))[pending[passed]] = values[passed]
        pending, attempt = pending[~passed], attempt + 1
    found |= _values(spec, positions_once, found)
    columns: dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]] = {
        name: found[name] for name in COVARIATES
    }
    columns["entry_u"] = places.uniforms(seed, study, "entry", "score")
    screened = np.ones(n, dtype=np.int64)
    for text, count in refused.items():
        columns[FAILURE + text] = count
        screened += count
    columns["screened"] = screened
    return columns


def _drawn_again(spec: PopulationSpec) -> tuple[str, ...]:
    """Covariates that a refused candidate does not keep: those in rules, and what goes with them.

    The others are independent of the rules, so that the first draw of them holds for whoever enters.
    """
    named = {_ANCESTRY if rule.covariate in ANCESTRIES else rule.covariate for rule in spec.rules}
    if named & {"cyp2b6_6", "val66met"}:
        named.add(_ANCESTRY)
    grown = groups_of(sorted(named), spec.all_correlations)
    return tuple(name for name in (*COVARIATES, _ANCESTRY) if name in grown)


def _positions(
    spec: PopulationSpec, names: Sequence[str], places: Places, seed: SupportsIndex, study: str, attempt: int
) -> dict[str, FloatArray]:
    """Uniform numbers of some covariates, correlated."""
    candidate = (attempt,) if attempt else ()
    found = {name: places.uniforms(seed, study, "covariate", name, *candidate) for name in names}
    pairs = [pair for pair in spec.all_correlations if pair.first in found and pair.second in found]
    joined = {name for pair in pairs for name in (pair.first, pair.second)}
    together = correlated({name: normal_scores(found[name]) for name in found if name in joined}, pairs)
    return {**found, **{name: positions(z) for name, z in together.items()}}


def _values(
    spec: PopulationSpec, u: Mapping[str, FloatArray], others: Mapping[str, FloatArray]
) -> dict[str, FloatArray]:
    """Values of covariates; ancestry comes first, since alleles depend on it."""
    found: dict[str, FloatArray] = {}
    if _ANCESTRY in u:
        found |= categories(u[_ANCESTRY], ANCESTRIES, spec.ancestry_shares)
    for name, position in u.items():
        if name != _ANCESTRY:
            found[name] = spec.margins[name].quantile(position, {**others, **found})
    return found


def _screened(
    spec: PopulationSpec,
    candidates: Mapping[str, FloatArray],
    refused: Mapping[str, IntArray],
    pending: IntArray,
) -> npt.NDArray[np.bool_]:
    """Who passes; counts the others at the first rule that refuses them."""
    passed = np.ones(len(pending), dtype=np.bool_)
    for rule in spec.rules:
        fails = passed & ~rule.holds(candidates[rule.covariate])
        refused[rule.text][pending[fails]] += 1
        passed &= ~fails
    return passed


def _check_share(spec: PopulationSpec) -> None:
    """Refuse rules that hardly anybody meets."""
    share, alone = _share(spec)
    if share >= _SMALLEST_SHARE:
        return
    text, most = max(alone.items(), key=lambda item: item[1])
    raise StudyError(
        f"population: entry: fewer than 1 in {1 / _SMALLEST_SHARE:,.0f} of {spec.table!r} may enter "
        f"({share:.2%} of {_TRIAL_CANDIDATES:,} candidates); '{text}' refuses most, {most:.1%}. Choose "
        "another table, give the covariate's mean and SD, or change the rule."
    )


def _share(spec: PopulationSpec) -> tuple[float, dict[str, float]]:
    """Share of candidates who pass, and share whom each rule alone refuses."""
    who = np.zeros(_TRIAL_CANDIDATES, dtype=np.int64), np.arange(1, _TRIAL_CANDIDATES + 1)
    again = _drawn_again(spec)
    values = _values(spec, _positions(spec, again, Places.of(*who), 0, "screening", 0), {})
    holds = {rule.text: rule.holds(values[rule.covariate]) for rule in spec.rules}
    together = np.all(list(holds.values()), axis=0)
    return float(together.mean()), {text: 1.0 - float(passed.mean()) for text, passed in holds.items()}
