"""The kernels against closed forms, and what they do with events, neighbours and failures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import Batch, Bolus, Infusion, InputPath, Reset, Schedule, Solutions, System, VectorEngine
from ketasim.engine.cache import KernelCache
from ketasim.engine.records import Ending
from ketasim.errors import ModelError

#: What the kernels are asked for, and the error that this leaves.
RTOL, ERROR = 1e-8, 3e-8
WIDTHS = (1, 2, 4, 8)
TIMES = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 3.5, 6.0, 12.0])
OFF = {"change": 0.0}


def symbols(names: str) -> tuple[sp.Symbol, ...]:
    return tuple(sp.Symbol(name, real=True) for name in names.split())


@cache
def engine(width: int | None = None) -> VectorEngine:
    """One compartment; its elimination follows an input."""
    amount, elimination, volume, concentration, change = symbols(
        "amount elimination volume concentration change"
    )
    system = System(
        states=(amount,),
        parameters=(elimination, volume),
        inputs=(change,),
        rates=(-elimination * (1 + change) * amount,),
        quantities={concentration: amount / volume},
        scales=(1.0,),
    )
    return VectorEngine(system, ("amount",), width=width)


@cache
def growing(width: int | None = None) -> VectorEngine:
    """Logistic growth, and a stiff companion that follows; a negative rate of decay explodes."""
    size, shadow, rate, speed, limit = symbols("size shadow rate speed limit")
    system = System(
        states=(size, shadow),
        parameters=(rate, speed, limit),
        inputs=(),
        rates=(rate * size * (1 - size / limit), speed * (sp.exp(-size) - shadow)),
        quantities={},
        scales=(1.0, 1.0),
    )
    return VectorEngine(system, width=width)


def solved(
    schedules: Sequence[Schedule],
    times: np.ndarray | Sequence[np.ndarray] = TIMES,
    start: float = 0.0,
    width: int | None = None,
    **options: Any,
) -> Solutions:
    own = [times] * len(schedules) if isinstance(times, np.ndarray) else list(times)
    count = len(schedules)
    batch = Batch(np.tile([0.7, 20.0], (count, 1)), np.full((count, 1), start), schedules, own)
    return engine(width).solve(batch, OFF, RTOL, **options)


def infused(times: np.ndarray, start: float, end: float, amount: float) -> np.ndarray:
    """Amount in the body during and after an infusion."""
    running = np.clip(times - start, 0.0, end - start)
    after = np.clip(times - end, 0.0, None)
    return np.asarray(amount / (end - start) / 0.7 * -np.expm1(-0.7 * running) * np.exp(-0.7 * after))


def close(found: np.ndarray, exact: np.ndarray) -> bool:
    return bool(np.max(np.abs(found - exact)) <= ERROR * max(1.0, float(np.max(np.abs(exact)))))


@pytest.mark.parametrize("width", WIDTHS)
def test_bolus(width: int) -> None:
    found = solved([Schedule(boluses=[Bolus("amount", 0.0, 50.0)])], width=width, outputs=["concentration"])
    exact = 50.0 * np.exp(-0.7 * TIMES) / 20.0
    # The first value is the one before the bolus.
    assert found.values[0][0, 0] == 0.0
    assert close(found.values[0][1:, 0], exact[1:])


@pytest.mark.parametrize("width", WIDTHS)
def test_different_infusions_in_neighbouring_lanes(width: int) -> None:
    spans = [(0.1 * i, 0.1 * i + 0.3 + i / 7, 10.0 + i) for i in range(20)]
    schedules = [Schedule(infusions=[Infusion("amount", *span)]) for span in spans]
    # Output times of their own too.
    times = [np.unique(np.concatenate([[0.0], TIMES[1:] + 0.01 * i])) for i in range(20)]
    found = solved(schedules, times, width=width)
    for own, values, span in zip(times, found.values, spans, strict=True):
        assert close(values[:, 0], infused(own, *span))


def test_overlapping_infusions_are_summed() -> None:
    spans = [(0.0, 3.0, 30.0), (1.0, 2.0, 5.0), (1.5, 6.0, 9.0), (2.0, 3.0, 4.0)]
    found = solved([Schedule(infusions=[Infusion("amount", *span) for span in spans])])
    assert close(found.values[0][:, 0], sum(infused(TIMES, *span) for span in spans))


def test_an_infusion_that_outlasts_the_run_and_one_that_began_before_it() -> None:
    schedule = Schedule(infusions=[Infusion("amount", 0.0, 40.0, 80.0)])
    assert close(solved([schedule]).values[0][:, 0], infused(TIMES, 0.0, 40.0, 80.0))
    later = TIMES[4:]
    start = float(infused(later, 0.0, 40.0, 80.0)[0])
    assert close(solved([schedule], later, start).values[0][:, 0], infused(later, 0.0, 40.0, 80.0))


def test_a_hundred_doses() -> None:
    times = np.linspace(0.0, 200.0, 77)
    found = solved([Schedule(boluses=[Bolus("amount", 2.0 * i, 10.0) for i in range(100)])], times)
    exact = [sum(10.0 * np.exp(-0.7 * (t - 2.0 * i)) for i in range(100) if 2.0 * i < t) for t in times]
    assert close(found.values[0][:, 0], np.array(exact))


def test_two_events_at_one_instant_and_an_output_there() -> None:
    schedule = Schedule(
        boluses=[Bolus("amount", 1.0, 3.0), Bolus("amount", 1.0, 4.0)],
        infusions=[Infusion("amount", 1.0, 2.0, 6.0)],
        inputs={"change": InputPath((0.0, 1.0), (-1.0, 0.0))},
    )
    found = solved([schedule], start=2.0).values[0][:, 0]
    # Nothing is eliminated before; the value at the instant is the one before the doses.
    assert close(found[:4], np.full(4, 2.0))
    later = TIMES[4:]
    exact = 9.0 * np.exp(-0.7 * (later - 1.0)) + infused(later, 1.0, 2.0, 6.0)
    assert close(found[4:], exact)


def test_a_dose_at_the_last_instant_is_not_seen_but_starts_the_next_run() -> None:
    schedule = Schedule(boluses=[Bolus("amount", 12.0, 5.0)])
    first = solved([schedule], start=10.0).values[0][-1, 0]
    assert first == pytest.approx(10.0 * np.exp(-8.4), abs=ERROR)
    later = solved([schedule], np.array([12.0, 13.0]), start=float(first)).values[0][-1, 0]
    assert later == pytest.approx((10.0 * np.exp(-8.4) + 5.0) * np.exp(-0.7), abs=ERROR)


def test_a_state_is_set_after_what_is_added() -> None:
    schedule = Schedule(boluses=[Bolus("amount", 1.0, 3.0)], resets=[Reset("amount", 1.0, 8.0)])
    found = solved([schedule], start=2.0).values[0][:, 0]
    assert close(found[4:], 8.0 * np.exp(-0.7 * (TIMES[4:] - 1.0)))


def test_one_time_is_the_start() -> None:
    found = solved([Schedule(boluses=[Bolus("amount", 0.0, 3.0)])], np.zeros(1), start=2.0)
    assert found.values[0].tolist() == [[2.0]]


def many(count: int) -> tuple[np.ndarray, np.ndarray, list[Schedule], list[np.ndarray]]:
    """Patients who differ in everything."""
    random = np.random.default_rng(5)
    parameters = np.stack([random.uniform(0.1, 3.0, count), random.uniform(5.0, 50.0, count)], axis=1)
    schedules, times = [], []
    for _ in range(count):
        starts = np.sort(random.uniform(0.0, 40.0, random.integers(1, 6)))
        schedules.append(
            Schedule(
                infusions=[Infusion("amount", s, s + random.uniform(0.1, 3.0), 10.0) for s in starts],
                boluses=[Bolus("amount", float(random.uniform(0.0, 40.0)), 5.0)],
                inputs={"change": InputPath((0.0, 7.0), (0.0, float(random.normal(0.0, 0.3))))},
            )
        )
        times.append(np.sort(random.uniform(0.0, 60.0, random.integers(2, 30))))
    return parameters, random.uniform(0.0, 5.0, (count, 1)), schedules, times


def test_a_patient_is_the_same_alone_in_any_order_chunk_and_thread_count() -> None:
    count = 600
    batch = Batch(*many(count))
    whole = engine().solve(batch, OFF, 1e-5)
    backwards = engine().solve(batch.part(list(range(count))[::-1]), OFF, 1e-5)
    threads = engine().solve(batch, OFF, 1e-5, workers=2)
    pieces = list(engine().stream([batch.part([i]) for i in range(count)], OFF, 1e-5, workers=2))
    for i in range(count):
        expected = whole.values[i].tobytes()
        assert backwards.values[count - 1 - i].tobytes() == expected
        assert threads.values[i].tobytes() == expected
        assert pieces[i].values[0].tobytes() == expected
        assert whole.steps[i] == pieces[i].steps[0]


def test_widths_agree_within_the_tolerance() -> None:
    batch = Batch(*many(40))
    found = [engine(width).solve(batch, OFF, 1e-6).values for width in WIDTHS]
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert np.max(np.abs(a - b)) <= 10 * 1e-6 * max(1.0, float(np.max(np.abs(a))))


def test_who_fails_is_reported_and_changes_nobody() -> None:
    times = np.array([0.0, 1.0, 5.0, 30.0])
    random = np.random.default_rng(3)
    good = np.stack([random.uniform(0.1, 2.0, 30), random.uniform(1.0, 100.0, 30), np.full(30, 2.0)], axis=1)
    exploding, stiff, broken = [2.0, 1.0, -1.0], [1.0, 1e9, 2.0], [np.nan, 1.0, 2.0]
    parameters = np.array([*good, exploding, *good[:3], stiff, broken, exploding, *good[5:9]])
    starts = np.tile([0.5, 0.5], (len(parameters), 1))
    bad = {30, 35, 36}

    def batch(chosen: Sequence[int]) -> Batch:
        count = len(chosen)
        return Batch(parameters[list(chosen)], starts[list(chosen)], [Schedule()] * count, [times] * count)

    everybody = list(range(len(parameters)))
    found = growing().solve(batch(everybody), {}, 1e-6)
    assert set(found.failures) == bad
    assert found.endings[35] == Ending.NOT_FINITE
    assert "'rate' is nan" in found.failures[35]
    assert 0.0 < found.reached[30] < 1.0
    assert "outside its range" in found.failures[30]
    for i in bad:
        assert not np.isfinite(found.values[i][-1]).any()
    healthy = [i for i in everybody if i not in bad]
    alone = growing().solve(batch(healthy), {}, 1e-6)
    assert not alone.failures
    for place, i in enumerate(healthy):
        assert alone.values[place].tobytes() == found.values[i].tobytes()
    # The stiff one is no failure: his companion follows at once.
    size, shadow = found.values[34][-1]
    assert shadow == pytest.approx(np.exp(-size), rel=1e-6)


def test_the_reference_solver_takes_over_where_the_kernels_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.engine.vector.STEP_LIMIT", 5.0)
    found = solved([Schedule(boluses=[Bolus("amount", 0.0, 50.0)])])
    assert found.endings.tolist() == [Ending.BY_REFERENCE]
    assert not found.failures
    assert np.max(np.abs(found.values[0][1:, 0] - 50.0 * np.exp(-0.7 * TIMES[1:]))) < 1e-6


def test_a_result_that_is_no_number_is_a_failure_and_nobody_is_no_crash() -> None:
    x, p, seen = symbols("x p seen")
    own = VectorEngine(System((x,), (p,), (), (-x,), {seen: x * sp.log(p)}, (1.0,)))
    batch = Batch(np.array([[-1.0], [2.0]]), np.ones((2, 1)), [Schedule()] * 2, [TIMES] * 2)
    found = own.solve(batch, {}, outputs=["seen"])
    assert set(found.failures) == {0}
    assert "'seen' is no finite number" in found.failures[0]
    assert np.isnan(found.values[0]).all()
    assert np.isfinite(found.values[1]).all()
    assert own.solve(batch.part([]), {}).values == []


def test_a_state_that_fades_is_zero_and_never_subnormal() -> None:
    # exp(-7) times this is below the smallest number that is kept, 1e-100.
    assert solved([Schedule()], np.array([0.0, 10.0]), start=1e-99).values[0][-1, 0] == 0.0


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ModelError, match="nearest valid name is 'concentration'"):
        solved([Schedule()], outputs=["concentratoin"])
    with pytest.raises(ModelError, match="must be finite and increase"):
        solved([Schedule()], np.array([0.0, 2.0, 1.0]))
    with pytest.raises(ModelError, match="'amuont'"):
        solved([Schedule(boluses=[Bolus("amuont", 0.0, 1.0)])])
    with pytest.raises(ModelError, match="'chnage'"):
        solved([Schedule(inputs={"chnage": InputPath((0.0,), (1.0,))})])


def test_the_width_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KETASIM_WIDTH", "2")
    own = VectorEngine(engine().system, ("amount",), cache=KernelCache(None))
    assert own.lanes == 2
    monkeypatch.setenv("KETASIM_WIDTH", "16")
    with pytest.raises(ModelError, match=r"KETASIM_WIDTH: '16'.*1, 2, 4, 8"):
        _ = VectorEngine(engine().system, ("amount",)).lanes
