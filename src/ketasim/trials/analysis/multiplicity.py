"""Several hypotheses in one trial: adjusted p values that keep the chance of any false claim at alpha."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis._samples import Flags, Floats, check_level, read_numbers

__all__ = [
    "METHODS",
    "adjust",
    "bonferroni",
    "fixed_sequence",
    "gatekeeping",
    "graphical",
    "hochberg",
    "holm",
    "parallel_graph",
    "rejected",
]


def bonferroni(p: npt.ArrayLike) -> Floats:
    """Multiply each p value by their number; arrays (..., m), at most 1."""
    values = _read(p)
    return np.asarray(np.minimum(values * values.shape[-1], 1.0))


def holm(p: npt.ArrayLike) -> Floats:
    """Adjust stepwise from the smallest p value (Holm 1979); valid for any dependence; arrays (..., m)."""
    values = _read(p)
    order = np.argsort(values, axis=-1, kind="stable")
    m = values.shape[-1]
    steps = np.take_along_axis(values, order, -1) * np.arange(m, 0, -1)
    return _unsort(np.minimum(np.maximum.accumulate(steps, axis=-1), 1.0), order)


def hochberg(p: npt.ArrayLike) -> Floats:
    """Adjust stepwise from the largest p value (Hochberg 1988); arrays (..., m).

    Valid for independent and for positively dependent statistics, as those of doses with one control are.
    """
    values = _read(p)
    order = np.argsort(values, axis=-1, kind="stable")
    m = values.shape[-1]
    steps = np.take_along_axis(values, order, -1) * np.arange(m, 0, -1)
    lowest = np.minimum.accumulate(steps[..., ::-1], axis=-1)[..., ::-1]
    return _unsort(np.minimum(lowest, 1.0), order)


def fixed_sequence(p: npt.ArrayLike) -> Floats:
    """Test in the given order at full level, as long as each is significant; arrays (..., m)."""
    return np.maximum.accumulate(_read(p), axis=-1)


#: Methods that need p values only. Dunnett's needs the correlations: see `ketasim.trials.analysis.dunnett`.
METHODS: Mapping[str, Callable[[npt.ArrayLike], Floats]] = MappingProxyType(
    {"bonferroni": bonferroni, "holm": holm, "hochberg": hochberg, "fixed_sequence": fixed_sequence}
)


def adjust(p: npt.ArrayLike, method: str) -> Floats:
    """Adjust p values by a named method of `METHODS`.

    Parameters
    ----------
    p : array_like (..., m)
        P values of the m hypotheses of a family, in any number of trials; for a fixed sequence in its order.
    method : str
        One of `METHODS`.

    Returns
    -------
    ndarray (..., m)
        Adjusted p values in the given order: a hypothesis is rejected at alpha if its value is at most alpha.

    Raises
    ------
    StudyError
        If a p value is not between 0 and 1, or the method is unknown.
    """
    if method not in METHODS:
        raise StudyError(f"method: {unknown_name('multiplicity method', method, METHODS)}")
    return METHODS[method](p)


def gatekeeping(families: Sequence[npt.ArrayLike], *, method: str = "holm") -> list[Floats]:
    """Test families in order: a family is a gate, passed when all of it is rejected (serial gatekeeping).

    Parameters
    ----------
    families : sequence of array_like (..., m_i)
        P values of each family, in the order of testing.
    method : str
        Method within each family, one of `METHODS`.

    Returns
    -------
    list of ndarray
        Adjusted p values; in a later family never below the largest of an earlier one (Westfall and
        Krishen 2001).
    """
    if not families:
        raise StudyError("families: none given; give at least one family of p values.")
    passed: Floats | None = None
    adjusted = []
    for family in families:
        own = adjust(family, method)
        own = own if passed is None else np.maximum(own, passed[..., None])
        adjusted.append(own)
        passed = own.max(axis=-1)
    return adjusted


def parallel_graph(sizes: Sequence[int]) -> tuple[Floats, Floats]:
    """Give weights and transitions of parallel gatekeeping: any rejection in a family opens the next.

    A family before the last is tested by Bonferroni and hands the level of each rejected hypothesis on to
    the next family in equal parts; the last is tested by Holm (Dmitrienko, Offen and Westfall 2003, as the
    graph of Bretz et al. 2009).

    Parameters
    ----------
    sizes : sequence of int
        Hypotheses of each family.

    Returns
    -------
    weights : ndarray (m,)
    transitions : ndarray (m, m)
    """
    if not sizes or min(sizes) < 1:
        raise StudyError(f"sizes: {list(sizes)}; each family needs at least one hypothesis.")
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    weights, transitions = np.zeros(starts[-1]), np.zeros((starts[-1], starts[-1]))
    weights[: sizes[0]] = 1.0 / sizes[0]
    for place, size in enumerate(sizes):
        own = slice(starts[place], starts[place + 1])
        if place + 1 < len(sizes):
            transitions[own, starts[place + 1] : starts[place + 2]] = 1.0 / sizes[place + 1]
        elif size > 1:
            transitions[own, own] = (1.0 - np.eye(size)) / (size - 1)
    return weights, transitions


def graphical(p: npt.ArrayLike, weights: npt.ArrayLike, transitions: npt.ArrayLike) -> Floats:
    """Adjust p values by a graph that hands on the level of what was rejected (Bretz et al. 2009).

    Parameters
    ----------
    p : array_like (m,)
        P values.
    weights : array_like (m,)
        Shares of the level at the start, not below zero, sum at most 1.
    transitions : array_like (m, m)
        Share of the level that goes from a rejected hypothesis (row) to each other; zero on the diagonal,
        rows sum to at most 1.

    Returns
    -------
    ndarray (m,)
        Adjusted p values.

    Raises
    ------
    StudyError
        If the graph is not of this form.
    """
    values, share, edge = _read(p), _read(weights), np.array(_read(transitions))
    m = values.size
    if values.ndim != 1 or share.shape != (m,) or edge.shape != (m, m):
        raise StudyError(
            f"graph: {m} p values, weights {share.shape}, transitions {edge.shape}; make them fit."
        )
    if share.sum() > 1.0 + 1e-9 or (edge.sum(axis=1) > 1.0 + 1e-9).any() or np.diag(edge).any():
        raise StudyError("graph: weights and each row of transitions sum to at most 1; the diagonal is zero.")
    share = share.copy()
    adjusted, highest = np.ones(m), 0.0
    left: Flags = np.ones(m, dtype=np.bool_)
    for _ in range(m):
        ratio = np.where(left & (share > 0.0), values / np.where(share > 0.0, share, 1.0), np.inf)
        j = int(np.argmin(ratio))
        if not np.isfinite(ratio[j]):
            break
        highest = max(highest, float(ratio[j]))
        adjusted[j] = min(highest, 1.0)
        left[j] = False
        share = np.where(left, share + share[j] * edge[j], 0.0)
        loop = 1.0 - edge[:, j] * edge[j, :]
        through = edge + np.outer(edge[:, j], edge[j])
        edge = np.where(loop[:, None] > 1e-12, through / np.maximum(loop, 1e-12)[:, None], 0.0)
        edge[~left, :] = 0.0
        edge[:, ~left] = 0.0
        np.fill_diagonal(edge, 0.0)
    return adjusted


def rejected(adjusted: npt.ArrayLike, alpha: float = 0.05) -> Flags:
    """Tell which hypotheses are rejected at `alpha`."""
    return np.asarray(_read(adjusted) <= check_level(alpha))


def _read(p: npt.ArrayLike) -> Floats:
    values = read_numbers("p", p, finite=True)
    if values.ndim < 1 or values.shape[-1] < 1:
        raise StudyError(f"p: shape {values.shape}; give at least one value along the last axis.")
    if ((values < 0.0) | (values > 1.0)).any():
        raise StudyError(f"p: {values.min():g} to {values.max():g}; values must lie between 0 and 1.")
    return values


def _unsort(values: Floats, order: npt.NDArray[np.intp]) -> Floats:
    out = np.empty_like(values)
    np.put_along_axis(out, order, values, -1)
    return out
