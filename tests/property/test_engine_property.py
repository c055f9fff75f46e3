"""What holds for every schedule on a linear system, whose exact solution is known."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.engine import Bolus, Infusion, ReferenceEngine, Schedule, System

#: The engine is asked for 1e-6; each step is made a thousand times better than that.
RTOL = 1e-7

HOURS = st.integers(0, 200).map(lambda n: n / 10.0)
AMOUNTS = st.floats(0.01, 100.0)
BOLUSES = st.builds(Bolus, st.just("amount"), HOURS, AMOUNTS)
INFUSIONS = st.tuples(HOURS, st.integers(1, 80), AMOUNTS).map(
    lambda drawn: Infusion("amount", drawn[0], drawn[0] + drawn[1] / 10.0, drawn[2])
)
SCHEDULES = st.builds(
    lambda boluses, infusions: Schedule(boluses=boluses, infusions=infusions),
    st.lists(BOLUSES, max_size=4),
    st.lists(INFUSIONS, max_size=4),
)
TIMES = np.arange(0.0, 25.0, 1.3)
LOSS = 0.35


@cache
def engine() -> ReferenceEngine:
    amount, lost, loss = sp.symbols("amount lost loss", real=True)
    return ReferenceEngine(
        System((amount, lost), (loss,), (), (-loss * amount, loss * amount), {}, (1.0, 1.0))
    )


def solve(schedule: Schedule, times: np.ndarray = TIMES) -> np.ndarray:
    return engine().solve({"loss": LOSS}, np.zeros(2), schedule, times, {}).states


def exact(schedule: Schedule, times: np.ndarray) -> np.ndarray:
    """Sum of the responses to each event; a bolus counts after its time."""
    total = np.zeros_like(times)
    for bolus in schedule.boluses:
        after = times > bolus.time
        total[after] += bolus.amount * np.exp(-LOSS * (times[after] - bolus.time))
    for infusion in schedule.infusions:
        running = np.clip(times - infusion.start, 0.0, infusion.end - infusion.start)
        since = np.clip(times - infusion.end, 0.0, None)
        total += infusion.rate / LOSS * -np.expm1(-LOSS * running) * np.exp(-LOSS * since)
    return total


def given_by(schedule: Schedule, times: np.ndarray) -> np.ndarray:
    total = np.zeros_like(times)
    for bolus in schedule.boluses:
        total += np.where(times > bolus.time, bolus.amount, 0.0)
    for infusion in schedule.infusions:
        total += infusion.rate * np.clip(times - infusion.start, 0.0, infusion.end - infusion.start)
    return total


def size(schedule: Schedule) -> float:
    """What errors are relative to: all that is given, or the scale of the state."""
    return 1.0 + math.fsum(event.amount for event in (*schedule.boluses, *schedule.infusions))


@given(SCHEDULES)
@settings(max_examples=30)
def test_closed_form_mass_balance_and_positivity(schedule: Schedule) -> None:
    found = solve(schedule)
    assert np.max(np.abs(found[0] - exact(schedule, TIMES))) < RTOL * size(schedule)
    # What was given is there or lost: a linear invariant, which the method keeps to rounding.
    assert np.max(np.abs(found.sum(axis=0) - given_by(schedule, TIMES))) < 1e-10 * size(schedule)
    assert found.min() >= -1e-9 * size(schedule)


@given(SCHEDULES, st.sampled_from([0.125, 17.0, 1008.0]))
@settings(max_examples=20)
def test_time_shift(schedule: Schedule, shift: float) -> None:
    later = Schedule(
        boluses=[Bolus(b.state, b.time + shift, b.amount) for b in schedule.boluses],
        infusions=[Infusion(i.state, i.start + shift, i.end + shift, i.amount) for i in schedule.infusions],
    )
    # An output may fall on the other side of a bolus by the rounding of a time: look between the events.
    between = TIMES + 0.05
    assert np.max(np.abs(solve(later, between + shift) - solve(schedule, between))) < 1e-8 * size(schedule)


@given(SCHEDULES, st.lists(st.integers(1, 499).map(lambda n: n / 20.0), unique=True, max_size=6))
@settings(max_examples=20)
def test_outputs_in_between_change_nothing(schedule: Schedule, extra: list[float]) -> None:
    times = np.unique(np.concatenate([TIMES, extra]))
    kept = np.isin(times, TIMES)
    assert np.max(np.abs(solve(schedule, times)[:, kept] - solve(schedule))) < RTOL * size(schedule)


@given(st.lists(INFUSIONS, min_size=1, max_size=3), st.integers(2, 5))
@settings(max_examples=20)
def test_abutting_parts_equal_the_whole(infusions: list[Infusion], parts: int) -> None:
    split = [
        Infusion(
            "amount",
            edges[k],
            edges[k + 1],
            whole.amount * (edges[k + 1] - edges[k]) / (whole.end - whole.start),
        )
        for whole in infusions
        for edges in [np.linspace(whole.start, whole.end, parts + 1).tolist()]
        for k in range(parts)
    ]
    one, many = Schedule(infusions=infusions), Schedule(infusions=split)
    assert np.max(np.abs(solve(one) - solve(many))) < 1e-8 * size(one)
