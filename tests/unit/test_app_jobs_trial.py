"""Runs of trials and populations: whole, stopped or broken off, their numbers are those of the API."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from ketasim.api.scenarios import Scenario, ScenarioError, simulate_scenario
from ketasim.api.studies import simulate_study
from ketasim.app.jobs import trial as trial_module
from ketasim.app.jobs.faults import ChangedError
from ketasim.app.jobs.numbers import plain_json
from ketasim.app.jobs.population import people_result, population_axis, population_parts
from ketasim.app.jobs.request import Design, PopulationRequest, TrialRequest, request_data
from ketasim.app.jobs.runs import Reporter, run_job
from ketasim.app.jobs.scenario_study import default_visits, scenario_study
from ketasim.app.jobs.state import JobFolder
from ketasim.app.jobs.trial_plan import known_quantities, plan_trial
from ketasim.dosing import parse_regimen
from ketasim.errors import StudyError
from ketasim.trials import Study

#: Of so few people that a run takes a second; of several trials, so that ranges are over trials.
TRIAL: Mapping[str, Any] = {"kind": "trial", "study": "murrough2013", "n": 8, "replicates": 3, "seed": 7}
DRUG = "0.5 mg/kg ketamine iv over 40 min"


class Told:
    """Notes what a run tells, and asks it to stop after so many reports of progress."""

    def __init__(self, stop_after: int = 10**9, break_after: int = 10**9) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self._stop_after, self._break_after = stop_after, break_after

    def reporter(self) -> Reporter:
        """What a run is given."""
        return Reporter(self.send, lambda: self.count("progress") >= self._stop_after)

    def send(self, name: str, data: Mapping[str, Any]) -> None:
        """Note an event; it must be JSON."""
        json.dumps(data, allow_nan=False)
        self.events.append((name, data))
        if self.count("progress") >= self._break_after:
            raise KeyboardInterrupt

    def count(self, name: str) -> int:
        """How many events of a name were told."""
        return sum(event == name for event, _ in self.events)

    def last(self, name: str) -> Mapping[str, Any]:
        """The newest event of a name."""
        return [data for event, data in self.events if event == name][-1]


def folder_of(path: Path, request: Mapping[str, Any]) -> JobFolder:
    """A folder of a run with its request."""
    path.mkdir(exist_ok=True)
    folder = JobFolder(path)
    folder.write("request", dict(request))
    folder.write("hashes", {"model_hash": "m", "parameter_hash": "p", "version": "v"})
    return folder


def run(path: Path, request: Mapping[str, Any], told: Told | None = None) -> dict[str, Any]:
    """Do a run in this process, a trial a part."""
    folder = folder_of(path, request)
    run_job(folder, (told or Told()).reporter())
    found: dict[str, Any] = folder.read("result")
    return found


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "_FEWEST", 1)
    monkeypatch.setattr(trial_module, "_MOST", 1)
    monkeypatch.setattr(trial_module, "_workers", lambda: 1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The result of a run that nobody broke off."""
    patch = pytest.MonkeyPatch()
    for name in ("_FEWEST", "_MOST"):
        patch.setattr(trial_module, name, 1)
    patch.setattr(trial_module, "_workers", lambda: 1)
    try:
        return run(tmp_path_factory.mktemp("whole") / "run", TRIAL)
    finally:
        patch.undo()


@pytest.fixture(scope="module")
def direct() -> Any:
    """The same trial from the public API, as ``ketasim run`` calls it."""
    return simulate_study(Study.load("murrough2013"), subjects=8, replicates=3, seed=7, workers=1)


def test_the_same_seed_gives_the_tables_of_the_command_line(whole: dict[str, Any], direct: Any) -> None:
    rows = direct.endpoints
    for own in whole["endpoints"]:
        same = rows[
            (rows["quantity"] == own["name"])
            & (rows["arm"] == own["arm"])
            & np.isclose(rows["time_h"], own["visit_h"])
        ]
        # Six significant digits are sent.
        assert own["estimate"] == pytest.approx(same["mean"].mean(), rel=1e-5)
        assert own["low"] == pytest.approx(np.quantile(same["mean"], 0.05), rel=1e-5)
    primary = direct.analyses[direct.analyses["analysis"] == "primary"]["estimate"]
    assert whole["distribution"]["mean"] == pytest.approx(primary.mean(), rel=1e-5)
    assert whole["distribution"]["q50"] == pytest.approx(primary.median(), rel=1e-5)
    assert sum(whole["distribution"]["counts"]) == 3
    predicted = direct.comparison.groupby("id")["predicted"].mean()
    for row in whole["published"]:
        assert row["predicted"] == pytest.approx(predicted[row["id"]], rel=1e-5)
        assert row["hit"] is (abs(row["z"]) <= 2.0)


