from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pydantic
import pytest

from ketasim.errors import StudyError
from ketasim.trials.study import Observation, Study, study_schema
from ketasim.trials.study.check import check_study
from ketasim.trials.study.rules import Rule, parse_rule, study_time
from ketasim.trials.study.template import new_study_text

TEXT = new_study_text("mytrial")
ROW = {
    "id": "r1",
    "arm": "ketamine",
    "quantity": "madrs",
    "statistic": "change",
    "time": "24 h",
    "value": -15.0,
    "unit": "point",
    "spread_kind": "se",
    "spread_low": 1.8,
    "n": 20,
    "source_kind": "measured",
    "use": "check",
    "citation": "daly2018",
}


def with_row(**changes: object) -> str:
    """The template with one observation; a change to None removes the key."""
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not None}
    return TEXT.replace("observations: []", f"observations:\n  - {json.dumps(row)}")


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def fault(text: str) -> str:
    with pytest.raises(StudyError) as caught:
        Study.parse(text, "mytrial.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("mytrial.yaml")
    return message


def test_template_is_a_valid_study_and_passes_the_check(tmp_path: Path) -> None:
    file = tmp_path / "mytrial.yaml"
    file.write_text(TEXT, encoding="utf-8")
    lines = check_study(file)
    assert lines[0].startswith("study mytrial: ")
    assert not [line for line in lines if line.startswith("warning")]
    assert any(line.startswith("assumed: population.baseline.mean: ") for line in lines)


@pytest.mark.parametrize("name", ["my trial", "", "../x", "é"])
def test_template_refuses_a_bad_name(name: str) -> None:
    with pytest.raises(StudyError, match="cannot name a study"):
        new_study_text(name)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2 h", 2.0), ("90min", 1.5), ("14 d", 336.0), ("2 weeks", 336.0), ("day 1", 0.0), ("day 8", 168.0)],
)
def test_times_count_from_the_first_dose(text: str, hours: float) -> None:
    # Unit conversion is a product of exact factors, so only rounding is left.
    assert study_time(text, "time") == pytest.approx(hours, rel=1e-12)


@pytest.mark.parametrize("text", ["24", "-1 h", "day 0", "7 dd", "5 mg", "soon", "inf h", ""])
def test_what_is_not_a_time_is_refused(text: str) -> None:
    with pytest.raises(StudyError):
        study_time(text, "time")


def test_entry_rules() -> None:
    assert parse_rule("madrs >= 28", "entry") == Rule("madrs", ">=", 28.0)
    assert parse_rule("hamd17<18", "entry").holds(17.9)
    assert not parse_rule("madrs > 28", "entry").holds(28.0)
    for text in ("madrs 28", "madrs >= 61", "madsr >= 28"):
        with pytest.raises(StudyError):
            parse_rule(text, "entry")


@pytest.mark.parametrize("text", ["", "  \n", "# only a comment\n", "- a\n- b\n", "hello", "a: \x00"])
def test_what_is_not_a_study_file(text: str) -> None:
    assert "new-study" in fault(text) or "not valid YAML" in fault(text)


def test_malformed_yaml_names_the_line() -> None:
    text = TEXT.replace("arms:\n", "arms: [\n", 1)
    assert "not valid YAML" in fault(text)
    assert ", line " in fault(text)


