"""Smaller trials within a larger one: its first patients.

What happens to a patient depends on no other, so that the first patients of a trial are a trial
of their own. Sizes then share their patients, and power rises with the size without the noise of
drawing anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from ketasim.design.planned import Planned, favourable
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.runs.columns import ANALYSES
from ketasim.trials.runs.outcomes import Outcomes, plain
from ketasim.trials.study import Study

__all__ = ["REPLICATES", "Analyse", "Simulated", "analyse_sizes", "kept_by_size"]

BoolArray = npt.NDArray[np.bool_]

#: Analyses of all replicates: outcomes, patients, events and study in, a row a replicate and analysis out.
Analyse = Callable[..., pd.DataFrame]

#: A row a replicate and size. ``not_simulated`` is the share of the patients of the largest trial whom the
#: model could not compute.
REPLICATES = (
    "label",
    "set",
    "replicate",
    "n_total",
    "analysis",
    "n",
    "n_comparator",
    "estimate",
    "se",
    "p",
    "effect_measure",
    "unit",
    "rejected",
    "success",
    "not_simulated",
    "note",
)


@dataclass(frozen=True)
class Simulated:
    """Whole replicates of the largest trial.

    Parameters
    ----------
    recorded : Outcomes
        What was seen.
    patients, events : DataFrame
        A row a patient, and a row an event.
    """

    recorded: Outcomes
    patients: pd.DataFrame
    events: pd.DataFrame

    @classmethod
    def of(cls, tables: Sequence[Tables]) -> Simulated:
        """Put chunks of patients together."""
        frames: list[pd.DataFrame] = [
            pa.concat_tables([plain(getattr(table, name)) for table in tables]).to_pandas()
            for name in ("patients", "events")
        ]
        return cls(Outcomes([table.outcomes for table in tables]), *frames)


def kept_by_size(study: Study, patients: pd.DataFrame, sizes: Mapping[str, int]) -> BoolArray:
    """Say which patients of some replicates are those of a smaller trial.

    Parameters
    ----------
    study : Study
        A trial in blocks of a given size, or with stages, is the same however long it goes on: its first
        patients are taken. Else the whole trial, or the whole of a stratum, is one block: the first of
        each arm are taken.
    patients : DataFrame
        A row a patient.
    sizes : mapping of str to int
        Patients of each arm.

    Returns
    -------
    array of bool, shape (patients,)
    """
    subject = patients["subject"].to_numpy()
    design = study.randomisation
    if design is not None and (design.block is not None or design.stages):
        kept: BoolArray = subject <= sum(sizes.values())
        return kept
    ordered = patients[["replicate", "arm"]].assign(subject=subject).sort_values(["replicate", "subject"])
    place = (
        ordered.groupby(["replicate", "arm"], observed=True, sort=False).cumcount().reindex(patients.index)
    )
    most = patients["arm"].astype(str).map(dict(sizes)).fillna(0).to_numpy(dtype=np.int64)
    return np.asarray(place.to_numpy() < most)


def analyse_sizes(
    simulated: Simulated,
    planned: Planned,
    sizes: Sequence[Mapping[str, int]],
    analyse: Analyse,
    *,
    seed: int,
    direction: str,
) -> pd.DataFrame:
    """Analyse some replicates of the largest trial, and the smaller trials within.

    Parameters
    ----------
    simulated : Simulated
        Whole replicates of the largest trial.
    planned : Planned
        What is analysed.
    sizes : sequence of mapping of str to int
        Patients of each arm, for each size.
    analyse : callable
        :func:`ketasim.trials.planned.analyse.analyse`.
    seed : int
        Of the run: names the random numbers of conditions of chance.
    direction : str
        Which direction of the estimate is wanted: ``lower`` or ``higher``.

    Returns
    -------
    DataFrame
        Columns :data:`REPLICATES` but label and set: a row a replicate and size. A replicate that could
        not be analysed has an empty estimate and rejects nothing.
    """
    patients = simulated.patients
    lost = (patients["status"] == "not simulated").groupby(patients["replicate"]).mean()
    replicates = lost.index.to_numpy(dtype=np.int64)
    parts = []
    for own in sizes:
        # Outcomes and events of other patients are not looked at.
        kept = patients[kept_by_size(planned.study, patients, own)]
        found = pd.DataFrame(columns=list(ANALYSES))
        if (kept["status"] != "not simulated").any():
            found = analyse(simulated.recorded, kept, simulated.events, planned.study, seed=seed)
        found = found[found["analysis"] == planned.analysis.id].drop_duplicates("replicate")
        rows = found.set_index("replicate").reindex(replicates).rename_axis("replicate").reset_index()
        judged = _judged(rows, planned, sum(own.values()), direction)
        judged.insert(len(judged.columns) - 1, "not_simulated", lost.to_numpy())
        parts.append(judged)
    return pd.concat(parts, ignore_index=True)


def _judged(rows: pd.DataFrame, planned: Planned, total: int, direction: str) -> pd.DataFrame:
    """Say which replicates succeed."""
    measures = rows["effect_measure"].fillna("").astype(str)
    estimates = rows["estimate"].to_numpy(dtype=np.float64)
    # A test of non-inferiority looks to one side only.
    one_sided = planned.analysis.method == "non_inferiority"
    right = [
        one_sided or favourable(direction, value, measure)
        for value, measure in zip(estimates.tolist(), measures.tolist(), strict=True)
    ]
    rejected = rows["rejected"].eq(True).to_numpy(dtype=bool)
    columns: dict[str, Any] = {
        "replicate": rows["replicate"].to_numpy(dtype=np.int64),
        "n_total": total,
        "analysis": planned.analysis.id,
        "n": rows["n"].to_numpy(dtype=np.float64),
        "n_comparator": rows["n_comparator"].to_numpy(dtype=np.float64),
        "estimate": estimates,
        "se": rows["se"].to_numpy(dtype=np.float64),
        "p": rows["p"].to_numpy(dtype=np.float64),
        "effect_measure": measures,
        "unit": rows["unit"].fillna("").astype(str),
        "rejected": rejected,
        "success": rejected & np.array(right, dtype=bool),
        "note": rows["note"].fillna("").astype(str),
    }
    return pd.DataFrame(columns)
