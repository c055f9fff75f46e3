"""Which analysis a question of power is about, and what counts as success."""

from __future__ import annotations

from dataclasses import dataclass

from ketasim.design.what_if import study_data, study_from
from ketasim.errors import StudyError, unknown_name
from ketasim.trials.study import Analysis, Study
from ketasim.trials.study.analysis import EVENT_METHODS

__all__ = ["Planned", "choose_analysis", "favourable", "wanted"]

#: Conditions that say that somebody is well; as an event, more of them are wanted.
_WELL = ("response", "remission")
#: Measures of effect that are 1 where arms do not differ.
_RATIOS = ("ratio",)


@dataclass(frozen=True)
class Planned:
    """One analysis, with all of its study that it needs.

    Parameters
    ----------
    study : Study
        With this analysis, and those that share its error; no others.
    analysis : Analysis
        The analysis.
    note : str
        What was chosen for the user, in a sentence; empty if nothing was.
    """

    study: Study
    analysis: Analysis
    note: str = ""


def choose_analysis(study: Study, name: str | None = None) -> Planned:
    """Choose the analysis that power is about.

    Parameters
    ----------
    study : Study
        The design.
    name : str, optional
        Id of an analysis; default: the first. For a study without any, an analysis of covariance
        of the last endpoint of its baseline scale against the control.

    Returns
    -------
    Planned

    Raises
    ------
    StudyError
        If the study has no such analysis, or none can be proposed.
    """
    note = ""
    if not study.analyses:
        if name is not None:
            raise StudyError(
                f"--analysis {name}: {study.id} has no analyses; leave it out to have one proposed."
            )
        study = _with_proposal(study)
        only = study.analyses[0]
        note = (
            f"{study.id} names no analyses. Taken: ANCOVA of {only.quantity} at {only.time}, {only.arm} "
            "against "
            f"{only.comparator}, adjusted for baseline. Add a section 'analyses' to the file for another."
        )
    found = study.analyses[0]
    if name is not None:
        known = {item.id: item for item in study.analyses}
        if name not in known:
            raise StudyError(f"--analysis: {study.id}: {unknown_name('analysis', name, known)}")
        found = known[name]
    elif not note and len(study.analyses) > 1:
        rest = ", ".join(item.id for item in study.analyses[1:])
        note = f"The first analysis of {study.id} is taken, {found.id}; --analysis names another: {rest}."
    return Planned(_only(study, found), found, note)


def _only(study: Study, analysis: Analysis) -> Study:
    """Leave the analyses out that do not bear on one."""
    families = {item.family for item in study.multiplicity} & {analysis.family}
    kept = tuple(
        item
        for item in study.analyses
        if item.id == analysis.id or (item.family is not None and item.family in families)
    )
    names = {item.id for item in kept}
    return study.model_copy(
        update={
            "analyses": kept,
            "multiplicity": tuple(item for item in study.multiplicity if item.family in families),
            "monitoring": tuple(item for item in study.monitoring if item.analysis in names),
        }
    )


def _with_proposal(study: Study) -> Study:
    scale = study.population.baseline.scale
    rows = [
        row for row in study.endpoints if row.quantity == scale and row.origin == "entry" and row.time_h > 0.0
    ]
    last = max(rows, key=lambda row: row.time_h, default=None)
    first = study.first_arms
    controls = [arm.id for arm in first if not arm.active]
    active = [arm.id for arm in first if arm.active]
    if last is None or not controls or not active:
        lacking = f"no endpoint of {scale}" if last is None else "no control beside an active arm"
        raise StudyError(
            f"{study.id}: no analyses, and {lacking} from which one could be made. Add to the file, for "
            "example: "
            f"analyses: [{{id: primary, method: ancova, quantity: {scale}, time: 24 h, arm: "
            f"{(active or [first[0].id])[0]}, comparator: {(controls or ['CONTROL'])[0]}}}]"
        )
    comparator = next((row.comparator for row in rows if row.comparator in controls), controls[0])
    proposal = {
        "id": "proposed",
        "method": "ancova",
        "quantity": scale,
        "time": last.time,
        "arm": active[-1],
        "comparator": comparator,
    }
    return study_from({**study_data(study), "analyses": [proposal]}, study.id)


def wanted(analysis: Analysis) -> str:
    """Which direction of the estimate is wanted: ``lower`` or ``higher``.

    Scales are lower when better. More responders and remitters are wanted, and fewer events, unless
    the event is to be well.
    """
    if analysis.method in ("responder", "remission"):
        return "higher"
    if analysis.method in EVENT_METHODS:
        good = all(
            (item.form in _WELL and not item.negated)
            or (item.form == "improvement" and item.operator in (">=", ">"))
            or (item.form == "change" and item.operator in ("<=", "<") and item.value < 0.0)
            or (item.form == "level" and item.operator in ("<=", "<"))
            for item in analysis.conditions
        )
        return "higher" if good else "lower"
    return "lower"


def favourable(direction: str, estimate: float, measure: str) -> bool:
    """Tell whether an estimate points in the wanted direction.

    Parameters
    ----------
    direction : str
        ``lower`` or ``higher``.
    estimate : float
        The estimate; NaN points nowhere.
    measure : str
        What it measures: a ratio is compared with 1, anything else with 0.
    """
    none = 1.0 if measure.endswith(_RATIOS) and not measure.startswith("log") else 0.0
    return estimate < none if direction == "lower" else estimate > none
