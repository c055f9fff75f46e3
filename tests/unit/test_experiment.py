from __future__ import annotations

import json

import pytest
import yaml

from ketasim.errors import StudyError, UnitError
from ketasim.trials.causes import find_cause
from ketasim.trials.experiment import Experiment, experiment_schema, shipped_experiments
from ketasim.trials.experiment.measures import factor_to, measure_unit, relative_time, statistic_unit

ROW = """  - {id: A1, arm: drug, comparator: vehicle, quantity: mtorc1, measure: at, time: 1 h,
     statistic: direction, value: 1, unit: direction, use: check, citation: li2010}
"""
TEXT = f"""schema: 1
kind: experiment
id: demo
title: A demonstration
citation: li2010
domain: mechanism
species: rat
subjects: {{state: healthy}}
arms:
  - {{id: vehicle, regimen: none}}
  - {{id: drug, n: 8, regimen: 10 mg/kg ketamine ip, causes: [rapamycin]}}
observations:
{ROW}"""


def _with(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


def _row(**changes: object) -> str:
    """The file with another row, written in block style; None leaves a key out."""
    row = {
        "id": "A1",
        "arm": "drug",
        "quantity": "mtorc1",
        "measure": "at",
        "time": "1 h",
        "statistic": "mean",
        "value": 1.2,
        "unit": "ratio",
        "use": "check",
        "citation": "li2010",
        **changes,
    }
    kept = {key: value for key, value in row.items() if value is not None}
    return TEXT.replace(ROW, yaml.safe_dump([kept], sort_keys=False))


@pytest.mark.parametrize("name", shipped_experiments())
def test_shipped_file_reads_and_comes_back_the_same(name: str) -> None:
    experiment = Experiment.load(name)
    assert experiment.id == name
    assert Experiment.parse(experiment.dump()) == experiment


def test_parts_are_read() -> None:
    experiment = Experiment.parse(TEXT)
    use = experiment.arm("drug").causes[0]
    assert (use.cause, use.starts, use.amount) == ("rapamycin", None, None)
    row = experiment.observations[0]
    assert row.all_arms == ("drug", "vehicle")
    assert row.readings == (("mtorc1", "at", 1.0, None),)
    assert experiment.n_of(row) is None  # the vehicle has no number
    assert experiment.state_of("drug") == "healthy"


def test_cause_in_full() -> None:
    full = "[{cause: rapamycin, from: '-1 h', to: 6 h, amount: 0.5}]"
    use = Experiment.parse(_with("[rapamycin]", full)).arm("drug").causes[0]
    (cause,) = find_cause("rapamycin")
    assert use.span_h(cause) == (-1.0, 6.0)
    assert use.value(cause) == 0.5


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("species: rat", "species: cat", ["line 7", "species", "'rat'"]),
        ("state: healthy", "state: helthy", ["subjects.state", "'healthy'"]),
        ("state: healthy", "state: healthy, age: {mean: 3, sd: 1, unit: year}", ["of a rat only", "age"]),
        ("state: healthy", "state: healthy, severity: 30", ["all are healthy", "severity"]),
        ("mtorc1", "mtorc", ["observations.0.quantity", "'mtorc1'"]),
        ("[rapamycin]", "[rapamicin]", ["arms.1.causes.0", "'rapamycin'", "list causes"]),
        ("[rapamycin]", "[{cause: rapamycin, from: 30 h}]", ["ends at 24 h", "begins at 30 h"]),
        ("[rapamycin]", "[{cause: met_met, from: 1 h}]", ["val66met_secretion", "for good"]),
        ("[rapamycin]", "[], set: {clearence: 1 L/h}", ["arms.1.set.clearence", "unknown parameter"]),
        ("[rapamycin]", "[], set: {weight: 1 L/h}", ["arms.1.set.weight", "L/h"]),
        ("[rapamycin]", "[], options: {traping: none}", ["arms.1.options", "'trapping'"]),
        ("[rapamycin]", "[], inputs: {rifampicine: 1 ratio}", ["arms.1.inputs", "'rifampicin'"]),
        ("10 mg/kg ketamine ip", "10 mg/kg ketamin ip", ["arms.1.regimen", "ketamine"]),
        ("comparator: vehicle", "comparator: vehicles", ["observations.0.comparator", "'vehicle'"]),
        ("id: drug", "id: vehicle", ["given twice"]),
        ("n: 8", "n: 0", ["line 11", "arms.1.n"]),
        ("value: 1,", "value: 2,", ["observations.0.value", "-1, 0, 1"]),
        ("unit: direction", "unit: ratio", ["observations.0.unit", "'direction'"]),
        ("time: 1 h", "time: 1", ["a time with its unit"]),
        ("citation: li2010}", "citation: li2010, colour: red}", ["unknown key 'colour'"]),
    ],
)
def test_fault_is_told_with_its_place(old: str, new: str, words: list[str]) -> None:
    with pytest.raises(StudyError) as caught:
        Experiment.parse(_with(old, new), "demo.yaml")
    message = str(caught.value)
    assert message.startswith("demo.yaml, line ")
    for word in words:
        assert word in message
    assert "rules lead to" not in message  # that hint is for trials


