"""From a study to persons: chunks, who fails, what is recorded at entry, typical patients, influence."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError, SolverError, StudyError
from ketasim.model.chain import build_chain
from ketasim.model.parameters import Parameter, ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population import VirtualPatient
from ketasim.trials import Study, Trial
from ketasim.trials import influence as influence_module
from ketasim.trials.columns import OUTCOMES
from ketasim.trials.influence import INFLUENCE_COLUMNS, influence
from ketasim.trials.study import Arm
from ketasim.trials.template import new_study_text
from ketasim.trials.typical import typical_trajectories
from ketasim.trials.workers import (
    CHUNK_SIZE,
    Chunk,
    TrialPlan,
    chunks_of,
    default_workers,
    run_chunk,
    run_chunks,
)


@pytest.fixture(scope="module")
def parameters() -> ParameterSet:
    return load_parameters()


@pytest.fixture(scope="module")
def simulator(parameters: ParameterSet) -> Simulator:
    # Coarse, for speed; what is tested here does not depend on the last digits.
    return Simulator(build_chain(parameters=parameters), 1e-4)


@pytest.fixture(scope="module")
def lii(simulator: Simulator, parameters: ParameterSet) -> Trial:
    return Trial(Study.load("lii2023"), simulator, parameters, seed=3, subjects=1, end_h=24.0)


@pytest.fixture(scope="module")
def small(simulator: Simulator, parameters: ParameterSet) -> Trial:
    """The template's study with severity among what it asks for, to 24 h."""
    text = new_study_text("small")
    asked = "endpoints:\n  - {quantity: severity, statistic: mean, time: 24 h}\n"
    study = Study.parse(text.replace("endpoints:\n", asked))
    return Trial(study, simulator, parameters, seed=5, subjects=1, end_h=24.0)


@pytest.fixture(scope="module")
def someone(small: Trial) -> VirtualPatient:
    """A person of 32 points whom the rater at entry gave 34."""
    typical = small.typical(small.study.arms[0])
    return dataclasses.replace(typical, subject=1, baseline=34.0, entry_error=2.0, severity_baseline=32.0)


@pytest.fixture(scope="module")
def person(small: Trial, someone: VirtualPatient) -> pd.DataFrame:
    return small.outcomes(small.study.arms[0], someone)


def plan(name: str, subjects: int | None) -> TrialPlan:
    return TrialPlan(Study.load(name), load_parameters(), 1, 0, subjects, None)


