"""How far published concentrations and exposures are met: errors by route and species, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ketasim.evidence.readings import load_readings
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.readouts import predict_readings

__all__ = ["FEWEST", "UNVALIDATED", "Error", "PkScores", "score_readings"]

#: A group with fewer rows has no score.
FEWEST = 5
#: A prediction this many times off is listed with its reason.
_FAR = 2.0

#: Routes of which no row, or no usable one, was seen in people.
UNVALIDATED = ("im", "sc", "rectal", "inhaled")

#: Why rows are far off, where their own remark does not say it: by what they have in common.
_REASONS = (
    (
        lambda row: row["citation"] == "kamp2020bja" and row["time_h"] <= 0.51,
        "first minutes of a digitised line, near the zero of its panel; delays are single and smooth here",
    ),
    (
        lambda row: row["quantity"] in ("hnk", "s_hnk", "r_hnk"),
        "sources differ seven-fold on the size of hydroxynorketamine; the default counts each alike, and "
        "the option hnk_scale takes one",
    ),
    (
        lambda row: row["quantity"] == "dhnk",
        "an old gas-chromatographic assay; the later curve of kamp2020bja is met",
    ),
    (
        lambda row: row["citation"] == "grant1981",
        "needs a bioavailability near 0.33, where other sources give 0.08 to 0.19",
    ),
)


@dataclass(frozen=True)
class Error:
    """How far a group of rows is met.

    Parameters
    ----------
    group, kind : str
        What the rows have in common, and whether they were measured.
    n : int
        Rows.
    median : float or None
        Median absolute error as a share; None below five rows.
    within_two_fold : int
        Rows met within a factor of two.
    """

    group: str
    kind: str
    n: int
    median: float | None
    within_two_fold: int


@dataclass(frozen=True)
class PkScores:
    """Published rows beside what the model gives.

    Parameters
    ----------
    rows : pandas.DataFrame
        Rows of the readings with ``predicted`` and ``error`` (as a share of the published value).
    """

    rows: pd.DataFrame

    def error(self, group: str, rows: pd.DataFrame, kind: str) -> Error:
        """Error of some rows."""
        off = rows["error"].abs()
        ratio = rows["predicted"] / rows["value"]
        near = int(((ratio <= _FAR) & (ratio >= 1.0 / _FAR)).sum())
        return Error(group, kind, len(rows), float(off.median()) if len(rows) >= FEWEST else None, near)

    def _by(self, column: str) -> list[Error]:
        groups = self.rows.groupby([column, "kind"], sort=True)
        return [self.error(str(name), own, str(kind)) for (name, kind), own in groups]

    @cached_property
    def headline(self) -> list[Error]:
        """All measured rows; those after intravenous doses; and what a nasal model predicts."""
        measured = self.rows[self.rows["kind"] == "measured"]
        nasal = self.rows[(self.rows["kind"] == "model_output") & (self.rows["route"] == "nasal")]
        without_hnk = measured[~measured["quantity"].isin(["hnk", "s_hnk", "r_hnk"])]
        return [
            self.error("all", measured, "measured"),
            self.error("all but HNK", without_hnk, "measured"),
            self.error("iv", measured[measured["route"] == "iv"], "measured"),
            self.error("nasal", nasal, "model_output"),
        ]

    @cached_property
    def leaning(self) -> list[Error]:
        """What the headline leans on: the same without the source of most rows, and without own constants.

        One study gave most measured rows. Ratios with a comedication are met by constants that
        nothing else informs.
        """
        measured = self.rows[self.rows["kind"] == "measured"]
        sources = measured["citation"].value_counts()
        most = str(sources.index[0]) if len(sources) else ""
        others = measured[measured["citation"] != most]
        own_constants = measured["modifier"] != "none"
        return [
            self.error("fitted", measured[measured["use"] == "fit"], "measured"),
            self.error("not fitted", measured[measured["use"] == "check"], "measured"),
            self.error(f"all without {most}", others, "measured"),
            self.error(f"iv without {most}", others[others["route"] == "iv"], "measured"),
            self.error("all without ratios of a comedication", measured[~own_constants], "measured"),
            self.error(
                "oral without ratios of a comedication",
                measured[~own_constants & (measured["route"] == "oral")],
                "measured",
            ),
        ]

    @cached_property
    def by_route(self) -> list[Error]:
        """Each route, measured rows and others apart; routes without a row too."""
        found = self._by("route")
        seen = {error.group for error in found}
        return found + [Error(name, "none seen", 0, None, 0) for name in UNVALIDATED if name not in seen]

    @cached_property
    def by_species(self) -> list[Error]:
        """Each species."""
        return self._by("quantity")

    @cached_property
    def by_source(self) -> list[Error]:
        """Each publication."""
        return self._by("citation")

    @cached_property
    def far(self) -> pd.DataFrame:
        """Rows beyond two-fold, with ``why``."""
        ratio = self.rows["predicted"] / self.rows["value"]
        rows = self.rows[(ratio > _FAR) | (ratio < 1.0 / _FAR)].copy()
        rows["why"] = [_why(row) for _, row in rows.iterrows()]
        return rows


def _why(row: pd.Series) -> str:
    for holds, reason in _REASONS:
        if holds(row):
            return reason
    return str(row["reason"]) or "not explained"


def score_readings(parameters: ParameterSet | None = None, workers: int = 1) -> PkScores:
    """Predict every published row that is tied to a regimen.

    Parameters
    ----------
    parameters : ParameterSet, optional
        Default: the shipped human values.
    workers : int
        Threads.

    Returns
    -------
    PkScores
    """
    own: Sequence[ParameterSet] = [load_parameters() if parameters is None else parameters]
    rows = load_readings(use=("fit", "check"))
    predicted = predict_readings(rows, own, workers)[0]
    values = rows["value"].to_numpy(dtype=np.float64)
    return PkScores(rows.assign(predicted=predicted, error=predicted / values - 1.0))
