"""Target-controlled infusion: the pump meets its targets in its own model, by an independent closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import Regimen, parse_regimen
from ketasim.dosing.target_controlled import PUMPS, PumpModel, TargetControlled, target_controlled_infusion
from ketasim.errors import DoseError

FloatArray = npt.NDArray[np.float64]
WEIGHT = 82.0
STEPPED = [(0.0, 150.0), (0.5, 300.0), (1.0, 80.0), (1.75, 120.0)]

#: Two ways to the same sum, each with the rounding of some hundred terms.
ROUNDING = 1e-9


def level(model: PumpModel, regimen: Regimen, times: FloatArray) -> FloatArray:
    """Plasma level (ng/mL) of the pump's model: sums of exponentials, one term an infusion and root."""
    roots, vectors = np.linalg.eig(model.matrix())
    weights = vectors[0] * np.linalg.inv(vectors)[:, 0]
    total = np.zeros(len(times))
    for dose in regimen.doses:
        for weight, root in zip(weights, roots, strict=True):
            since = [np.maximum(times - edge, 0.0) for edge in (dose.start_h, dose.end_h)]
            total += dose.amount * weight / root * (np.exp(root * since[0]) - np.exp(root * since[1]))
    return total / (model.volume_central * WEIGHT) * 1000.0


def controlled(
    targets: list[tuple[float, float]] = STEPPED, end_h: float = 2.5, **kw: Any
) -> TargetControlled:
    return target_controlled_infusion("ketamine", targets, end_h, **{"weight_kg": WEIGHT, **kw})


def target_of_steps(targets: list[tuple[float, float]], times: FloatArray) -> FloatArray:
    """Target that holds in the step which ends at each time but the first."""
    starts = np.array([start for start, _ in targets])
    return np.array([targets[int(np.searchsorted(starts, t) - 1)][1] for t in times[1:]])


@pytest.mark.parametrize("pump", sorted(PUMPS))
@pytest.mark.parametrize("step_h", [1.0 / 360.0, 1.0 / 60.0, 0.07])
def test_level_is_at_the_target_at_each_step_end(pump: str, step_h: float) -> None:
    rising = [(0.0, 100.0), (0.5, 180.0), (1.1, 400.0)]
    found = controlled(rising, 2.0, pump=pump, step_h=step_h)
    np.testing.assert_allclose(
        found.predicted_ng_mL[1:], target_of_steps(rising, found.times_h), rtol=ROUNDING
    )
    again = level(PUMPS[pump], found.regimen, found.times_h)
    np.testing.assert_allclose(again[1:], target_of_steps(rising, found.times_h), rtol=ROUNDING)
    assert np.max(np.diff(found.times_h)) <= step_h * (1.0 + ROUNDING)
    assert {0.5, 1.1, 2.0} <= set(found.times_h.tolist())


@pytest.mark.parametrize("pump", sorted(PUMPS))
def test_pump_waits_above_a_target_and_meets_it_from_above(pump: str) -> None:
    found = controlled(pump=pump, end_h=4.0)
    again = level(PUMPS[pump], found.regimen, found.times_h)
    np.testing.assert_allclose(found.predicted_ng_mL, again, rtol=ROUNDING, atol=1e-9)
    wanted = target_of_steps(STEPPED, found.times_h)
    assert np.all(found.predicted_ng_mL[1:] >= wanted * (1.0 - ROUNDING))
    above = found.predicted_ng_mL[1:] > wanted * (1.0 + ROUNDING)
    assert above.any()
    # While the level is above its target nothing flows.
    middles = ((found.times_h[1:] + found.times_h[:-1]) / 2.0)[above]
    assert not any(dose.start_h <= t < dose.end_h for dose in found.regimen.doses for t in middles)


def test_target_of_zero_stops_the_pump() -> None:
    found = controlled([(0.0, 200.0), (1.0, 0.0)], 3.0)
    assert max(dose.end_h for dose in found.regimen.doses) == pytest.approx(1.0, abs=1e-12)
    assert found.predicted_ng_mL[-1] > 0.0
    assert controlled([(0.0, 0.0)], 1.0).regimen == Regimen()


def test_limit_is_kept_and_equal_steps_are_one_dose() -> None:
    free, limited = controlled([(0.0, 200.0)]), controlled([(0.0, 200.0)], max_rate_mg_h=100.0)
    assert max(dose.amount for dose in free.regimen.doses) > 100.0
    assert max(dose.amount for dose in limited.regimen.doses) == 100.0
    first, second, *_ = limited.regimen.doses
    assert first.amount == 100.0
    assert first.duration_h is not None
    assert first.duration_h > 2.0 / 60.0
    assert second.amount < 100.0
    assert second.start_h == pytest.approx(first.end_h, abs=1e-12)
    again = level(PUMPS["kamp2020"], limited.regimen, limited.times_h)
    np.testing.assert_allclose(limited.predicted_ng_mL, again, rtol=ROUNDING, atol=1e-9)
    late = limited.times_h > first.end_h + 1e-9
    np.testing.assert_allclose(limited.predicted_ng_mL[late], 200.0, rtol=ROUNDING)