def test_rates_flow_and_harms_are_counted_as_in_the_tables(whole: dict[str, Any], direct: Any) -> None:
    people, events = direct.patients, direct.events
    for own in whole["completers"]:
        arm = people[people["arm"] == own["arm"]]
        assert own["randomised"] == len(arm) / 3 == 8.0
        assert own["completed"] == pytest.approx((arm["status"] == "completed").sum() / 3, rel=1e-5)
        lost = (arm["status"] == "not simulated").sum()
        assert own["not_simulated"] == pytest.approx(lost / 3, rel=1e-5)
    assert whole["failures_total"] == len(direct.failed)
    hit = events[(events["kind"] == "adverse_event") & (events["detail"] == "dissociation")]
    hit = hit.drop_duplicates(["replicate", "subject"]).merge(
        people[["replicate", "subject", "arm"]].rename(columns={"arm": "own"}), on=["replicate", "subject"]
    )
    told = {rate["id"]: {own["arm"]: own["value"] for own in rate["arms"]} for rate in whole["per_100"]}
    if "dissociation" in told:
        for arm, value in told["dissociation"].items():
            assert value == pytest.approx(100.0 * (hit["own"] == arm).sum() / 24.0, abs=1e-3)
    at = direct.endpoints[np.isclose(direct.endpoints["time_h"], 24.0)]
    for arm, value in told["response"].items():
        own = at[(at["quantity"] == "madrs") & (at["arm"] == arm)]["response"]
        assert value == pytest.approx(100.0 * own.mean(), rel=1e-5)


def test_a_result_says_what_it_is(whole: dict[str, Any]) -> None:
    assert (whole["replicates"], whole["replicates_asked"], whole["people"]) == (3, 3, 48)
    assert not whole["preliminary"]
    assert not whole["stopped"]
    assert whole["headline"].startswith("Of 100 people given ketamine, ")
    assert "of 100 given midazolam, " in whole["headline"]
    assert "range over trials" in whole["support"]
    assert whole["command"] == "ketasim run murrough2013 --subjects 8 --replicates 3 --seed 7"
    assert whole["power"]["trials"] == 3
    power = whole["power"]
    # Rounding may leave the ends of an interval a hair within a share of 0 or 1.
    assert -1e-9 <= power["low"] - 1e-9 <= power["value"] <= power["high"] + 1e-9 <= 1.0 + 2e-9
    assert [arm["control"] for arm in whole["arms"]] == [False, True]
    assert "not for treating a person" in whole["disclaimer"]
    everybody = next(row for row in whole["groups"] if row["level"] == "all")
    assert everybody["group"] == ""
    for rate in whole["per_100"]:
        for own in rate["arms"]:
            assert 0.0 <= own["low"] <= own["value"] + 1e-9
            assert own["value"] <= own["high"] + 1e-9 <= 100.1


def test_staying_well_only_falls_and_its_people_grow_fewer(whole: dict[str, Any]) -> None:
    for curve in whole["survival"]["curves"]:
        assert curve["s"][0] == 1.0
        assert np.all(np.diff(curve["s"]) <= 0.0)
        followed = [item["n"] for item in curve["at_risk"]]
        assert np.all(np.diff(followed) <= 0.0)


def test_a_run_that_was_broken_off_goes_on_and_ends_as_if_it_had_not(
    tmp_path: Path, whole: dict[str, Any]
) -> None:
    broken = Told(break_after=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", TRIAL, broken)
    assert 0 < broken.last("progress")["trials_done"] < 3
    again = Told()
    assert run(tmp_path / "run", TRIAL, again) == whole
    assert again.last("note")["text"].startswith("Went on at trial ")
    assert again.last("done") == {"state": "finished"}


def test_stop_and_keep_gives_a_result_with_its_n(tmp_path: Path) -> None:
    told = Told(stop_after=2)
    result = run(tmp_path / "run", TRIAL, told)
    assert told.last("done") == {"state": "stopped"}
    assert result["stopped"]
    assert not result["preliminary"]
    assert 0 < result["replicates"] < 3
    assert result["people"] == 16 * result["replicates"]
    assert result["arms"][0]["n"] == 8.0


def test_who_stops_before_the_first_trial_gets_none(tmp_path: Path) -> None:
    told = Told(stop_after=0)
    assert run(tmp_path / "run", TRIAL, told) is None
    assert told.last("done") == {"state": "stopped"}


def test_partial_results_are_marked_and_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.app.jobs.runs._PARTIAL", 0.0)
    monkeypatch.setattr("ketasim.app.jobs.runs._COST", 1e9)
    told = Told()
    run(tmp_path / "run", TRIAL, told)
    partial = [data for name, data in told.events if name == "partial"]
    assert [data["replicates"] for data in partial] == [1, 2]
    assert all(data["preliminary"] for data in partial)
    # Of one trial the interval is its own, and there is no power.
    assert partial[0]["power"] is None
    assert partial[0]["uncertainty"] == "95 % interval of one trial"
    progress = [data["done"] for name, data in told.events if name == "progress"]
    assert progress == sorted(progress)
    assert progress[-1] == 48


def test_trials_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", TRIAL, Told(break_after=2))
    manifest = tmp_path / "run" / "run" / "manifest.json"
    content = json.loads(manifest.read_text(encoding="utf-8"))
    content["parameter_hash"] = "another"
    manifest.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ChangedError, match="have changed"):
        run(tmp_path / "run", TRIAL)


