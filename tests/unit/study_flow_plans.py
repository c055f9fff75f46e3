"""A small trial with a rule, as data, for tests of the flow of a study."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ketasim.errors import StudyError
from ketasim.trials.study import Study
from ketasim.trials.study.template import new_study_text

KETAMINE = "0.5 mg/kg ketamine iv over 40 min"
SALINE = "saline iv over 40 min"
BASE = yaml.safe_load(new_study_text("flow"))


def plan(**changes: Any) -> dict[str, Any]:
    """A small trial with a rule, as data; a change replaces a key of the file."""
    data = {
        **BASE,
        "arms": [
            {"id": "ketamine", "n": 20, "phase": "one", "regimen": KETAMINE},
            {"id": "saline", "n": 20, "phase": "one", "regimen": SALINE},
            {"id": "open", "phase": "two", "regimen": KETAMINE, "blinding": "open_label"},
        ],
        "visits": ["24 h", "7 d", "14 d", "21 d", "28 d"],
        "rules": [
            {"id": "escape", "at": ["7 d", "14 d"], "arms": ["ketamine", "saline"],
             "when": ["madrs improvement < 20 %"], "then": {"rescue": "open"}},
        ],
        "endpoints": [{"quantity": "madrs", "statistic": "change", "time": "14 d"}],
        "analyses": [
            {"id": "primary", "method": "ancova", "quantity": "madrs", "time": "14 d", "arm": "ketamine",
             "comparator": "saline"},
        ],
        "assumed": [],
    }  # fmt: skip
    return {**data, **changes}


def read(**changes: Any) -> Study:
    return Study.parse(yaml.safe_dump(plan(**changes), sort_keys=False), "flow.yaml")


def fault(**changes: Any) -> str:
    with pytest.raises(StudyError) as caught:
        read(**changes)
    message = str(caught.value)
    assert message.startswith("flow.yaml, line ")
    assert "\n" not in message
    return message


def rule(**changes: Any) -> dict[str, Any]:
    return {**plan()["rules"][0], **changes}


def analysis(**changes: Any) -> dict[str, Any]:
    return {**plan()["analyses"][0], **changes}


def arms(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**arm, **change} for arm, change in zip(plan()["arms"], changes, strict=True)]
