"""Simulates scenarios: curves, bands, numbers, rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.axis import Axis, read_axis
from ketasim.api.scenarios.bands import BANDS, BandKind, Spread, examples_of, quantiles_of, spreads_of
from ketasim.api.scenarios.choices import controls
from ketasim.api.scenarios.columns import column_extremes, five_digits
from ketasim.api.scenarios.courses import Courses, Look, courses_of
from ketasim.api.scenarios.definition import Scenario, read_scenario
from ketasim.api.scenarios.faults import Fault, ScenarioError, unknown_choice
from ketasim.api.scenarios.hundred import Arm, Hundred, of_hundred
from ketasim.api.scenarios.metrics import Metric, metric_values, metrics_of
from ketasim.api.scenarios.people import MOST_PERSONS
from ketasim.api.scenarios.plans import Plan, dose_text, make_plan
from ketasim.api.scenarios.result import ControlResult, Event, Peak, ScenarioResult, Series
from ketasim.api.scenarios.rows import PLACES, chosen_rows, scenario_rows
from ketasim.api.scenarios.rules import RuleState, rules_of
from ketasim.api.scenarios.solving import Stop
from ketasim.api.scenarios.words import scenario_sentence
from ketasim.engine import DEFAULT_RTOL

__all__ = ["MOST_SCENARIOS", "simulate_scenario", "simulate_scenarios"]

FloatArray = npt.NDArray[np.float64]

#: Scenarios of one call.
MOST_SCENARIOS: Final = 8
#: What must be known of the score of the typical person.
_TYPICAL_SCORE: Final = (
    "The MADRS is the typical person's. Means of trial arms lie lower, with drug and control alike, since a "
    "few people hope for much."
)
#: What each whole number may be.
_RANGES: Final[Mapping[str, tuple[int, int]]] = {
    "draws": (2, MOST_PERSONS),
    "people": (0, MOST_PERSONS),
    "examples": (0, 12),
    "seed": (0, 2**31 - 1),
}
#: Rows of the control: mood and the harms.
_CONTROL_ROWS: Final = ("madrs", "cadss", "systolic_pressure", "sedation")


def simulate_scenario(scenario: Scenario | Mapping[str, Any] | str, **how: Any) -> ScenarioResult:
    """Simulate one scenario; see :func:`simulate_scenarios`.

    Examples
    --------
    >>> import ketasim as ks
    >>> result = ks.simulate_scenario({"regimen": "0.5 mg/kg ketamine iv over 40 min"})
    >>> result.series["madrs"].unit
    'points'
    """
    try:
        (found,) = simulate_scenarios([scenario], **how)
    except ScenarioError as error:
        faults = [replace(fault, path=fault.path.removeprefix("scenarios.0.")) for fault in error.faults]
        raise ScenarioError(faults) from error
    return found


def simulate_scenarios(
    scenarios: Sequence[Scenario | Mapping[str, Any] | str],
    *,
    axis: Axis | Mapping[str, Any] | None = None,
    variables: Sequence[str] | None = None,
    bands: BandKind = "none",
    draws: int = 64,
    people: int = 0,
    seed: int = 1,
    rtol: float = DEFAULT_RTOL,
    reference: bool = False,
    examples: int = 0,
    stop: Stop | None = None,
) -> tuple[ScenarioResult, ...]:
    """Simulate scenarios side by side, each with its control.

    Parameters
    ----------
    scenarios : sequence of Scenario, mapping or str
        One to eight; a text is a regimen for the default person.
    axis : Axis or mapping, optional
        Columns in which curves are given; default: four clocks to day 28 in 480 columns. Its dose is a
        treatment visit of the first scenario.
    variables : sequence of str, optional
        Rows that are wanted; default: those of the cascade and the three harms.
    bands : {"none", "knowledge", "people", "both"}
        Whether quantiles over draws of what is not known, or over virtual people, are wanted.
    draws : int
        Draws, and virtual people of a band.
    people : int
        Virtual people for what becomes of a hundred; a band of people counts its own if they are more.
    seed : int
        Names the random numbers of people.
    rtol : float
        Accuracy of the typical person's course, relative to each state's size.
    reference : bool
        Whether the reference solver tries where the kernels fail for the typical person, however long
        that takes. Draws and people who fail are left out, and counted in a note.
    examples : int
        Of the virtual people, the first so many are shown one by one; at most 12.
    stop : array of int, shape (1,), optional
        Set to another number than 0 by another thread when nobody waits for the result any more.

    Returns
    -------
    tuple of ScenarioResult
        In the order of ``scenarios``.

    Raises
    ------
    ScenarioError
        With every fault of the first scenario that has any; paths begin with ``scenarios.<place>``.
    SolverError
        If the equations cannot be solved for the typical person.
    AbandonedError
        If it was stopped.
    """
    line, rows = read_axis(axis), chosen_rows(variables)
    _check(scenarios, bands, {"draws": draws, "people": people, "examples": examples, "seed": seed})
    plans = [_planned(place, scenario) for place, scenario in enumerate(scenarios)]
    zero_h = _zero(plans[0], line)
    looks = [Look(plan, line, zero_h) for plan in plans]
    lots = [(look, _typical(place, look)) for place, look in enumerate(looks)]
    typical = courses_of(lots, rtol, reference=reference, stop=stop)
    spreads = spreads_of(looks, bands, draws, people, seed, examples=examples > 0, stop=stop)
    return tuple(_result(own, spread, rows, examples) for own, spread in zip(typical, spreads, strict=True))


def _check(scenarios: Sequence[Any], bands: str, numbers: Mapping[str, int]) -> None:
    """Refuse what cannot be meant."""
    if isinstance(scenarios, (str, Mapping)) or not 1 <= len(scenarios) <= MOST_SCENARIOS:
        allowed = f"a list of 1 to {MOST_SCENARIOS} scenarios"
        shown = f"{len(scenarios)} scenarios" if isinstance(scenarios, list) else type(scenarios).__name__
        raise ScenarioError([Fault("scenarios", f"{shown} cannot be used; give {allowed}.", shown, allowed)])
    if bands not in BANDS:
        raise ScenarioError([unknown_choice("bands", "band", bands, BANDS)])
    for name, (low, high) in _RANGES.items():
        value = numbers[name]
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            allowed = f"a whole number from {low} to {high}"
            raise ScenarioError([Fault(name, f"{value!r} cannot be used; give {allowed}.", value, allowed)])


def _planned(place: int, scenario: Scenario | Mapping[str, Any] | str) -> Plan:
    try:
        return make_plan(read_scenario(scenario))
    except ScenarioError as error:
        raise error.inside(f"scenarios.{place}") from error


def _typical(place: int, look: Look) -> Any:
    """Lots of the typical person; who has no rest is named."""
    try:
        return look.lots(look.times_h, "typical", 1, 0)
    except ScenarioError as error:
        raise error.inside(f"scenarios.{place}") from error


def _zero(plan: Plan, axis: Axis) -> float:
    """Time of the dose at which the clock starts."""
    visits = plan.visits_h
    if axis.dose <= 1 and not len(visits):
        return 0.0
    if axis.dose > len(visits):
        allowed = f"1 to {len(visits)}" if len(visits) else "1, as there is no dose"
        message = f"there is no dose {axis.dose}; give {allowed}."
        raise ScenarioError([Fault("axis.dose", message, axis.dose, allowed, str(max(len(visits), 1)))])
    return float(visits[max(axis.dose, 1) - 1])


def _result(own: Courses, spread: Spread, rows: Sequence[str], examples: int) -> ScenarioResult:
    look, plan = own.look, own.look.plan
    drug = _shown_courses(own, 0)
    hundred = _hundred(spread)
    rules = rules_of(plan)
    return ScenarioResult(
        scenario_hash=plan.hash,
        sentence=scenario_sentence(plan),
        time_h=look.centres_h,
        series=_series(own, spread, rows, 0),
        control=_control(own, spread),
        difference=_difference(own, spread),
        events=_events(plan),
        peaks=_peaks(own.times_h, drug, rows),
        rest={name: float(drug[0, PLACES[name]]) for name in rows},
        metrics=_metrics(own, spread, hundred, rules),
        hundred=hundred,
        rules=rules,
        status="reference" if any(solved.by_reference for solved in own.solved) else "ok",
        steps=own.solved[0].steps,
        notes=_notes(plan, spread),
        wiring=plan.scenario.mechanism.wiring,
        switched=plan.switches,
        examples=examples_of(spread, rows, examples),
    )


def _series(own: Courses, spread: Spread, rows: Sequence[str], arm: int) -> dict[str, Series]:
    """Rows of one arm over the columns."""
    look, values, known = own.look, _shown_courses(own, arm), scenario_rows()
    low, high = column_extremes(*_extended(own.times_h, values, look.borders_h), look.borders_h)
    middle = own.at_columns(values.T)
    return {
        name: Series(
            known[name].unit,
            five_digits(middle[PLACES[name]]),
            five_digits(low[:, PLACES[name]]),
            five_digits(high[:, PLACES[name]]),
            _bands(spread, name, arm),
        )
        for name in rows
    }


def _shown_courses(own: Courses, arm: int) -> FloatArray:
    """Courses of the typical person with the score in place of the read-out, shape (times, outputs)."""
    values: FloatArray = own.solved[arm].values[0].copy()
    values[:, PLACES["madrs"]] = own.scores[arm][0]
    return values


def _extended(
    times_h: FloatArray, values: FloatArray, borders_h: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Courses with what was before the run: rest at every border before its begin."""
    before = borders_h[borders_h < times_h[0] - 1e-12]
    rest = np.repeat(values[:1], len(before), axis=0)
    return np.concatenate([before, times_h]), np.concatenate([rest, values])


