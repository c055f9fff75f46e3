"""What people guess they got at the end of blinding, and how well the blinding held."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError

__all__ = ["BlindingIndex", "bang_index", "count_guesses", "guess", "james_index"]

_Counts = NDArray[np.float64]

#: Weights of James: a right guess counts 0, a wrong one a half. Rows are what was given.
_JAMES_WEIGHTS = np.array([[0.0, 0.5], [0.5, 0.0]])

_GUESSES = ("active", "control", "unsure")
_NORMAL_975 = 1.959963984540054


@dataclass(frozen=True)
class BlindingIndex:
    """An index of blinding with its standard error.

    Parameters
    ----------
    value, se : float
        The index, and the error of sampling people.
    """

    value: float
    se: float

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval, by the normal approximation."""
        return self.value - _NORMAL_975 * self.se, self.value + _NORMAL_975 * self.se


def guess(belief: ArrayLike, uniforms: ArrayLike) -> NDArray[np.str_]:
    """Draw what people guess when they are asked.

    Parameters
    ----------
    belief : array_like, shape (n,)
        Belief of having got the active drug, 0 to 1, at that time.
    uniforms : array_like, shape (n,)
        Between 0 and 1, of each person's own stream.

    Returns
    -------
    ndarray of str, shape (n,)
        ``active`` with the chance ``belief``, else ``control``.

    Raises
    ------
    StudyError
        If a belief is not between 0 and 1.
    """
    believed = np.asarray(belief, dtype=np.float64)
    if not ((believed >= 0.0) & (believed <= 1.0)).all():
        raise StudyError("guess: a belief is not between 0 and 1; give the chance of active drug.")
    return np.where(np.asarray(uniforms) < believed, "active", "control")


def count_guesses(is_active: ArrayLike, guesses: ArrayLike) -> NDArray[np.int64]:
    """Count guesses by what was given.

    Parameters
    ----------
    is_active : array_like of bool, shape (n,)
        Whether the person got the active drug.
    guesses : array_like of str, shape (n,)
        ``active``, ``control`` or ``unsure``; an empty text was not asked and is left out.

    Returns
    -------
    ndarray of int, shape (2, 3)
        Rows: active, control. Columns: guessed active, guessed control, unsure.

    Raises
    ------
    StudyError
        If a guess is another word.
    """
    given, said = np.asarray(is_active, dtype=bool), np.asarray(guesses, dtype=str)
    odd = set(said.ravel().tolist()) - {"", *_GUESSES}
    if odd:
        raise StudyError(f"guess {sorted(odd)[0]!r} is none of {', '.join(_GUESSES)}.")
    return np.array(
        [[((given == arm) & (said == word)).sum() for word in _GUESSES] for arm in (True, False)],
        dtype=np.int64,
    )


def bang_index(right: int, wrong: int, unsure: int = 0) -> BlindingIndex:
    """Bang's index of one arm: 0 random guessing, 1 all right, -1 all wrong.

    Parameters
    ----------
    right, wrong, unsure : int
        People of the arm who guessed it, guessed another, or said that they do not know.

    Returns
    -------
    BlindingIndex
        Share of right less share of wrong guesses among all asked; error multinomial.

    Raises
    ------
    StudyError
        If nobody was asked.

    Notes
    -----
    Bang, Ni and Davis 2004, Control Clin Trials 25:143, 10.1016/j.cct.2003.10.016.
    """
    asked = _total(np.array([right, wrong, unsure], dtype=np.float64), "Bang's index")
    p, q = right / asked, wrong / asked
    variance = (p * (1.0 - p) + q * (1.0 - q) + 2.0 * p * q) / asked
    return BlindingIndex(p - q, math.sqrt(max(variance, 0.0)))


def james_index(counts: ArrayLike) -> BlindingIndex:
    """James's index of a trial: 0 no blinding, 0.5 random guessing, 1 nobody knows.

    Parameters
    ----------
    counts : array_like, shape (2, 3)
        From :func:`count_guesses`; at least one person in each arm.

    Returns
    -------
    BlindingIndex
        ``(1 + P + (1 - P) K) / 2`` with ``P`` the share that is unsure and ``K`` the weighted
        disagreement of guess and treatment relative to chance (0 if no disagreement is possible);
        error by the delta method on the multinomial shares.

    Raises
    ------
    StudyError
        If the shape is another or an arm is empty.

    Notes
    -----
    James et al. 1996, Stat Med 15:1421, PMID 8841652.
    """
    table = np.asarray(counts, dtype=np.float64)
    if table.shape != (2, 3):
        raise StudyError(
            f"James's index needs 2 arms by 3 answers (active, control, unsure), not {table.shape}."
        )
    for row in table:
        _total(row, "James's index")
    asked = table.sum()
    shares = table / asked
    # The derivative by a complex step is exact to rounding: the index is a ratio of polynomials.
    step = 1e-20
    slope = np.zeros((2, 3))
    for place in np.ndindex(2, 3):
        shifted = shares.astype(np.complex128)
        shifted[place] += 1j * step
        slope[place] = np.imag(_james(shifted)) / step
    variance = ((shares * slope**2).sum() - (shares * slope).sum() ** 2) / asked
    return BlindingIndex(float(np.real(_james(shares.astype(np.complex128)))), math.sqrt(max(variance, 0.0)))


def _james(shares: NDArray[np.complex128]) -> complex:
    unsure = shares[:, 2].sum()
    said = shares[:, :2]
    knows = said.sum()
    if knows == 0.0:
        return 1.0 + 0.0j
    # Not divided by the share that guessed: it cancels in the ratio up to one power.
    expected = (_JAMES_WEIGHTS * np.outer(said.sum(axis=1), said.sum(axis=0))).sum()
    if expected == 0.0:
        return complex((1.0 + unsure) / 2.0)
    disagreement = (_JAMES_WEIGHTS * said).sum() * knows / expected - 1.0
    return complex((1.0 + unsure + knows * disagreement) / 2.0)


def _total(counts: _Counts, what: str) -> float:
    if (counts < 0.0).any() or counts.sum() <= 0.0:
        raise StudyError(f"{what}: nobody of an arm was asked, or a count is negative; counts are {counts}.")
    return float(counts.sum())
