"""A trial whose arms are scenarios, as a study."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import yaml

from ketasim.api.scenarios import Fault, Scenario, ScenarioError, to_study
from ketasim.api.scenarios.plans import Plan, make_plan
from ketasim.api.scenarios.study_text import study_parameters
from ketasim.app.jobs.request import Design
from ketasim.design.what_if import study_from
from ketasim.dosing import Regimen
from ketasim.dosing.routes import ROUTES
from ketasim.errors import StudyError
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.trials import Study
from ketasim.trials.study.parts import Comedication
from ketasim.trials.study.rules import study_time

__all__ = ["ScenarioStudy", "default_visits", "scenario_study"]

_STUDY = "explorer_trial"
_LETTERS = "ABCDEFGHIJKLMNOP"
_WEEK_H = 168.0
_MOST_VISITS = 30
_SHARE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%")
_CONTROLS = {"none": "No treatment", "saline": "Placebo", "midazolam": "Midazolam"}
#: What all arms of a trial share.
_SHARED = ("person", "population", "mechanism")


@dataclass(frozen=True)
class ScenarioStudy:
    """A study made of scenarios.

    Parameters
    ----------
    study : Study
        The design; its arms are those of :func:`ketasim.api.scenarios.to_study`.
    names : mapping of str to str
        Names of the arms.
    parameters : ParameterSet or None
        Typical values, if they are not the shipped ones.
    changed : mapping of str to str
        Those that differ, as text with a unit.
    notes : tuple of str
        What of the scenarios a trial does not take over, in sentences.
    """

    study: Study
    names: Mapping[str, str]
    parameters: ParameterSet | None
    changed: Mapping[str, str]
    notes: tuple[str, ...]


def scenario_study(
    scenarios: Sequence[Scenario], design: Design | None = None, title: str | None = None
) -> ScenarioStudy:
    """Make a trial of scenarios: each is an arm, and the control of their setting is another.

    People and setting are those of :func:`ketasim.api.scenarios.to_study`; how many people there are, their
    visits, who leaves and what is analysed come from the design.

    Raises
    ------
    ScenarioError
        If a scenario cannot be used, they are not of one trial, or the design does not fit; says where.
    """
    design = Design() if design is None else design
    plans = _planned(scenarios)
    _refuse_mixture(scenarios)
    visits = list(design.visits) if design.visits is not None else default_visits([p.regimen for p in plans])
    end_h = _check_visits(visits, design)
    data = yaml.safe_load(to_study(list(scenarios)))
    arms, names = _arms(plans, data["arms"], design)
    for arm, size in zip(arms, _sizes(design, arms), strict=True):
        arm["n"] = size
    rate = _rate_per_week(design.drop_out, end_h)
    leaving = {"id": "leaving", "kind": "completely_at_random", "rate_per_week": rate}
    if design.blinding == "open_label":
        data["setting"]["blinding"] = "open_label"
    data |= {
        "id": _STUDY,
        "title": title or " against ".join(names.values()),
        "citation": _STUDY,
        "arms": arms,
        "visits": visits,
        "dropout": [leaving] if rate > 0.0 else [],
        "endpoints": [{"quantity": "madrs", "statistic": "change", "time": visits[-1]}],
        "analyses": _analyses(plans, arms, design, visits),
        "assumed": [],
    }
    parameters = study_parameters(scenarios[0])
    changed = _changed(parameters)
    notes = _notes(scenarios)
    return ScenarioStudy(study_from(data, _STUDY), names, parameters if changed else None, changed, notes)


def _planned(scenarios: Sequence[Scenario]) -> list[Plan]:
    """Look at every scenario, and tell all faults with their places."""
    plans: list[Plan] = []
    faults: list[Fault] = []
    for place, scenario in enumerate(scenarios):
        try:
            plan = make_plan(scenario)
        except ScenarioError as error:
            faults += [fault.inside(f"scenarios.{place}") for fault in error.faults]
            continue
        plans.append(plan)
        faults += [fault.inside(f"scenarios.{place}") for fault in _not_in_trials(plan)]
    if faults:
        raise ScenarioError(faults)
    return plans


def _not_in_trials(plan: Plan) -> list[Fault]:
    """What a scenario can say of one person and a trial cannot."""
    found = []
    if plan.switches:
        name = next(iter(plan.switches))
        text = "a trial has every stage switched on; leave the switches of its arms at 1."
        found.append(
            Fault(f"mechanism.switches.{name}", text, plan.switches[name], "1", "1", "Switch it on.")
        )
    if plan.scenario.person.illness == "healthy":
        text = "a trial enrols people who are depressed."
        found.append(Fault("person.illness", text, "healthy", "depressed", "depressed", "Choose depressed."))
    known = get_args(Comedication)
    for place, name in enumerate(plan.scenario.setting.comedication):
        if name not in known:
            text = f"{name!r} cannot be given to the arm of a trial; take one of {', '.join(known)}."
            found.append(Fault(f"setting.comedication.{place}", text, name, ", ".join(known)))
    return found


def _refuse_mixture(scenarios: Sequence[Scenario]) -> None:
    """Refuse arms that differ in what all people of a trial share."""
    first = scenarios[0].to_data()
    faults = []
    for place, scenario in enumerate(scenarios[1:], start=1):
        data = scenario.to_data()
        for part in _SHARED:
            if data[part] != first[part]:
                name = _differing(part, first[part], data[part])
                text = (
                    f"arm {_LETTERS[place]} differs from arm A in {name}, which all people of a trial share; "
                    "make it equal, or run two trials."
                )
                faults.append(Fault(f"scenarios.{place}.{name}", text, hint="Make it as in A."))
        for name in ("control", "context"):
            if data["setting"][name] != first["setting"][name]:
                text = f"arm {_LETTERS[place]} has another {name} than arm A; a trial has one."
                value, allowed = data["setting"][name], str(first["setting"][name])
                faults.append(Fault(f"scenarios.{place}.setting.{name}", text, value, allowed, allowed))
    if faults:
        raise ScenarioError(faults)


def _differing(part: str, one: Any, other: Any) -> str:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = [key for key in (*one, *other) if one.get(key) != other.get(key)]
        return f"{part}.{keys[0]}"
    return part


def default_visits(regimens: Sequence[Regimen]) -> list[str]:
    """Visits that suit some regimens: a day after the first dose, then weekly to a week after the last."""
    last = max((dose.start_h for regimen in regimens for dose in regimen.doses), default=0.0)
    weeks = max(4, math.ceil((last + 24.0) / _WEEK_H))
    step = math.ceil(weeks / _MOST_VISITS)
    return ["24 h", *(f"{7 * week} d" for week in range(step, weeks + step, step))]


def _check_visits(visits: Sequence[str], design: Design) -> float:
    """Look at the visits and the time of the analysis; gives the last visit, in hours."""
    faults, hours = [], []
    for place, text in enumerate(visits):
        try:
            time = study_time(text, "visit")
        except StudyError as error:
            faults.append(Fault(f"design.visits.{place}", str(error), text, "a time such as '24 h' or '7 d'"))
            continue
        if time <= 0.0:
            message = f"{text!r}: people are rated after the first dose; the rating at entry is always made."
            faults.append(Fault(f"design.visits.{place}", message, text, "a time after 0 h"))
        hours.append(time)
    asked = design.primary.time
    if asked is not None and asked not in visits:
        text = f"{asked!r} is not one of the visits; take one of {', '.join(visits)}."
        faults.append(Fault("design.primary.time", text, asked, ", ".join(visits), visits[-1]))
    if faults:
        raise ScenarioError(faults)
    return max(hours)


def _rate_per_week(text: str, end_h: float) -> float:
    """Rate of leaving at which a share of people has left by the end."""
    match = _SHARE.fullmatch(text.strip())
    share = float(match[1]) / 100.0 if match else math.nan
    if not 0.0 <= share <= 0.9:
        allowed = "0 % to 90 %"
        message = f"drop-out: {text!r} is not a share of people; give {allowed}, as '15 %'."
        raise ScenarioError([Fault("design.drop_out", message, text, allowed, "15 %", "Write '15 %'.")])
    return -math.log1p(-share) / (end_h / _WEEK_H)


def _arms(
    plans: Sequence[Plan], drafts: Sequence[dict[str, Any]], design: Design
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Arms of the scenarios with their names, and their control if none of them is one."""
    controlled = design.control and all(plan.regimen.is_active for plan in plans)
    arms = [dict(draft) for draft in (drafts if controlled else drafts[:-1])]
    for arm in arms:
        if arm.get("allocation") == 0.5:
            # What people believe then follows from the sizes of the arms.
            del arm["allocation"]
    names = {
        str(arm["id"]): f"{_LETTERS[place]} ({_words(plan.regimen)})"
        for place, (arm, plan) in enumerate(zip(arms, plans, strict=False))
    }
    if controlled:
        names[str(arms[-1]["id"])] = _CONTROLS[plans[0].scenario.setting.control]
    return arms, names


