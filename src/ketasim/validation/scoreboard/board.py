"""The scoreboard: every row, and how the model does by domain, stage, species, class and use."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd

from ketasim.validation.scoreboard.metrics import summarise_rows
from ketasim.validation.split import in_pools

__all__ = ["JSON_COLUMNS", "UNEXPLAINED", "Scoreboard", "load_reasons"]

#: What stands for a reason that nobody has given.
UNEXPLAINED = "unexplained"
#: Why rows are missed, by study and row.
MISSES_FILE = "misses.csv"
_BY = ("domain", "stage", "species", "row_class", "use")

#: What a row of the JSON file holds, in this order, before what the baselines say.
JSON_COLUMNS = (
    "study",
    "quantity",
    "statistic",
    "arm",
    "time_h",
    "observed",
    "predicted",
    "low",
    "high",
    "z",
    "kind",
    "use",
    "id",
    "domain",
    "stage",
    "species",
    "row_class",
    "citation",
    "comparator",
    "measure",
    "unit",
    "n",
    "observed_se",
    "sd",
    "source_kind",
    "hit",
    "score",
)


def load_reasons(path: Path | None = None) -> dict[tuple[str, str], str]:
    """Read why rows are missed.

    Parameters
    ----------
    path : Path, optional
        A table with ``study, id, reason``; default: the shipped one.
    """
    source = resources.files("ketasim.validation") / MISSES_FILE if path is None else path
    rows = csv.DictReader(source.read_text(encoding="utf-8").splitlines())
    return {(row["study"], row["id"]): row["reason"] for row in rows}


@dataclass(frozen=True)
class Scoreboard:
    """Published rows beside the model's predictive distributions.

    Parameters
    ----------
    rows : DataFrame
        One line a row; ``sd``, ``y`` and ``mean`` are on the scale of the row's class, ``score`` is the
        interval score in units of a usual effect of the class.
    baselines : tuple of str
        Names of the baselines whose columns are there.
    settings : mapping
        Draws, people an arm, seed.
    works : int
        Studies and experiments that were simulated.
    failed : mapping of str to str
        Files and works that could not be scored, and why.
    left_out : tuple of str
        Study and id of rows whose statistic is not predicted.
    """

    rows: pd.DataFrame
    baselines: tuple[str, ...]
    settings: Mapping[str, Any]
    works: int
    failed: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def measured(self) -> pd.DataFrame:
        """Rows that were measured; what another model printed is listed and summed up apart."""
        return self.rows[self.rows["source_kind"] != "model_output"]

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Scores of all measured rows and of groups of them; see :func:`summarise_rows`."""
        rows = self.measured
        found: dict[str, Any] = {
            "works": self.works,
            "settings": dict(self.settings),
            "failed": dict(self.failed),
            "left_out": list(self.left_out),
            "all": summarise_rows(rows, self.baselines),
        }
        for column in _BY:
            found[f"by_{column}"] = {
                str(name): summarise_rows(own, self.baselines) for name, own in rows.groupby(column)
            }
        found["by_domain_and_use"] = {
            f"{domain}, {use}": summarise_rows(own, self.baselines)
            for (domain, use), own in rows.groupby(["domain", "use"])
        }
        unseen = rows[(rows["use"] == "check") & ~rows["study"].isin(in_pools())]
        found["check_in_no_pool"] = {
            f"{domain}, check": summarise_rows(own, self.baselines)
            for domain, own in unseen.groupby("domain")
        }
        apart = self.rows[self.rows["source_kind"] == "model_output"]
        found["model_output"] = summarise_rows(apart, self.baselines)
        return found

    @cached_property
    def misses(self) -> pd.DataFrame:
        """Measured rows outside the 95 % interval or with the wrong sign, worst first, with ``reason``."""
        rows = self.measured
        missed = rows[(rows["hit"] == False) | rows["predicted"].isna()].copy()  # noqa: E712 - may be missing
        reasons = load_reasons()
        missed["reason"] = [
            reasons.get((str(study), str(row)), UNEXPLAINED)
            for study, row in zip(missed["study"], missed["id"], strict=True)
        ]
        missed["_size"] = missed["z"].abs().fillna(-1.0)
        order = missed.sort_values(["_size", "study", "id"], ascending=[False, True, True], kind="stable")
        return order.drop(columns="_size").reset_index(drop=True)

    def to_json(self, path: Path | None = None) -> dict[str, Any]:
        """Everything as plain data, ``{"summary": {...}, "rows": [...]}``, null where there is no number.

        Parameters
        ----------
        path : Path, optional
            Also written here.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        columns = [*JSON_COLUMNS]
        for name in self.baselines:
            columns += [f"{name}_{part}" for part in ("predicted", "low", "high", "score")]
        rows = [
            {name: _plain(value) for name, value in line.items()}
            for line in self.rows.reindex(columns=columns).to_dict("records")
        ]
        found = {"summary": _plain(self.summary), "rows": rows}
        if path is not None:
            text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False)
            path.write_text(text + "\n", encoding="utf-8")
        return found

    @property
    def complete(self) -> bool:
        """Whether every file and work that was asked for is scored."""
        return not self.failed


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return value
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
