"""Whether predictive intervals are padded: coverage and interval score with all SDs halved and doubled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ketasim.errors import ModelError

__all__ = ["FACTORS", "padding_table"]

#: Factors on every predictive SD, and the columns of a scoreboard that hold what comes of them.
FACTORS: Mapping[str, str] = {"0.5": "_half", "1": "", "2": "_double"}
_USES = ("calibration", "check")


def padding_table(rows: pd.DataFrame, groups: Sequence[str] = _USES) -> list[dict[str, float | str]]:
    """Score rows under each factor.

    Parameters
    ----------
    rows : DataFrame
        Measured rows of a scoreboard.
    groups : sequence of str
        Uses that get lines of their own, beside all rows.

    Returns
    -------
    list of dict
        ``use``, ``factor``, ``rows``, ``inside_95`` and ``interval_score`` (mean, in usual effects of the
        class of row).

    Raises
    ------
    ModelError
        If there is no number to be scored.
    """
    numbers = rows[(rows["kind"] == "quantitative") & rows["z"].notna()]
    if numbers.empty:
        raise ModelError("padding: no row has a number and a prediction; predict some first.")
    found: list[dict[str, float | str]] = []
    for use in ("all", *groups):
        own = numbers if use == "all" else numbers[numbers["use"] == use]
        if own.empty:
            continue
        for factor, end in FACTORS.items():
            found.append(
                {
                    "use": use,
                    "factor": factor,
                    "rows": float(len(own)),
                    "inside_95": float(np.mean(own[f"inside{end}"].astype(float))),
                    "interval_score": float(own[f"score{end}"].mean()),
                }
            )
    return found
