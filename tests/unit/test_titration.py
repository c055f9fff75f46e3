"""A patient under a dosing rule: what the rule sees and gives is what an open-loop run shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from ketasim.dosing import Dose, Regimen, iv_bolus, iv_infusion
from ketasim.dosing.rules import DosingRule, Fixed, PatientControlled, StopWhen, Titration
from ketasim.engine import DEFAULT_RTOL, InputPath
from ketasim.errors import DoseError, ModelError
from ketasim.model import Patient, Run, Simulator, build_chain, load_parameters
from ketasim.model.titration import run_with_rule

LOADING = Regimen((iv_infusion("ketamine", 0.3, "mg/kg", 2.0 / 3.0),))
HOURLY = np.arange(0.0, 6.5, 1.0)
TIMES = np.arange(0.0, 8.01, 0.25)

#: A check may fall inside a step of one run and at the end of one in another: both keep the solver's error.
SOLVER = 100.0 * DEFAULT_RTOL


@cache
def simulator() -> Simulator:
    return Simulator(build_chain())


@cache
def patient() -> Patient:
    return simulator().depressed(load_parameters(), 33.0)


def under(rule: DosingRule, **kw: Any) -> tuple[Run, Regimen]:
    plain: dict[str, Any] = {"check_times_h": HOURLY, "times_h": TIMES}
    return run_with_rule(simulator(), patient(), rule, **{**plain, **kw})


def titration() -> Titration:
    """Aims at an S level just after the last hour's infusion; the first is far too small."""
    return Titration(
        iv_infusion("ketamine", 5.0, "mg", 1.0),
        step=7.0,
        quantity="s_ketamine_venous",
        low=50.0,
        high=60.0,
        lowest=1.0,
        highest=40.0,
        every_h=1.0,
    )


