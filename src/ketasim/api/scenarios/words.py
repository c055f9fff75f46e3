"""A scenario in a sentence."""

from __future__ import annotations

from ketasim.api.scenarios.choices import comedications, contexts, controls, populations
from ketasim.api.scenarios.plans import Plan, person_numbers
from ketasim.api.scenarios.switching import SWITCHES
from ketasim.model.hypotheses import DEFAULT_WIRING

__all__ = ["scenario_sentence", "who_words"]


def scenario_sentence(plan: Plan) -> str:
    """What is given to whom, against what, and what was changed in the mechanism."""
    own = plan.scenario.setting
    names = {choice.id: choice.name for choice in (*controls(), *comedications(), *contexts())}
    given = "no drug" if plan.regimen.is_empty else plan.regimen.text
    parts = [given, who_words(plan), f"against {names[own.control]}"]
    if own.context != "outpatient":
        parts.append(names[own.context])
    if own.comedication:
        parts.append("beside it " + ", ".join(names[name] for name in own.comedication))
    mechanism = plan.scenario.mechanism
    if mechanism.wiring != DEFAULT_WIRING:
        parts.append(f"wiring {mechanism.wiring.replace('_', ' ')}")
    for name, share in plan.switches.items():
        words = "off" if share == 0.0 else f"at {100.0 * share:.3g} %"
        parts.append(f"{SWITCHES[name].name} {words}")
    parts += [f"{name} = {side}" for name, side in mechanism.options.items()]
    if mechanism.parameters:
        parts.append("changed: " + ", ".join(mechanism.parameters))
    return "; ".join(parts) + "."


def who_words(plan: Plan) -> str:
    """Who it is given to."""
    if plan.scenario.population is not None:
        (choice,) = (item for item in populations() if item.id == plan.scenario.population)
        return f"the typical person of {choice.name}"
    person, numbers = plan.scenario.person, person_numbers(plan.scenario)
    noun = "woman" if person.sex == "female" else "man"
    state = "healthy" if person.illness == "healthy" else f"MADRS {numbers['severity']:.3g}"
    return f"a {noun} of {numbers['age']:.3g} years, {numbers['weight']:.3g} kg, {state}"
