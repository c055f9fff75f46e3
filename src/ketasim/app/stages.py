"""A stage opened: equations, what it holds, reads and gives, its numbers with their sources, and disputes."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from ketasim.api.scenarios.mechanisms import OF_PERSON
from ketasim.app.citations import publication
from ketasim.app.equations import stage_equations
from ketasim.app.problems import AppProblem
from ketasim.app.scoreboard import evidence_of_stage
from ketasim.errors import unknown_name
from ketasim.model.chain import STAGES, Chain, build_chain
from ketasim.model.options import Option, load_options, setting_texts
from ketasim.model.parameters import OWN_SOURCES, Parameter, load_parameters
from ketasim.model.stage import Stage

__all__ = ["option_data", "option_stage", "stage_body", "stage_card"]


@cache
def shown_chain() -> Chain:
    """The chain whose equations are shown."""
    return build_chain()


def option_data(option: Option) -> dict[str, Any]:
    """Return a dispute with its sides as plain data; sources are keys."""
    return {
        "id": option.name,
        "label": option.name.replace("_", " "),
        "default": option.default,
        "choices": [
            {
                "id": choice.name,
                "name": choice.name.replace("_", " "),
                "summary": choice.note or "as in the tables",
                "sets": list(setting_texts(choice)),
                "sources": list(choice.sources),
            }
            for choice in option.choices.values()
        ],
    }


def _with_sources(option: dict[str, Any]) -> dict[str, Any]:
    """Return a dispute with words for its sources."""
    choices = [
        {**choice, "sources": [_source(key) for key in choice["sources"]]} for choice in option["choices"]
    ]
    return {**option, "choices": choices}


@cache
def _stage_of_parameter() -> dict[str, str]:
    found = {name: item.stage for name, item in load_parameters().items()}
    for stage in STAGES:
        found |= {item.name: stage.name for item in stage.derived}
    return found


def option_stage(option: Option) -> str:
    """Return the stage that an option belongs to: that of the first parameter that it sets."""
    names = [setting.parameter for choice in option.choices.values() for setting in choice.settings]
    return next((_stage_of_parameter()[name] for name in names if name in _stage_of_parameter()), "circuit")


def _source(key: str) -> dict[str, Any]:
    if key in OWN_SOURCES:
        return {"key": key, "text": OWN_SOURCES[key], "publication": False}
    about = publication(key.partition(";")[0].strip())
    return {"key": key, "text": about["short"] if about else key, "publication": about is not None}


def _parameter(item: Parameter, borrowed: bool) -> dict[str, Any]:
    source = _source(item.source)
    return {
        "id": item.name,
        "name": item.name.replace("_", " "),
        "value": item.value,
        "unit": item.unit,
        "low": item.low,
        "high": item.high,
        "distribution": item.distribution,
        "spread_between_people": item.iiv,
        "grade": item.grade,
        "citation": source["key"] if source["publication"] else None,
        "source": source["text"],
        "note": item.note,
        "stage": item.stage,
        "borrowed": borrowed,
    }


def _parameters(chain: Chain, stage: Stage) -> list[dict[str, Any]]:
    # What the person says is no parameter that a scenario may change a second time.
    shown = {name: item for name, item in chain.parameters.items() if name not in OF_PERSON}
    own = [item for item in shown.values() if item.stage == stage.name]
    borrowed = [shown[name] for name in stage.borrowed if name in shown]
    return [*(_parameter(item, False) for item in own), *(_parameter(item, True) for item in borrowed)]


def stage_card(name: str) -> dict[str, Any]:
    """Return a stage as :class:`~ketasim.app.contract.StageCard`.

    Parameters
    ----------
    name : str
        Name of a stage.

    Raises
    ------
    AppProblem
        404, if there is no such stage; names the nearest.
    """
    stages = {stage.name: stage for stage in STAGES}
    if name not in stages:
        detail = unknown_name("stage", name[:60], stages)
        error = {"path": "/stage", "value": name, "allowed": list(stages), "hint": detail}
        raise AppProblem(404, "not_found", "Not found", detail, [error])
    return _card(stages[name].name)


def stage_body(name: str) -> bytes:
    """Return :func:`stage_card` as it is sent."""
    return _body(stage_card(name)["id"])


@cache
def _body(name: str) -> bytes:
    return json.dumps(_card(name), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@cache
def _card(name: str) -> dict[str, Any]:
    chain = shown_chain()
    stage = next(stage for stage in chain.stages if stage.name == name)
    own = [item for item in load_options().values() if option_stage(item) == name]
    disputes = [_with_sources(option_data(item)) for item in own]
    return {
        "id": stage.name,
        "name": stage.title,
        "section": stage.section,
        "text": (type(stage).__doc__ or "").strip(),
        "equations": stage_equations(chain, name),
        "states": [
            {"id": item.name, "name": item.label, "unit": item.unit, "healthy": item.healthy}
            for item in stage.states
        ],
        "reads": [
            {
                "id": item.name,
                "name": chain.quantities[item.name].label,
                "unit": item.unit,
                "stage": chain.owner[item.name],
            }
            for item in stage.reads
        ],
        "inputs": [{"id": item.name, "name": item.label, "unit": item.unit} for item in stage.inputs],
        "provides": [
            {"id": item.name, "name": item.label, "unit": item.shown_unit, "reference": item.reference}
            for item in stage.provides
        ],
        "parameters": _parameters(chain, stage),
        "derived": [{"id": item.name, "name": item.label, "unit": item.unit} for item in stage.derived],
        "options": disputes,
        "disputes": [
            {
                "text": f"{item['label']}: {'; '.join(choice['summary'] for choice in item['choices'])}",
                "option": item["id"],
                "citations": sorted(
                    {
                        source["key"]
                        for choice in item["choices"]
                        for source in choice["sources"]
                        if source["publication"]
                    }
                ),
            }
            for item in disputes
        ],
        "observations": evidence_of_stage(name),
    }
