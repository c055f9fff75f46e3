"""How well a model's functional connectivity meets that of people, fitted or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import BrainError

__all__ = ["FitScore", "PeopleScores", "PersonScore", "mean_correlations", "pairs", "score", "score_people"]

_Floats = NDArray[np.float64]
_FEWEST = 2
# Correlations of 1 would have an infinite Fisher z.
_LARGEST = 1.0 - 1e-12


@dataclass(frozen=True)
class FitScore:
    """Agreement over pairs of regions.

    Parameters
    ----------
    correlation : float
        Pearson correlation of modelled and observed correlations.
    rmse : float
        Root mean square difference between them.
    slope : float
        Of the straight line from model to observation; above 1 if the model's contrasts are too weak.
    mean_model, mean_observed : float
        Mean correlation of a pair.
    """

    correlation: float
    rmse: float
    slope: float
    mean_model: float
    mean_observed: float


@dataclass(frozen=True)
class PersonScore:
    """Pearson correlation, over pairs of regions, of one person's connectivity with several predictions.

    Parameters
    ----------
    name : str
        The person.
    model : float
        The model, fitted to other people.
    mean_of_fitted : float
        The plain mean of the people it was fitted to: what a fit without any model would give.
    structure : float
        The weights of the connectome.
    mean_of_all : float
        The mean of all people, this one included: no prediction that is the same for everybody can do better.
    """

    name: str
    model: float
    mean_of_fitted: float
    structure: float
    mean_of_all: float


@dataclass(frozen=True)
class PeopleScores:
    """Scores of held-out people.

    Parameters
    ----------
    people : tuple of PersonScore
        One for each.
    group_means : float
        Correlation of the mean of the fitted people with the mean of the held-out ones. The nearer to 1,
        the less a score on group means says about a model.
    between_people : float
        Mean correlation of two people with each other: what one person predicts about another.
    """

    people: tuple[PersonScore, ...]
    group_means: float
    between_people: float

    def mean(self, name: str) -> float:
        """Mean over people of one field of :class:`PersonScore`."""
        return float(np.mean([getattr(person, name) for person in self.people]))


def pairs(matrix: _Floats) -> _Floats:
    """Entries above the diagonal of an (n, n) array, one a pair of regions."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)], dtype=np.float64)


def _pearson(first: _Floats, second: _Floats) -> float:
    return float(np.corrcoef(pairs(first), pairs(second))[0, 1])


def score(fc: _Floats, observed: _Floats) -> FitScore:
    """Compare modelled with observed functional connectivity.

    Parameters
    ----------
    fc, observed : (n, n) array
        Correlations.

    Returns
    -------
    FitScore
        Over all pairs of regions.

    Raises
    ------
    BrainError
        If the shapes differ.
    """
    if fc.shape != observed.shape:
        raise BrainError(f"functional connectivity: shapes {fc.shape} and {observed.shape} differ.")
    model, seen = pairs(fc), pairs(observed)
    return FitScore(
        correlation=float(np.corrcoef(model, seen)[0, 1]),
        rmse=float(np.sqrt(np.mean((model - seen) ** 2))),
        slope=float(np.polyfit(model, seen, 1)[0]),
        mean_model=float(model.mean()),
        mean_observed=float(seen.mean()),
    )


def mean_correlations(people: Sequence[_Floats]) -> _Floats:
    """Mean of correlation matrices by Fisher's z, (n, n), with ones on the diagonal."""
    z = np.mean([np.arctanh(np.clip(fc, -_LARGEST, _LARGEST)) for fc in people], axis=0)
    mean = np.tanh(z)
    np.fill_diagonal(mean, 1.0)
    return np.asarray(mean, dtype=np.float64)


def score_people(
    fc: _Floats, structure: _Floats, fitted: Mapping[str, _Floats], held_out: Mapping[str, _Floats]
) -> PeopleScores:
    """FitScore a model on single people who were not fitted, beside predictions without a model.

    Parameters
    ----------
    fc : (n, n) array
        The model's functional connectivity.
    structure : (n, n) array
        Weights of the connectome.
    fitted, held_out : mapping of str to (n, n) array
        Correlations of the people who were fitted and who were not, by name.

    Returns
    -------
    PeopleScores
        A row for each held-out person, and how alike people are anyway.

    Raises
    ------
    BrainError
        If a person is in both, or there are fewer than two in one of them.
    """
    both = sorted(set(fitted) & set(held_out))
    if both:
        raise BrainError(f"people {', '.join(both)} are fitted and held out; each must be in one of the two.")
    if len(fitted) < _FEWEST or len(held_out) < _FEWEST:
        raise BrainError(
            f"{len(fitted)} fitted and {len(held_out)} held-out people; give at least 2 of each."
        )
    everyone = [*fitted.values(), *held_out.values()]
    of_fitted, of_all = mean_correlations(list(fitted.values())), mean_correlations(everyone)
    rows = tuple(
        PersonScore(
            name, _pearson(fc, own), _pearson(of_fitted, own), _pearson(structure, own), _pearson(of_all, own)
        )
        for name, own in held_out.items()
    )
    between = [_pearson(a, b) for i, a in enumerate(everyone) for b in everyone[:i]]
    means = _pearson(of_fitted, mean_correlations(list(held_out.values())))
    return PeopleScores(rows, means, float(np.mean(between)))
