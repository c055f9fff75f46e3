"""Non-compartmental analysis against closed forms, numbers worked out by hand, and SciPy."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import linregress

from ketasim.errors import ModelError, UnitError
from ketasim.nca import QUANTITIES, analyse
from ketasim.nca.trapezoids import Floats, segment_areas, segment_moments

# One compartment: 50 mg into 100 L; ng/mL is ug/L, hence the factor 1000.
DOSE, VOLUME, K = 50.0, 100.0, 0.2
C0 = 1000.0 * DOSE / VOLUME
CL = K * VOLUME


def near(value: float | None, expected: float, rel: float = 1e-12) -> bool:
    """Tell whether a number exists and is as expected. 1e-12 is rounding over some hundred samples."""
    return value is not None and math.isclose(value, expected, rel_tol=rel)


def infusion(times: Floats, length: float) -> Floats:
    rate = C0 / length
    end = rate / K * -np.expm1(-K * np.minimum(times, length))
    return np.asarray(end * np.exp(-K * np.maximum(times - length, 0.0)))


def bateman(times: Floats, ka: float = 1.5, f: float = 0.4) -> Floats:
    return np.asarray(f * C0 * ka / (ka - K) * (np.exp(-K * times) - np.exp(-ka * times)))


def test_a_bolus_is_exact_on_any_grid() -> None:
    times = np.array([0.0, 0.3, 1.0, 4.0, 9.0, 20.0])
    result = analyse(times, C0 * np.exp(-K * times), dose=DOSE)
    assert result.start == "sample"
    assert (result.cmax, result.tmax, result.tlast) == (C0, 0.0, 20.0)
    assert near(result.lambda_z, K)
    assert near(result.half_life, math.log(2.0) / K)
    assert near(result.auc_last, C0 / K * (1.0 - math.exp(-K * 20.0)))
    assert near(result.auc_infinity, C0 / K)
    assert near(result.auc_infinity_predicted, C0 / K)
    assert near(result.share_extrapolated, math.exp(-K * 20.0))
    assert near(result.aumc_last, C0 / K**2 * (1.0 - math.exp(-4.0) * 5.0))
    assert near(result.aumc_infinity, C0 / K**2)
    assert near(result.mrt, 1.0 / K)
    assert near(result.clearance, CL)
    assert near(result.volume_z, VOLUME)
    assert near(result.volume_ss, VOLUME)
    assert result.clearance_over_f is None
    assert result.reasons["clearance_over_f"] == "the dose is intravascular"
    assert result.notes == ()


def test_a_bolus_without_a_sample_at_the_dose_is_extrapolated_back() -> None:
    times = np.array([5.5, 7.0, 9.0, 14.0, 20.0])
    result = analyse(times, C0 * np.exp(-K * (times - 5.0)), dose=DOSE, dose_time_h=5.0)
    assert result.start == "back-extrapolated"
    assert near(result.c0, C0)
    assert result.cmax == C0 * math.exp(-K * 0.5)
    assert near(result.tmax, 0.5)
    assert near(result.auc_infinity, C0 / K)
    assert near(result.share_back_extrapolated, -math.expm1(-K * 0.5))


@pytest.mark.parametrize(
    ("first", "second", "settings", "start", "c0"),
    [
        (8.0, 0.0, {}, "first sample", 8.0),
        (4.0, 8.0, {}, "zero", 0.0),
        (8.0, 4.0, {"extravascular": True}, "zero", 0.0),
        (8.0, 4.0, {"infusion_h": 0.5}, "zero", 0.0),
        (8.0, 4.0, {"extravascular": True, "interval_h": 9.0, "steady_state": True}, "smallest sample", 1.0),
    ],
)
def test_the_value_at_a_dose_without_a_sample(
    first: float, second: float, settings: dict[str, Any], start: str, c0: float
) -> None:
    result = analyse([1.0, 2.0, 3.0, 4.0], [first, second, 2.0, 1.0], **settings)
    assert (result.start, result.c0) == (start, c0)


def test_an_infusion_on_a_fine_grid() -> None:
    length = 2.0 / 3.0
    times = np.r_[np.linspace(0.0, length, 401), np.linspace(length, 40.0, 200)[1:]]
    result = analyse(times, infusion(times, length), dose=DOSE, infusion_h=length)
    # The rising part is a trapezoid over a curve: the error falls with the square of the step, here 1e-7.
    assert near(result.auc_infinity, C0 / K, 1e-6)
    assert near(result.clearance, CL, 1e-6)
    assert near(result.mrt, 1.0 / K, 1e-6)
    assert near(result.volume_ss, VOLUME, 1e-6)
    assert near(result.lambda_z, K, 1e-10)
    assert result.tmax == length
    assert min(result.lambda_z_times) > length


def test_an_oral_dose_on_a_fine_grid() -> None:
    ka = 1.5
    times = np.r_[np.linspace(0.0, 5.0, 2001), np.linspace(5.0, 60.0, 500)[1:]]
    # At late times absorption is over: the fit there sees K alone.
    result = analyse(times, bateman(times), dose=DOSE, extravascular=True, half_life=(20.0, 60.0))
    assert near(result.lambda_z, K, 1e-9)
    assert near(result.auc_infinity, 0.4 * C0 / K, 1e-6)
    assert near(result.clearance_over_f, CL / 0.4, 1e-6)
    assert near(result.volume_z_over_f, VOLUME / 0.4, 1e-6)
    assert near(result.mrt, 1.0 / K + 1.0 / ka, 1e-6)
    assert result.tmax is not None
    # The peak is found to half a step of the grid.
    assert abs(result.tmax - math.log(ka / K) / (ka - K)) <= 0.00125
    assert (result.clearance, result.volume_z, result.volume_ss) == (None, None, None)
    assert "extravascular" in result.reasons["clearance"]
    assert result.settings.half_life == (20.0, 60.0)


def test_the_best_fit_of_an_oral_curve_is_close_to_its_rate() -> None:
    times = np.array([0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 24.0])
    result = analyse(times, bateman(times), extravascular=True)
    # A sample soon after the peak is admitted while adjusted r squared stays within 1e-4: a few per cent.
    assert near(result.lambda_z, K, 0.03)


def test_linear_up_log_down_by_hand() -> None:
    times = [0.0, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    values = [0.0, 4.0, 8.0, 8.0, 4.0, 2.0, 0.0]
    result = analyse(times, values, partial=[(0.0, 1.5), (5.0, 8.0), (8.0, 10.0), (9.0, 50.0), (1.0, 2.0)])
    ln2 = math.log(2.0)
    # Rising 0-4-8: 2 + 6; level 8-8: 16; halving 8-4 and 4-2 in 2 h each: 8/ln 2 and 4/ln 2.
    assert near(result.auc_last, 2.0 + 6.0 + 16.0 + 12.0 / ln2)
    assert (result.clast, result.tlast, result.cmax, result.tmax) == (2.0, 8.0, 8.0, 2.0)
    # Moments: straight (0 + 4)/2, (4 + 16)/2, 2 (16 + 32)/2; with k = ln 2 / 2 an exponential from t1, c1 to
    # t2, c2 has (t1 c1 - t2 c2)/k + (c1 - c2)/k^2.
    k = ln2 / 2.0
    down = (32.0 - 24.0) / k + 4.0 / k**2 + (24.0 - 16.0) / k + 2.0 / k**2
    assert near(result.aumc_last, 2.0 + 10.0 + 48.0 + down)
    # Three samples after the peak, at 4, 6 and 8 h, lie on one line.
    assert result.lambda_z_times == (4.0, 6.0, 8.0)
    assert result.lambda_z_concentrations == (8.0, 4.0, 2.0)
    assert near(result.lambda_z, k)
    assert near(result.r_squared_adjusted, 1.0)
    assert near(result.span, 2.0)
    assert near(result.auc_infinity, 24.0 + 12.0 / ln2 + 4.0 / ln2)
    areas = [part.area for part in result.partial]
    assert near(areas[0], 2.0 + 0.5 * (4.0 + 6.0) / 2.0)
    # At 5 h the log rule gives 8/sqrt 2; from there to 2 in 3 h.
    assert near(areas[1], (8.0 / math.sqrt(2.0) - 2.0) / k)
    # The fall to the measured zero is straight, and the curve stays at zero.
    assert near(areas[2], 2.0)
    assert near(areas[3], 0.5)
    assert near(areas[4], 6.0)


def test_the_linear_rule_is_the_trapezoid_of_scipy() -> None:
    from scipy.integrate import trapezoid

    rng = np.random.default_rng(7)
    times, values = np.cumsum(rng.uniform(0.1, 2.0, 30)), rng.uniform(0.0, 9.0, 30)
    result = analyse(times, values, dose_time_h=times[0], method="linear")
    since = times - times[0]
    assert near(result.auc_last, float(trapezoid(values, since)))
    assert near(result.aumc_last, float(trapezoid(values * since, since)))


@pytest.mark.parametrize("fall", [1e-13, 1e-9, 1e-4, 0.0499, 0.0501, 0.69, 0.7, 3.0, 40.0, 700.0])
def test_a_falling_segment_is_the_integral_of_an_exponential(fall: float) -> None:
    t = np.array([2.0, 5.0])
    c = np.array([7.0, 7.0 * math.exp(-fall)])
    k = math.log1p((c[0] - c[1]) / c[1]) / 3.0 if fall < 0.5 else fall / 3.0
    # The integrand drops within 1/k of the start: a break there lets quad see it.
    breaks = [min(2.0 + 1.0 / k, 4.9)]
    area = quad(lambda s: 7.0 * math.exp(-k * (s - 2.0)), 2.0, 5.0, points=breaks, epsabs=0.0, epsrel=1e-13)[
        0
    ]
    moment = quad(
        lambda s: s * 7.0 * math.exp(-k * (s - 2.0)), 2.0, 5.0, points=breaks, epsabs=0.0, epsrel=1e-13
    )[0]
    assert segment_areas(t, c, "linear-up log-down")[0] == pytest.approx(area, rel=2e-12)
    assert segment_moments(t, c, "linear-up log-down")[0] == pytest.approx(moment, rel=2e-12)


def test_extreme_neighbours_neither_overflow_nor_divide_by_zero() -> None:
    t = np.arange(5.0)
    c = np.array([1e308, 1e308, 5e-324, 5e-324, 0.0])
    areas = segment_areas(t, c, "linear-up log-down")
    # 1e308 to the smallest number above zero: a fall of the logarithm of 709.2 + 744.4.
    expected = 1e308 / (math.log(1e308) - math.log(5e-324))
    assert areas[0] == 1e308
    assert areas[1] == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(segment_moments(t, c, "linear-up log-down")).all()


def test_partial_areas_add_up_and_continue_on_the_terminal_phase() -> None:
    times = np.array([0.0, 1.0, 3.0, 6.0, 10.0])
    ranges = [(0.0, 2.2), (2.2, 10.0), (10.0, 14.0), (4.0, 30.0), (12.0, 13.0)]
    result = analyse(times, C0 * np.exp(-K * times), partial=ranges)
    for part, (start, end) in zip(result.partial, ranges, strict=True):
        assert (part.start_h, part.end_h, part.reason) == (start, end, None)
        assert near(part.area, C0 / K * (math.exp(-K * start) - math.exp(-K * end)))


def test_a_partial_area_beyond_the_samples_without_terminal_phase_has_a_reason() -> None:
    result = analyse([0.0, 1.0, 2.0], [0.0, 1.0, 2.0], partial=[(0.0, 2.0), (0.0, 3.0)])
    assert result.partial[0].area == 2.0
    assert result.partial[1].area is None
    assert "samples end 2 h after the dose" in str(result.partial[1].reason)


def test_zeros_before_absorption_and_at_the_end() -> None:
    times = np.arange(10.0)
    values = np.array([0.0, 0.0, 3.0, 9.0, 6.0, 4.0, 8.0 / 3.0, 16.0 / 9.0, 0.0, 0.0])
    result = analyse(times, values, extravascular=True)
    assert (result.tmax, result.tlast, result.clast) == (3.0, 7.0, 16.0 / 9.0)
    assert result.lambda_z_times == (4.0, 5.0, 6.0, 7.0)
    assert near(result.lambda_z, math.log(1.5))


def test_a_zero_between_samples_is_no_sample_of_the_terminal_phase() -> None:
    result = analyse([0.0, 1.0, 2.0, 3.0, 4.0], [16.0, 8.0, 0.0, 2.0, 1.0])
    assert result.lambda_z_times == (1.0, 3.0, 4.0)
    assert near(result.lambda_z, math.log(2.0))


def brute_force_best(times: Floats, values: Floats) -> int:
    """Number of samples of the best fit, one regression at a time."""
    scores: dict[int, float] = {}
    after = times > times[values.argmax()]
    t, c = times[after], values[after]
    for n in range(3, len(t) + 1):
        fit = linregress(t[-n:], np.log(c[-n:]))
        if fit.slope < 0.0:
            scores[n] = 1.0 - (1.0 - fit.rvalue**2) * (n - 1) / (n - 2)
    return max(n for n, score in scores.items() if score >= max(scores.values()) - 1e-4)


@pytest.mark.parametrize("seed", range(8))
def test_the_terminal_samples_are_those_of_separate_regressions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0.0, 40.0, 14))
    values = (300.0 * np.exp(-times) + 20.0 * np.exp(-0.1 * times)) * np.exp(rng.normal(0.0, 0.08, 14))
    result = analyse(times, values, dose_time_h=0.0)
    count = brute_force_best(times, values)
    fit = linregress(times[-count:], np.log(values[-count:]))
    assert result.lambda_z_times == tuple(times[-count:])
    assert near(result.lambda_z, -fit.slope, 1e-10)
    assert near(result.clast_predicted, math.exp(fit.intercept + fit.slope * times[-1]), 1e-10)
    adjusted = 1.0 - (1.0 - fit.rvalue**2) * (count - 1) / (count - 2)
    assert result.r_squared_adjusted == pytest.approx(adjusted, abs=1e-10)
    assert result.auc_last is not None
    assert result.clast_predicted is not None
    assert near(result.auc_infinity_predicted, result.auc_last + result.clast_predicted / -fit.slope, 1e-10)


def test_more_samples_are_preferred_within_the_tolerance() -> None:
    times = np.arange(7.0)
    values = np.exp(-0.5 * times)
    values[0], values[1] = 2.0, values[1] * 1.005
    # The sample at 1 h, 0.5 % off the line, costs about 3e-6 of adjusted r squared; at 10 % it costs 1e-3.
    assert analyse(times, values).lambda_z_times == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    values[1] *= 1.1
    assert analyse(times, values).lambda_z_times == (2.0, 3.0, 4.0, 5.0, 6.0)


def test_the_terminal_phase_starts_after_the_infusion() -> None:
    times = np.arange(9.0)
    values = np.array([0.0, 5.0, 9.0, 8.0, 7.2, 3.6, 1.8, 0.9, 0.45])
    result = analyse(times, values, infusion_h=4.0)
    assert result.tmax == 2.0
    assert result.lambda_z_times == (5.0, 6.0, 7.0, 8.0)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([9.0, 4.0, 2.0], "only 2 samples above zero"),
        ([5.0, 1.0, 2.0, 3.0], "no set of last samples falls"),
        ([5.0, 2.0, 2.0, 2.0], "no set of last samples falls"),
        ([0.0, 0.0, 0.0, 0.0], "no sample is above zero"),
    ],
)
def test_no_terminal_phase_gives_reasons_and_no_number(values: list[float], reason: str) -> None:
    result = analyse(np.arange(len(values)), values, dose=DOSE)
    for name in ("lambda_z", "half_life", "auc_infinity", "clearance", "volume_z", "mrt", "aumc_infinity"):
        assert getattr(result, name) is None
        assert reason in result.reasons[name]
    assert result.auc_last is not None


def test_a_chosen_range_with_too_few_or_rising_samples_has_a_reason() -> None:
    times, values = np.arange(6.0), [1.0, 2.0, 4.0, 3.0, 2.0, 1.0]
    assert "only 2 samples" in analyse(times, values, half_life=(3.5, 9.0)).reasons["half_life"]
    assert "do not fall" in analyse(times, values, half_life=(0.0, 2.0)).reasons["half_life"]


def course(interval: float, number: int, start: int) -> tuple[Floats, Floats]:
    """Bateman curves of a course, from one of its doses for one interval; times count from the first dose."""
    times = start * interval + np.linspace(0.0, interval, 1201)
    values = sum(bateman(times - n * interval) for n in range(number) if n <= start)
    return times, np.asarray(values)


def test_steady_state_of_an_oral_course() -> None:
    interval, last = 12.0, 30
    times, values = course(interval, last + 1, last)
    result = analyse(
        times,
        values,
        dose=DOSE,
        dose_time_h=last * interval,
        interval_h=interval,
        steady_state=True,
        extravascular=True,
        half_life=(9.0, 12.0),
    )
    # The area over one interval is that of one dose to infinity; 1e-4 is the step of 0.01 h at the peak.
    assert near(result.auc_interval, 0.4 * C0 / K, 1e-4)
    assert near(result.clearance_over_f, CL / 0.4, 1e-4)
    assert near(result.caverage, 0.4 * C0 / K / interval, 1e-4)
    ka = 1.5
    trough = 0.4 * C0 * ka / (ka - K)
    trough *= 1.0 / math.expm1(K * interval) - 1.0 / math.expm1(ka * interval)
    assert near(result.ctrough, trough, 1e-9)
    assert near(result.cmin, trough, 1e-9)
    assert result.cmax_interval is not None
    assert near(result.fluctuation, (result.cmax_interval - trough) / (0.4 * C0 / K / interval), 1e-4)
    assert near(result.swing, result.cmax_interval / trough - 1.0, 1e-8)
    # Residence time of one dose, out of an interval of many.
    assert near(result.mrt, 1.0 / K + 1.0 / ka, 1e-3)
    assert not any("steady" in note for note in result.notes)


@pytest.mark.parametrize("last", [8.0, 6.5])
def test_steady_state_of_a_bolus_gives_the_numbers_of_one_dose(last: float) -> None:
    times = np.array([0.0, 1.0, 2.0, 5.0, last])
    values = C0 * np.exp(-K * times) / -math.expm1(-K * 8.0)
    result = analyse(times, values, dose=DOSE, interval_h=8.0, steady_state=True)
    assert near(result.clearance, CL)
    assert near(result.mrt, 1.0 / K)
    assert near(result.volume_ss, VOLUME)
    assert near(result.volume_z, VOLUME)


def test_a_window_ends_with_the_interval_and_may_go_on() -> None:
    times = np.arange(25.0)
    values = np.where(times < 12.0, C0 * np.exp(-K * times), 3.0 * C0)
    first = analyse(times[:12], values[:12], dose=DOSE, interval_h=12.0, steady_state=False)
    also = analyse(times, values, dose=DOSE, end_h=11.0)
    # Without a sample at 12 h the terminal phase gives the rest of the interval.
    assert near(first.auc_interval, C0 / K * -math.expm1(-K * 12.0))
    assert near(first.clearance, CL)
    assert near(also.clearance, CL)
    assert also.tlast == 11.0
    washout = analyse(times, C0 * np.exp(-K * times), interval_h=12.0, steady_state=False, end_h=math.inf)
    assert washout.tlast == 24.0
    assert near(washout.auc_interval, C0 / K * -math.expm1(-K * 12.0))
    assert washout.to_dict()["settings"]["end_h"] == "infinity"


def test_drug_from_earlier_doses_forbids_a_clearance() -> None:
    times, values = course(12.0, 3, 2)
    result = analyse(times, values, dose=DOSE, dose_time_h=24.0, extravascular=True)
    assert result.clearance_over_f is None
    assert "earlier doses" in result.reasons["clearance_over_f"]
    assert result.mrt is None
    assert any("earlier doses" in note for note in result.notes)
    assert result.auc_last is not None


def test_a_course_that_is_not_at_steady_state_is_noted() -> None:
    times, values = course(4.0, 2, 1)
    result = analyse(
        times, values, dose=DOSE, dose_time_h=4.0, interval_h=4.0, steady_state=True, extravascular=True
    )
    assert any("not a steady state" in note for note in result.notes)


def test_notes_name_a_short_curve() -> None:
    times = np.array([0.0, 0.5, 1.0, 1.5])
    notes = analyse(times, np.exp(-K * times)).notes
    assert any("after tlast; sample longer" in note for note in notes)
    assert any("half-lives" in note for note in notes)


def test_an_infusion_said_to_be_longer_than_the_curve_gives_no_residence_time() -> None:
    times = np.linspace(0.0, 8.0, 33)
    result = analyse(times, times * np.exp(-3.0 * times), infusion_h=5.0)
    assert result.mrt is None
    assert "infusion_h" in result.reasons["mrt"]


def test_units_follow_those_of_the_curve_and_the_dose() -> None:
    times = np.array([0.0, 1.0, 2.0, 3.0, 4.0])
    curve = np.exp(-K * times)
    mass = analyse(times, C0 * curve, dose=DOSE)
    grams = analyse(times, 1e-3 * C0 * curve, dose=0.05, dose_unit="g", concentration_unit="mg/L")
    molar = analyse(times, 2.0 * curve, dose=200.0, dose_unit="umol", concentration_unit="uM")
    for result in (mass, grams, molar):
        assert near(result.clearance, CL)
    assert mass.units["auc_last"] == "h*ng/mL"
    assert mass.units["aumc_last"] == "h^2*ng/mL"
    assert mass.units["clearance"] == "L/h"
    assert set(mass.units) == set(QUANTITIES)
    with pytest.raises(UnitError, match="do not give a volume"):
        analyse(times, curve, dose=1.0, dose_unit="mg", concentration_unit="uM")
    with pytest.raises(UnitError, match="unknown unit"):
        analyse(times, curve, concentration_unit="ng/pint_of_beer")


def test_to_dict_is_json_with_units_and_reasons() -> None:
    times = np.array([0.0, 1.0, 2.0, 4.0, 6.0])
    result = analyse(times, C0 * np.exp(-K * times), dose=DOSE, partial=[(0.0, 2.0)], half_life=(1.0, 6.0))
    table = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert set(table["quantities"]) == set(QUANTITIES)
    for name, entry in table["quantities"].items():
        assert entry["value"] == getattr(result, name)
        assert entry["unit"] == result.units[name]
        assert ("reason" in entry) == (entry["value"] is None)
    assert table["partial"][0]["area"] == result.partial[0].area
    assert table["terminal_samples"]["times_h"] == [1.0, 2.0, 4.0, 6.0]
    assert table["settings"]["half_life"] == [1.0, 6.0]


@pytest.mark.parametrize(
    ("times", "values", "settings", "message"),
    [
        ([0.0, 1.0], [1.0, -0.5], {}, r"concentrations\[1\]: -0.5 is below zero; set"),
        ([0.0, 1.0], [1.0, math.nan], {}, r"concentrations\[1\]: nan is not finite; remove"),
        ([0.0, math.inf], [1.0, 1.0], {}, r"times_h\[1\]: inf"),
        ([0.0, 2.0, 1.0], [1.0, 1.0, 1.0], {}, "1 h follows 2 h at position 2; times must increase"),
        ([0.0, 1.0, 1.0], [1.0, 1.0, 1.0], {}, "keep one for each time"),
        ([0.0], [1.0], {}, "needs at least two"),
        ([0.0, 1.0], [1.0], {}, "one concentration for each time"),
        (["a", "b"], [1.0, 1.0], {}, "not an array of numbers"),
        ([0.0, 1.0], [[1.0, 1.0]], {}, "takes one curve"),
        ([0.0, 1.0], [1.0, 1.0], {"dose_time_h": 0.5}, "1 samples lie from 0.5 h on"),
        ([0.0, 1.0], [1.0, 1.0], {"dose_time_h": math.nan}, "dose_time_h"),
        ([0.0, 1.0], [1.0, 1.0], {"dose": 0.0}, "dose: 0.0 must be a finite number above 0; give it in mg"),
        ([0.0, 1.0], [1.0, 1.0], {"infusion_h": -1.0}, "infusion_h: -1.0"),
        ([0.0, 1.0], [1.0, 1.0], {"infusion_h": 1.0, "extravascular": True}, "goes into the blood"),
        ([0.0, 1.0], [1.0, 1.0], {"interval_h": 0.0, "steady_state": True}, "interval_h: 0.0"),
        ([0.0, 1.0], [1.0, 1.0], {"interval_h": 1.0}, "steady_state: not said"),
        ([0.0, 1.0], [1.0, 1.0], {"steady_state": True}, "without interval_h"),
        ([0.0, 1.0], [1.0, 1.0], {"end_h": -2.0}, "end_h: -2.0"),
        ([0.0, 1.0], [1.0, 1.0], {"partial": [(1.0, 1.0)]}, "0 <= from < to"),
        ([0.0, 1.0], [1.0, 1.0], {"partial": [(1.0, 2.0, 3.0)]}, "is not a range"),
        ([0.0, 1.0], [1.0, 1.0], {"half_life": (3.0, 2.0)}, "half_life"),
        ([0.0, 1.0], [1.0, 1.0], {"half_life": "last"}, "give 'best'"),
        (
            [0.0, 1.0],
            [1.0, 1.0],
            {"method": "linear-up logdown"},
            "nearest valid name is 'linear-up log-down'",
        ),
    ],
)
def test_what_cannot_be_analysed_is_refused(
    times: Any, values: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        analyse(times, values, **settings)


def test_times_that_carry_rounding_are_the_time_of_the_dose() -> None:
    times = 24.0 * 7.0 + np.array([-1e-13, 1.0, 2.0, 4.0])
    result = analyse(times, C0 * np.exp(-K * np.array([0.0, 1.0, 2.0, 4.0])), dose=DOSE, dose_time_h=168.0)
    assert result.start == "sample"
    assert near(result.clearance, CL, 1e-9)