def _bands(spread: Spread, name: str, arm: int) -> dict[str, FloatArray] | None:
    """Quantiles of a row of one arm."""
    found = {
        kind: courses.at_columns(
            courses.scores[arm] if name == "madrs" else courses.solved[arm].values[:, :, PLACES[name]]
        )
        for kind, courses in spread.shown().items()
    }
    return quantiles_of(spread, found)


def _control(own: Courses, spread: Spread) -> ControlResult:
    plan = own.look.plan
    (choice,) = (item for item in controls() if item.id == plan.scenario.setting.control)
    series = _series(own, spread, _CONTROL_ROWS, 1)
    return ControlResult(choice.id, choice.name, plan.control.text, series)


def _difference(own: Courses, spread: Spread) -> Series:
    """Drug less control, person by person."""
    middle = own.at_columns(own.scores[0] - own.scores[1])[0]
    found = {
        kind: courses.at_columns(courses.scores[0] - courses.scores[1])
        for kind, courses in spread.shown().items()
    }
    return Series("points", five_digits(middle), quantiles=quantiles_of(spread, found))


def _events(plan: Plan) -> tuple[Event, ...]:
    return tuple(
        Event(
            dose.start_h,
            dose.end_h,
            int(np.searchsorted(plan.visits_h, dose.start_h + 1e-9)),
            dose.drug,
            dose.route,
            dose.amount,
            dose.unit,
            dose_text(dose),
        )
        for dose in plan.regimen.doses
    )


