"""The clinical K-PD baseline: closed forms, rows it covers, and recovery of known values."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ketasim.errors import ModelError
from ketasim.validation.baselines import Kpd, RowFacts, fit_kpd, load_kpd, write_kpd
from ketasim.validation.baselines.facts import ArmFacts, to_madrs, totals_from_madrs
from ketasim.validation.baselines.kpd import Exposure, exposure_of

_ONE = "0.5 mg/kg ketamine iv over 40 min"
_ARM = ArmFacts(_ONE, True, 33.0, 5.0, "madrs")
_CONTROL = ArmFacts("none", False, 33.0, 5.0, "madrs")


def _row(**changes: object) -> RowFacts:
    own: dict[str, object] = {
        "study": "a",
        "id": "A1",
        "citation": "a2020",
        "domain": "clinical",
        "species": "human",
        "quantity": "madrs",
        "statistic": "change",
        "measure": "at",
        "arm": "ketamine",
        "use": "calibration",
        "source_kind": "measured",
        "row_class": "points",
        "unit": "points",
        "time_h": 24.0,
        "value": -15.0,
        "error": math.nan,
        "n": 20.0,
        "arms": (_ARM,),
    }
    return RowFacts(**{**own, **changes})  # type: ignore[arg-type]


def _values(**changes: float) -> dict[str, float]:
    return {item.name: item.value for item in load_kpd()} | changes


def test_the_effect_site_of_a_pulse_is_a_difference_of_exponentials() -> None:
    pulse = Exposure(np.array([0.0]), np.array([100.0]), np.array([1.0]))
    kpd = Kpd(_values(onset_rate=0.5, offset_rate=0.01))
    expected = 100.0 * 0.5 / 0.49 * (math.exp(-0.24) - math.exp(-12.0))
    # Both sides are the same sum of two exponentials: only rounding is left.
    assert kpd.site(pulse, 24.0) == pytest.approx(expected, rel=1e-12)
    assert kpd.site(pulse, 1e-9) == pytest.approx(0.0, abs=1e-6)


def test_equal_rates_do_not_divide_by_zero() -> None:
    pulse = Exposure(np.array([0.0]), np.array([100.0]), np.array([1.0]))
    found = Kpd(_values(onset_rate=0.2, offset_rate=0.2)).site(pulse, 5.0)
    # The limit is rate · t · exp(−rate · t); the difference of two near rates loses half of the digits.
    assert found == pytest.approx(100.0 * 0.2 * 5.0 * math.exp(-1.0), rel=1e-5)


def test_the_exponent_of_accumulation_weighs_later_sessions() -> None:
    two = Exposure(np.array([0.0, 72.0]), np.array([100.0, 100.0]), np.array([1.0, 2.0]))
    plain = Kpd(_values(accumulation=0.0)).site(two, 96.0)
    alone = Kpd(_values(accumulation=0.0)).site(Exposure(*(x[:1] for x in vars(two).values())), 96.0)
    doubled = Kpd(_values(accumulation=1.0)).site(two, 96.0)
    assert doubled - alone == pytest.approx(2.0 * (plain - alone), rel=1e-12)


def test_plasma_is_cut_into_sessions_and_its_area_grows_with_the_dose() -> None:
    once, double = exposure_of(_ONE, 24.0), exposure_of(_ONE.replace("0.5", "1"), 24.0)
    # Kinetics are nearly linear in dose at these doses: within two per cent.
    assert double.areas.sum() / once.areas.sum() == pytest.approx(2.0, rel=0.02)
    several = exposure_of(f"{_ONE}, on days 1, 4, 8", 240.0)
    assert set(several.sessions) == {1.0, 2.0, 3.0}
    assert exposure_of("none", 24.0).areas.size == 0


def test_without_a_drug_only_placebo_is_left_and_nobody_falls_below_zero() -> None:
    kpd = Kpd(_values(placebo_early=10.0, placebo_late=10.0, baseline_exponent=1.0))
    assert kpd.change(_CONTROL, 24.0) == pytest.approx(-33.0 * (1.0 - math.exp(-10.0 / 33.0)), rel=1e-12)
    assert kpd.change(_ARM, 24.0) < kpd.change(_CONTROL, 24.0)
    assert Kpd(_values(effect_largest=40.0, placebo_early=20.0)).change(_ARM, 2.0) > -33.0


def test_a_rate_follows_from_the_normal_distribution_of_the_change() -> None:
    kpd = Kpd(_values(person_sd=9.0, trial_sd=0.5))
    change = kpd.change(_ARM, 24.0)
    found = kpd.predict(_row(statistic="response", row_class="rate", value=0.5, n=1e6))
    assert found is not None
    share = 0.5 * math.erfc(-(-16.5 - change) / 9.0 / math.sqrt(2.0))
    # With a million persons the half person on each side does not matter to six digits.
    assert found.mean == pytest.approx(math.log(share / (1.0 - share)), rel=1e-4)


def test_the_sampling_variance_shrinks_with_the_number_of_persons() -> None:
    kpd = Kpd(_values(person_sd=9.0, trial_sd=1.0))
    few, many = kpd.predict(_row(n=10.0)), kpd.predict(_row(n=1000.0))
    assert few is not None
    assert many is not None
    assert few.sd**2 - many.sd**2 == pytest.approx(81.0 / 10.0 - 81.0 / 1000.0, rel=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": "cadss"},
        {"statistic": "relapse"},
        {"origin": "maintenance"},
        {"arms": (replace(_ARM, whole=False),)},
        {"statistic": "difference"},
        {"arms": (replace(_ARM, baseline=math.nan),)},
        {"time_h": math.nan},
    ],
)
def test_rows_outside_its_reach_get_no_prediction(changes: dict[str, object]) -> None:
    assert Kpd(_values()).predict(_row(**changes)) is None


def test_scales_are_put_on_the_madrs_and_back() -> None:
    for scale, total in (("hamd17", 24.0), ("hamd21", 28.0), ("qids_sr16", 14.0)):
        # The inverse is interpolated between half points of the MADRS, among which links have their corners.
        assert totals_from_madrs(scale, to_madrs(scale, total)) == pytest.approx(total, abs=0.05)
    assert math.isnan(totals_from_madrs("ssi", 30.0))


def test_known_values_come_back_from_rows_that_they_made() -> None:
    true = Kpd(
        _values(effect_largest=12.0, placebo_early=8.0, placebo_late=4.0, offset_rate=0.006, trial_sd=1.0)
    )
    random = np.random.default_rng(3)
    rows = []
    for time_h in (2.0, 24.0, 72.0, 168.0):
        for place, arm in enumerate(
            (_ARM, _CONTROL, replace(_ARM, regimen="0.1 mg/kg ketamine iv over 40 min"))
        ):
            for copy in range(4):
                row = _row(time_h=time_h, arms=(arm,), n=100.0, id=f"A{place}{copy}{time_h:g}")
                made = true.predict(row)
                assert made is not None
                rows.append(replace(row, value=made.mean + made.sd * random.standard_normal()))
    fit = fit_kpd(rows, starts=1)
    found = Kpd({item.name: item.value for item in fit.parameters})
    for arm in (_ARM, _CONTROL):
        for time_h in (2.0, 24.0, 168.0):
            # Sixteen rows a curve with an error of 1.4 points: the mean is known to about half a point.
            assert found.change(arm, time_h) == pytest.approx(true.change(arm, time_h), abs=1.2)
    assert fit.rows == len(rows)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(ModelError, match="calibration rows cannot tell"):
        fit_kpd([_row()])


def test_the_table_is_read_as_it_is_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from ketasim.validation.baselines import KpdFit

    table = load_kpd()
    fit = KpdFit(table, tuple(0.5 for _ in table), 100, -1.0, 0.0, 1, 1)
    again = load_kpd(write_kpd(fit, tmp_path / "kpd.csv"))
    assert [item.value for item in again] == pytest.approx([item.value for item in table], rel=1e-5)
    assert {item.grade for item in again} == {"calibrated"}
    broken = (tmp_path / "kpd.csv").read_text(encoding="utf-8").replace("\nperson_sd,", "\nperson_sd,9")
    (tmp_path / "kpd.csv").write_text(broken, encoding="utf-8")
    with pytest.raises(ModelError, match="person_sd"):
        load_kpd(tmp_path / "kpd.csv")