@pytest.mark.parametrize(
    ("changes", "field", "word"),
    [
        ({"statistic": "difference"}, "comparator", "needs a comparator"),
        ({"comparator": "vehicle"}, "comparator", "about one arm"),
        ({"statistic": "incidence", "unit": "probability", "value": 0.5}, "threshold", "needs it"),
        ({"threshold": 2.0}, "threshold", "no use"),
        ({"statistic": "correlation", "value": 0.5}, "with_quantity", "needs it"),
        (
            {"statistic": "retained", "unit": "binary", "value": 1, "comparator": "vehicle"},
            "reference",
            "needs it",
        ),
        ({"time": None}, "time", "needs a time"),
        ({"measure": "half_life", "unit": "h"}, "until", "give both"),
        ({"measure": "rest"}, "time", "leave the time out"),
        ({"measure": "peak", "until": "30 min"}, "until", "end it later"),
        ({"measure": "area", "statistic": "change", "unit": "h"}, "measure", "no change from rest"),
        ({"unit": "mmHg"}, "unit", "'ratio'"),
        ({"unit": "percent", "statistic": "relative_change"}, "unit", "plain number"),
        ({"statistic": "sd", "value": 0.0}, "value", "above 0"),
        ({"spread_kind": "sd"}, "spread_low", "above 0"),
        ({"spread_low": 0.2}, "spread_kind", "name it"),
        ({"of": "change"}, "of", "leave 'of' out"),
    ],
)
def test_row_that_contradicts_itself(changes: dict[str, object], field: str, word: str) -> None:
    with pytest.raises(StudyError) as caught:
        Experiment.parse(_row(**changes), "demo.yaml")
    assert f"observations.0.{field}:" in str(caught.value)
    assert word in str(caught.value)


def test_times_count_from_the_first_dose() -> None:
    late = _with("10 mg/kg ketamine ip", "'10 mg/kg ketamine ip, on day 2'")
    with pytest.raises(StudyError, match="the first dose of any arm is at 24 h"):
        Experiment.parse(late)
    assert relative_time("-90 min", "from") == -1.5
    assert relative_time("day 2", "from") == 24.0


def test_assumed_fields_must_exist() -> None:
    text = TEXT + "assumed:\n  - {field: arms.drug.regimen, reason: not read}\n"
    assert Experiment.parse(text).assumed[0].field == "arms.drug.regimen"
    with pytest.raises(StudyError, match="'regimen'"):
        Experiment.parse(text.replace("drug.regimen", "drug.regime"))
    setting = _with("[rapamycin]", "[], set: {weight: 0.25 kg}")
    Experiment.parse(setting + "assumed:\n  - {field: arms.drug.set.weight, reason: usual}\n")
    with pytest.raises(StudyError, match="'weight'"):
        Experiment.parse(setting + "assumed:\n  - {field: arms.drug.set.wight, reason: usual}\n")


def test_units_of_measures_and_statistics() -> None:
    assert measure_unit("area", "ng/mL") == "ng/mL*h"
    assert measure_unit("peak_time", "ng/mL") == "h"
    assert statistic_unit("relative_change", "mmHg") == "ratio"
    # A micromole of ketamine weighs 237.7 ug.
    assert factor_to("ketamine_venous", "ng/mL", "uM") == pytest.approx(1.0 / 237.7, rel=1e-12)
    assert factor_to("s_norketamine_venous", "ng/mL*h", "uM*h") == pytest.approx(1.0 / 223.7, rel=1e-12)
    assert factor_to("unbound_ketamine_venous", "uM", "ng/mL") == pytest.approx(237.7, rel=1e-12)
    with pytest.raises(UnitError, match="mmHg"):
        factor_to("ketamine_venous", "ng/mL", "mmHg")


def test_standard_errors() -> None:
    def se(**changes: object) -> float | None:
        return Experiment.parse(_row(**changes)).observations[0].standard_error

    assert se() is None
    assert se(spread_kind="se", spread_low=0.1) == 0.1
    assert se(spread_kind="sd", spread_low=0.4, n=16) == pytest.approx(0.1)
    # 95 % of a normal distribution is 2 x 1.959964 standard deviations wide.
    assert se(spread_kind="ci95", spread_low=1.0, spread_high=1.4) == pytest.approx(0.4 / 3.919928)
    # Two groups of 8: variance 4/16 + d^2/32.
    effect = se(statistic="effect_size", comparator="vehicle", value=-1.0, n=16)
    assert effect == pytest.approx((4 / 16 + 1 / 32) ** 0.5)
    assert se(statistic="sd", value=0.3, n=19) == pytest.approx(0.05)


def test_schema_says_what_a_file_may_hold() -> None:
    schema = experiment_schema()
    assert schema["additionalProperties"] is False
    assert {"schema", "kind", "subjects", "arms", "observations"} <= set(schema["required"])
    assert schema["properties"]["kind"]["const"] == "experiment"
    cause = schema["$defs"]["CauseUse"]["anyOf"]
    assert {part["type"] for part in cause} == {"string", "object"}
    assert {"cause", "from", "to", "amount"} == set(cause[1]["properties"])
    json.dumps(schema)


def test_no_arms_and_no_rows() -> None:
    for part in ("arms", "observations"):
        data = yaml.safe_load(TEXT)
        data[part] = []
        with pytest.raises(StudyError, match=f"{part}: the list is empty"):
            Experiment.parse(yaml.safe_dump(data))


def test_missing_experiment_is_told() -> None:
    with pytest.raises(StudyError, match=r"'milak2016'.*list experiments"):
        Experiment.load("milak201")