def test_a_key_given_twice_is_refused() -> None:
    message = fault(TEXT + "\nnotes: [again]\n")
    assert "'notes' is given twice" in message


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("title: One", "titel: One", "titel", "nearest valid name is 'title'"),
        ("masked: false", "maskd: false", "arms.0.maskd", "nearest valid name is 'masked'"),
        ("- 2 h", "- 2", "visits.0.time", "2 is a bare number"),
        ("statistic: change, time: 24 h", "statistic: change, time: 24", "endpoints.0.time", "bare number"),
        ("n: 20", "n: -3", "arms.0.n", "-3 is not allowed"),
        ("n: 20", "n: 3.5", "arms.0.n", "3.5 is not allowed"),
        ("n: 20", 'n: "20"', "arms.0.n", "'20' is not allowed"),
        ("statistic: change", "statistic: chnge", "endpoints.0.statistic", "nearest valid name is 'change'"),
        ("quantity: madrs", "quantity: mardrs", "endpoints.0.quantity", "nearest valid name is 'madrs'"),
        ("comparator: midazolam", "comparator: midazolm", "endpoints.1.comparator", "'midazolam'"),
        ("care: outpatient", "care: outpatiant", "setting.care", "nearest valid name is 'outpatient'"),
        ("0.5 mg/kg ketamine", "0.5 mg/kgg ketamine", "arms.0.regimen", "nearest valid name is 'mg/kg'"),
        ("ketamine iv", "ketamin iv", "arms.0.regimen", "nearest valid name is 'ketamine'"),
        ("0.5 mg/kg", "-0.5 mg/kg", "arms.0.regimen", "-0.5"),
        ("schema: 1", "schema: 2", "schema", "valid names are 1"),
        ('["madrs >= 20"]', '["madsr >= 20"]', "population.entry.0", "nearest valid name is 'madrs'"),
        ("mean: 32", "mean: 10", "population.baseline.mean", "does not meet the entry rule"),
        ("mean: 32", "mean: 70", "population.baseline.mean", "above the top"),
        ("mean: 32", "mean: .nan", "population.baseline.mean", "finite"),
        ("field: arms.ketamine.n", "field: arms.ketamin.n", "assumed.1.field", "'ketamine'"),
        ("- id: ketamine", "- id: midazolam", "arms.1.id", "given twice"),
        ("unit: year", "unit: kg", "population.covariates.age.unit", "use 'year'"),
        ("comedication: []", "comedication: [new_antidepressant]", "arms.0.comedication", "new_antidep"),
    ],
)
def test_a_fault_names_line_field_value_and_remedy(old: str, new: str, field: str, words: str) -> None:
    assert old in TEXT
    text = TEXT.replace(old, new, 1)
    message = fault(text)
    assert f", {field}: " in message
    assert words in message
    if "twice" not in words:
        assert f"line {line_of(TEXT, old)}," in message


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"arm": "ketamin"}, "arm", "nearest valid name is 'ketamine'"),
        ({"arm": "ketamine + saline"}, "arm", "unknown arm 'saline'"),
        ({"unit": "mmHg"}, "unit", "does not measure the same as 'points'"),
        ({"unit": "zorgs"}, "unit", "unknown unit 'zorgs'"),
        ({"spread_low": -1.8}, "spread_low", "above 0"),
        ({"spread_low": None}, "spread_low", "one number"),
        ({"spread_kind": "none"}, "spread_kind", "name it"),
        ({"spread_kind": "ci95", "spread_low": -14.0, "spread_high": -12.0}, "value", "outside its own"),
        ({"spread_kind": "ci95", "spread_low": -12.0, "spread_high": -14.0}, "spread_low", "larger"),
        ({"statistic": "difference"}, "comparator", "needs a comparator"),
        ({"among": "responders"}, "among", "only a relapse row"),
        ({"use": "chek"}, "use", "nearest valid name is 'check'"),
        ({"value": "high"}, "value", "'high' is not allowed"),
        ({"value": None}, "value", "is missing"),
        ({"n": 0}, "n", "0 is not allowed"),
        ({"id": "two words"}, "id", "pattern"),
        ({"statistic": "direction", "unit": "direction"}, "value", "allowed are -1, 0, 1"),
        ({"statistic": "direction"}, "unit", "has the unit 'direction'"),
    ],
)
def test_a_wrong_observation_is_refused(changes: dict[str, object], field: str, words: str) -> None:
    message = fault(with_row(**changes))
    assert f", observations.0.{field}: " in message
    assert words in message


def test_a_rate_is_a_fraction() -> None:
    rate = {"statistic": "response", "unit": "probability", "spread_kind": None, "spread_low": None}
    assert Study.parse(with_row(**rate, value=0.4)).observations[0].value == 0.4
    assert "as a fraction" in fault(with_row(**rate, value=40.0))
    assert "as a fraction" in fault(with_row(**{**rate, "unit": "percent"}, value=40.0))


def test_remission_and_relapse_rows_need_their_definition() -> None:
    rows = with_row(statistic="remission", unit="probability", value=0.2, spread_kind=None, spread_low=None)
    assert Study.parse(rows).observations[0].statistic == "remission"
    without = rows.replace("  remission: {scale: madrs, threshold: 10}", "  remission: null")
    assert "needs setting.remission" in fault(without)


def test_two_rows_with_one_id_are_refused() -> None:
    one = with_row()
    row = one[one.index("  - {" + '"id"') :].splitlines()[0]
    assert "given twice" in fault(one.replace(row, f"{row}\n{row}"))


