"""Endpoints and analyses of a run that is on disk, computed again without simulating anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from ketasim.errors import StudyError
from ketasim.trials.endpoints import summarise
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.folder import MANIFEST, RunFolder, parse_format
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study import Study

__all__ = ["Reanalysis", "reanalyse"]

Progress = Callable[[str, int, int], None]

#: What may change after the patients were simulated.
_FREE = (
    *("endpoints", "analyses", "multiplicity", "monitoring", "observations"),
    *("assumed", "notes", "title", "citation"),
)


@dataclass(frozen=True)
class Reanalysis:
    """What was computed again.

    Parameters
    ----------
    study : Study
        The design with the plan that was used.
    endpoints, analyses : DataFrame
        As a run writes them.
    parts, parts_planned : int
        Finished parts of the run, and all of them.
    """

    study: Study
    endpoints: pd.DataFrame
    analyses: pd.DataFrame
    parts: int
    parts_planned: int


def reanalyse(
    path: str | Path, study: Study | None = None, *, progress: Progress | None = None
) -> Reanalysis:
    """Compute endpoints and analyses of a run again, and write them into its folder.

    Parameters
    ----------
    path : str or Path
        The folder of a run, finished or interrupted.
    study : Study, optional
        The same design with another plan; default: the run's own. The run's ``study.yaml`` stays as it is,
        and the plan is kept beside it as ``study_analysed.yaml``.
    progress : callable, optional
        Called with what is done, how much of it, and how much in all.

    Returns
    -------
    Reanalysis

    Raises
    ------
    StudyError
        If there is no run, none of its parts is finished, the design is another one, or a quantity
        was not recorded.
    """
    path = Path(path)
    manifest = _manifest(path)
    folder = RunFolder(path, parse_format(manifest["format"]))
    own = Study.load(path / "study.yaml")
    if study is not None:
        _check_same(own, study, path)
    used = own if study is None else study
    recorded, patients, events = _rows(folder)
    found = analyse(recorded, patients, events, used, progress=progress, seed=int(manifest["seed"]))
    if progress is not None:
        progress("endpoints", 0, 1)
    endpoints = summarise(recorded, used)
    if progress is not None:
        progress("endpoints", 1, 1)
    folder.write_table("endpoints", endpoints)
    folder.write_table("analyses", found)
    if study is not None:
        (path / "study_analysed.yaml").write_text(study.dump(), encoding="utf-8")
    parts = len(folder.parts("outcomes"))
    return Reanalysis(used, endpoints, found, parts, int(manifest.get("parts", parts)))


def _manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or not {"study_hash", "seed", "format"} <= content.keys():
        what = f"has no {MANIFEST} of a run" if path.is_dir() else "there is no such folder"
        raise StudyError(
            f"{path}: {what}; give the folder that 'ketasim run STUDY --out FOLDER' has written."
        )
    return content


def _check_same(own: Study, given: Study, path: Path) -> None:
    """Refuse a study whose patients would have been others."""
    before, now = _fixed(own), _fixed(given)
    differ = [name for name in before if before[name] != now[name]]
    if not differ:
        return
    detail = ""
    arms = [[arm.id for arm in item.arms] for item in (own, given)]
    if arms[0] != arms[1]:
        detail = f" The run has the arms {', '.join(arms[0])}, and the file {', '.join(arms[1])}."
    elif "visits" in differ:
        times = [", ".join(visit.time for visit in item.visits) for item in (own, given)]
        detail = f" The run has the visits {times[0]}, and the file {times[1]}."
    raise StudyError(
        f"--study: {given.id}: {', '.join(differ)} differ from those of the run in {path}.{detail} Only "
        "endpoints, analyses, multiplicity and monitoring may change; for another design simulate anew: "
        "ketasim run FILE."
    )


def _fixed(study: Study) -> dict[str, Any]:
    """All that patients depend on."""
    content: dict[str, Any] = study.model_dump(mode="json", by_alias=True)
    for name in _FREE:
        content.pop(name, None)
    conditions = [condition for rule in study.rules for condition in rule.conditions]
    if not any(condition.form == "remission" for condition in conditions):
        content["setting"].pop("remission", None)
    content["setting"].pop("relapse", None)
    return content


def _rows(folder: RunFolder) -> tuple[Outcomes, pd.DataFrame, pd.DataFrame]:
    """Read what is finished: outcomes, which are written last, and patients and events that go with them."""
    if not folder.parts("outcomes"):
        raise StudyError(
            f"{folder.path}: no part of this run is finished; go on with it: ketasim run STUDY --out "
            f"{folder.path} --resume."
        )
    try:
        recorded, patients, events = folder.outcomes(), folder.table("patients"), folder.table("events")
        scale = recorded.matrix(Study.load(folder.path / "study.yaml").population.baseline.scale)
    except (OSError, pa.ArrowException) as error:
        raise StudyError(
            f"{folder.path}: a part of this run cannot be read ({error}); make it anew: ketasim run STUDY "
            f"--out {folder.path} --resume."
        ) from error
    seen = pd.MultiIndex.from_arrays([scale.replicate, scale.subject])
    own = pd.MultiIndex.from_arrays([patients["replicate"], patients["subject"]])
    return recorded, patients[own.isin(seen)], events
