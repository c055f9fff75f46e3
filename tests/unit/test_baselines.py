"""No effect and the mean of comparable rows: what they say, and that they never use a row's own source."""

from __future__ import annotations

import math

import pytest

from ketasim.trials import Study
from ketasim.validation.baselines import Comparable, NoEffect, RowFacts, baselines, facts_of
from ketasim.validation.baselines.comparable import time_bin
from ketasim.validation.baselines.facts import ArmFacts

_DRUG = ArmFacts("0.5 mg/kg ketamine iv over 40 min", True, 30.0, 5.0, "madrs")
_NONE = ArmFacts("none", False, 30.0, 5.0, "madrs")


def _row(source: str, value: float, **changes: object) -> RowFacts:
    own: dict[str, object] = {
        "study": source,
        "id": f"{source}_1",
        "citation": source,
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
        "value": value,
        "error": math.nan,
        "n": 20.0,
        "arms": (_DRUG,),
    }
    return RowFacts(**{**own, **changes})  # type: ignore[arg-type]


_CHANGES = tuple(
    _row(name, value) for name, value in (("a", -10.0), ("b", -14.0), ("c", -18.0), ("d", -90.0))
)


def test_comparable_rows_leave_out_the_rows_own_publication() -> None:
    found = Comparable(_CHANGES).predict(_row("d", -90.0))
    assert found is not None
    assert found.mean == pytest.approx(-14.0)
    # Squares 32 of the three, and three times their variance 32/3, over 2 + 3; times 1 + 1/3.
    assert found.sd**2 == pytest.approx((32.0 + 3.0 * 32.0 / 3.0) / 5.0 * 4.0 / 3.0)


def test_the_nearest_group_is_taken_and_given_up_when_it_is_too_small() -> None:
    late = tuple(_row(name, -4.0, time_h=400.0) for name in ("e", "f", "g"))
    beside = Comparable(_CHANGES[:3] + late)
    early, later = beside.predict(_row("x", 0.0)), beside.predict(_row("x", 0.0, time_h=390.0))
    never = beside.predict(_row("x", 0.0, time_h=5000.0))
    assert early is not None
    assert later is not None
    assert never is not None
    assert (early.mean, later.mean) == (pytest.approx(-14.0), pytest.approx(-4.0))
    assert never.mean == pytest.approx(-9.0)


def test_a_mean_total_is_compared_as_a_change_from_entry() -> None:
    found = Comparable(_CHANGES[:3]).predict(_row("x", 20.0, statistic="mean"))
    assert found is not None
    assert found.mean == pytest.approx(30.0 - 14.0)


def test_contrasts_are_never_predicted_from_arms_alone() -> None:
    assert Comparable(_CHANGES).predict(_row("x", -5.0, statistic="difference", others=(_NONE,))) is None


def test_bins_of_time() -> None:
    assert [time_bin(time_h) for time_h in (math.nan, 0.7, 24.0, 168.0)] == [-1, 0, 2, 4]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0.0),
        ({"statistic": "mean"}, 30.0),
        ({"statistic": "difference", "others": (_NONE,)}, 0.0),
    ],
)
def test_no_effect_on_a_scale(changes: dict[str, object], expected: float) -> None:
    found = NoEffect(_CHANGES[:3]).predict(_row("x", -5.0, **changes))
    assert found is not None
    assert found.mean == expected
    # Root mean square of 10, 14 and 18.
    assert found.sd == pytest.approx(math.sqrt((100.0 + 196.0 + 324.0) / 3.0))


def test_no_effect_on_a_rate_is_that_of_control_arms() -> None:
    rates = tuple(
        _row(name, value, statistic="response", row_class="rate", arms=(arm,), n=1e9)
        for name, value, arm in (("a", 0.2, _NONE), ("b", 0.2, _NONE), ("c", 0.7, _DRUG))
    )
    found = NoEffect(rates).predict(_row("x", 0.5, statistic="response", row_class="rate"))
    assert found is not None
    assert found.mean == pytest.approx(math.log(0.25), rel=1e-6)


def test_no_effect_on_a_concentration_is_the_drugs_usual_one() -> None:
    rows = tuple(
        _row(
            name,
            value,
            quantity="ketamine_venous",
            statistic="mean",
            row_class="log",
            domain="pk",
            unit="ng/mL",
        )
        for name, value in (("a", 100.0), ("b", 400.0))
    )
    found = NoEffect(rows).predict(
        _row(
            "x", 1.0, quantity="ketamine_venous", statistic="mean", row_class="log", domain="pk", unit="ng/mL"
        )
    )
    assert found is not None
    assert math.exp(found.mean) == pytest.approx(200.0)


def test_signs() -> None:
    signs = tuple(
        _row(name, value, statistic="direction", row_class="sign")
        for name, value in (("a", 1), ("b", 1), ("c", -1))
    )
    assert NoEffect(signs).sign(_row("x", 1, statistic="direction", row_class="sign")) == 0
    assert NoEffect(signs).sign(_row("x", 1, statistic="retained", row_class="sign")) == 1
    assert Comparable(signs).sign(_row("x", 1, statistic="direction", row_class="sign")) == 1
    # Yes-or-no rows have none alike here.
    assert Comparable(signs).sign(_row("x", 1, statistic="retained", row_class="sign")) is None


def test_only_measured_calibration_rows_train_a_baseline() -> None:
    rows = (*_CHANGES[:3], _row("y", 500.0, use="check"), _row("z", 500.0, source_kind="model_output"))
    no_effect, comparable, kpd = baselines(rows)
    found = comparable.predict(_row("x", 0.0))
    assert found is not None
    assert found.mean == pytest.approx(-14.0)
    assert [item.name for item in (no_effect, comparable, kpd)] == ["no_effect", "comparable", "kpd"]


def test_facts_of_a_shipped_study() -> None:
    facts = {row.id: row for row in facts_of(Study.load("murrough2013"))}
    drug, control = facts["CLIN0019"], facts["CLIN0020"]
    assert (drug.side, control.side) == ("active", "control")
    assert (drug.value, drug.n, drug.row_class, drug.domain) == (-16.5, 47.0, "points", "clinical")
    assert drug.arms[0].baseline == 32.6
    assert not drug.arms[0].inpatient
