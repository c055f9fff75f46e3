"""The rules of supervision applied, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ketasim.dosing.regimen import Regimen
from ketasim.dosing.supervision import PURPOSES, Finding, PersonFacts, Rule
from ketasim.dosing.supervision_case import Answer, Case
from ketasim.dosing.supervision_label import LABEL_RULES
from ketasim.dosing.supervision_vein import VEIN_RULES

__all__ = ["findings"]

#: What is remembered of statements about ketamine into a vein, but was read in no source.
_RECALLED = ("apa_course", "apa_stop", "apa_staff", "pain_chronic_total")


def findings(regimen: Regimen, facts: PersonFacts, rules: Mapping[str, Rule]) -> list[Finding]:
    """Apply the rules; see :func:`ketasim.dosing.supervision.check_regimen`."""
    case = Case(regimen, facts, rules)
    if not case.doses:
        return []
    found = []
    for name, answer in _answers(case):
        rule = rules[name]
        found.append(Finding(name, rule.title, answer[0], answer[1], rule.citation, rule.evidence))
    return found


def _answers(case: Case) -> Iterator[tuple[str, Answer]]:
    yield "label_route", _route(case)
    if case.nasal:
        for name, ask in LABEL_RULES.items():
            yield name, ask(case)
    if case.by_vein("iv_infusion") or case.by_vein("iv_bolus"):
        for name, ask in VEIN_RULES.items():
            yield name, ask(case)
        for name in _RECALLED:
            yield (
                name,
                ("not applicable", f"not a rule: recalled only, read in no source. {case.rules[name].words}"),
            )


def _route(case: Case) -> Answer:
    other = sorted(
        {(dose.drug, dose.route.replace("_", " ")) for dose in case.doses if dose not in case.nasal}
    )
    purpose = case.facts.purpose
    if not other and purpose in ("depression", "suicidality"):
        return "pass", f"esketamine as a nasal spray for {PURPOSES[purpose]}: a labelled use"
    if not other:
        return "warn", f"Off label: nasal esketamine is labelled for depression, not for {PURPOSES[purpose]}"
    given = ", ".join(f"{drug} {route}" for drug, route in other)
    if purpose in ("depression", "suicidality"):
        return "warn", f"Off label: {given} for {PURPOSES[purpose]}; the label is for nasal esketamine only"
    if purpose == "anaesthesia":
        return "not applicable", f"{given} for {PURPOSES[purpose]}: not the use of this label"
    return "warn", f"{given} for {PURPOSES[purpose]}: no label that was read covers it"
