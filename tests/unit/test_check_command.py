from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app

SPRAY = "56 mg esketamine intranasal, twice weekly x 4 weeks"
INFUSION = "0.5 mg/kg ketamine iv over 40 min"
NOTE = "research and teaching instrument, not for treating a person"


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["check", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def found(*arguments: str) -> dict[str, Any]:
    code, out, _ = call(*arguments, "--json")
    assert code == 0
    result: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)
    return result


def verdict(rule: str, *arguments: str) -> str:
    (own,) = (item for item in found(*arguments)["findings"] if item["rule"] == rule)
    return str(own["verdict"])


def test_table_puts_failures_first_and_names_sources_once() -> None:
    code, out, err = call(SPRAY, "--watched", "90min", "--systolic", "150", "--diastolic", "80")
    assert code == 0
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == SPRAY
    verdicts = [
        line.split("  ")[0] for line in lines[2:] if line[:4] in ("fail", "warn", "cann", "pass", "not ")
    ]
    order = ["fail", "warn", "cannot tell", "pass", "not applicable"]
    assert [order.index(item) for item in verdicts] == sorted(order.index(item) for item in verdicts)
    assert verdicts[:2] == ["fail", "warn"]
    assert "90 min; label at least 120 min" in out
    assert out.count(NOTE) == 1
    assert out.count("pi_spravato_2020: ") == 1


def test_json_holds_every_finding_with_its_citation() -> None:
    result = found(SPRAY, "--age", "44")
    assert result["regimen"] == SPRAY
    assert sum(result["counts"].values()) == len(result["findings"])
    for item in result["findings"]:
        assert set(item) == {"rule", "title", "verdict", "message", "source", "evidence", "citation"}
        assert item["citation"]
        assert item["message"]
    assert NOTE in result["notes"][-1]


def test_options_reach_the_rules() -> None:
    cases = [
        ("label_start_dose", "cannot tell", "28 mg esketamine intranasal"),
        ("label_start_dose", "pass", "28 mg esketamine intranasal", "--age", "70"),
        ("label_pre_sbp", "warn", SPRAY, "--systolic", "141"),
        ("label_pre_dbp", "pass", SPRAY, "--diastolic", "90"),
        ("label_severe_hepatic", "fail", SPRAY, "--hepatic", "c"),
        ("label_severe_hepatic", "pass", SPRAY, "--hepatic", "None"),
        ("label_contraindications", "fail", SPRAY, "--history", "psychosis,Aneurysmal disease"),
        ("label_contraindications", "pass", SPRAY, "--history", "none"),
        ("label_interactions", "warn", SPRAY, "--taking", "benzodiazepine", "--taking", "opioid"),
        ("label_pulse_oximetry", "pass", SPRAY, "--arranged", "pulse-oximetry"),
        ("label_no_food", "warn", SPRAY, "--food", "1 h"),
        ("label_no_liquid", "pass", SPRAY, "--liquid", "45min"),
        ("label_nasal_steroid_gap", "warn", SPRAY, "--nasal", "30min"),
        ("label_observation", "pass", SPRAY, "--watched", "2h"),
        ("label_bp_check", "pass", SPRAY, "--pressure-at", "40min"),
        ("label_benefit_check", "warn", "56 mg esketamine intranasal, weekly x 6", "--no-benefit"),
        ("iv_push_time", "fail", "0.3 mg/kg ketamine iv bolus", "--push", "30 s"),
        ("pain_acute_infusion", "fail", "1.5 mg/kg ketamine iv over 1 h", "--for", "acute_pain"),
        ("apa_dose", "pass", "35 mg ketamine iv over 40 min", "--weight", "70 kg"),
    ]
    for rule, expected, *arguments in cases:
        assert verdict(rule, *arguments) == expected, (rule, arguments)


def test_strict_turns_a_failure_into_exit_code_1() -> None:
    bad = "112 mg esketamine intranasal"
    assert call(bad)[0] == 0
    code, out, _ = call(bad, "--strict")
    assert code == 1
    assert "112 mg" in out
    assert call(INFUSION, "--strict")[0] == 0


def test_off_label_and_recalled_rules_are_told() -> None:
    out = " ".join(call(INFUSION)[1].split())
    assert "Off label: ketamine iv infusion" in out
    assert "not a rule: recalled only" in out


def test_pressure_that_no_rule_uses_is_told() -> None:
    assert "no rule used it" in call(INFUSION, "--systolic", "200")[1]
    assert "no rule used it" not in call(SPRAY, "--systolic", "200")[1]
    assert len(found(INFUSION, "--systolic", "200")["notes"]) == 2


def test_no_ketamine_no_rule() -> None:
    code, out, _ = call("placebo intranasal", "--strict")
    assert code == 0
    assert "there is no rule to apply" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("84 mg eskatamine intranasal",), "esketamine"),
        (("-5 mg ketamine im",), "-5"),
        ((SPRAY, "--history", "pregnant"), "pregnancy"),
        ((SPRAY, "--for", "fun"), "purpose"),
        ((SPRAY, "--weight", "70"), "--weight"),
        ((SPRAY, "--food", "3"), "--food"),
        ((SPRAY, "--hepatic", "severe"), "none, A, B or C"),
        ((SPRAY, "--systolic", "80", "--diastolic", "90"), "exchange"),
    ],
)
def test_bad_input_is_one_paragraph_and_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert words in err
