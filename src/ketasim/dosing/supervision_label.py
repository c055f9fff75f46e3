"""Rules of the label of nasal esketamine: what each reads of a regimen and a person, and what it says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

from ketasim.dosing.regimen import DEVICE_GAP_H
from ketasim.dosing.supervision import TAKEN, Verdict
from ketasim.dosing.supervision_case import SLACK, Answer, Case, arranged, contraindicated, same
from ketasim.dosing.units_of_dose import DOSE_UNITS

__all__ = ["LABEL_RULES"]

_WEEK_H = 168.0
_CONTRAINDICATED = (
    "aneurysmal_disease",
    "arteriovenous_malformation",
    "intracerebral_haemorrhage",
    "hypersensitivity",
)


def _needs_weight(case: Case) -> Answer | None:
    if case.facts.weight_kg is None and any(
        DOSE_UNITS[dose.unit].per_kg or DOSE_UNITS[dose.unit].per_m2 for dose in case.nasal
    ):
        return "cannot tell", "the dose depends on body weight: give the weight"
    return None


def _start_dose(case: Case) -> Answer:
    missing = _needs_weight(case)
    if missing is not None:
        return missing
    first, age = case.sessions[0].mass_mg, case.facts.age
    usual, low, old = (case.limit(f"label_{name}") for name in ("start_dose", "start_dose_old", "old_age"))
    if case.facts.purpose == "suicidality":
        return "not applicable", "another first dose holds in depression with acute suicidal thoughts"
    if same(first, usual):
        if age is not None and age >= old:
            return (
                "warn",
                f"{first:g} mg at {age:g} years; EU and Hong Kong labels: {low:g} mg from {old:g} years",
            )
        return "pass", f"{first:g} mg on day 1; label {usual:g} mg"
    if same(first, low):
        if age is None:
            return "cannot tell", f"{low:g} mg is a first dose from {old:g} years only: give the age"
        if age >= old:
            return (
                "pass",
                f"{first:g} mg at {age:g} years; EU and Hong Kong labels {low:g} mg from {old:g} years",
            )
    return (
        "fail",
        f"{first:g} mg on day 1; label {usual:g} mg ({low:g} mg from {old:g} years in EU and Hong Kong)",
    )


def _largest_dose(case: Case) -> Answer:
    missing = _needs_weight(case)
    if missing is not None:
        return missing
    most, step = case.limit("label_max_dose"), case.limit("label_dose_step")
    masses = [session.mass_mg for session in case.sessions]
    wrong = sorted({mass for mass in masses if mass > most + SLACK})
    if wrong:
        return "fail", f"{wrong[-1]:g} mg in a session; label at most {most:g} mg"
    odd = [mass for mass in masses if not same(mass / step, round(mass / step)) or mass < step - SLACK]
    if odd:
        return "fail", f"{odd[0]:g} mg is no whole number of devices of {step:g} mg"
    young = case.facts.age is None or case.facts.age < case.limit("label_old_age")
    low = [mass for mass in masses if same(mass, step)]
    if low and young:
        return "warn", f"{low[0]:g} mg in a session; the label's doses are {most - step:g} and {most:g} mg"
    return "pass", f"at most {max(masses):g} mg in a session; label {most:g} mg"


def _dose_step(case: Case) -> Answer:
    missing = _needs_weight(case)
    if missing is not None:
        return missing
    masses, step = [session.mass_mg for session in case.sessions], case.limit("label_dose_step")
    steps = [abs(after - before) for before, after in pairwise(masses)]
    largest = max(steps, default=0.0)
    verdict: Verdict = "fail" if largest > step + SLACK else "pass"
    return verdict, f"the dose changes by at most {largest:g} mg from session to session; label {step:g} mg"


def _device_gap(case: Case) -> Answer:
    least = case.limit("label_device_gap")
    gaps = [
        60.0 * (after - before) for session in case.sessions for before, after in pairwise(session.starts_h)
    ]
    gap = min(gaps, default=60.0 * DEVICE_GAP_H)
    if gap < least - SLACK:
        return "fail", f"devices {gap:.3g} min apart; label {least:g} min"
    return "pass", f"devices {gap:.3g} min apart; label {least:g} min"


def _weekly(first: int, last: float, rule: str) -> Callable[[Case], Answer]:
    def answer(case: Case) -> Answer:
        allowed = case.limit(rule)
        begin = case.sessions[0].start_h
        weeks = [int((session.start_h - begin) / _WEEK_H + SLACK) + 1 for session in case.sessions]
        within = list(range(first, int(min(last, max(weeks))) + 1))
        if not within:
            return "not applicable", f"no session in week {first} or later"
        if case.facts.purpose == "suicidality" and first > 1:
            return "not applicable", "beyond the course for acute suicidal thoughts"
        counts = {week: weeks.count(week) for week in within}
        most = max(counts.values())
        if most > allowed + SLACK:
            week = next(week for week, count in counts.items() if count == most)
            return "fail", f"{most} sessions in week {week}; label at most {allowed:g} a week"
        # What comes after the last session may be another plan's.
        short = [week for week in within if counts[week] < allowed and week < max(weeks)]
        if first >= 9:
            gaps = [b - a for a, b in pairwise(weeks) if b >= first]
            if max(gaps, default=1) > 2:
                return "warn", f"{max(gaps)} weeks between sessions; label every week or every 2 weeks"
            return "pass", f"at most {most} session a week; label {allowed:g}, or one every 2 weeks"
        if short:
            return "warn", f"{counts[short[0]]} sessions in week {short[0]}; label {allowed:g} a week"
        return "pass", f"at most {most} a week; label {allowed:g}"

    return answer


def _mdsi_dose(case: Case) -> Answer:
    if case.facts.purpose != "suicidality":
        return "not applicable", "not for acute suicidal thoughts"
    missing = _needs_weight(case)
    if missing is not None:
        return missing
    full = case.limit("label_mdsi_dose")
    reduced = full - case.limit("label_dose_step")
    masses = [session.mass_mg for session in case.sessions]
    if not same(masses[0], full) or not all(same(mass, full) or same(mass, reduced) for mass in masses):
        return "fail", f"{_listed(masses)} mg; label {full:g} mg, which may be reduced to {reduced:g} mg"
    return "pass", f"{_listed(masses)} mg; label {full:g} mg, which may be reduced to {reduced:g} mg"


def _mdsi_weeks(case: Case) -> Answer:
    if case.facts.purpose != "suicidality":
        return "not applicable", "not for acute suicidal thoughts"
    limit = case.limit("label_mdsi_weeks")
    last = _last_week(case)
    if last > limit:
        return "warn", f"sessions up to week {last}; beyond {limit:g} weeks it was not studied"
    return "pass", f"sessions up to week {last}; studied for {limit:g} weeks"


def _benefit(case: Case) -> Answer:
    limit, last = case.limit("label_benefit_check"), _last_week(case)
    if last <= limit:
        return "not applicable", f"ends in week {last}; whether to go on is decided in week {limit:g}"
    if case.facts.benefit is None:
        return "cannot tell", f"goes on to week {last}: say whether there is a benefit at week {limit:g}"
    if case.facts.benefit:
        return "pass", f"goes on to week {last} with a benefit at week {limit:g}"
    return "warn", f"goes on to week {last} without a benefit at week {limit:g}: stop or justify"


def _pressure_after(case: Case) -> Answer:
    limit, taken = case.limit("label_bp_check"), case.facts.pressure_min
    if taken is None:
        return "cannot tell", f"say when blood pressure is taken; label about {limit:g} min after the dose"
    verdict: Verdict = "pass" if same(taken, limit) else "warn"
    return verdict, f"taken at {taken:g} min; label about {limit:g} min, then until it falls"


def _observation(case: Case) -> Answer:
    limit, watched = case.limit("label_observation"), case.facts.observation_min
    if watched is None:
        return "cannot tell", f"say how long the person is watched; label at least {limit:g} min"
    return ("pass" if watched >= limit else "fail"), f"{watched:g} min; label at least {limit:g} min"


def _pressure_before(field: str, rule: str) -> Callable[[Case], Answer]:
    def answer(case: Case) -> Answer:
        limit, value = case.limit(rule), getattr(case.facts, field)
        if value is None:
            return (
                "cannot tell",
                f"{field} pressure before the dose is missing; label weighs a delay above {limit:g} mmHg",
            )
        if value > limit:
            return "warn", f"{value:g} mmHg; above {limit:g} mmHg the label weighs a delay (no absolute stop)"
        return "pass", f"{value:g} mmHg; label weighs a delay above {limit:g} mmHg"

    return answer


def _since(field: str, what: str, rule: str) -> Callable[[Case], Answer]:
    def answer(case: Case) -> Answer:
        limit, minutes = case.limit(rule), getattr(case.facts, field)
        if minutes is None:
            return "cannot tell", f"time since {what} is missing; label {limit:g} min"
        return ("pass" if minutes >= limit else "warn"), f"{minutes:g} min since {what}; label {limit:g} min"

    return answer


def _liver(case: Case) -> Answer:
    stage = case.facts.hepatic
    if stage is None:
        return "cannot tell", "Child-Pugh class is missing: none, A, B or C"
    if stage == "C":
        return "fail", "Child-Pugh C: not recommended"
    if stage == "B":
        return "warn", "Child-Pugh B: watch longer"
    return "pass", "no impairment" if stage == "none" else f"Child-Pugh {stage}"


def _others(case: Case) -> Answer:
    if case.facts.taking is None:
        return "cannot tell", "other drugs are missing: name what is taken, or none"
    depressants = [name for name in sorted(case.facts.taking) if TAKEN[name] == "CNS depressant"]
    pressors = [name for name in sorted(case.facts.taking) if TAKEN[name] != "CNS depressant"]
    words = []
    if depressants:
        words.append(f"{_named(depressants)}: watch sedation")
    if pressors:
        words.append(f"{_named(pressors)}: watch blood pressure")
    return ("warn", "; ".join(words)) if words else ("pass", "none of those named is taken")


def _last_week(case: Case) -> int:
    sessions = case.sessions
    return int((sessions[-1].start_h - sessions[0].start_h) / _WEEK_H + SLACK) + 1


def _listed(masses: Sequence[float]) -> str:
    return ", ".join(f"{mass:g}" for mass in dict.fromkeys(masses))


def _named(names: Sequence[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names)


LABEL_RULES: Final[Mapping[str, Callable[[Case], Answer]]] = {
    "label_start_dose": _start_dose,
    "label_max_dose": _largest_dose,
    "label_dose_step": _dose_step,
    "label_device_gap": _device_gap,
    "label_wk1_4_sessions": _weekly(1, 4, "label_wk1_4_sessions"),
    "label_wk5_8_sessions": _weekly(5, 8, "label_wk5_8_sessions"),
    "label_wk9plus_sessions_max": _weekly(9, math.inf, "label_wk9plus_sessions_max"),
    "label_mdsi_dose": _mdsi_dose,
    "label_mdsi_weeks": _mdsi_weeks,
    "label_benefit_check": _benefit,
    "label_pre_sbp": _pressure_before("systolic", "label_pre_sbp"),
    "label_pre_dbp": _pressure_before("diastolic", "label_pre_dbp"),
    "label_bp_check": _pressure_after,
    "label_observation": _observation,
    "label_no_food": _since("food_min", "food", "label_no_food"),
    "label_no_liquid": _since("liquid_min", "liquid", "label_no_liquid"),
    "label_nasal_steroid_gap": _since(
        "nasal_min", "a nasal steroid or decongestant", "label_nasal_steroid_gap"
    ),
    "label_contraindications": contraindicated(_CONTRAINDICATED),
    "label_severe_hepatic": _liver,
    "label_interactions": _others,
    "label_pulse_oximetry": arranged("pulse_oximetry"),
    "label_driving": arranged("no_driving"),
    "label_schedule": arranged("certified_setting"),
}
