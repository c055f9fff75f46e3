"""From a study to persons: chunks, who fails, what is recorded at entry, typical patients, influence."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ketasim.dosing import parse_regimen
from ketasim.engine import Solutions
from ketasim.errors import StudyError
from ketasim.model.chain import build_chain
from ketasim.model.cohort import Cohort, Rested, at_rest, run_stretch
from ketasim.model.parameters import Parameter, ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.trials import Study, Trial
from ketasim.trials import influence as influence_module
from ketasim.trials.conduct import biology
from ketasim.trials.conduct.enrolment import Enrolled, enrol
from ketasim.trials.conduct.march import Conducted, conduct
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.conduct.typical import typical_trajectories
from ketasim.trials.influence import INFLUENCE_COLUMNS, influence
from ketasim.trials.runs.columns import OUTCOMES, PATIENTS
from ketasim.trials.runs.outcomes import Outcomes, plain
from ketasim.trials.runs.workers import (
    Chunk,
    TrialPlan,
    chunk_size,
    chunks_of,
    default_workers,
    run_chunk,
    run_chunks,
)
from ketasim.trials.study.template import new_study_text

KEYS = ["quantity", "statistic", "subject", "time_h"]


def everyone(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """All patients of the first replicate."""
    return np.zeros(trial.count, dtype=np.int64), np.arange(1, trial.count + 1)


@pytest.fixture(scope="module")
def parameters() -> ParameterSet:
    return load_parameters()


@pytest.fixture(scope="module")
def simulator(parameters: ParameterSet) -> Simulator:
    # Coarse, for speed; what is tested here does not depend on the last digits.
    return Simulator(build_chain(parameters=parameters), 1e-4)


@pytest.fixture(scope="module")
def lii(simulator: Simulator, parameters: ParameterSet) -> Trial:
    return Trial(Study.load("lii2023"), simulator, parameters, seed=3, subjects=2, end_h=24.0)


@pytest.fixture(scope="module")
def masked(lii: Trial) -> Conducted:
    return conduct(lii, *everyone(lii))


@pytest.fixture(scope="module")
def small(simulator: Simulator, parameters: ParameterSet) -> Trial:
    """The template's study with severity among what it asks for, to 24 h; patients 1 to 6."""
    text = new_study_text("small")
    asked = "endpoints:\n  - {quantity: severity, statistic: mean, time: 24 h}\n"
    study = Study.parse(text.replace("endpoints:\n", asked))
    return Trial(study, simulator, parameters, seed=5, subjects=3, end_h=24.0)


@pytest.fixture(scope="module")
def patients(small: Trial) -> Enrolled:
    return enrol(small, *everyone(small))


@pytest.fixture(scope="module")
def whole(small: Trial) -> Tables:
    """All patients of the small trial, simulated together."""
    return run_chunk(small, Chunk(0, 0, small.count))


@pytest.fixture(scope="module")
def outcomes(whole: Tables) -> pd.DataFrame:
    return Outcomes([whole.outcomes]).frame()


def plan(name: str, subjects: int | None) -> TrialPlan:
    return TrialPlan(Study.load(name), load_parameters(), 1, subjects)


def test_chunks_hold_every_person_once_in_a_fixed_order() -> None:
    trial = plan("singh2016", None).build()
    chunks = chunks_of(trial.count, 16)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.count for chunk in chunks] == [16, 16, 16, 16, 3]
    places = [chunk.first + place for chunk in chunks for place in range(chunk.count)]
    assert places == list(range(67))
    drawn = np.bincount(trial.roll(0).arm)
    assert {arm.id: drawn[place] for place, arm in enumerate(trial.study.arms)} == {
        arm.id: arm.n for arm in trial.study.arms
    }
    # A chunk's people are those of the whole trial, to the bit.
    together = enrol(trial, *everyone(trial))
    for name in ("baseline", "subject", "screened"):
        parts = [
            getattr(
                enrol(
                    trial, *(rows[chunk.first : chunk.first + chunk.count] for rows in everyone(trial))
                ).people,
                name,
            )
            for chunk in chunks
        ]
        np.testing.assert_array_equal(np.concatenate(parts), getattr(together.people, name))


def test_chunks_are_of_a_size() -> None:
    trial = plan("daly2018", None).build()
    assert 1 <= chunk_size(trial, 1) <= trial.count
    # However large the trial, a chunk fits into the memory.
    assert chunk_size(trial, 10_000) == chunk_size(trial, 1_000_000) <= 2048
    with pytest.raises(StudyError, match="chunk size: 0"):
        chunks_of(10, 0)


def test_chunks_change_no_result(small: Trial, whole: Tables, outcomes: pd.DataFrame) -> None:
    parts = [run_chunk(small, chunk) for chunk in chunks_of(small.count, 4)]
    found = Outcomes([part.outcomes for part in parts]).frame()
    pd.testing.assert_frame_equal(
        found.sort_values(KEYS, ignore_index=True),
        outcomes.sort_values(KEYS, ignore_index=True),
        check_exact=True,
    )
    people = pa.concat_tables([plain(part.patients) for part in parts])
    assert people.equals(plain(whole.patients))