def test_a_missing_request_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="missing or damaged"):
        run_job(JobFolder(tmp_path), Told().reporter())


def read(data: Mapping[str, Any]) -> TrialRequest:
    """A request as a page sends it."""
    return TrialRequest.model_validate({"kind": "trial", **data})


def test_a_trial_of_scenarios_has_an_arm_for_each_and_their_control() -> None:
    other = "84 mg esketamine intranasal, twice weekly x 4 weeks"
    work = plan_trial(
        read(
            {
                "scenarios": [{"regimen": DRUG}, {"regimen": other}],
                "design": {"n": [30, 20, 10], "drop_out": "20 %", "visits": ["24 h", "28 d"], "alpha": 0.1},
            }
        )
    )
    assert [arm.n for arm in work.study.first_arms] == [30, 20, 10]
    assert list(work.names.values()) == ["A (ketamine iv)", "B (esketamine intranasal)", "Midazolam"]
    assert work.people == 60
    first = work.study.analyses[0]
    assert (first.time, first.comparator, first.alpha) == ("28 d", "control", 0.1)
    assert len(work.study.analyses) == 2
    (leaving,) = work.study.dropout
    # Four weeks at this rate leave 80 of 100.
    assert math.exp(-4.0 * leaving.rate_per_week) == pytest.approx(0.8)
    # It is a study file that can be read again, and the request comes back from its data.
    assert Study.parse(work.study.dump(), "again", known_quantities()) == work.study
    request = read({"scenarios": [{"regimen": DRUG}]})
    assert TrialRequest.model_validate(request_data(request)) == request


def test_changed_parameters_are_passed_on() -> None:
    scenario = {"regimen": DRUG, "mechanism": {"parameters": {"clearance": "60 L/h"}}}
    work = plan_trial(read({"scenarios": [scenario]}))
    assert work.changed == {"clearance": "60.0 L/h"}
    assert work.parameters is not None
    assert work.parameters["clearance"].value == 60.0
    assert "--parameters parameters.csv" in work.command


@pytest.mark.parametrize(
    ("scenarios", "design", "path"),
    [
        ([{"regimen": "0.5 mg/kg ketamin iv over 40 min"}], {}, "scenarios.0.regimen"),
        ([{"mechanism": {"switches": {"ampa": 0.0}}}], {}, "scenarios.0.mechanism.switches.ampa"),
        ([{"person": {"illness": "healthy"}}], {}, "scenarios.0.person.illness"),
        ([{}, {"person": {"weight": "90 kg"}}], {}, "scenarios.1.person.weight"),
        ([{}, {"setting": {"control": "saline"}}], {}, "scenarios.1.setting.control"),
        ([{}], {"drop_out": "15"}, "design.drop_out"),
        ([{}], {"drop_out": "95 %"}, "design.drop_out"),
        ([{}], {"visits": ["24 h", "soon"]}, "design.visits.1"),
        ([{}], {"visits": ["24 h"], "primary": {"time": "7 d"}}, "design.primary.time"),
        ([{}], {"n": [10]}, "design.n"),
    ],
)
def test_what_cannot_be_a_trial_is_refused_at_its_place(
    scenarios: list[dict[str, Any]], design: dict[str, Any], path: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        plan_trial(read({"scenarios": scenarios, "design": design}))
    assert path in [fault.path for fault in caught.value.faults]


def test_a_scenario_without_drug_is_its_own_control() -> None:
    found = scenario_study([Scenario(regimen=DRUG), Scenario(regimen="none")], Design())
    assert len(found.study.first_arms) == 2
    assert found.study.analyses[0].comparator == found.study.first_arms[1].id


def test_visits_follow_the_regimen() -> None:
    assert default_visits([parse_regimen(DRUG)]) == ["24 h", "7 d", "14 d", "21 d", "28 d"]
    long = default_visits([parse_regimen(f"{DRUG}, weekly x 52 weeks")])
    assert len(long) <= 32
    assert long[-1] == "364 d"


def test_only_shipped_studies_and_plain_texts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(Study.load("murrough2013").dump(), encoding="utf-8")
    for name in (str(path), "../murrough2013", "murrough2013.yaml"):
        with pytest.raises(StudyError, match="unknown study"):
            plan_trial(read({"study": name[:60]}))
    work = plan_trial(read({"study_text": path.read_text(encoding="utf-8"), "replicates": 2}))
    assert work.study.id == "murrough2013"
    # Nine levels of nine references each stand for a text of gigabytes.
    bomb = "a0: &a0 [x]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 10)
    )
    with pytest.raises(StudyError, match="line 1: references"):
        plan_trial(read({"study_text": bomb}))
    with pytest.raises(StudyError, match="not valid YAML"):
        plan_trial(read({"study_text": "a: [1"}))


