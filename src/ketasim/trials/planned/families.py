"""Analyses that share their error: adjusted p values by family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ketasim.trials.analysis.dunnett import dunnett_p
from ketasim.trials.analysis.multiplicity import adjust
from ketasim.trials.planned.data import Source
from ketasim.trials.planned.methods import fit_together
from ketasim.trials.planned.results import Findings
from ketasim.trials.planned.samples import sample_of
from ketasim.trials.study.analysis import Analysis

__all__ = ["adjusted_p"]

FloatArray = npt.NDArray[np.float64]


def adjusted_p(
    source: Source, plans: Sequence[Analysis], found: Mapping[str, Findings]
) -> dict[str, FloatArray]:
    """Adjust the p values of each family of a study.

    Parameters
    ----------
    source : Source
        Outcomes, persons, study.
    plans : sequence of Analysis
        Those that were computed, in the order of the file.
    found : mapping of str to Findings
        What each found, by its id.

    Returns
    -------
    dict of str to array, shape (R,)
        By id; only analyses of a family are in it. NaN where there is no p value: such an analysis counts
        as one that shows nothing. A one-sided p value counts twice.
    """
    result: dict[str, FloatArray] = {}
    for plan in source.study.multiplicity:
        members = [item for item in plans if item.family == plan.family]
        if not members:
            continue
        if plan.method == "dunnett":
            values = _dunnett(source, members, found)
        else:
            values = adjust(
                np.stack([_two_sided(item, found[item.id]) for item in members], axis=1), plan.method
            )
        for place, item in enumerate(members):
            result[item.id] = np.where(np.isnan(found[item.id].p), np.nan, values[:, place])
    return result


def _two_sided(item: Analysis, found: Findings) -> FloatArray:
    own = found.p if found.p_adjusted is None else found.p_adjusted
    p = 2.0 * own if item.method == "non_inferiority" else own
    return np.where(np.isnan(p), 1.0, np.minimum(p, 1.0))


def _dunnett(source: Source, members: Sequence[Analysis], found: Mapping[str, Findings]) -> FloatArray:
    """Adjust for many arms with one comparator.

    If all are analyses of covariance of one plan, one model with all arms gives the statistics; else each
    has its own, and the smallest degrees of freedom of all count.
    """
    first = members[0]
    plain = {"id", "arm", "family"}
    shared = first.model_dump(exclude=plain)
    alike = all(item.model_dump(exclude=plain) == shared and len(item.arms) == 1 for item in members)
    if alike and first.method == "ancova" and first.imputation == "none":
        together = first.model_copy(update={"arm": " + ".join(item.arm for item in members)})
        many = fit_together(sample_of(source, together, apart=True))
        if many.statistic.shape[1] == len(members):
            return _each(many.statistic, many.n[:, 1:], many.n[:, 0], many.df)
    parts = [found[item.id] for item in members]
    sizes = np.stack([part.n for part in parts], axis=1)
    control = np.max([part.n_comparator for part in parts], axis=0)
    df = np.min([np.where(np.isnan(part.df), np.inf, part.df) for part in parts], axis=0)
    return _each(np.stack([part.statistic for part in parts], axis=1), sizes, control, df)


def _each(
    statistic: FloatArray, n: npt.NDArray[np.int64], control: npt.NDArray[np.int64], df: FloatArray
) -> FloatArray:
    values = np.ones(statistic.shape)
    for place in range(len(statistic)):
        known = np.isfinite(statistic[place]) & (n[place] > 0)
        if known.any() and control[place] > 0 and df[place] >= 1.0:
            t, sizes = statistic[place][known], n[place][known].astype(float)
            values[place][known] = dunnett_p(t, sizes, float(control[place]), float(df[place]))
    return values
