"""What there is to choose from, for a page that is opened: one document with a tag."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import threading
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import Any, Final

import yaml
from pydantic import BaseModel

from ketasim.api import scenarios
from ketasim.app.cascade_rows import load_edges, load_rows
from ketasim.app.dose_forms import drugs_as_data, schedules_as_data
from ketasim.app.limits import load_limits
from ketasim.app.stages import option_data, option_stage
from ketasim.dosing.supervision import supervision_rules
from ketasim.model.chain import STAGES
from ketasim.model.hypotheses import WIRINGS
from ketasim.model.options import load_options
from ketasim.trials.study.catalogue import read_study_text, shipped_studies

__all__ = ["DISCLAIMER", "etag", "meta"]

_LOCK: Final = threading.Lock()
_TITLE = re.compile(r"^title: (.+)$", re.MULTILINE)
#: What is said once on the page, and in every export.
DISCLAIMER = "For research and teaching, not for treating a person."


def as_data(item: Any) -> dict[str, Any]:
    """Return an item of the public API as plain data."""
    if isinstance(item, BaseModel):
        return item.model_dump(mode="json", by_alias=True)
    if is_dataclass(item) and not isinstance(item, type):
        return {name: _plain(value) for name, value in _shallow(item).items()}
    return dict(item)


def _shallow(item: Any) -> dict[str, Any]:
    return {name: getattr(item, name) for name in item.__dataclass_fields__}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
        return as_data(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    # A rule without a figure has none to show.
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _switches() -> list[dict[str, Any]]:
    text = (resources.files("ketasim.app") / "probes.csv").read_text(encoding="utf-8")
    probes = {row["switch"]: row["probe"] for row in csv.DictReader(text.splitlines())}
    return [{**as_data(item), "probe": probes.get(item.id) or None} for item in scenarios.switches()]


def _rows(switches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    switch_of = {item["row"]: item["id"] for item in reversed(switches) if item.get("row")}
    found = []
    for row in load_rows().values():
        data = asdict(row)
        data["range"] = [data.pop("low"), data.pop("high")]
        parents = [edge.as_data() for edge in load_edges() if edge.child == row.id]
        found.append({**data, "switch": switch_of.get(row.id), "parents": parents})
    return found


def _stages() -> list[dict[str, Any]]:
    feeds: dict[str, dict[str, None]] = {stage.name: {} for stage in STAGES}
    giver = {item.name: stage.name for stage in STAGES for item in stage.provides}
    for stage in STAGES:
        for read in stage.reads:
            if giver[read.name] != stage.name:
                feeds[stage.name][giver[read.name]] = None
    return [
        {"id": stage.name, "name": stage.title, "section": stage.section, "parents": list(feeds[stage.name])}
        for stage in STAGES
    ]


def _wirings() -> list[dict[str, Any]]:
    return [
        {
            "id": item.name,
            "name": item.name.replace("_", " "),
            "summary": item.text,
            "cuts": item.cuts,
        }
        for item in WIRINGS.values()
    ]


def _studies() -> list[dict[str, Any]]:
    """Shipped studies by name and title; a file's first lines hold it, and reading it all takes long."""
    found = []
    for name in shipped_studies():
        text, _ = read_study_text(name)
        match = _TITLE.search(text)
        title = yaml.safe_load(match[1]) if match else name
        found.append({"id": name, "title": str(title)})
    return found


def _rules() -> list[dict[str, Any]]:
    return [as_data(rule) for rule in supervision_rules().values()]


@cache
def meta() -> dict[str, Any]:
    """Return what there is to choose from, as :class:`~ketasim.app.contract.Meta`."""
    switches = _switches()
    return {
        "version": version("ketasim"),
        "model_hash": scenarios.model_hash(),
        "parameter_hash": scenarios.parameter_hash(),
        "disclaimer": DISCLAIMER,
        "rows": _rows(switches),
        "stages": _stages(),
        "presets": [as_data(item) for item in scenarios.presets()],
        "wirings": _wirings(),
        "switches": switches,
        "options": [
            {"stage": option_stage(option), **option_data(option)} for option in load_options().values()
        ],
        "drugs": drugs_as_data(),
        "schedules": schedules_as_data(),
        "controls": [as_data(item) for item in scenarios.controls()],
        "expectancies": [as_data(item) for item in scenarios.expectancies()],
        "contexts": [as_data(item) for item in scenarios.contexts()],
        "comedications": [as_data(item) for item in scenarios.comedications()],
        "person_fields": [as_data(item) for item in scenarios.person_fields()],
        "populations": [as_data(item) for item in scenarios.populations()],
        "studies": _studies(),
        "rules": _rules(),
        "limits": [asdict(item) for item in load_limits().values()],
    }


def etag(body: bytes) -> str:
    """Return the tag of a document, which changes with it alone."""
    return f'"{hashlib.sha256(body).hexdigest()[:24]}"'


def meta_body() -> bytes:
    """Return the document as it is sent; two that ask for it at once wait for one."""
    with _LOCK:
        return _meta_body()


@cache
def _meta_body() -> bytes:
    return json.dumps(meta(), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