def _words(regimen: Regimen) -> str:
    """Drug and route in words."""
    if not regimen.doses:
        return "no treatment"
    dose = regimen.doses[0]
    return f"{dose.drug.replace('_', '-')} {ROUTES[dose.route].text}"


def _sizes(design: Design, arms: Sequence[Mapping[str, Any]]) -> list[int]:
    if isinstance(design.n, int):
        return [design.n] * len(arms)
    if len(design.n) != len(arms):
        allowed = f"one number, or {len(arms)}: one for each arm"
        message = f"design.n: {len(design.n)} numbers for {len(arms)} arms; give {allowed}."
        raise ScenarioError([Fault("design.n", message, len(design.n), allowed)])
    return list(design.n)


def _analyses(
    plans: Sequence[Plan], arms: Sequence[Mapping[str, Any]], design: Design, visits: Sequence[str]
) -> list[dict[str, Any]]:
    """Each active arm against the control, or against the first arm where there is none."""
    active = [str(arm["id"]) for arm, plan in zip(arms, plans, strict=False) if plan.regimen.is_active]
    controls = [str(arm["id"]) for arm in arms if arm["id"] not in active]
    # Without a control the first arm stands for it.
    against = controls[-1] if controls else (active or [""])[0]
    pairs = [(arm, against) for arm in active if arm != against]
    return [
        {
            "id": "primary" if place == 0 else f"primary_{arm}",
            "method": design.primary.method,
            "quantity": design.primary.quantity,
            "time": design.primary.time or visits[-1],
            "arm": arm,
            "comparator": comparator,
            "alpha": design.alpha,
        }
        for place, (arm, comparator) in enumerate(pairs)
    ]


def _changed(parameters: ParameterSet) -> dict[str, str]:
    """Parameters that are not the shipped ones; who the people are comes from the study."""
    shipped = load_parameters()
    return {
        name: f"{parameters[name].value!r} {parameters[name].unit}"
        for name in sorted(shipped)
        if parameters[name].value != shipped[name].value
    }


def _notes(scenarios: Sequence[Scenario]) -> tuple[str, ...]:
    first = scenarios[0]
    found = [
        "All people are like the person of the scenario, apart from how ill they are and how the drug acts "
        "in them; choose a population in the scenario for people who differ."
        if first.population is None
        else f"People are drawn from the table {first.population}."
    ]
    if any(scenario.setting.expectancy != "middle" for scenario in scenarios):
        found.append("Each person hopes as he does; the expectancy that the scenario sets is of one person.")
    if first.population is None and first.person.cyp2b6 != "*1/*1":
        found.append("A trial does not set the gene of CYP2B6.")
    return tuple(found)
