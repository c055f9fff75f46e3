"""The same trial with a drug that does nothing: what is found then is found by chance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ketasim.design.what_if import study_data, study_from
from ketasim.errors import StudyError
from ketasim.trials.study import Analysis, Study
from ketasim.trials.study.analysis import TWO_PHASES

__all__ = ["null_study"]

#: What an arm takes over from the control: all that can act on a patient.
_TREATMENT = ("regimen", "comedication", "empirical", "masked", "blinding", "baseline")


def null_study(study: Study) -> Study:
    """Treat the arms that the analyses compare alike, with the control's treatment.

    Parameters
    ----------
    study : Study
        The design; its analyses say which arms are compared.

    Returns
    -------
    Study
        Every compared arm with the drug is treated as its control: same regimen, care, blinding and
        baseline. What people believe by design stays, since nobody tells them. Where neither arm is a
        control, the first is treated as its comparator.

    Raises
    ------
    StudyError
        If an analysis has no comparator, or no null of that kind.
    """
    replaced: dict[str, str] = {}
    for analysis in study.analyses:
        if analysis.method == "non_inferiority":
            raise StudyError(
                f"--null: {analysis.id} is a non-inferiority analysis; what it must not find too often is "
                "a drug "
                "worse by the margin, and not one that does nothing. Choose another analysis."
            )
        if not analysis.comparators:
            raise StudyError(
                f"--null: {analysis.id} compares with nothing, so a drug that does nothing is not its "
                "null; choose "
                "an analysis with a comparator."
            )
        for arm, control in _pairs(study, analysis):
            replaced.setdefault(arm, control)
    replaced = {arm: _end(control, replaced) for arm, control in replaced.items()}
    belief = {arm.id: study.allocation_of(arm.id) for arm in study.arms}
    blinding = {arm.id: study.blinding_of(arm.id) for arm in study.arms}
    data = study_data(study)
    by_id: dict[str, dict[str, Any]] = {item["id"]: dict(item) for item in data["arms"]}
    for item in data["arms"]:
        item["allocation"], item["blinding"] = belief[item["id"]], blinding[item["id"]]
        if item["id"] not in replaced:
            continue
        control = replaced[item["id"]]
        item["allocation"] = belief[control]
        for key in _TREATMENT:
            item.pop(key, None)
            if key in by_id[control]:
                item[key] = by_id[control][key]
        item["blinding"] = blinding[control]
    return study_from(data, f"{study.id} with --null")


def _end(name: str, replaced: dict[str, str]) -> str:
    """The arm at the end of replacements, as the control of one analysis may be replaced in another."""
    seen = {name}
    while name in replaced and replaced[name] not in seen:
        name = replaced[name]
        seen.add(name)
    return name


def _pairs(study: Study, analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Arms to be replaced, each with the one whose treatment it gets."""
    arms, comparators = analysis.arms, analysis.comparators
    if analysis.method not in TWO_PHASES:
        control = next((name for name in comparators if not study.arm(name).active), None)
        placebo = next((name for name in arms if not study.arm(name).active), None)
        stays = control or placebo or comparators[0]
        for name in (*arms, *comparators):
            if name != stays:
                yield name, stays
        return
    for one, other in zip(arms, comparators, strict=True):
        if study.arm(other).active and not study.arm(one).active:
            yield other, one
        else:
            yield one, other
