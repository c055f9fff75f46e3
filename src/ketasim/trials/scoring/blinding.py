"""How well the blinding of a simulated trial held, from what people guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ketasim.trials.scoring.guess import bang_index, count_guesses, james_index

if TYPE_CHECKING:
    import pandas as pd

    from ketasim.trials.study import Study

__all__ = ["BLINDING", "blinding_table"]

#: A row an arm, and one for all: James's index of active against other arms.
BLINDING = ("arm", "index", "n", "guessed_active", "guessed_control", "value", "low", "high")


def blinding_table(patients: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Count guesses by the arm to which people were randomised.

    Parameters
    ----------
    patients : DataFrame
        With ``arm`` and, if people were asked at all, ``guess`` (``active``, ``control``, or empty).
    study : Study
        Says which arms are active.

    Returns
    -------
    DataFrame
        The columns of :data:`BLINDING`: Bang's index of each arm (0 by chance, 1 if all guess right) and
        James's of the trial (0.5 by chance, 0 if all guess right), with 95 % intervals. Arms in which
        nobody was asked are left out, and James's index where one side has nobody.
    """
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    if "guess" not in patients:
        return pd.DataFrame(rows, columns=list(BLINDING))
    asked = patients[patients["guess"].astype(str) != ""]
    for arm in study.first_arms:
        guesses = asked.loc[asked["arm"] == arm.id, "guess"].astype(str).to_numpy()
        if not len(guesses):
            continue
        active = int((guesses == "active").sum())
        control = len(guesses) - active
        found = bang_index(*((active, control) if arm.active else (control, active)))
        rows.append((arm.id, "Bang", len(guesses), active, control, found.value, *found.interval))
    given = asked["arm"].isin([arm.id for arm in study.first_arms if arm.active]).to_numpy()
    if given.any() and not given.all():
        counts = count_guesses(given, np.asarray(asked["guess"].astype(str)))
        both = counts.sum(axis=0)
        whole = james_index(counts)
        rows.append(("all", "James", len(given), int(both[0]), int(both[1]), whole.value, *whole.interval))
    return pd.DataFrame(rows, columns=list(BLINDING))
