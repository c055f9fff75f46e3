"""Rules for ketamine into a vein: what each reads of a regimen and a person, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ketasim.dosing.supervision import PURPOSES, Verdict
from ketasim.dosing.supervision_case import SLACK, Answer, Case, arranged, contraindicated, per_kg_dose, same

__all__ = ["VEIN_RULES"]

_DAY_H = 24.0
_ACUTE_CONTRA = (
    "uncontrolled_cardiovascular",
    "pregnancy",
    "psychosis",
    "raised_intracranial_pressure",
    "raised_intraocular_pressure",
)
_CHRONIC_CONTRA = ("uncontrolled_cardiovascular", "psychosis", "substance_abuse")
_CHRONIC_CAUTION = ("raised_intracranial_pressure", "raised_intraocular_pressure")


def _usual_dose(case: Case) -> Answer:
    infusions = [dose for dose in case.by_vein("iv_infusion") if dose.drug == "ketamine"]
    if case.facts.purpose not in ("depression", "suicidality") or not infusions:
        return "not applicable", "about infusions of racemic ketamine in depression"
    usual, length = case.limit("apa_dose"), case.limit("apa_duration")
    other = []
    for dose in infusions:
        per_kg = per_kg_dose(dose, case.facts)
        if per_kg is None:
            return "cannot tell", "the dose per kg depends on body weight: give the weight"
        minutes = 60.0 * (dose.duration_h or 0.0)
        if not (same(per_kg, usual) and same(minutes, length)):
            other.append(f"{per_kg:.3g} mg/kg over {minutes:.3g} min")
    if other:
        return (
            "warn",
            f"{other[0]}, not the {usual:g} mg/kg over {length:g} min of most reports: tell the patient",
        )
    return "pass", f"{usual:g} mg/kg over {length:g} min, as in most reports (not fixed as a rule)"


def _push(case: Case) -> Answer:
    least, spans = case.limit("iv_push_time"), []
    if case.by_vein("iv_bolus"):
        if case.facts.push_s is None:
            return "cannot tell", f"say over how many seconds the bolus is pushed; label at least {least:g} s"
        spans.append(case.facts.push_s)
    spans += [3600.0 * (dose.duration_h or 0.0) for dose in case.by_vein("iv_infusion")]
    shortest = min(spans)
    if shortest < least - SLACK:
        return "fail", f"given over {shortest:.3g} s; label at least {least:g} s (faster may stop breathing)"
    words = f"{shortest:.3g} s" if shortest < 300.0 else f"{shortest / 60.0:.3g} min"
    return "pass", f"given over {words}; label at least {least:g} s"


def _acute(route: str, rule: str) -> Callable[[Case], Answer]:
    def answer(case: Case) -> Answer:
        doses, limit, unit = case.by_vein(route), case.limit(rule), case.rules[rule].unit
        if not doses:
            return "not applicable", "no dose of this kind"
        amounts = []
        for dose in doses:
            per_kg = per_kg_dose(dose, case.facts)
            if per_kg is None:
                return "cannot tell", "the dose per kg depends on body weight: give the weight"
            amounts.append(per_kg / dose.duration_h if dose.duration_h else per_kg)
        largest = max(amounts)
        found = f"{largest:.3g} {unit}; consensus at most {limit:g} {unit} without intensive monitoring"
        if case.facts.purpose != "acute_pain":
            return "not applicable", f"written for {PURPOSES['acute_pain']}; here {found}"
        return ("fail" if largest > limit * (1.0 + SLACK) else "pass"), found

    return answer


def _chronic(case: Case) -> Answer:
    limit = case.limit("pain_chronic_infusion")
    if case.facts.purpose != "chronic_pain":
        return "not applicable", f"written for {PURPOSES['chronic_pain']}"
    infusions = case.by_vein("iv_infusion")
    if not infusions:
        return "not applicable", "no infusion"
    rates = []
    for dose in infusions:
        per_kg = per_kg_dose(dose, case.facts)
        if case.facts.weight_kg is None or per_kg is None:
            return "cannot tell", "the rate in mg/h depends on body weight: give the weight"
        rates.append(per_kg * case.facts.weight_kg / (dose.duration_h or 1.0))
    verdict: Verdict = "warn" if max(rates) > limit * (1.0 + SLACK) else "pass"
    return (
        verdict,
        f"{max(rates):.3g} mg/h. {case.rules['pain_chronic_infusion'].words}",
    )


def _liver_tests(case: Case) -> Answer:
    longest = max((dose.duration_h or 0.0 for dose in case.doses), default=0.0)
    if longest < _DAY_H:
        return "not applicable", "no infusion of a day or more"
    return arranged("liver_tests")(case)


VEIN_RULES: Final[Mapping[str, Callable[[Case], Answer]]] = {
    "apa_dose": _usual_dose,
    "iv_push_time": _push,
    "pain_acute_bolus": _acute("iv_bolus", "pain_acute_bolus"),
    "pain_acute_infusion": _acute("iv_infusion", "pain_acute_infusion"),
    "pain_acute_contraindications": contraindicated(_ACUTE_CONTRA, (), "acute_pain"),
    "pain_chronic_infusion": _chronic,
    "pain_chronic_contraindications": contraindicated(_CHRONIC_CONTRA, _CHRONIC_CAUTION, "chronic_pain"),
    "liver_tests": _liver_tests,
}
