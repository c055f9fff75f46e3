"""What must hold for plasma at any regimen, by the kernels that simulate people."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import Regimen, parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.model import Simulator, build_chain
from ketasim.model.kinetics import KINETIC_STAGES, untreated
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case, Run

#: Courses at this tolerance are right to some 1e-8 of a state's largest value; sums of several add up.
RTOL, ERROR = 1e-9, 1e-7
TIMES = np.array([0.0, 0.2, 0.7, 1.0, 2.5, 6.0, 12.0, 26.0])
SPECIES = ("s_ketamine", "r_ketamine", "s_norketamine", "r_norketamine", "s_dhnk", "r_dhnk", "s_hnk", "r_hnk")
LINEAR = tuple(f"{name}_{site}" for name in SPECIES for site in ("venous", "arterial"))

Parts = list[tuple[str, int, float]]

#: An amount in mg is filled in.
ROUTES = (
    "{} mg ketamine iv over 40 min",
    "{} mg esketamine iv bolus",
    "{} mg ketamine im",
    "{} mg esketamine oral",
    "{} mg ketamine oral prolonged release",
    "{} mg ketamine sublingual",
    "{} mg ketamine sc (F 0.9, ka 2.5 /h)",
    "{} mg ketamine rectal (F 0.25, ka 1.5 /h)",
    "{} mg ketamine inhaled over 20 min",
    "{} mg ketamine intranasal",
)


def parts_by(routes: tuple[str, ...]) -> st.SearchStrategy[Parts]:
    """Doses by some routes."""
    one = st.tuples(st.sampled_from(routes), st.integers(5, 100), st.sampled_from([0.0, 0.5, 3.0, 8.0]))
    return st.lists(one, min_size=1, max_size=4)


PARTS = parts_by(ROUTES)
#: A larger nasal dose takes more devices, later ones are taken up less: it is not linear, and should not be.
LINEAR_PARTS = parts_by(ROUTES[:-1])


@cache
def simulator() -> Simulator:
    return Simulator(build_chain(KINETIC_STAGES, load_parameters()), RTOL)


def regimen(parts: Parts, factor: float = 1.0) -> Regimen:
    text = "; ".join(f"{text.format(factor * amount)}, at {start} h" for text, amount, start in parts)
    return parse_regimen(text)


def courses(*regimens: Regimen, times: np.ndarray = TIMES) -> list[np.ndarray]:
    """Concentrations of every species, shape (quantities, times)."""
    typical = untreated(load_parameters())
    runs = simulator().run_many([Case(typical, own, times) for own in regimens], LINEAR)
    found = []
    for run in runs:
        assert isinstance(run, Run)
        found.append(np.array([run.quantities[name] for name in LINEAR]))
    return found


def close(found: np.ndarray, expected: np.ndarray) -> bool:
    """Whether every species is within the error of the largest value of its kind."""
    size = np.maximum(np.abs(expected).max(axis=1, keepdims=True), 1e-3 * np.abs(expected).max())
    return bool(np.max(np.abs(found - expected) / size) <= ERROR)


@given(LINEAR_PARTS, st.sampled_from([0.1, 3.0, 10.0]))
@settings(max_examples=25)
def test_dose_linearity(parts: Parts, factor: float) -> None:
    one, more = courses(regimen(parts), regimen(parts, factor))
    assert close(more, factor * one)


@given(PARTS, PARTS)
@settings(max_examples=25)
def test_superposition(first: Parts, second: Parts) -> None:
    apart = courses(regimen(first), regimen(second))
    (together,) = courses(regimen(first + second))
    assert close(together, apart[0] + apart[1])


@given(PARTS, st.floats(0.1, 500.0))
@settings(max_examples=25)
def test_time_shift(parts: Parts, hours: float) -> None:
    own = regimen(parts)
    (now,) = courses(own)
    (later,) = courses(own.shifted(hours), times=TIMES + hours)
    (from_zero,) = courses(own.shifted(hours), times=np.concatenate([[0.0], hours + TIMES[1:]]))
    assert close(later, now)
    assert close(from_zero[:, 1:], now[:, 1:])


@given(st.integers(5, 100), st.sampled_from([ROUTES[1], ROUTES[2], ROUTES[6]]))
@settings(max_examples=10)
def test_a_run_that_begins_late_does_not_repeat_what_was_given_before(amount: int, route: str) -> None:
    before, again = courses(
        regimen([(route, amount, 3.0)]),
        regimen([(route, amount, 3.0), (route, amount, 9.0)]),
        times=np.array([4.0, 10.0]),
    )
    (alone,) = courses(regimen([(route, amount, 5.0)]), times=np.array([0.0, 6.0]))
    assert np.all(before == 0.0)
    assert close(again[:, 1:], alone[:, 1:])


@given(LINEAR_PARTS, st.sampled_from(["rifampicin", "clarithromycin", "ticlopidine", "grapefruit"]))
@settings(max_examples=15)
def test_what_is_taken_beside_it_keeps_linearity(parts: Parts, drug: str) -> None:
    typical, path = untreated(load_parameters()), {drug: InputPath((0.0, 5.0), (0.0, 1.0))}
    runs = simulator().run_many(
        [Case(typical, regimen(parts, factor), TIMES, path) for factor in (1.0, 2.0)], LINEAR
    )
    one, two = (np.array([run.quantities[name] for name in LINEAR]) for run in runs if isinstance(run, Run))
    assert close(two, 2.0 * one)