def _peaks(times_h: FloatArray, values: FloatArray, rows: Sequence[str]) -> tuple[Peak, ...]:
    found = []
    for name in rows:
        course = values[:, PLACES[name]]
        place = int(np.argmax(np.abs(course - course[0])))
        found.append(Peak(name, float(times_h[place]), float(course[place]), bool(course[place] < course[0])))
    return tuple(found)


def _hundred(spread: Spread) -> Hundred | None:
    if spread.people is None:
        return None
    courses = spread.people
    arms = [Arm(*each) for each in zip(courses.lots, courses.solved, courses.scores, strict=True)]
    plan = courses.look.plan
    table = plan.scenario.population
    who = "people like this one" if table is None else f"people of {table.replace('_', ' ')}"
    return of_hundred(arms[0], arms[1], courses.look.horizon_h, who, ill=not plan.healthy)


def _metrics(
    own: Courses, spread: Spread, hundred: Hundred | None, rules: Sequence[RuleState]
) -> tuple[Metric, ...]:
    typical: dict[str, float | None] = {
        name: float(values[0]) for name, values in metric_values(own.measured).items()
    }
    shares = {} if hundred is None else {item.id: item.value for item in hundred.items}
    typical |= {name: shares.get(name) for name in ("response", "remission")}
    typical["rules_failed"] = float(sum(rule.state == "fail" for rule in rules))
    known = None if spread.knowledge is None else metric_values(spread.knowledge.measured)
    return metrics_of(typical, known)


def _notes(plan: Plan, spread: Spread) -> tuple[str, ...]:
    found = []
    if plan.scenario.setting.expectancy != "none" and not plan.healthy:
        found.append(_TYPICAL_SCORE)
    for courses, what in ((spread.knowledge, "draws"), (spread.people, "virtual people")):
        if courses is not None and courses.lost:
            total = len(courses.solved[0].kept) + courses.lost
            found.append(
                f"{courses.lost} of {total} {what} have no stable rest, or no solution, and are left out."
            )
    return tuple(found)
