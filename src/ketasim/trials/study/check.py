"""What a study file says, told back in lines, without any simulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from ketasim.dosing import DRUGS
from ketasim.evidence import load_observations, load_publications
from ketasim.trials.study import Arm, Observation, Study, Visit
from ketasim.trials.study.parts import needs_visit
from ketasim.trials.study.rules import RATE_STATISTICS
from ketasim.trials.study.words import flow_lines, plan_lines

__all__ = ["check_study", "study_warnings"]

#: Drugs that an arm of each kind of control holds.
_CONTROL_DRUGS = {"saline": ("saline", "placebo"), "midazolam": ("midazolam",), "placebo_spray": ("placebo",)}


def check_study(
    name_or_path: str | Path, known_quantities: Mapping[str, str] | tuple[str, ...] = ()
) -> list[str]:
    """Read a study and report what was understood.

    Parameters
    ----------
    name_or_path : str or Path
        A shipped name or a study file.
    known_quantities : mapping of str to str, or tuple of str
        Quantities of the model that a study may name, with units if a mapping.

    Returns
    -------
    list of str
        One line each for the study, its arms, visits, rules, who can reach which arm, drop-out,
        endpoints, analyses, observations and assumed fields; lines that start with ``warning:``
        say what to look at.

    Raises
    ------
    StudyError
        If the file is not a valid study.
    """
    study = Study.load(name_or_path, known_quantities)
    base = study.population.baseline
    entry = ", ".join(study.population.entry) or "no entry rule"
    lines = [
        f"study {study.id}: {study.title} ({study.citation})",
        f"population: {study.population.condition}, {base.scale} {base.mean:g} (SD {base.sd:g}), {entry}",
        f"setting: {study.setting.care}, control {study.setting.control}, {study.setting.blinding}, "
        f"chance of active drug {study.allocation:.2f}",
    ]
    lines += [_arm_line(study, arm) for arm in study.arms]
    lines.append(f"visits: {', '.join(_visit(visit) for visit in study.visits)}")
    lines += flow_lines(study)
    lines.append(f"endpoints: {len(study.endpoints)}")
    lines += plan_lines(study)
    lines.append(_observation_line(study))
    lines += [f"assumed: {item.field}: {item.reason}" for item in study.assumed]
    lines += [f"note: {note}" for note in study.notes]
    lines += [f"warning: {text}" for text in study_warnings(study)]
    return lines


def _visit(visit: Visit) -> str:
    return visit.time if visit.window is None else f"{visit.time} (within {visit.window})"


def _arm_line(study: Study, arm: Arm) -> str:
    doses = arm.dosing.doses
    base = study.baseline(arm.id)
    if doses:
        word = "dose" if len(doses) == 1 else "doses"
        drugs = ", ".join(sorted({DRUGS[dose.drug].label for dose in doses}))
        given = (
            f"{len(doses)} {word} ({drugs}), first at {doses[0].start_h:g} h, last at {doses[-1].start_h:g} h"
        )
    else:
        given = "no doses"
    masked = ", masked" if arm.masked else ""
    beside = ", with " + ", ".join((*arm.empirical, *arm.comedication)) if arm.empirical else ""
    at_start = f"n {arm.n}, baseline {base.mean:g} (SD {base.sd:g})"
    people = "reached by rules" if arm.n is None else at_start
    phase = f" ({arm.phase})" if arm.phase else ""
    return f"arm {arm.id}{phase}: {people}, {given}{beside}{masked}: {arm.regimen}"


def _observation_line(study: Study) -> str:
    count = len(study.observations)
    if not count:
        return "observations: none"
    uses = Counter(row.use for row in study.observations)
    visits = {visit.time_h for visit in study.visits}
    matched = sum(row.time_h in visits for row in study.observations)
    kinds = ", ".join(f"{use} {number}" for use, number in sorted(uses.items()))
    return f"observations: {count} ({kinds}); all matched to arms, {matched} to visits"


def study_warnings(study: Study) -> list[str]:
    """List what is allowed in a study but deserves a second look.

    Parameters
    ----------
    study : Study
        A valid study.

    Returns
    -------
    list of str
        Sentences; empty if there is nothing to say.
    """
    warnings = [text for row in study.observations for text in _row_warnings(study, row)]
    visits = {visit.time_h for visit in study.visits}
    warnings += [
        f"endpoint {item.quantity} {item.statistic} at {item.time} has no visit at that time; one is added."
        for item in study.endpoints
        if needs_visit(item) and item.time_h not in visits
    ]
    last = max(study.times_h)
    for arm in study.arms:
        doses = arm.dosing.doses
        if arm.n is not None and doses and doses[0].start_h >= last:
            warnings.append(f"arm {arm.id}: no visit follows the first dose, so nothing is seen of it.")
        if arm.n is not None and doses and doses[0].start_h > 0:
            warnings.append(
                f"arm {arm.id}: the first dose is at {doses[0].start_h:g} h; times count from 0 h."
            )
    return warnings + _control_warnings(study) + _evidence_warnings(study)


def _row_warnings(study: Study, row: Observation) -> list[str]:
    found = []
    if needs_visit(row) and row.time_h not in {visit.time_h for visit in study.visits}:
        found.append(f"observation {row.id} at {row.time} has no visit at that time; one is added.")
    if row.standard_error is None and row.statistic not in ("direction", "binary"):
        need = "n" if row.statistic in RATE_STATISTICS else "a SD with n, a SE or a 95 % interval"
        found.append(f"observation {row.id} has no {need}, so it is shown but not scored.")
    if row.source_kind == "model_output":
        found.append(f"observation {row.id} is the output of a model, not a measurement.")
    relapse = study.setting.relapse
    if row.statistic == "relapse" and relapse is not None and row.time_h <= relapse.after_h:
        found.append(f"observation {row.id} is not later than setting.relapse.after ({relapse.after}).")
    return found


def _control_warnings(study: Study) -> list[str]:
    control = study.setting.control
    given = {dose.drug for arm in study.arms for dose in arm.dosing.doses}
    if control != "none" and not given & set(_CONTROL_DRUGS[control]):
        return [f"setting.control is {control}, but no arm is given it."]
    given_beside = {(arm.comedication, arm.empirical) for arm in study.arms}
    if control == "none" and study.setting.blinding == "double_blind" and len(given_beside) == 1:
        return ["setting.blinding is double_blind, but setting.control is none."]
    return []


@cache
def _evidence() -> tuple[dict[str, str], frozenset[str], frozenset[str]]:
    """Every row of the evidence tables with how it was got, the rows that may count, the citations."""
    every = load_observations(seen_only=False, duplicates=True, excluded=True)
    usable = frozenset(load_observations()["id"])
    return dict(zip(every["id"], every["seen"], strict=True)), usable, frozenset(load_publications()["key"])


def _evidence_warnings(study: Study) -> list[str]:
    """Lay the rows beside the shipped evidence tables, where they have the same id or citation."""
    every, usable, publications = _evidence()
    found = []
    for row in study.observations:
        # One row of evidence can give several values, told apart by what follows a hyphen.
        name = row.id if row.id in every else row.id.rpartition("-")[0]
        if name in every and name not in usable:
            kind = "a recalled number" if every[name] != "seen" else "excluded or a duplicate"
            found.append(f"observation {row.id} is {kind} in the evidence tables and must not count.")
        if row.citation not in publications and row.citation != study.citation:
            found.append(
                f"observation {row.id}: citation {row.citation!r} is not among the known publications."
            )
    return found
