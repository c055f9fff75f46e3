"""A scenario as a study file and as a Python program: both give back its numbers."""

from __future__ import annotations

import doctest
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import ketasim as ks
from ketasim.api.scenarios import (
    Axis,
    study_gaps,
    study_parameters,
    to_parameter_file,
    to_python,
    to_study,
)
from ketasim.model.parameters import load_parameters, read_overrides
from ketasim.trials import Study
from ketasim.trials.conduct.typical import typical_trajectories
from ketasim.trials.runs.workers import TrialPlan

INFUSION = "0.5 mg/kg ketamine iv over 40 min"
SCENARIOS: dict[str, dict[str, Any]] = {
    "infusions": {"regimen": f"{INFUSION}, twice weekly x 2 weeks"},
    "spray": {
        "regimen": "84 mg esketamine intranasal, on days 1, 4",
        "person": {"weight": "91 kg", "sex": "male", "age": 63, "severity": 37, "ancestry": "asian"},
        "setting": {"control": "saline", "comedication": ["new_antidepressant"], "context": "inpatient"},
    },
    "open": {"regimen": INFUSION, "setting": {"control": "none"}},
    "masked": {
        "regimen": INFUSION,
        "setting": {"control": "saline", "context": "anaesthesia"},
        "mechanism": {"wiring": "opioid", "parameters": {"clearance": "80 L/h"}},
    },
    "population": {"regimen": INFUSION, "population": "trd_esketamine"},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_typical_person_of_the_study_has_the_numbers_of_the_scenario(name: str) -> None:
    scenario = SCENARIOS[name]
    own = ks.simulate_scenario(scenario)
    study = Study.parse(to_study(scenario))
    trial = TrialPlan(study, study_parameters(scenario), subjects=1).build()
    course = typical_trajectories(trial)
    for key, hours in (("24h", 24.0), ("7d", 168.0), ("28d", 672.0)):
        at = course.sel(time=hours, method="nearest")
        drug, control = (at["madrs"] - at["placebo"]).values[0, :, 0].tolist()
        # The same equations at other output times: what differs is the solver's error (1e-4 of 60 points).
        assert drug == pytest.approx(own.metric(f"madrs_{key}"), abs=6e-3)
        assert drug - control == pytest.approx(own.metric(f"versus_control_{key}"), abs=6e-3)


def test_what_a_study_file_cannot_say_is_said() -> None:
    scenario = {
        "regimen": INFUSION,
        "person": {"cyp2b6": "*6/*6"},
        "setting": {"expectancy": "high", "comedication": ["rifampicin", "naltrexone"]},
        "mechanism": {"switches": {"ampa": 0.0}, "options": {"trapping": "slow_release"}},
    }
    gaps = " ".join(study_gaps(scenario))
    for word in ("switches (ampa)", "rifampicin", "expectancy (high)", "CYP2B6", "--parameters"):
        assert word in gaps
    study = Study.parse(to_study(scenario))
    assert all("Not in this file" in note for note in study.notes[1:])
    assert study.arms[0].comedication == ("naltrexone",)
    assert study_gaps(SCENARIOS["infusions"]) == ()


def test_a_healthy_person_is_no_patient_of_a_trial() -> None:
    with pytest.raises(ks.ScenarioError) as found:
        to_study({"person": {"illness": "healthy"}})
    assert found.value.path == "person.illness"


def test_several_scenarios_are_arms_of_one_study() -> None:
    study = Study.parse(to_study([SCENARIOS["infusions"], SCENARIOS["spray"]]))
    assert [arm.id for arm in study.arms] == ["scenario_a", "scenario_b", "control"]
    gaps = " ".join(study_gaps([SCENARIOS["infusions"], SCENARIOS["spray"]]))
    assert "people of the other scenarios" in gaps
    assert "settings of the other scenarios" in gaps


def test_changed_parameters_travel_as_a_file(tmp_path: Path) -> None:
    scenario = SCENARIOS["masked"]
    path = tmp_path / "parameters.csv"
    path.write_text(to_parameter_file(scenario), encoding="utf-8")
    again, own = read_overrides(path, load_parameters()), study_parameters(scenario)
    for name in own.changed:
        assert again[name].value == pytest.approx(own[name].value, rel=1e-12), name


def test_the_program_prints_the_numbers_of_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axis = Axis((-2.0, 0.0, 24.0, 672.0), (0.1, 0.5, 0.4), 48)
    scenarios = [SCENARIOS["infusions"], {"regimen": INFUSION, "person": {"weight": "55 kg"}}]
    program = tmp_path / "scenarios.py"
    program.write_text(to_python(scenarios, axis=axis, bands="knowledge", draws=8), encoding="utf-8")
    runpy.run_path(str(program))
    lines = capsys.readouterr().out.splitlines()
    results = ks.simulate_scenarios(scenarios, axis=axis, bands="knowledge", draws=8)
    for letter, result in zip("AB", results, strict=True):
        assert f"{letter}: {result.sentence}" in lines
        for metric in result.to_dict()["metrics"]:
            if metric["value"] is not None:
                text = f"  {metric['name']}: {metric['value']:.5g} {metric['unit']}"
                assert any(line.startswith(text) for line in lines), text


def test_a_text_in_a_scenario_cannot_leave_its_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nasty = '0.5 mg/kg ketamine iv over 40 min """ + print("no") + """ \\ \\" \\n'
    program = tmp_path / "scenarios.py"
    program.write_text(to_python([{"regimen": nasty}]), encoding="utf-8")
    given: list[dict[str, Any]] = []

    def heard(scenarios: list[dict[str, Any]], **_: Any) -> tuple[()]:
        given.extend(scenarios)
        return ()

    monkeypatch.setattr(ks, "simulate_scenarios", heard)
    runpy.run_path(str(program))
    assert given[0]["regimen"] == nasty


def test_the_guide_says_what_python_says() -> None:
    guide = Path(__file__).parents[2] / "docs" / "scenarios.md"
    blocks = re.findall(r"^```pycon\n(.*?)^```$", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, guide.name, str(guide), 0)
    said: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=said.append)
    assert found.attempted >= 4
    assert found.failed == 0, "".join(said)
