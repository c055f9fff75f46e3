"""What the stages between block and mood are worth: the whole chain against one delayed filter.

Compared are rows about symptoms that neither was fitted to, and that a filter of block cannot tell by
construction: how much and how long, which enantiomer, and what is blocked, lost or given beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ketasim.inference.calibration.trial_rows import calibration_rows
from ketasim.inference.rivals.scoring import log_score
from ketasim.inference.robustness.differences import Difference, mean_difference
from ketasim.inference.targets import load_targets
from ketasim.trials.causes import NEUTRAL
from ketasim.trials.study import Study
from ketasim.validation.between import Between
from ketasim.validation.predict import Predicted

__all__ = ["GROUPS", "Contest", "compare", "group_of", "is_held_back", "is_unfitted", "symptom_works"]

#: Groups of rows, in the order in which a row is put into the first that fits.
GROUPS = ("knock-out", "modifier", "enantiomer", "dose-duration", "other")
_USUAL_DOSE, _USUAL_LENGTH_H = 0.5, 2.0 / 3.0
_STAGE = "symptoms"
#: What patients of a trial take anyhow, or get in both arms; the filter knows its effect on stress too.
_BACKGROUND = (*NEUTRAL, "new_antidepressant")
#: Statistics of symptoms at rest, which tell nothing of a drug.
_AT_REST = ("sd",)


@dataclass(frozen=True)
class Contest:
    """Scores of the chain and of the filter on the same rows.

    Parameters
    ----------
    rows : tuple of dict
        ``study, id, group, use, unfitted, contrast, statistic, chain, filter``, the last two log scores.
    between : dict of str to Between
        SDs between studies of both, each by its own calibration rows.
    """

    rows: tuple[dict[str, Any], ...]
    between: Mapping[str, Between]

    def difference(
        self, groups: Sequence[str] = GROUPS[:-1], *, only: str = "check", contrasts: bool = False
    ) -> Difference:
        """Log score of the chain less that of the filter.

        Parameters
        ----------
        groups : sequence of str
            Which rows.
        only : str
            ``check``: rows kept to check; ``unfitted``: every row that no fit has used.
        contrasts : bool
            Whether only rows against a comparator count, in which placebo and care cancel.
        """
        own = [
            row
            for row in self.rows
            if row["group"] in groups
            and (row["contrast"] or not contrasts)
            and (row["unfitted"] if only == "unfitted" else row["use"] == "check")
        ]
        return mean_difference(
            np.array([row["chain"] for row in own], dtype=np.float64),
            np.array([row["filter"] for row in own], dtype=np.float64),
            [row["study"] for row in own],
        )


def group_of(work: Any, row: Any) -> str:
    """Group of a row of a work, by what is given in its arm.

    Parameters
    ----------
    work : Study or Experiment
        The work.
    row : Observation
        Its row.

    Returns
    -------
    str
        One of :data:`GROUPS`.
    """
    arms = [work.arm(name) for name in (*row.arms, *row.comparators)]
    if any(_modified(arm) for arm in arms):
        return "modifier" if work.species == "human" else "knock-out"
    doses = [dose for arm in arms for dose in arm.dosing.doses]
    if any(dose.drug in ("esketamine", "arketamine") for dose in doses):
        return "enantiomer"
    if any(_unusual(dose) for dose in doses if dose.drug == "ketamine") or _several(work):
        return "dose-duration"
    return "other"


def _modified(arm: Any) -> bool:
    """Whether something acts in an arm beside ketamine and a course of antidepressants."""
    if any(getattr(arm, name, None) for name in ("causes", "set", "options")):
        return True
    return any(name not in _BACKGROUND for name in getattr(arm, "comedication", ()))


def _unusual(dose: Any) -> bool:
    """Whether a dose of ketamine is another than 0.5 mg/kg into a vein over 40 minutes."""
    usual = dose.unit == "mg/kg" and abs(dose.amount - _USUAL_DOSE) < 1e-9
    return not (usual and dose.duration_h is not None and abs(dose.duration_h - _USUAL_LENGTH_H) < 1e-6)


def _several(work: Any) -> bool:
    """Whether arms of a work differ in the doses of ketamine that they get."""
    found = {
        tuple((dose.amount, dose.unit, dose.start_h) for dose in arm.dosing.doses if dose.drug == "ketamine")
        for arm in work.arms
    }
    return len(found - {()}) > 1


def symptom_works(works: Sequence[Any]) -> list[Any]:
    """Works with those of their measured rows that are about symptoms, and no others."""
    from ketasim.model.chain import build_chain
    from ketasim.validation.predict import stage_of

    chain, found = build_chain(), []
    for work in works:
        rows = tuple(
            row
            for row in work.observations
            if row.source_kind == "measured"
            and stage_of(row.quantity, chain) == _STAGE
            and row.statistic not in _AT_REST
        )
        if rows:
            found.append(work.model_copy(update={"observations": rows}))
    return found


def is_held_back(row: Any) -> bool:
    """Whether a row is kept to check."""
    return bool(row.use == "check" and row.source_kind == "measured")


def is_unfitted(work: Any, row: Any) -> bool:
    """Whether no fit has used a row: neither itself, nor a target of the same publication."""
    if is_held_back(row):
        return True
    used = {item.id for item in calibration_rows(work)} if isinstance(work, Study) else set()
    return row.id not in used and row.citation not in {target.source for target in load_targets()}


def compare(
    works: Sequence[Any],
    chain: Sequence[Predicted],
    other: Sequence[Predicted],
    between: Mapping[str, Between],
) -> Contest:
    """Score both on the rows that both predict.

    Parameters
    ----------
    works : sequence of Study or Experiment
        What the rows are of.
    chain, other : sequence of Predicted
        Of the whole chain and of the filter.
    between : mapping of str to Between
        ``chain`` and ``filter``.
    """
    by_id = {work.id: work for work in works}
    theirs = {(item.study, item.row.id): item for item in other}
    rows = []
    for item in chain:
        rival, work = theirs.get((item.study, item.row.id)), by_id.get(item.study)
        if rival is None or work is None:
            continue
        own = log_score(item, between["chain"].of(item))
        its = log_score(rival, between["filter"].of(rival))
        rows.append(
            {
                "study": item.study,
                "id": item.row.id,
                "group": group_of(work, item.row),
                "use": item.row.use,
                "unfitted": is_unfitted(work, item.row),
                "contrast": bool(item.row.comparators),
                "statistic": item.row.statistic,
                "chain": own,
                "filter": its,
            }
        )
    return Contest(tuple(rows), dict(between))