def test_chunks_hold_every_person_once_in_a_fixed_order() -> None:
    trial = plan("singh2016", None).build()
    chunks = chunks_of(trial)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    people = [(chunk.arm, person.subject) for chunk in chunks for person in chunk.people]
    assert [subject for _, subject in people] == list(range(1, 68))
    for arm in trial.study.arms:
        assert sum(name == arm.id for name, _ in people) == arm.n
    assert {len(chunk.people) for chunk in chunks} <= set(range(1, CHUNK_SIZE + 1))
    again = [(chunk.arm, person.baseline) for chunk in chunks_of(trial) for person in chunk.people]
    assert again == [(chunk.arm, person.baseline) for chunk in chunks for person in chunk.people]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Persons 2 and 3 of every trial cannot be simulated."""

    failures = {2: SolverError("the solver stopped"), 3: ModelError("no illness load gives this severity")}

    def scored_many(_self: Trial, _arm: Arm, people: Sequence[VirtualPatient]) -> list[Any]:
        return [failures.get(person.subject) for person in people]

    def recorded(self: Trial, arm: Arm, person: VirtualPatient, _found: object) -> pd.DataFrame:
        row = (self.study.id, 0, arm.id, person.subject, "madrs", "score", 0.0, "points", 30.0, "")
        return pd.DataFrame([row], columns=list(OUTCOMES))

    monkeypatch.setattr(Trial, "scored_many", scored_many)
    monkeypatch.setattr(Trial, "recorded", recorded)


@pytest.mark.usefixtures("failing")
def test_a_person_who_cannot_be_solved_is_reported_and_the_others_kept() -> None:
    trial = plan("daly2018", 5).build()
    first = chunks_of(trial)[0]
    result = run_chunk(trial, first)
    assert list(result.outcomes["subject"]) == [1, 4, 5]
    assert result.failed == (
        (2, "the solver stopped"),
        (3, "no illness load gives this severity"),
    )


@pytest.mark.usefixtures("failing")
def test_a_chunk_in_which_all_fail_keeps_the_types_of_the_table() -> None:
    trial = plan("daly2018", 4).build()
    whole = chunks_of(trial)[0]
    lost = run_chunk(trial, Chunk(9, whole.arm, whole.people[1:3]))
    assert lost.outcomes.empty
    assert [subject for subject, _ in lost.failed] == [2, 3]
    both = pd.concat([lost.outcomes, run_chunk(trial, whole).outcomes], ignore_index=True)
    assert both["value"].dtype == np.float64
    assert both["subject"].dtype == np.int64


@pytest.mark.usefixtures("failing")
def test_one_process_works_on_the_chunks_in_their_order() -> None:
    own = plan("daly2018", 5)
    trial = own.build()
    chunks = chunks_of(trial)
    results = list(run_chunks(trial, own, chunks, workers=1))
    assert [result.number for result in results] == [chunk.number for chunk in chunks]
    counted = sum(len(result.outcomes) + len(result.failed) for result in results)
    assert counted == 5 * len(trial.study.arms)


def test_no_process_at_all_is_refused() -> None:
    own = plan("daly2018", 1)
    with pytest.raises(StudyError, match="workers: 0 is not a number of processes"):
        next(run_chunks(own.build(), own, [], workers=0))


def test_no_more_processes_than_chunks() -> None:
    assert default_workers(1) == 1
    assert default_workers(1000) >= 1


@pytest.mark.parametrize(("change", "word"), [({"subjects": 0}, "subjects"), ({"end_h": 0.0}, "days")])
def test_a_trial_refuses_sizes_that_are_none(small: Trial, change: dict[str, float], word: str) -> None:
    with pytest.raises(StudyError, match=word):
        dataclasses.replace(small, **change)  # type: ignore[arg-type]


def test_visits_at_the_last_time_are_kept_and_later_ones_left_out(small: Trial) -> None:
    # 24 h read as one day lost to rounding must not lose the visit.
    assert dataclasses.replace(small, end_h=24.0 - 1e-12).rating_times == (2.0, 24.0)
    assert dataclasses.replace(small, end_h=23.9).rating_times == (2.0,)
    assert dataclasses.replace(small, end_h=None).horizon == 336.0


def test_a_quantity_stands_once_for_each_time_even_if_it_is_asked_for(person: pd.DataFrame) -> None:
    assert tuple(person.columns) == OUTCOMES
    assert not person.duplicated(["quantity", "statistic", "time_h"]).any()
    assert list(person.loc[person["quantity"] == "severity", "time_h"]) == [2.0, 24.0]


def test_the_score_at_entry_is_the_baseline(person: pd.DataFrame) -> None:
    entry = person[(person["quantity"] == "madrs") & (person["time_h"] == 0.0)]
    assert list(entry["statistic"]) == ["score"]
    assert list(entry["value"]) == [34.0]


def test_biology_starts_without_the_error_that_is_in_the_score(small: Trial, someone: VirtualPatient) -> None:
    found = small.scored(small.study.arms[0], someone, np.array([0.0, 1.0]))
    # The search for the illness load ends at 1e-11 points.
    assert found.run.quantities["severity"][0] == pytest.approx(32.0, abs=1e-9)


def test_a_placebo_arm_regresses_to_the_mean(small: Trial) -> None:
    """People are let in on bad days: error and stress at entry are above their long-run mean of zero."""
    # With a limit at the mean of all, as in trials that ask for a high score.
    text = new_study_text("strict").replace("mean: 32, sd: 6", "mean: 33, sd: 3").replace(">= 20", ">= 30")
    trial = dataclasses.replace(small, study=Study.parse(text), subjects=400)
    people = trial.people(trial.study.arms[1])
    for hidden in ([p.entry_error for p in people], [p.entry_stress for p in people]):
        error = np.std(hidden) / math.sqrt(len(hidden))
        assert np.mean(hidden) > 3.0 * error


def test_people_of_two_arms_are_different_people(small: Trial) -> None:
    first, second = (small.people(arm)[0] for arm in small.study.arms)
    assert (first.subject, second.subject) == (1, 2)
    assert first.baseline != second.baseline


def test_masked_arms_believe_what_the_design_says(lii: Trial) -> None:
    arm = lii.study.arms[0]
    assert arm.masked
    found = lii.scored(arm, lii.typical(arm))
    assert found.run.quantities["felt_effect"].max() > 0.3
    # 20 of 40 get the drug.
    assert found.hoped.belief == pytest.approx(np.full(len(found.hoped.belief), 0.5), abs=1e-12)


def test_what_is_felt_moves_belief_without_a_mask(small: Trial) -> None:
    arm = small.study.arms[0]
    found = small.scored(arm, small.typical(arm))
    assert found.hoped.belief[0] == 0.5
    assert found.hoped.belief[-1] > 0.6


def test_without_drug_a_control_arm_is_its_own_counterfactual(lii: Trial) -> None:
    arm = lii.study.arms[1]
    found = lii.scored(arm, lii.typical(arm))
    assert found.run is found.without_drug


def test_typical_trajectories_are_labelled(lii: Trial) -> None:
    found = typical_trajectories(lii)
    assert list(found["arm"].values) == ["ketamine", "saline"]
    assert found.attrs == {"study": "lii2023", "seed": 3}
    assert found["time"].attrs["units"] == "h"
    for name, variable in found.data_vars.items():
        assert variable.dims == ("replicate", "arm", "subject", "time"), name
        assert all(variable.attrs[key] for key in ("units", "long_name", "source")), name
        assert np.isfinite(variable.to_numpy()).all(), name
    assert set(lii.simulator.chain.quantities) | {"severity_without_drug", "belief", "placebo"} == set(found)
    times = found["time"].to_numpy()
    assert (times[0], times[-1]) == (0.0, 24.0)
    assert np.diff(times).min() > 1e-9
    assert found["severity"][0, 0, 0, -1] < found["severity_without_drug"][0, 0, 0, -1] - 1.0
    np.testing.assert_array_equal(found["severity"][0, 1], found["severity_without_drug"][0, 1])


@pytest.fixture(scope="module")
def few(parameters: ParameterSet) -> ParameterSet:
    """All parameters with three varied ones; one end of the last cannot be solved."""
    fixed = {
        name: dataclasses.replace(item, low=item.value, high=item.value) for name, item in parameters.items()
    }

    def varied(name: str, low: float, high: float) -> Parameter:
        return dataclasses.replace(parameters[name], low=low, high=high)

    weight, volume = parameters["mood_fast_arm_weight"].value, parameters["volume_central"].value
    fixed["mood_fast_arm_weight"] = varied("mood_fast_arm_weight", 0.5 * weight, 1.5 * weight)
    fixed["volume_central"] = varied("volume_central", 0.9 * volume, 1.1 * volume)
    time = parameters["mood_time"].value
    fixed["mood_time"] = varied("mood_time", 0.0, 1.05 * time)
    return ParameterSet(fixed)


def test_influence_is_sorted_and_an_end_without_solution_is_empty(
    few: ParameterSet, simulator: Simulator
) -> None:
    regimen = parse_regimen("0.5 mg/kg ketamine iv over 40 min")
    found = influence(few, regimen, 33.0, 24.0)
    assert tuple(found.columns) == INFLUENCE_COLUMNS
    assert set(found["name"]) == {"mood_fast_arm_weight", "volume_central", "mood_time"}
    spans = found["span"].to_numpy()
    assert (np.diff(spans) <= 0.0).all()
    # A run of its own, at the accuracy of this file's simulator.
    run = simulator.run(simulator.depressed(few, 33.0), regimen, np.array([0.0, 24.0]))
    direct = run.quantities["severity"][-1] - run.quantities["severity"][0]
    assert found["effect"].to_numpy() == pytest.approx(np.full(3, direct), abs=1e-3)
    rows = found.set_index("name")
    assert math.isnan(rows.loc["mood_time", "effect_low"])
    assert math.isfinite(rows.loc["mood_time", "span"])
    fast = rows.loc["mood_fast_arm_weight"]
    ends = fast[["effect", "effect_low", "effect_high"]]
    assert fast["span"] == pytest.approx(ends.max() - ends.min(), abs=1e-12)
    assert abs(fast["effect_low"] - fast["effect_high"]) > 0.1


def test_parameters_that_cannot_move_mood_are_not_tried(parameters: ParameterSet) -> None:
    tried = {item.stage for item in parameters.values() if influence_module._is_varied(item)}
    assert {"pharmacokinetics", "ampa", "synapses", "symptoms"} <= tried
    assert tried.isdisjoint({"safety", "pain", "networks", "scoring"})


def test_influence_needs_a_process(few: ParameterSet) -> None:
    with pytest.raises(StudyError, match="workers: 0"):
        influence(few, parse_regimen("none"), 33.0, 24.0, workers=0)
