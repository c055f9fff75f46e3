"""A long run as a file: its table, its figure, its study, the program that repeats it, or a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from ketasim.app.exports.about import Origin
from ketasim.app.exports.chain import drawn
from ketasim.app.exports.files import File
from ketasim.app.exports.job_figures import job_figure
from ketasim.app.exports.job_page import job_page
from ketasim.app.exports.job_python import job_python
from ketasim.app.exports.request import Format
from ketasim.app.exports.scenario_tables import csv_bytes, parquet_bytes
from ketasim.app.jobs.request import JobRequest, PopulationRequest, TrialRequest
from ketasim.app.jobs.trial_plan import TrialWork, plan_trial
from ketasim.app.problems import AppProblem

__all__ = ["job_file", "result_table"]

#: One vocabulary of columns, as in the tables of a run.
_COLUMNS = ("study", "arm", "quantity", "statistic", "time_h", "unit", "value", "low", "high")


def job_file(kind: Format, request: Mapping[str, Any], result: Mapping[str, Any]) -> File:
    """Make the file that is asked for of a run.

    Parameters
    ----------
    kind : str
        Kind of file.
    request, result : mapping
        What was asked, and what came of it.

    Raises
    ------
    AppProblem
        422, if there is no such file of this run.
    """
    adapter: TypeAdapter[TrialRequest | PopulationRequest] = TypeAdapter(JobRequest)
    asked = adapter.validate_python(dict(request))
    stem = f"ketasim-{asked.kind}"
    origin = Origin.of(result)
    makers: Mapping[str, Callable[[], bytes | str]] = {
        "csv": lambda: csv_bytes(result_table(result), (*_told(result), *origin.lines)),
        "parquet": lambda: parquet_bytes(result_table(result), {"request": dict(request)}, origin),
        "html": lambda: job_page(result, origin),
        "python": lambda: job_python(asked),
        "study": lambda: _study_text(asked),
    }
    if kind in makers:
        return File.of(stem, kind, makers[kind]())
    about = {"request": dict(request), "origin": origin.text, "disclaimer": origin.lines[1]}
    return File.of(stem, kind, drawn(job_figure(result, origin), kind, about))


def _told(result: Mapping[str, Any]) -> list[str]:
    partly = " Preliminary: more trials were coming." if result["preliminary"] else ""
    return [f"{result['name']}. {result['headline']} {result['support']}{partly}"]


def result_table(result: Mapping[str, Any]) -> pd.DataFrame:
    """Every number of a result as a table: a row an arm, quantity, statistic and time.

    Parameters
    ----------
    result : mapping
        Of a trial or a population.

    Returns
    -------
    DataFrame
        Columns :data:`_COLUMNS`; times in hours since the first dose, low and high as the result says.
    """
    rows = _trial_rows(result) if result["kind"] == "trial" else _population_rows(result)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _trial_rows(result: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    study = result["study"]["id"]
    rows: list[tuple[Any, ...]] = [
        (
            study, row["arm"], row["name"], "mean", row["visit_h"], row["unit"], row["estimate"],
            row["low"], row["high"],
        )
        for row in result["endpoints"]
    ]  # fmt: skip
    for rate in result["per_100"]:
        for own in rate["arms"]:
            limits = own["value"], own["low"], own["high"]
            rows.append((study, own["arm"], rate["id"], "of 100", rate["horizon_h"], "people", *limits))
    for harm in result["harms"]:
        for own in harm["arms"]:
            limits = own["per_100"], own["low"], own["high"]
            rows.append((study, own["arm"], harm["id"], "adverse event of 100", None, "people", *limits))
    for curve in (result["survival"] or {"curves": []})["curves"]:
        for time_h, *shares in zip(curve["time_h"], curve["s"], curve["low"], curve["high"], strict=True):
            rows.append((study, curve["arm"], "staying well", "share", time_h, "", *shares))
    if result["distribution"] is not None:
        own = result["distribution"]
        limits = own["mean"], own["q05"], own["q95"]
        rows.append(
            (study, own["analysis"], study, "estimate", result["study"]["horizon_h"], own["unit"], *limits)
        )
    if result["power"] is not None:
        own = result["power"]
        limits = own["value"], own["low"], own["high"]
        rows.append((study, own["analysis"], study, "power", result["study"]["horizon_h"], "", *limits))
    return rows


def _population_rows(result: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for rate in result["per_100"]:
        for arm, prefix, name in (("drug", "", "value"), ("control", "control_", "control")):
            limits = rate[name], rate[f"{prefix}low"], rate[f"{prefix}high"]
            rows.append(("population", arm, rate["id"], "of 100", rate["horizon_h"], "people", *limits))
    for course in result["courses"]:
        for name in ("q05", "q25", "q50", "q75", "q95"):
            word = "typical" if name == "q50" else name
            for time_h, value in zip(course["time_h"], course[name], strict=True):
                row = ("population", "drug", course["row"], word, time_h, course["unit"], value, None, None)
                rows.append(row)
    return rows


def _study_text(asked: TrialRequest | PopulationRequest) -> str:
    """The study file of a run, with what it needs beside it as lines that begin with ``#``."""
    if isinstance(asked, PopulationRequest):
        raise AppProblem(
            422,
            "invalid",
            "Not valid",
            "A population has no study file; export the scenario as one, or this run as python.",
            [{"path": "/as", "value": "study", "allowed": "csv, parquet, svg, png, pdf, python, html"}],
        )
    work = plan_trial(asked)
    return "\n".join([*_head(work), work.study.dump()])


def _head(work: TrialWork) -> list[str]:
    lines = ["A simulation, for research and teaching, not for treating a person.", f"Run: {work.command}"]
    if work.changed:
        lines += ["The file parameters.csv of that call:", "name,value,unit"]
        lines += [f"{name},{text.replace(' ', ',', 1)}" for name, text in work.changed.items()]
    return [f"# {line}" for line in lines]