def test_other_quantities_come_from_the_caller() -> None:
    text = with_row(quantity="bdnf", unit="ratio", value=1.2, statistic="mean", spread_low=0.1)
    assert "unknown quantity 'bdnf'" in fault(text)
    study = Study.parse(text, known_quantities={"bdnf": "ratio"})
    assert study.observations[0].quantity == "bdnf"
    with pytest.raises(StudyError, match="does not measure the same as 'ng/mL'"):
        Study.parse(text, known_quantities={"bdnf": "ng/mL"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 1.8),
        ({"spread_kind": "sd", "spread_low": 9.0, "n": 36}, 1.5),
        ({"spread_kind": "ci95", "spread_low": -16.959964, "spread_high": -13.040036}, 1.0),
        ({"spread_kind": "sd", "spread_low": 9.0, "n": None}, None),
        ({"spread_kind": "iqr", "spread_low": -20.0, "spread_high": -10.0}, None),
        # (0 * 9 + 0.5) / 10 = 0.05; sqrt(0.05 * 0.95 / 10)
        (
            {"statistic": "response", "value": 0.0, "unit": "probability", "n": 9, "spread_kind": "none",
             "spread_low": None},
            0.0689202437604511,
        ),
        ({"statistic": "sd", "value": 12.0, "n": 19, "spread_kind": "none", "spread_low": None}, 2.0),
    ],
)  # fmt: skip
def test_standard_error(changes: dict[str, object], expected: float | None) -> None:
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not None}
    error = Observation.model_validate(row).standard_error
    # Closed form: only rounding.
    assert error == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_dump_reads_back_equal() -> None:
    study = Study.parse(with_row())
    assert Study.parse(study.dump()) == study


def test_a_study_cannot_be_changed() -> None:
    study = Study.parse(TEXT)
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        study.arms[0].n = 5  # type: ignore[misc]
    rule = study.population.entry_rules[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        rule.value = 3.0  # type: ignore[misc]


def test_arms_baselines_and_allocation() -> None:
    text = TEXT.replace("    # baseline: {mean: 33, sd: 5}", "    baseline: {mean: 33, sd: 5}")
    study = Study.parse(text)
    assert (study.baseline("midazolam").mean, study.baseline("midazolam").scale) == (33.0, "madrs")
    assert study.baseline("ketamine") == study.population.baseline
    assert study.allocation == 0.5
    assert [arm.active for arm in study.arms] == [True, False]
    with pytest.raises(StudyError, match="nearest valid name is 'ketamine'"):
        study.arm("ketamin")


def test_times_are_the_union_of_visits_and_rows() -> None:
    assert Study.parse(with_row(time="day 4")).times_h == (2.0, 24.0, 72.0, 168.0, 336.0)


def test_check_warns_of_what_deserves_a_look(tmp_path: Path) -> None:
    def warnings(**changes: object) -> str:
        file = tmp_path / "w.yaml"
        file.write_text(with_row(**changes), encoding="utf-8")
        return "\n".join(line for line in check_study(file) if line.startswith("warning"))

    assert warnings() == ""
    assert "has no visit at that time" in warnings(time="3 d")
    assert "shown but not scored" in warnings(spread_kind="none", spread_low=None)
    assert "output of a model" in warnings(source_kind="model_output")
    # CLIN0021 is a recalled row of the evidence tables, CLIN0106 an excluded one.
    assert "a recalled number" in warnings(id="CLIN0021")
    assert "excluded" in warnings(id="CLIN0106")
    assert "not among the known publications" in warnings(citation="nobody1900")


def test_schema_says_what_a_file_may_hold() -> None:
    schema = study_schema()
    assert schema["additionalProperties"] is False
    assert {"schema", "id", "arms", "visits", "observations"} <= set(schema["required"]) | set(
        schema["properties"]
    )
    assert schema["properties"]["schema"]["const"] == 1
    visit = schema["$defs"]["Visit"]["anyOf"]
    assert {part["type"] for part in visit} == {"string", "object"}
    json.dumps(schema)


def test_load_by_path_and_unknown_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(TEXT, encoding="utf-8")
    assert Study.load(file) == Study.load(str(file)) == Study.parse(TEXT)
    with pytest.raises(StudyError, match="nearest valid name is 'daly2018'"):
        Study.load("dally2018")
    with pytest.raises(StudyError, match="does not exist"):
        Study.load(tmp_path / "absent.yaml")
    with pytest.raises(StudyError, match="cannot be read"):
        Study.load(tmp_path)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StudyError, match="UTF-8"):
        Study.load(file)


def test_times_count_from_the_first_dose_of_any_arm():
    # Both arms of the template are treated on day 1; one of them may start later, both may not.
    one = TEXT.replace("over 40 min   #", "over 40 min, on day 2   #", 1)
    assert Study.parse(one).arms[0].dosing.first_start_h == 24.0
    both = one.replace("midazolam iv over 40 min", "midazolam iv over 40 min, on day 3", 1)
    message = fault(both)
    assert "arms.0.regimen" in message
    assert "24 h" in message
    assert "day 1" in message
