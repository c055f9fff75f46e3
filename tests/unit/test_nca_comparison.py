"""Curves beside each other: many at once, accumulation, metabolites."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ketasim.errors import ModelError, UnitError
from ketasim.nca import NcaResult, accumulation, analyse, analyse_many, metabolite_ratio
from ketasim.nca.trapezoids import segment_areas

# One compartment: 50 mg into 100 L; ng/mL is ug/L, hence the factor 1000.
DOSE, VOLUME, K = 50.0, 100.0, 0.2
C0 = 1000.0 * DOSE / VOLUME
CL = K * VOLUME


def near(value: float | None, expected: float, rel: float = 1e-12) -> bool:
    """Tell whether a number exists and is as expected. 1e-12 is rounding over some hundred samples."""
    return value is not None and math.isclose(value, expected, rel_tol=rel)


def test_accumulation_of_a_bolus_course() -> None:
    interval = 6.0
    times = np.linspace(0.0, interval, 13)
    single = C0 * np.exp(-K * times)
    factor = 1.0 / -math.expm1(-K * interval)
    first = analyse(times, single, dose=DOSE, interval_h=interval, steady_state=False)
    later = analyse(
        times + 48.0,
        0.001 * single * factor,
        dose=1000.0 * DOSE,
        dose_unit="ug",
        dose_time_h=48.0,
        interval_h=interval,
        steady_state=True,
        concentration_unit="mg/L",
    )
    ratio = accumulation(first, later)
    assert near(ratio.area, factor)
    assert near(ratio.cmax, factor)
    assert near(ratio.ctrough, factor)
    assert near(ratio.expected, factor)
    assert near(later.clearance, CL)
    assert ratio.reasons == {}


def test_accumulation_says_what_is_missing_or_differs() -> None:
    flat = analyse([0.0, 3.0, 6.0], [0.0, 1.0, 2.0], interval_h=6.0, steady_state=False, dose=1.0)
    longer = analyse([0.0, 3.0, 6.0], [0.0, 1.0, 2.0], interval_h=8.0, steady_state=False)
    double = analyse([0.0, 3.0, 6.0], [0.0, 2.0, 4.0], interval_h=6.0, steady_state=False, dose=2.0)
    none = analyse([0.0, 3.0, 6.0], [0.0, 1.0, 2.0])
    ratio = accumulation(flat, flat)
    assert (ratio.area, ratio.expected) == (1.0, None)
    assert ratio.reasons["expected"].startswith("first: only")
    with pytest.raises(ModelError, match=r"6 h \(first\) and 8 h \(later\)"):
        accumulation(flat, longer)
    with pytest.raises(ModelError, match="interval_h: none"):
        accumulation(none, flat)
    with pytest.raises(ModelError, match="equal doses"):
        accumulation(flat, double)


def test_metabolite_ratio_by_mass_and_by_amount() -> None:
    times = np.linspace(0.0, 40.0, 81)
    parent = analyse(times, 100.0 * np.exp(-0.5 * times))
    product = analyse(times, 60.0 * np.exp(-0.2 * times))
    ratio = metabolite_ratio(parent, product, 237.73, 223.70)
    assert near(ratio.by_mass, 1.5)
    assert near(ratio.by_amount, 1.5 * 237.73 / 223.70)
    molar = analyse(times, 60.0 * np.exp(-0.2 * times), concentration_unit="nmol/L")
    parent_molar = analyse(times, 0.1 * np.exp(-0.5 * times), concentration_unit="uM")
    ratio = metabolite_ratio(parent_molar, molar, 237.73, 223.70)
    assert near(ratio.by_amount, 1.5)
    assert near(ratio.by_mass, 1.5 * 223.70 / 237.73)
    last = metabolite_ratio(parent, product, 237.73, 223.70, basis="last")
    assert near(last.by_mass, 1.5 * math.expm1(-8.0) / math.expm1(-20.0))


def test_metabolite_ratio_refuses_what_it_cannot_compare() -> None:
    curve = analyse([0.0, 1.0, 2.0], [4.0, 2.0, 1.0])
    share = analyse([0.0, 1.0, 2.0], [0.4, 0.2, 0.1], concentration_unit="ratio")
    silent = metabolite_ratio(curve, curve, 200.0, 200.0)
    assert (silent.by_mass, silent.by_amount) == (None, None)
    assert "auc_infinity: only 2 samples" in str(silent.reason)
    with pytest.raises(ModelError, match="nearest valid name is 'infinity'"):
        metabolite_ratio(curve, curve, 200.0, 200.0, basis="infinite")  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="metabolite_molar_mass"):
        metabolite_ratio(curve, curve, 200.0, 0.0)
    with pytest.raises(UnitError, match="neither mass nor amount"):
        metabolite_ratio(share, share, 200.0, 200.0)


@pytest.mark.parametrize("method", ["linear-up log-down", "linear"])
def test_many_curves_have_the_numbers_of_each(method: Any) -> None:
    rng = np.random.default_rng(11)
    times = np.r_[-1.0, 0.0, np.cumsum(rng.uniform(0.2, 3.0, 20))]
    values = rng.uniform(0.0, 5.0, (12, 22))
    values[3, 15:] = 0.0
    values[4, :6] = 0.0
    values[5] = 0.0
    values[6, 2:] = 0.0
    many = analyse_many(times, values, end_h=float(times[18]), method=method)
    for row, curve in enumerate(values):
        one: NcaResult = analyse(times, curve, end_h=float(times[18]), method=method)
        assert near(one.auc_last, many.auc_last[row]) or one.auc_last == many.auc_last[row] == 0.0
        assert one.cmax == many.cmax[row]
        assert bool(many.measurable[row]) == (one.tmax is not None)
        if one.tmax is not None:
            assert (one.tmax, one.tlast, one.clast) == (many.tmax[row], many.tlast[row], many.clast[row])
    whole = [segment_areas(times[1:19], curve[1:19], method).sum() for curve in values]
    assert many.auc == pytest.approx(np.array(whole), rel=1e-12)
    stacked = analyse_many(times, values.reshape(3, 4, 22), end_h=float(times[18]), method=method)
    assert np.array_equal(stacked.auc_last.ravel(), many.auc_last)


def test_many_curves_refuse_what_they_cannot_share() -> None:
    with pytest.raises(ModelError, match="share one list of times"):
        analyse_many([[0.0, 1.0], [0.0, 2.0]], [[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ModelError, match=r"a sample at the dose, 0\.5 h"):
        analyse_many([0.0, 1.0, 2.0], [[1.0, 1.0, 1.0]], dose_time_h=0.5)
    with pytest.raises(ModelError, match=r"concentrations\[1, 0\]: -1"):
        analyse_many([0.0, 1.0], [[1.0, 1.0], [-1.0, 1.0]])
    with pytest.raises(ModelError, match="end_h"):
        analyse_many([0.0, 1.0], [[1.0, 1.0]], end_h=0.0)
