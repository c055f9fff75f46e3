"""Published rules of supervision, applied to a scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ketasim.api.scenarios.plans import Plan, person_numbers
from ketasim.dosing.supervision import TAKEN, PersonFacts, check_regimen, supervision_rules

__all__ = ["RuleState", "rules_of"]

_STATES: Final[Mapping[str, str]] = {
    "fail": "fail",
    "warn": "warn",
    "cannot tell": "unknown",
    "pass": "pass",
}


@dataclass(frozen=True)
class RuleState:
    """What a rule says.

    Parameters
    ----------
    id, title : str
        The rule.
    state : str
        ``fail``, ``warn``, ``unknown`` or ``pass``.
    limit : float or None
        The limit that it gives, in ``unit``.
    unit, message, source : str
        Unit of the limit, what was found, and the key of the publication.
    """

    id: str
    title: str
    state: str
    limit: float | None
    unit: str
    message: str
    source: str

    def to_dict(self) -> dict[str, Any]:
        """As plain data; the figure that was found stands in the message."""
        return {**vars(self), "value": None}


def rules_of(plan: Plan) -> tuple[RuleState, ...]:
    """Apply every rule that is about what is given; the worst come first.

    Only what a scenario says is told to the rules. What it does not say (history, how a session is run)
    stays open, and so do the rules that ask for it.
    """
    scenario = plan.scenario
    numbers, person = person_numbers(scenario), scenario.person
    taking = {name for name in scenario.setting.comedication if name in TAKEN}
    taking |= {"opioid"} if numbers["opioid"] > 0.0 else set()
    known = scenario.population is None
    pain = person.illness == "healthy" and numbers["pain"] > 0.0
    facts = PersonFacts(
        purpose="acute_pain" if pain else "depression",
        weight_kg=numbers["weight"] if known else None,
        # A dose per m2 cannot be weighed up without one.
        height_m=numbers["height"] / 100.0,
        age=numbers["age"] if known else None,
        systolic=plan.parameters["systolic_rest"].value,
        diastolic=plan.parameters["diastolic_rest"].value,
        taking=frozenset(taking),
    )
    rules = supervision_rules()
    found = []
    for finding in check_regimen(plan.regimen, facts):
        if finding.verdict not in _STATES:
            continue
        rule = rules[finding.rule]
        limit = rule.value if math.isfinite(rule.value) else None
        state = _STATES[finding.verdict]
        found.append(
            RuleState(finding.rule, finding.title, state, limit, rule.unit, finding.message, finding.source)
        )
    order = list(_STATES.values())
    return tuple(sorted(found, key=lambda item: order.index(item.state)))
