"""Which of the simulated trials count, and what must be said of the others."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ketasim.design.runs import Done, Question
from ketasim.errors import SolverError

__all__ = ["usable_rows"]

#: Largest share of patients who cannot be simulated with a draw that still counts.
_MOST_LOST = 0.1


def usable_rows(finished: Sequence[Done], question: Question) -> tuple[pd.DataFrame, list[str]]:
    """Rows of all draws of the parameters with which the model works, and what is to be said of them.

    Raises
    ------
    SolverError
        If it works with none.
    """
    ordered = sorted(finished, key=lambda done: (done.task.curve, done.task.first))
    rows = pd.concat([done.rows for done in ordered], ignore_index=True)
    order = {curve.label: place for place, curve in enumerate(question.curves)}
    rows = rows.sort_values(
        ["label", "n_total", "replicate"], key=lambda own: own.map(order) if own.name == "label" else own
    )
    # A draw that fails in one curve is left out of all, so that they stay alike.
    lost = rows.groupby(["label", "set"])["not_simulated"].mean().groupby("set").max()
    works = lost.index[lost <= _MOST_LOST]
    if len(lost) == 1:
        works = lost.index[lost < 1.0]
    kept = rows[rows["set"].isin(works)].reset_index(drop=True)
    if kept.empty:
        reason = next(done.reason for done in ordered if done.reason)
        raise SolverError(f"no trial could be simulated. The first patient that failed: {reason}")
    said = []
    if len(works) < len(lost):
        said.append(
            f"{len(lost) - len(works)} of {len(lost)} draws of the parameters are left out: with them the "
            "model "
            f"cannot compute more than {_MOST_LOST:.0%} of the patients, most often as no depression is "
            "stable."
        )
    share = float(kept["not_simulated"].mean())
    if share > 0.0:
        said.append(f"{share:.2%} of the patients could not be simulated and are missing from their trials.")
    return kept, said