@dataclass
class Recorder:
    """Follows a rule, and writes down what it saw."""

    rule: DosingRule
    seen: list[tuple[float, Mapping[str, float], tuple[Dose, ...]]] = field(default_factory=list)

    def __call__(self, state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:
        self.seen.append((time_h, state, tuple(given)))
        return self.rule(state, time_h, given)


def test_what_the_rule_saw_is_what_the_open_loop_shows() -> None:
    recorder = Recorder(titration())
    run, regimen = under(recorder, before=LOADING)
    assert [time for time, _, _ in recorder.seen] == HOURLY.tolist()
    assert len(regimen.doses) == 1 + len(HOURLY)
    opened = simulator().run(patient(), regimen, TIMES)
    assert set(opened.quantities) == set(run.quantities)
    for name, course in opened.quantities.items():
        size = max(float(np.max(np.abs(course))), 1e-9)
        np.testing.assert_allclose(run.quantities[name], course, rtol=0.0, atol=SOLVER * size)
        seen = [state[name] for _, state, _ in recorder.seen]
        shown = course[np.searchsorted(TIMES, HOURLY)]
        np.testing.assert_allclose(seen, shown, rtol=0.0, atol=SOLVER * size, err_msg=name)
    # Checks fall while infusions run: were these cut off, no level would last.
    assert np.all(run.quantities["s_ketamine_venous"][1:] > 0.0)


def test_titration_reaches_its_range() -> None:
    # Steps are slow and small against the range, since the level of an amount is still rising after 2 h.
    first = iv_infusion("ketamine", 8.0, "mg", 2.0)
    rule = replace(titration(), dose=first, step=4.0, low=40.0, high=70.0, every_h=2.0)
    ends = np.arange(0.0, 24.5, 2.0)
    run, regimen = under(rule, check_times_h=ends[:-1], times_h=ends)
    amounts = [dose.amount for dose in regimen.doses]
    levels = run.quantities["s_ketamine_venous"].tolist()
    assert levels[1] < 40.0
    for level, amount, last in zip(levels[1:-1], amounts[1:], amounts[:-1], strict=True):
        towards = (level < 40.0) - (level > 70.0)
        assert amount == pytest.approx(last + 4.0 * towards, rel=1e-12)
    assert all(40.0 <= level <= 70.0 for level in levels[-4:])


def test_run_replays_identically() -> None:
    first, second = under(titration()), under(titration())
    assert first[1] == second[1]
    for name, course in first[0].quantities.items():
        np.testing.assert_array_equal(course, second[0].quantities[name])


def test_a_check_between_that_gives_nothing_changes_nothing() -> None:
    few, many = under(titration()), under(titration(), check_times_h=np.arange(0.0, 6.5, 0.5))
    assert [dose.start_h for dose in few[1].doses] == [dose.start_h for dose in many[1].doses]
    assert few[1] == many[1]


def test_patient_control_presses_while_it_is_needed_and_allowed() -> None:
    press = iv_bolus("ketamine", 20.0, "mg")
    rule = PatientControlled(press, 1.0, "s_ketamine_venous", 30.0, below=True, most_in_total=4)
    checks = np.arange(0.0, 7.9, 0.125)
    run, regimen = under(rule, check_times_h=checks, times_h=checks)
    starts = np.array([dose.start_h for dose in regimen.doses])
    assert len(starts) == 4
    assert np.all(np.diff(starts) >= 1.0)
    low = run.quantities["s_ketamine_venous"] <= 30.0
    locked = np.array([any(0.0 < check - start < 1.0 for start in starts) for check in checks])
    spent = checks > starts[-1]
    np.testing.assert_array_equal(np.isin(checks, starts), low & ~locked & ~spent)
    # Each of the three held him back at some check.
    assert np.any(low & locked & ~spent)
    assert np.any(~low & ~locked & ~spent)
    assert np.any(low & ~locked & spent)


def test_stop_when_ends_a_course_by_what_the_model_shows() -> None:
    course = Regimen(tuple(iv_infusion("ketamine", 0.5, "mg/kg", 2.0 / 3.0, 72.0 * i) for i in range(6)))
    checks = 72.0 * np.arange(6)
    fixed, kept = under(Fixed(course, ahead_h=72.0), check_times_h=checks, times_h=checks)
    assert kept == course
    severity = fixed.quantities["severity"]
    threshold = float(severity[2] + severity[3]) / 2.0
    assert severity[2] > threshold > severity[3]
    rule = StopWhen(Fixed(course, ahead_h=72.0), "severity", threshold, below=True)
    run, stopped = under(rule, check_times_h=checks, times_h=checks)
    assert stopped.doses[:3] == course.doses[:3]
    held = run.quantities["severity"] <= threshold
    assert [dose.start_h for dose in stopped.doses] == checks[~held].tolist()
    assert held[3]


def test_inputs_reach_the_checks() -> None:
    # Stress from hour 1 on: what the rule sees must know of it.
    path = {"life_stress": InputPath((0.0, 1.0), (0.0, 2.0))}
    calm, stressed = Recorder(Fixed(Regimen())), Recorder(Fixed(Regimen()))
    under(calm)
    run, regimen = under(stressed, inputs=path)
    assert regimen == Regimen()
    at_end = [float(recorder.seen[-1][1]["severity"]) for recorder in (calm, stressed)]
    assert at_end[1] > at_end[0]
    assert at_end[1] == pytest.approx(run.quantities["severity"][TIMES == 6.0][0], rel=SOLVER)


def test_state_that_a_rule_sees_cannot_be_written() -> None:
    def writes(state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:  # noqa: ARG001
        state["severity"] = 0.0  # type: ignore[index]
        return ()

    with pytest.raises(TypeError, match="does not support item assignment"):
        under(writes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"check_times_h": []}, "check_times_h: give at least one time"),
        ({"check_times_h": [0.0, 2.0, 1.0]}, "check_times_h: 1 h is not after the time before it"),
        ({"check_times_h": [1.0, 9.0]}, "check_times_h: 9 h is outside the run, 0 to 8 h"),
        ({"check_times_h": [np.nan]}, "check_times_h: give at least one time"),
        ({"times_h": [[0.0, 1.0]]}, "times_h: give at least one time in h, in a plain row"),
        ({"times_h": [0.0, 0.0]}, "times_h: 0 h is not after"),
    ],
)
def test_times_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DoseError, match=message):
        under(titration(), **change)


def test_doses_that_a_rule_may_not_give() -> None:
    early = iv_bolus("ketamine", 4.0, "mg", 0.5)
    with pytest.raises(DoseError, match=r"rule at 1 h: its dose of 4 mg ketamine starts at 0\.5 h, before"):
        under(lambda _state, _time, _given: (early,), check_times_h=[1.0])
    with pytest.raises(DoseError, match="rule at 0 h: it gave None, which is not a sequence of Dose"):
        under(lambda _state, _time, _given: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(ModelError, match="life_stress"):
        under(titration(), inputs={"life_stres": InputPath((0.0,), (0.0,))})