@pytest.fixture
def failing(patients: Enrolled, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patient 2 has no rest, and the equations of patient 3 cannot be solved with the drug."""
    second, third = patients.cohort.severity[1:3]

    def rest(simulator: Simulator, cohort: Cohort) -> Rested:
        found = at_rest(simulator, cohort)
        places = np.flatnonzero(cohort.severity == second).tolist()
        return dataclasses.replace(
            found, refused=dict.fromkeys(places, "no illness load gives this severity")
        )

    def stretch(simulator: Simulator, cohort: Cohort, *rest: object) -> Solutions:
        found = run_stretch(simulator, cohort, *rest)  # type: ignore[arg-type]
        places = np.flatnonzero(cohort.severity == third).tolist()
        return dataclasses.replace(found, failures=dict.fromkeys(places, "the solver stopped"))

    monkeypatch.setattr(biology, "at_rest", rest)
    monkeypatch.setattr(biology, "run_stretch", stretch)


@pytest.mark.usefixtures("failing")
def test_a_person_who_cannot_be_solved_is_reported_and_the_others_kept(
    small: Trial, outcomes: pd.DataFrame
) -> None:
    found = run_chunk(small, Chunk(0, 0, small.count))
    people = found.patients.to_pandas().set_index("subject")
    assert people.index[people["status"] == "not simulated"].tolist() == [2, 3]
    assert people.index[people["status"] == "completed"].tolist() == [1, 4, 5, 6]
    assert people.loc[2, "left_reason"] == "no illness load gives this severity"
    assert people.loc[3, "left_reason"] == "the solver stopped"
    assert (people.loc[[2, 3], "guess"] == "").all()
    rows = Outcomes([found.outcomes]).frame()
    lost = rows["subject"].isin([2, 3])
    assert rows.loc[lost, "value"].isna().all()
    assert set(rows.loc[rows["subject"] == 2, "reason"]) == {
        "not simulated: no illness load gives this severity"
    }
    assert set(rows.loc[rows["subject"] == 3, "reason"]) == {"not simulated: the solver stopped"}
    # Who else is there changes nothing.
    pd.testing.assert_frame_equal(rows[~lost], outcomes[~outcomes["subject"].isin([2, 3])], check_exact=True)


@pytest.mark.usefixtures("failing")
def test_a_chunk_in_which_all_fail_keeps_the_types_of_the_table(small: Trial) -> None:
    lost, other = run_chunk(small, Chunk(9, 1, 2)), run_chunk(small, Chunk(0, 3, 3))
    assert lost.patients.column("status").to_pylist() == ["not simulated"] * 2
    assert set(lost.outcomes.column("value").to_pylist()) == {None}
    for kind in ("outcomes", "patients", "events"):
        assert getattr(lost, kind).schema.equals(getattr(other, kind).schema), kind
    both = Outcomes([lost.outcomes, other.outcomes]).frame()
    assert both["value"].dtype == np.float64
    assert both["subject"].dtype == np.int64
    assert both["subject"].nunique() == 5


def test_one_process_works_on_the_chunks_in_their_order(small: Trial) -> None:
    own = TrialPlan(small.study, small.parameters, small.seed, 3, small.end_h)
    chunks = chunks_of(small.count, 2)
    results = list(run_chunks(small, own, chunks, workers=1))
    assert [number for number, _ in results] == [0, 1, 2]
    assert [tables.patients.column("subject").to_pylist() for _, tables in results] == [
        [1, 2],
        [3, 4],
        [5, 6],
    ]


def test_no_process_at_all_is_refused() -> None:
    own = plan("daly2018", 1)
    with pytest.raises(StudyError, match="workers: 0 is not a number of processes"):
        next(run_chunks(own.build(), own, [], workers=0))


def test_no_more_processes_than_chunks() -> None:
    assert default_workers(1) == 1
    assert default_workers(1000) >= 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"subjects": 0}, "subjects: 0"),
        ({"subjects": {"midazolam": 0}}, "subjects: midazolam: 0"),
        ({"subjects": {"midasolam": 4}}, "'midazolam'"),
        ({"end_h": 0.0}, "days"),
        ({"hold": "beliefs"}, "'belief'"),
        ({"hold": "biology", "with_twin": False}, "dose zero"),
    ],
)
def test_a_trial_refuses_what_cannot_be(small: Trial, change: dict[str, object], word: str) -> None:
    with pytest.raises(StudyError, match=word):
        dataclasses.replace(small, **change).count  # type: ignore[arg-type]  # noqa: B018


def test_a_copy_with_another_size_or_seed_has_a_list_of_its_own(small: Trial) -> None:
    assert len(small.roll(0).arm) == 6
    assert len(dataclasses.replace(small, subjects={"ketamine": 4, "midazolam": 1}).roll(0).arm) == 5
    orders = {tuple(dataclasses.replace(small, seed=seed).roll(0).arm.tolist()) for seed in range(8)}
    assert len(orders) > 1


def test_visits_at_the_last_time_are_kept_and_later_ones_left_out(small: Trial) -> None:
    # 24 h read as one day lost to rounding must not lose the visit; entry is always rated.
    assert dataclasses.replace(small, end_h=24.0 - 1e-12).rating_times == (0.0, 2.0, 24.0)
    assert dataclasses.replace(small, end_h=23.9).rating_times == (0.0, 2.0)
    assert dataclasses.replace(small, end_h=None).horizon == 336.0


def test_a_quantity_stands_once_for_each_time_even_if_it_is_asked_for(outcomes: pd.DataFrame) -> None:
    person = outcomes[outcomes["subject"] == 1]
    assert tuple(person.columns) == OUTCOMES
    assert not person.duplicated(["quantity", "statistic", "time_h"]).any()
    assert list(person.loc[person["quantity"] == "severity", "time_h"]) == [0.0, 2.0, 24.0]


def test_the_score_at_entry_is_the_baseline(
    whole: Tables, outcomes: pd.DataFrame, patients: Enrolled
) -> None:
    people = whole.patients.to_pandas()
    assert tuple(people.columns[: len(PATIENTS)]) == PATIENTS
    entry = outcomes[(outcomes["quantity"] == "madrs") & (outcomes["time_h"] == 0.0)]
    assert set(entry["statistic"]) == {"score"}
    assert list(entry["value"]) == list(people["baseline"]) == list(patients.people.baseline)


def test_biology_starts_without_the_error_that_is_in_the_score(
    outcomes: pd.DataFrame, patients: Enrolled
) -> None:
    people = patients.people
    assert np.abs(people.entry_error).min() > 0.01
    start = outcomes[(outcomes["quantity"] == "severity") & (outcomes["time_h"] == 0.0)]["value"].to_numpy()
    # The search for the illness load ends at 1e-11 points.
    assert start == pytest.approx(people.baseline - people.entry_error, abs=1e-9)


def test_a_placebo_arm_regresses_to_the_mean(small: Trial) -> None:
    """People are let in on bad days: error and stress at entry are above their long-run mean of zero."""
    # With a limit at the mean of all, as in trials that ask for a high score.
    text = new_study_text("strict").replace("mean: 32, sd: 6", "mean: 33, sd: 3").replace(">= 20", ">= 30")
    trial = dataclasses.replace(small, study=Study.parse(text), subjects=400)
    found = enrol(trial, *everyone(trial))
    control = found.arm == 1
    assert control.sum() == 400
    for hidden in (found.people.entry_error[control], found.people.entry_stress[control]):
        error = np.std(hidden) / math.sqrt(len(hidden))
        assert np.mean(hidden) > 3.0 * error


def test_people_of_two_arms_are_different_people(patients: Enrolled) -> None:
    people = patients.people
    assert sorted(people.subject) == [1, 2, 3, 4, 5, 6]
    assert np.bincount(patients.arm).tolist() == [3, 3]
    for hidden in (people.baseline, people.entry_error, people.stress[:, 1]):
        assert len(np.unique(hidden)) == 6


def of_arm(found: Conducted, arm: int, name: str) -> np.ndarray:
    return found.values[name][found.enrolled.arm == arm]


def test_masked_arms_believe_what_the_design_says(lii: Trial, masked: Conducted) -> None:
    assert lii.study.arms[0].masked
    felt = masked.peaks["felt_effect"][masked.enrolled.arm == 0]
    assert (np.nanmax(felt, axis=1) > 0.3).all()
    # 20 of 40 get the drug.
    assert of_arm(masked, 0, "belief") == pytest.approx(np.full(felt.shape, 0.5), abs=1e-12)


def test_what_is_felt_moves_belief_without_a_mask(small: Trial, outcomes: pd.DataFrame) -> None:
    belief = typical_trajectories(small)["belief"].sel(arm="ketamine").to_numpy().ravel()
    assert belief[0] == 0.5
    assert belief[-1] > 0.6
    wide = outcomes[outcomes["quantity"] == "belief"].pivot_table(
        values="value", index=["arm", "subject"], columns="time_h"
    )
    assert (wide[0.0] == 0.5).all()
    assert wide.loc["ketamine", 24.0].mean() > wide.loc["midazolam", 24.0].mean() + 0.1


def test_without_drug_a_control_arm_is_its_own_counterfactual(masked: Conducted) -> None:
    with_drug, without = (of_arm(masked, 1, name) for name in ("severity", "severity_without_drug"))
    np.testing.assert_array_equal(with_drug, without)
    treated = of_arm(masked, 0, "severity_without_drug") - of_arm(masked, 0, "severity")
    assert (treated[:, -1] > 0.5).all()


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