@pytest.mark.parametrize("pump", sorted(PUMPS))
def test_mass_is_what_a_constant_level_takes(pump: str) -> None:
    """At a constant level C the body holds V C, the outer rooms fill by 1 - exp(-k t), and CL C t is gone."""
    model, level_mg_l, end = PUMPS[pump], 0.2, 3.0
    found = controlled([(0.0, 1000.0 * level_mg_l)], end, pump=pump, step_h=2.0 / 3600.0)
    central = model.volume_central * WEIGHT * level_mg_l
    outer = sum(there / back * (1.0 - math.exp(-back * end)) for there, back in model.exchange)
    expected = central * (1.0 + outer + model.k10 * end)
    # In the first step (2 s) the level rises instead of being there; so much less leaves the centre.
    away = central * 2.0 / 3600.0 * (model.k10 + sum(there for there, _ in model.exchange))
    assert found.regimen.mass_mg(WEIGHT) == pytest.approx(expected, abs=away)
    by_step = math.fsum(dose.amount * (dose.end_h - dose.start_h) for dose in found.regimen.doses)
    assert found.regimen.mass_mg(WEIGHT) == pytest.approx(by_step, rel=1e-12)


@pytest.mark.parametrize(
    ("pump", "clearance", "volume"),
    [("kamp2020", 84.0, 238.0), ("domino1982", 116.0, 193.0), ("clements1981", 80.2, 289.0)],
)
def test_clearance_and_volume_are_the_published_ones(pump: str, clearance: float, volume: float) -> None:
    # Clearance and steady-state volume for 70 kg as published or derived from it, rounded to 3 digits.
    model = PUMPS[pump]
    central = model.volume_central * 70.0
    assert central * model.k10 == pytest.approx(clearance, rel=5e-3)
    assert central * (1.0 + sum(a / b for a, b in model.exchange)) == pytest.approx(volume, rel=5e-3)
    assert pump in model.source


def test_rates_scale_with_weight_and_target_and_move_with_time() -> None:
    base = controlled()
    heavy = controlled(weight_kg=2.0 * WEIGHT)
    double = controlled([(start, 2.0 * target) for start, target in STEPPED])
    later = controlled([(start + 5.0, target) for start, target in STEPPED], 7.5)
    for other in (heavy, double):
        assert len(other.regimen.doses) == len(base.regimen.doses)
        assert [dose.amount for dose in other.regimen.doses] == pytest.approx(
            [2.0 * dose.amount for dose in base.regimen.doses], rel=ROUNDING
        )
    np.testing.assert_allclose(later.times_h, base.times_h + 5.0, rtol=1e-12)
    np.testing.assert_allclose(later.predicted_ng_mL, base.predicted_ng_mL, rtol=ROUNDING, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    pump=st.sampled_from(sorted(PUMPS)),
    gaps=st.lists(st.floats(0.02, 1.0), min_size=1, max_size=4),
    levels=st.lists(st.floats(0.0, 2500.0), min_size=4, max_size=4),
    limit=st.one_of(st.none(), st.floats(20.0, 5000.0)),
)
def test_prediction_is_that_of_the_regimen(
    pump: str, gaps: list[float], levels: list[float], limit: float | None
) -> None:
    edges = np.cumsum([0.0, *gaps]).tolist()
    targets = list(zip(edges[:-1], levels, strict=False))
    found = controlled(targets, edges[-1], pump=pump, max_rate_mg_h=limit)
    again = level(PUMPS[pump], found.regimen, found.times_h)
    # Relative to the highest level: what is left of a high one is small against its terms.
    size = float(np.max(found.predicted_ng_mL))
    np.testing.assert_allclose(found.predicted_ng_mL, again, rtol=0.0, atol=ROUNDING * max(size, 1.0))
    assert all(0.0 < dose.amount <= (limit or math.inf) for dose in found.regimen.doses)


def test_esketamine_and_its_text() -> None:
    found = target_controlled_infusion("S-ketamine", [(0.0, 100.0)], 0.05, weight_kg=70.0)
    assert {dose.drug for dose in found.regimen.doses} == {"esketamine"}
    assert len(found.regimen.doses) == 3
    assert parse_regimen(found.regimen.text) == found.regimen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drug": "midazolam"}, "no pump model was made for midazolam"),
        ({"drug": "arketamine"}, "allowed are ketamine and esketamine"),
        ({"pump": "kamp2021"}, "nearest valid name is 'kamp2020'"),
        ({"targets": []}, "name at least one"),
        ({"targets": [100.0]}, r"targets\[0\]: 100.0 is not a pair"),
        ({"targets": [(0.0, 100.0), (0.0, 50.0)]}, r"targets\[1\]: its start at 0 h is not after"),
        ({"targets": [(0.0, -1.0)]}, "must not be negative"),
        ({"targets": [(-1.0, 1.0)]}, "must not be negative"),
        ({"targets": [(0.0, math.nan)]}, r"targets\[0\] target: nan is not a finite number"),
        ({"end_h": 0.0}, "end_h: 0 h is not after the last target's start"),
        ({"weight_kg": 0.0}, "weight_kg: 0 kg is out of range"),
        ({"step_h": -1.0}, "step_h: -1 h is out of range"),
        ({"max_rate_mg_h": 0.0}, "max_rate_mg_h: 0 mg/h is out of range"),
        ({"end_h": 300.0}, "18000 steps, more than the 10000"),
    ],
)
def test_errors_name_the_field(change: dict[str, Any], message: str) -> None:
    plain: dict[str, Any] = {"drug": "ketamine", "targets": [(0.0, 100.0)], "end_h": 1.0, "weight_kg": 70.0}
    with pytest.raises(DoseError, match=message):
        target_controlled_infusion(**{**plain, **change})
