"""An endless course of doses: the limit of many doses, for one person and for a cohort."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ketasim.dosing import parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.errors import DoseError, KetasimError, SolverError
from ketasim.model import Simulator, build_chain
from ketasim.model.cohort import Cohort, prepare_cohort
from ketasim.model.kinetics import KINETIC_STAGES, simulate_kinetics, untreated
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Case, Run

WATCHED = ("ketamine_venous", "ketamine_arterial", "norketamine_venous", "hnk_venous", "nmda_block_mean")
#: A run at this tolerance leaves far less than ACCURATE of the largest value.
RTOL, ACCURATE = 1e-10, 1e-8
TRIED = (0.25, 1.0, 2.5, 5.0, 8.0)

ROUTES = (
    "0.5 mg/kg ketamine iv over 40 min",
    "10 mg ketamine iv bolus",
    "20 mg ketamine im",
    "84 mg esketamine intranasal",
    "50 mg ketamine oral",
    "20 mg ketamine oral prolonged release",
    "25 mg ketamine sublingual",
    "20 mg ketamine sc (F 0.9, ka 2.5 /h)",
    "20 mg ketamine rectal (F 0.25, ka 1.5 /h)",
    "0.5 mg/kg esketamine inhaled over 20 min",
)


@cache
def exact() -> Simulator:
    return Simulator(build_chain(KINETIC_STAGES, load_parameters()), RTOL)


def run(
    text: str, times: np.ndarray, own: ParameterSet | None = None, inputs: dict[str, InputPath] | None = None
) -> Run:
    patient = untreated(load_parameters() if own is None else own)
    (found,) = exact().run_many([Case(patient, parse_regimen(text), times, inputs or {})], WATCHED)
    assert isinstance(found, Run)
    return found


def worst(found: Run, expected: Run, first: int = 1) -> float:
    """Largest difference, over the largest value, of any quantity."""
    return max(
        float(np.max(np.abs(found.quantities[name][first:] - expected.quantities[name][first:])))
        / float(np.max(expected.quantities[name][first:]))
        for name in WATCHED
    )


@pytest.mark.parametrize("text", ROUTES)
def test_it_is_the_limit_of_many_doses(text: str) -> None:
    count, interval = 75, 8.0
    after = np.array(TRIED)
    steady = run(f"{text}, every 8 h at steady state", np.concatenate([[0.0], after]))
    times = np.concatenate([[0.0], (count - 1) * interval + after])
    assert worst(steady, run(f"{text}, every 8 h x {count}", times)) <= ACCURATE


def test_fewer_doses_are_not_the_limit() -> None:
    # What the test above would see if some of the earlier doses were left out.
    steady = run("20 mg ketamine im, every 8 h at steady state", np.array([0.0, *TRIED]))
    few = run("20 mg ketamine im, every 8 h x 3", np.array([0.0, *(16.0 + t for t in TRIED)]))
    assert worst(steady, few) > 1e-3


@pytest.mark.parametrize("text", ["28 mg esketamine intranasal", ROUTES[5], ROUTES[6]])
def test_a_release_longer_than_the_interval_overlaps_with_the_next_one(text: str) -> None:
    # A tablet releases for hours, and a spray or a film is swallowed for half an hour.
    interval, count = 1.0 / 3.0, 1200
    after = np.array([0.1, 0.2, 0.3, 1.2, 3.0])
    steady = run(f"{text}, every 20 min at steady state", np.concatenate([[0.0], after]))
    times = np.concatenate([[0.0], (count - 1) * interval + after])
    assert worst(steady, run(f"{text}, every 20 min x {count}", times)) <= ACCURATE


def test_doses_follow_a_steady_state_without_a_seam() -> None:
    text, times = "20 mg ketamine im", np.array([0.0, 1.0, 4.0])
    first = run(f"{text}, every 8 h at steady state x 4", times)
    later = run(f"{text}, every 8 h at steady state x 4", np.array([0.0, 25.0, 28.0]))
    assert worst(first, later) <= ACCURATE


def test_it_can_begin_later_and_beside_other_doses() -> None:
    start = 30.0
    times = np.array([0.0, *(start + t for t in TRIED)])
    both = run("10 mg ketamine iv bolus; 20 mg ketamine oral, every 8 h at steady state from 30 h", times)
    alone = run("20 mg ketamine oral, every 8 h at steady state", np.array([0.0, *TRIED]))
    single = run("10 mg ketamine iv bolus", times)
    for name in WATCHED[:-1]:
        # Concentrations add up; the block does not.
        together = alone.quantities[name][1:] + single.quantities[name][1:]
        assert both.quantities[name][1:] == pytest.approx(together, rel=ACCURATE)


@pytest.mark.parametrize("hour", [1.0, 2.0, 8.0, 128.0])
def test_a_run_that_begins_with_the_dose_begins_with_what_was_there(hour: float) -> None:
    # At these hours the time of a later device less its delay rounds to before the hour.
    text, times = f"{ROUTES[3]}, every 8 h at steady state", np.array([0.0, *TRIED])
    now, later = run(text, times), run(f"{text} from {hour:g} h", hour + times)
    assert worst(later, now, first=0) <= ACCURATE


def test_two_courses_at_once() -> None:
    times = np.array([0.0, *TRIED])
    texts = ("20 mg ketamine oral, every 8 h at steady state", f"{ROUTES[3]}, every 24 h at steady state")
    first, second = (run(text, times) for text in texts)
    both = run(f"{texts[0]} from 0 h; {texts[1]} from 0 h", times)
    for name in WATCHED[:-1]:
        expected = first.quantities[name][1:] + second.quantities[name][1:]
        assert both.quantities[name][1:] == pytest.approx(expected, rel=ACCURATE)


def test_what_is_taken_beside_it_was_taken_all_along() -> None:
    text, held = "50 mg ketamine oral", {"rifampicin": InputPath((0.0,), (1.0,))}
    times = np.array([0.0, *TRIED])
    steady = run(f"{text}, every 8 h at steady state", times, inputs=held)
    long = np.array([0.0, *(74 * 8.0 + t for t in TRIED)])
    assert worst(steady, run(f"{text}, every 8 h x 75", long, inputs=held)) <= ACCURATE
    assert worst(steady, run(f"{text}, every 8 h x 75", long)) > 0.1


def test_what_is_there_at_the_dose_counts_and_not_what_came_before_or_after() -> None:
    text = "50 mg ketamine oral, every 8 h at steady state from 10 h"
    times = np.array([0.0, *(10.0 + t for t in TRIED)])
    held = run(text, times, inputs={"rifampicin": InputPath((0.0,), (1.0,))})
    begun = run(text, times, inputs={"rifampicin": InputPath((0.0, 9.0), (0.0, 1.0))})
    assert worst(begun, held) <= ACCURATE


def test_each_person_has_his_own_steady_state() -> None:
    text, times = "84 mg esketamine intranasal, every 24 h at steady state", np.array([0.0, *TRIED])
    people = [
        load_parameters().with_values({"weight": w, "clearance": c}) for w, c in ((50.0, 70.0), (110.0, 95.0))
    ]
    cases = [Case(untreated(own), parse_regimen(text), times) for own in people]
    for own, found in zip(people, exact().run_many(cases, WATCHED), strict=True):
        assert isinstance(found, Run)
        assert worst(found, run(text, times, own)) == 0.0
        long = np.array([0.0, *(39 * 24.0 + t for t in TRIED)])
        assert worst(found, run("84 mg esketamine intranasal, every 24 h x 40", long, own)) <= ACCURATE


def test_a_cohort_and_a_single_run_have_the_same() -> None:
    simulator = Simulator(build_chain())
    base = load_parameters()
    varied = {"weight": np.array([55.0, 70.0, 95.0]), "clearance": np.array([75.0, 85.0, 95.0])}
    cohort = Cohort(base, varied, np.array([28.0, 32.0, 36.0]), np.zeros((3, 2)))
    regimen = parse_regimen(f"{ROUTES[5]}, every 4 h at steady state")
    times = np.array([0.0, 1.0, 3.5, 24.0])
    prepared = prepare_cohort(simulator, cohort, regimen, times)
    assert prepared.places.tolist() == [0, 1, 2]
    defaults = simulator.chain.input_defaults()
    found = simulator.engine().solve(prepared.batch, defaults, 1e-7, WATCHED)
    for i in range(3):
        (patient,) = simulator.depressed_many([cohort.wanted(i)])
        assert not isinstance(patient, KetasimError)
        single = Simulator(simulator.chain, 1e-7).run(patient, regimen, times, cohort.stress_path(i))
        for column, name in enumerate(WATCHED):
            values = found.values[i][:, column] / simulator.shown_factor(name)
            # Resting states differ by rounding, which moves steps within the tolerance.
            assert values == pytest.approx(single.quantities[name], rel=1e-6, abs=1e-9), name


def test_what_is_never_eliminated_is_told() -> None:
    own = load_parameters().with_values({"memantine_clearance": 1e-9})
    with pytest.raises(SolverError, match=r"steady state.*not eliminated"):
        simulate_kinetics(
            parse_regimen("20 mg memantine oral, every 1 h at steady state"),
            np.array([0.0, 1.0]),
            parameters=own,
        )


def test_an_infusion_as_long_as_the_interval_is_a_constant_one() -> None:
    steady = run(
        "5 mg ketamine iv over 60 min, every 1 h at steady state x 6", np.array([0.0, 0.3, 2.0, 5.7])
    )
    expected = run("5 mg/h ketamine iv over 1000 h", np.array([0.0, 999.0])).quantities
    for name in WATCHED:
        assert steady.quantities[name][1:] == pytest.approx(expected[name][-1], rel=ACCURATE)
    with pytest.raises(DoseError, match="steady_state_h"):
        parse_regimen("5 mg ketamine iv over 90 min, every 1 h at steady state")
