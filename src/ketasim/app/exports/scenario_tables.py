"""Curves of scenarios as a table: a row a scenario, arm and time, units in the heads."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ketasim.app.exports.about import Origin

__all__ = ["LETTERS", "csv_bytes", "curve_table", "failed_rules", "parquet_bytes"]

#: Letters of scenarios, in their order.
LETTERS = "ABCDEFGH"
#: What is written of a series, and its word in the head.
_PARTS = {
    "mid": "",
    "lo": " lowest",
    "hi": " highest",
    **{name: f" {name}" for name in ("q05", "q25", "q75", "q95")},
    **{f"people_{name}": f" people {name}" for name in ("q05", "q25", "q75", "q95")},
}


def curve_table(results: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Lay the curves of scenarios and of their controls out.

    Parameters
    ----------
    results : sequence of mapping
        Results of ``/simulate``.

    Returns
    -------
    DataFrame
        Columns ``scenario`` (A, B, ...), ``arm`` (``drug`` or the control), ``time [h]`` since the first
        dose, and for each row its value at the middle of a column, and the least and largest within it;
        quantiles where there are bands. What an arm does not have is empty.
    """
    parts = []
    for letter, result in zip(LETTERS, results, strict=False):
        parts.append(_arm(letter, "drug", result["time_h"], result["series"]))
        control = result.get("control") or {}
        if control.get("series"):
            name = str(control.get("name") or control.get("id"))
            parts.append(_arm(letter, name, result["time_h"], control["series"]))
    return pd.concat(parts, ignore_index=True)


def _arm(
    letter: str, arm: str, time_h: Sequence[float], series: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    columns: dict[str, Any] = {"scenario": letter, "arm": arm, "time [h]": time_h}
    for name, own in series.items():
        for part, word in _PARTS.items():
            if own.get(part) is not None:
                columns[f"{name}{word} [{own['unit']}]"] = own[part]
    return pd.DataFrame(columns)


def failed_rules(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which rules of supervision scenarios fail, a sentence a scenario: it goes into every file."""
    found = []
    for letter, result in zip(LETTERS, results, strict=False):
        titles = [str(rule["title"]) for rule in result["rules"] if rule["state"] == "fail"]
        if titles:
            word = "rule" if len(titles) == 1 else "rules"
            whose = f"Scenario {letter}" if len(results) > 1 else "This scenario"
            found.append(f"{whose} fails {len(titles)} supervision {word}: {'; '.join(titles)}.")
    return found


def csv_bytes(table: pd.DataFrame, about: Sequence[str]) -> bytes:
    """Write a table as CSV, after lines that begin with ``#`` and say what it is."""
    head = "".join(f"# {' '.join(line.split())}\n" for line in about)
    return (head + table.to_csv(index=False, float_format="%.6g", lineterminator="\n")).encode("utf-8")


def parquet_bytes(table: pd.DataFrame, about: Mapping[str, Any], origin: Origin) -> bytes:
    """Write a table as Parquet, with what it is under ``ketasim`` in its metadata."""
    written = pa.Table.from_pandas(table, preserve_index=False)
    content = {**about, "origin": origin.text, "disclaimer": origin.lines[1]}
    metadata = {**(written.schema.metadata or {}), b"ketasim": json.dumps(content).encode("utf-8")}
    buffer = io.BytesIO()
    pq.write_table(written.replace_schema_metadata(metadata), buffer)
    return buffer.getvalue()