def test_a_population_counts_the_people_of_the_public_api(tmp_path: Path) -> None:
    scenario = {"regimen": DRUG}
    request = {"kind": "population", "scenario": scenario, "n": 6, "seed": 3}
    told = Told()
    result = run(tmp_path / "run", request, told)
    assert told.last("done") == {"state": "finished"}
    asked = PopulationRequest.model_validate(request)
    found = simulate_scenario(
        scenario, axis=population_axis(asked.scenario), bands="people", draws=6, people=6, seed=3
    ).to_dict()
    for own, item in zip(result["per_100"], found["per_100"]["items"], strict=True):
        assert (own["id"], own["value"], own["control"]) == (item["id"], item["value"], item["control"])
    mood = next(course for course in result["courses"] if course["row"] == "madrs")
    assert mood["q50"] == found["series"]["madrs"]["mid"]
    assert mood["q95"] == found["series"]["madrs"]["q95"]
    # Later columns are wider than a peak of plasma: each dose would be shown at another moment.
    level = next(course for course in result["courses"] if course["row"] == "ketamine_venous")
    assert mood["time_h"][-1] > 600.0
    assert 20.0 < level["time_h"][-1] <= 24.0
    assert len(level["q50"]) == len(level["q05"]) == len(level["time_h"])
    assert level["q50"] == found["series"]["ketamine_venous"]["mid"][: len(level["q50"])]


def test_a_population_is_cut_into_parts_with_seeds_of_their_own() -> None:
    request = PopulationRequest.model_validate({"kind": "population", "scenario": {}, "n": 601, "seed": 5})
    parts = population_parts(request)
    assert [count for _, count in parts] == [250, 250, 101]
    assert len({seed for seed, _ in parts}) == 3
    assert parts[0][0] == 5


def test_shares_of_parts_are_those_of_all_people() -> None:
    def part(people: int, value: float, control: float) -> dict[str, Any]:
        item = {"id": "response", "name": "Response", "kind": "benefit", "value": value, "control": control}
        hundred = {"people": people, "horizon_h": 672.0, "who": "people", "items": [item]}
        quantiles = {name: [value] for name in ("q05", "q25", "mid", "q75", "q95")}
        series = {"madrs": {"unit": "points", **quantiles}}
        return {"asked": people, "sentence": "s", "time_h": [0.0], "per_100": hundred, "series": series}

    found = people_result([part(100, 50.0, 20.0), part(300, 30.0, 20.0)])
    (rate,) = found["per_100"]
    assert rate["value"] == pytest.approx(35.0)
    # 1.96 times the root of 0.35 times 0.65 over 400.
    assert rate["high"] - rate["value"] == pytest.approx(4.674, abs=1e-3)
    assert found["nnt"]["value"] == pytest.approx(100.0 / 15.0)
    assert found["courses"][0]["q95"][0] == pytest.approx(35.0)
    assert found["headline"] == "Of 100 such people 35 respond by 28 d; with the control, 20."
    healthy = part(10, 30.0, 10.0)
    healthy["per_100"]["items"][0] |= {"id": "nausea", "name": "Nausea", "kind": "harm"}
    told = people_result([healthy])
    assert told["headline"].startswith("Of 100 such people 30 have nausea")
    assert told["nnt"] is None


def test_numbers_that_json_does_not_have_become_null() -> None:
    given = {"a": np.array([1.0, math.nan]), "b": np.float64(1.23456789), "c": np.int64(3), "d": np.True_}
    assert plain_json(given) == {"a": [1.0, None], "b": 1.23457, "c": 3, "d": True}
    assert plain_json({"x": (math.inf, pd.Series([1.0]).iloc[0])}) == {"x": [None, 1.0]}
