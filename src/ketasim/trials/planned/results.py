"""What an analysis of a trial finds, for all replicates at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.trials.analysis.estimate import Estimate

__all__ = ["NUMBERS", "Finding", "Findings", "findings_of", "one_by_one"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Numbers of a finding, in the order of the table.
NUMBERS = ("estimate", "se", "df", "low", "high", "statistic", "p")


@dataclass(frozen=True)
class Finding:
    """What was found in one replicate.

    Parameters
    ----------
    n, n_comparator : int
        Persons analysed.
    estimate : Estimate or None
        The result; None if the data do not allow one.
    note : str
        What a reader must know.
    rejected : bool or None
        Whether the hypothesis is rejected, where that is not told by the p value.
    """

    n: int
    n_comparator: int
    estimate: Estimate | None
    note: str = ""
    rejected: bool | None = None


@dataclass(frozen=True)
class Findings:
    """What one contrast finds in R replicates.

    Parameters
    ----------
    n, n_comparator : array of int, shape (R,)
        Persons analysed.
    estimate, se, df, low, high, statistic, p : array, shape (R,)
        As in :class:`~ketasim.trials.analysis.estimate.Estimate`; NaN where there is none.
    measure, unit : str
        What the estimate is, and its unit.
    benefit : float
        1 if a higher estimate is better for the persons of the first side, -1 if a lower one is.
    null : float
        The estimate if there is no effect.
    notes : list of str
        By replicate.
    rejected : array of bool, shape (R,), or None
        What is concluded, where the p value does not tell it.
    p_adjusted : array, shape (R,), or None
        The p value that counts the looks, where there are some.
    part : str
        Which part of the analysis it is; empty for the analysis itself.
    """

    n: IntArray
    n_comparator: IntArray
    estimate: FloatArray
    se: FloatArray
    df: FloatArray
    low: FloatArray
    high: FloatArray
    statistic: FloatArray
    p: FloatArray
    measure: str
    unit: str
    benefit: float = -1.0
    null: float = 0.0
    notes: list[str] = field(default_factory=list)
    rejected: npt.NDArray[np.bool_] | None = None
    p_adjusted: FloatArray | None = None
    part: str = ""


def findings_of(
    found: Sequence[Finding],
    measure: str,
    unit: str,
    *,
    benefit: float = -1.0,
    null: float = 0.0,
    part: str = "",
) -> Findings:
    """Join what was found in each replicate."""
    rows = [
        (math.nan,) * 7
        if item.estimate is None
        else (
            item.estimate.value,
            item.estimate.se,
            item.estimate.df,
            item.estimate.low,
            item.estimate.high,
            item.estimate.statistic,
            item.estimate.p,
        )
        for item in found
    ]
    value, se, df, low, high, statistic, p = np.array(rows, dtype=np.float64).reshape(-1, 7).T
    told = [item.rejected for item in found]
    return Findings(
        np.array([item.n for item in found], dtype=np.int64),
        np.array([item.n_comparator for item in found], dtype=np.int64),
        value,
        se,
        df,
        low,
        high,
        statistic,
        p,
        measure=measure,
        unit=unit,
        benefit=benefit,
        null=null,
        notes=[item.note for item in found],
        rejected=np.array([bool(one) for one in told]) if any(one is not None for one in told) else None,
        part=part,
    )


def one_by_one(
    places: Iterable[IntArray],
    work: Callable[[IntArray], Finding],
    count: Callable[[IntArray], tuple[int, int]],
) -> list[Finding]:
    """Analyse each replicate by itself; one that cannot be analysed says why in its note."""
    found = []
    for rows in places:
        try:
            found.append(work(rows))
        except StudyError as error:
            found.append(Finding(*count(rows), None, f"not analysed: {str(error).rstrip('.')}"))
    return found
