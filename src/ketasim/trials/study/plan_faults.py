"""What makes the plan of the analysis, or the covariates, of a study impossible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.study.analysis import TWO_PHASES
from ketasim.trials.study.conditions import COVARIATE_NAMES
from ketasim.trials.study.graph import entry_times, same_time
from ketasim.trials.study.people import population_spec

if TYPE_CHECKING:
    from ketasim.trials.study import Study
    from ketasim.trials.study.analysis import Analysis

__all__ = ["analysis_faults", "origin_faults", "origin_times", "people_faults", "plan_faults"]

Place = tuple[str | int, ...]
Faults = list[tuple[Place, str]]


def people_faults(study: Study) -> Faults:
    """Find people who cannot exist: entry limits, covariates and correlations against each other."""
    seen: set[frozenset[str]] = set()
    pairs = study.population.correlations
    for index, pair in enumerate(pairs):
        both = frozenset(pair.between)
        if both in seen:
            text = f"{pair.between[0]} with {pair.between[1]} is given twice; keep one."
            return [(("population", "correlations", index, "between"), text)]
        seen.add(both)
    try:
        population_spec(study)
    except StudyError as error:
        text = str(error)
        for index, pair in enumerate(pairs):
            if any(f"{one} with {other}: " in text for one, other in (pair.between, pair.between[::-1])):
                return [
                    (
                        ("population", "correlations", index, "value"),
                        text.removeprefix("population: correlations: "),
                    )
                ]
        return [(("population",), text.removeprefix("population: "))]
    return []


def origin_faults(study: Study) -> Faults:
    """Find rows and analyses that count from a phase that the study does not have."""
    faults: Faults = []
    phases = study.phases
    for index, arm in enumerate(study.arms):
        if arm.phase in ("entry", "arm"):
            text = f"{arm.phase!r} is a word of the language; give the phase another label, such as 'one'."
            faults.append((("arms", index, "phase"), text))
    for part in ("endpoints", "observations", "analyses"):
        labels = ("entry", *phases) if part == "analyses" else ("entry", "arm", *phases)
        for index, item in enumerate(getattr(study, part)):
            if item.origin not in labels:
                faults.append(((part, index, "origin"), unknown_name("origin", item.origin, labels)))
    return faults


def origin_times(study: Study, origin: str, arms: tuple[str, ...] = ()) -> tuple[float, ...]:
    """Study times in hours from which a row or an analysis can count.

    Parameters
    ----------
    study : Study
        The study.
    origin : str
        ``entry``, ``arm`` or the label of a phase.
    arms : tuple of str
        The arms that ``arm`` is about; empty means all.

    Returns
    -------
    tuple of float
        In order.
    """
    if origin == "entry":
        return (0.0,)
    entered = entry_times(study)
    among = [
        arm.id
        for arm in study.arms
        if (arm.phase == origin if origin != "arm" else not arms or arm.id in arms)
    ]
    return tuple(sorted({time for arm in among for time in entered.get(arm, ())}))


def analysis_faults(study: Study) -> Faults:
    """Find analyses of arms, times, covariates or outcomes that do not exist."""
    faults: Faults = []
    seen: set[str] = set()
    for index, item in enumerate(study.analyses):
        place: Place = ("analyses", index)
        if item.id in seen:
            faults.append(((*place, "id"), f"analysis {item.id!r} is given twice; ids must differ."))
        seen.add(item.id)
        faults += _side_faults(study, item, place)
        faults += _time_faults(study, item, place)
        for number, name in enumerate(item.covariates):
            known = ("baseline", *COVARIATE_NAMES)
            if name not in known:
                faults.append(((*place, "covariates", number), unknown_name("covariate", name, known)))
        if item.strata and (study.randomisation is None or not study.randomisation.strata):
            text = "the randomisation has no strata; give some, or set this to false."
            faults.append(((*place, "strata"), text))
        if item.method == "remission" and study.setting.remission is None:
            text = "remission needs setting.remission, which says what counts as one."
            faults.append(((*place, "method"), text))
        if item.family is not None and item.family not in {plan.family for plan in study.multiplicity}:
            families = [plan.family for plan in study.multiplicity]
            text = (
                unknown_name("family", item.family, families)
                if families
                else (f"{item.family!r}: there is no such family; add it to multiplicity with its method.")
            )
            faults.append(((*place, "family"), text))
    return faults


def _side_faults(study: Study, item: Analysis, place: Place) -> Faults:
    faults: Faults = []
    known = {arm.id: arm for arm in study.arms}
    for field, names in (("arm", item.arms), ("comparator", item.comparators)):
        for name in names:
            if name not in known:
                faults.append(((*place, field), unknown_name("arm", name, known)))
            elif item.origin != "entry" and known[name].phase != item.origin:
                inside = [arm.id for arm in study.arms if arm.phase == item.origin]
                text = f"{name!r} is not an arm of phase {item.origin!r}; its arms are {', '.join(inside)}."
                faults.append(((*place, field), text))
            elif item.origin == "entry" and item.method not in TWO_PHASES and known[name].n is None:
                text = (
                    f"{name!r} is reached by rules, so nobody is compared in it from entry on; give the "
                    "phase in which it is entered as origin."
                )
                faults.append(((*place, field), text))
    return faults


def _time_faults(study: Study, item: Analysis, place: Place) -> Faults:
    arms = (*item.arms, *item.comparators)
    starts = origin_times(study, "arm" if item.method in TWO_PHASES else item.origin, arms)
    asked = [start + item.time_h for start in starts]
    visits = [visit for visit in study.visits if any(same_time(visit.time_h, time) for time in asked)]
    if not visits:
        since = "" if item.origin == "entry" else f" after entering phase {item.origin!r}"
        text = (
            f"{item.time!r}{since}: there is no visit at this time, so nobody is rated then; add it to "
            f"visits ({', '.join(visit.time for visit in study.visits)})."
        )
        return [((*place, "time"), text)]
    if all(visit.quantities and item.quantity not in visit.quantities for visit in visits):
        text = f"{item.quantity!r} is not rated at {visits[0].time}; add it to the quantities of that visit."
        return [((*place, "quantity"), text)]
    return []


def plan_faults(study: Study) -> Faults:
    """Find families nobody belongs to, and looks at analyses that do not exist."""
    faults: Faults = []
    ids = [item.id for item in study.analyses]
    seen: set[str] = set()
    for index, plan in enumerate(study.multiplicity):
        members = [item for item in study.analyses if item.family == plan.family]
        place: Place = ("multiplicity", index)
        if plan.family in seen:
            faults.append(((*place, "family"), f"family {plan.family!r} is given twice; keep one."))
        seen.add(plan.family)
        if len(members) < 2:
            text = f"{plan.family!r} has {len(members)} analyses; a family is two or more with its name."
            faults.append(((*place, "family"), text))
        if plan.method == "dunnett" and len({(item.comparator, item.time_h) for item in members}) > 1:
            text = "Dunnett compares several arms with one comparator at one time; take holm or hochberg."
            faults.append(((*place, "method"), text))
    total = sum(arm.n or 0 for arm in study.first_arms)
    for index, look in enumerate(study.monitoring):
        place = ("monitoring", index)
        if look.analysis not in ids:
            text = (
                unknown_name("analysis", look.analysis, ids) if ids else "there are no analyses to look at."
            )
            faults.append(((*place, "analysis"), text))
        if look.id in {other.id for other in study.monitoring[:index]}:
            faults.append(((*place, "id"), f"look {look.id!r} is given twice; ids must differ."))
        if look.kind == "sample_size_reestimation" and look.at >= total:
            text = f"{look.at}: the look comes before all {total} patients are in; take fewer."
            faults.append(((*place, "at"), text))
    return faults
