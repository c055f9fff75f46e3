"""The planned analyses of a study, computed from what was seen of its patients."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.planned.data import Persons, Source
from ketasim.trials.planned.families import adjusted_p
from ketasim.trials.planned.kinds import data_of
from ketasim.trials.planned.monitoring import monitored
from ketasim.trials.planned.results import NUMBERS, Findings
from ketasim.trials.runs.columns import ANALYSES
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study import Study
from ketasim.trials.study.analysis import Analysis

__all__ = ["analyse"]

FloatArray = npt.NDArray[np.float64]

Progress = Callable[[str, int, int], None]


def analyse(
    recorded: Outcomes,
    patients: pd.DataFrame,
    events: pd.DataFrame,
    study: Study,
    *,
    only: Collection[str] | None = None,
    progress: Progress | None = None,
    seed: int = 1,
) -> pd.DataFrame:
    """Compute the analyses that a study plans.

    Parameters
    ----------
    recorded : Outcomes
        What was seen of patients.
    patients : DataFrame
        A row a patient; only these are analysed, so that a part of the rows is a smaller trial.
    events : DataFrame
        A row an event: the intercurrent ones are found here.
    study : Study
        Holds the plan: analyses, families, looks.
    only : collection of str, optional
        Ids of the analyses that are wanted; the others of their families count, but have no rows.
    progress : callable, optional
        Called with what is done, how much of it, and how much in all.
    seed : int
        Of the run: names the random numbers of conditions of chance.

    Returns
    -------
    DataFrame
        The columns of :data:`~ketasim.trials.runs.columns.ANALYSES`, by replicate and in the order of the
        file; empty if the study plans none. What cannot be estimated has empty numbers, and says why in
        ``note``.

    Raises
    ------
    StudyError
        If there are no patients, a quantity was not recorded, or an id is unknown.
    """
    plans = _chosen(study, only)
    if not plans:
        return pd.DataFrame(columns=list(ANALYSES))
    source = Source(recorded, Persons.of(patients, events), study, seed)
    found: dict[str, list[Findings]] = {}
    for number, analysis in enumerate(plans):
        if progress is not None:
            progress("analyses", number, len(plans))
        looks = [look for look in study.monitoring if look.analysis == analysis.id]
        found[analysis.id] = monitored(data_of(source, analysis), looks)
    if progress is not None:
        progress("analyses", len(plans), len(plans))
    adjusted = adjusted_p(source, plans, {name: parts[0] for name, parts in found.items()})
    tables = [
        _table(_About(source, analysis), part, adjusted.get(analysis.id) if part.part == "" else None)
        for analysis in plans
        if only is None or analysis.id in only
        for part in found[analysis.id]
    ]
    return pd.concat(tables).sort_values("replicate", kind="stable", ignore_index=True)


def _chosen(study: Study, only: Collection[str] | None) -> list[Analysis]:
    """The analyses that must be computed: those wanted, and the others of their families."""
    if only is None:
        return list(study.analyses)
    known = {item.id: item for item in study.analyses}
    for name in only:
        if name not in known:
            raise StudyError(f"{study.id}: {unknown_name('analysis', name, known)}")
    families = {known[name].family for name in only} - {None}
    return [item for item in study.analyses if item.id in only or item.family in families]


@dataclass(frozen=True)
class _About:
    source: Source
    analysis: Analysis


def _table(about: _About, part: Findings, adjusted: FloatArray | None) -> pd.DataFrame:
    """Rows of one contrast, one a replicate."""
    analysis, source = about.analysis, about.source
    count = len(part.n)
    told = part.p_adjusted if adjusted is None else adjusted
    told = part.p if told is None else told
    with np.errstate(invalid="ignore"):
        rejected = told <= analysis.alpha
    if part.rejected is not None:
        rejected = part.rejected if adjusted is None else part.rejected & rejected
    columns: Mapping[str, object] = {
        "study": source.study.id,
        "replicate": source.replicates,
        "analysis": analysis.id if not part.part else f"{analysis.id}/{part.part}",
        "method": analysis.method,
        "quantity": analysis.quantity,
        "time_h": analysis.time_h,
        "arm": analysis.arm,
        "comparator": analysis.comparator or "",
        "estimand": analysis.estimand,
        "n": part.n,
        "n_comparator": part.n_comparator,
        **{name: getattr(part, name) for name in NUMBERS},
        "p_adjusted": told,
        "rejected": rejected,
        "effect_measure": part.measure,
        "unit": part.unit,
        "note": part.notes or [""] * count,
    }
    return pd.DataFrame(columns, index=range(count))[list(ANALYSES)]
