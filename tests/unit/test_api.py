"""What a user calls: courses, their summaries, what is refused, and what a run leaves behind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr

from ketasim import Study, simulate
from ketasim.api import Course, TimeCourse, TrialResult, studies, trial_result
from ketasim.dosing import Regimen, parse_regimen
from ketasim.errors import DoseError, KetasimError, ModelError, SolverError, StudyError, UnitError
from ketasim.model.clamp import Clamp
from ketasim.trials import Trial
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.runs.columns import EVENTS, OUTCOMES, PATIENTS
from ketasim.trials.runs.folder import Format, RunFolder
from ketasim.trials.runs.workers import Chunk, TrialPlan

SINGLE = "0.5 mg/kg ketamine iv over 40 min"


@pytest.fixture(scope="module")
def course() -> Course:
    return simulate(SINGLE, days="2d", at=["40min", "33h"], rtol=1e-4)


def test_a_course_starts_at_the_first_dose_and_holds_the_asked_times(course: Course) -> None:
    times = course.trajectories["time"].to_numpy()
    assert (times[0], times[-1]) == (0.0, 48.0)
    assert np.isclose(times, 33.0).any()
    for name, variable in course.trajectories.data_vars.items():
        assert variable.dims == ("replicate", "arm", "subject", "time"), name
        assert all(variable.attrs[key] for key in ("units", "long_name", "source")), name


def test_a_summary_is_plain_json(course: Course) -> None:
    found = course.summary(at=["40min"])
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    index = int(np.argmin(np.abs(course.trajectories["time"].to_numpy() - 2.0 / 3.0)))
    direct = float(course.trajectories["ketamine_venous"][0, 0, 0, index])
    assert found["ketamine_venous"]["at"]["40min"] == pytest.approx(direct, rel=1e-9)


def test_a_clamp_counts_from_the_first_dose() -> None:
    """Text and object mean the same span, also when the first dose comes late."""
    late = parse_regimen(SINGLE).shifted(48.0)
    options: dict[str, Any] = {"days": 0.5, "rtol": 1e-4}
    held = simulate(late, clamp=["bdnf=5@1h..2h"], **options).trajectories
    same = simulate(late, clamp=[Clamp("bdnf", 5.0, 1.0, 2.0)], **options).trajectories
    xr.testing.assert_identical(held, same)
    times, bdnf = held["time"].to_numpy(), held["bdnf"].to_numpy().ravel()
    inside = (times > 1.0 + 1e-6) & (times < 2.0 - 1e-6)
    assert inside.sum() > 5
    # Held is exact but for the conversion of its unit.
    assert bdnf[inside] == pytest.approx(np.full(inside.sum(), 5.0), rel=1e-12)
    assert bdnf[times < 0.9].max() < 4.0


def made_up(values: list[float]) -> dict[str, Any]:
    """Summary of a course at 0, 1, 2, ... h."""
    bdnf = TimeCourse(np.array(values), "ratio", "BDNF", "made up")
    times = np.arange(float(len(values)))
    return Course(Regimen(), times, {"bdnf": bdnf}, "depressed").summary(at=["90min"])["bdnf"]


def test_the_peak_is_the_largest_departure_whatever_its_sign() -> None:
    found = made_up([1.0, 1.5, 0.2, 1.0, 1.0])
    assert (found["baseline"], found["peak"], found["peak_time_h"]) == (1.0, 0.2, 2.0)
    assert (found["min"], found["min_time_h"]) == (0.2, 2.0)
    assert (found["max"], found["max_time_h"]) == (1.5, 1.0)
    assert found["at"]["90min"] == pytest.approx(0.85)


def test_return_is_where_the_departure_stays_within_a_twentieth() -> None:
    # From 0.8 at 2 h down to 0 at 3 h: 0.05 of the peak's 1 is crossed at 2.9375 h.
    assert made_up([1.0, 2.0, 1.8, 1.0, 1.0])["return_time_h"] == pytest.approx(2.9375)
    # Back once but gone again: only the last return counts.
    again = made_up([1.0, 2.0, 1.0, 1.4, 1.0])["return_time_h"]
    assert again == pytest.approx(3.0 + 0.35 / 0.4)


def test_return_is_null_when_there_is_none() -> None:
    assert made_up([1.0, 2.0, 1.8, 1.2, 1.06])["return_time_h"] is None
    assert made_up([1.0, 1.0, 1.0])["return_time_h"] is None


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"days": "0 d"}, UnitError, "--days"),
        ({"days": -1}, UnitError, "--days"),
        ({"days": float("nan")}, UnitError, "--days"),
        ({"days": "14"}, UnitError, "--days"),
        ({"days": "20000 d"}, UnitError, "10 years"),
        ({"weight": "0 kg"}, ModelError, "--weight"),
        ({"weight": "70 L"}, UnitError, "--weight"),
        ({"illness": "depresed"}, ModelError, "'depressed'"),
        ({"at": ["3d"], "days": "2d"}, UnitError, "outside the simulated span of 0 to 48 h"),
        ({"at": ["soon"]}, UnitError, "--at"),
        ({"set": {"clearanse": "80 L/h"}}, ModelError, "'clearance"),
        ({"set": {"weight": "80 L/h"}}, UnitError, "--set weight"),
        ({"clamp": ["ampa_driv"]}, ModelError, "'ampa_drive'"),
        ({"clamp": [Clamp("ampa_driv")]}, ModelError, "'ampa_drive'"),
        ({"severity": 61.0}, ModelError, "61 points"),
    ],
)
def test_what_cannot_be_used_is_refused(
    options: dict[str, Any], error: type[KetasimError], word: str
) -> None:
    with pytest.raises(error, match=word):
        simulate(SINGLE, **options)


def test_times_outside_a_finished_course_are_refused(course: Course) -> None:
    with pytest.raises(UnitError, match="larger --days"):
        course.summary(at=["49h"])


def test_texts_that_are_no_regimen_are_refused() -> None:
    with pytest.raises(DoseError, match="needs an amount and a unit"):
        simulate("ketamine")
    with pytest.raises(StudyError, match=r"Study\.load\('daly2018'\)"):
        simulate("daly2018")


def made_up_tables(trial: Trial, chunk: Chunk, failure: str = "") -> Tables:
    """Everybody at 30 points and, at the visits, at 20; or nobody with a value, for one reason."""
    arms = [trial.study.arms[place].id for place in trial.roll(0).arm]
    subjects = range(chunk.first + 1, chunk.first + chunk.count + 1)
    rows = [
        {
            **dict.fromkeys(OUTCOMES, ""),
            "study": trial.study.id,
            "replicate": 0,
            "arm": arms[subject - 1],
            "treatment": arms[subject - 1],
            "subject": subject,
            "quantity": "madrs",
            "statistic": "score",
            "time_h": time,
            "unit": "points",
            "value": None if failure else 20.0 if time > 0.0 else 30.0,
            "reason": failure and f"not simulated: {failure}",
        }
        for subject in subjects
        for time in trial.rating_times
    ]
    people = [
        {
            **dict.fromkeys(PATIENTS, ""),
            "study": trial.study.id,
            "replicate": 0,
            "subject": subject,
            "arm": arms[subject - 1],
            **dict.fromkeys(
                ("enrolled_h", "baseline", "severity_entry", "left_h", "stopped_h", "belief"), 0.1
            ),
            "screened": 1,
            "status": "not simulated" if failure else "completed",
            "left_reason": failure,
        }
        for subject in subjects
    ]
    events = {name: pa.array([], _EVENT_TYPES.get(name, pa.string())) for name in EVENTS}
    return Tables(pa.Table.from_pylist(rows), pa.Table.from_pylist(people), pa.table(events))


_EVENT_TYPES = {"replicate": pa.int64(), "subject": pa.int64(), "time_h": pa.float64()}

#: Patients of a chunk: those of an arm of five.
CHUNK = 5


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without the model: made-up outcomes, chunks that finish last to first, no figures."""

    def run(
        trial: Trial, _plan: TrialPlan, chunks: list[Chunk], _workers: int, _scheduler: str | None
    ) -> Iterator[tuple[int, Tables]]:
        for chunk in reversed(chunks):
            yield chunk.number, made_up_tables(trial, chunk)

    monkeypatch.setattr(studies, "run_chunks", run)
    monkeypatch.setattr(trial_result, "typical_trajectories", lambda _: xr.Dataset())
    monkeypatch.setattr(studies, "_write_all", lambda *_: None)


@pytest.mark.usefixtures("quick")
def test_a_study_gives_a_result_in_a_fixed_order() -> None:
    found = simulate(Study.load("singh2016"), subjects=5, chunk=CHUNK)
    assert isinstance(found, TrialResult)
    assert list(dict.fromkeys(found.outcomes["subject"])) == list(range(1, 21))
    assert list(found.patients["subject"]) == list(range(1, 21))
    assert found.failed == ()
    late = found.endpoints[found.endpoints["time_h"] == 336.0]
    assert list(late["change_mean"]) == [-10.0] * 4
    assert list(late["n"]) == [5] * 4
    assert list(found.comparison["predicted"]) == [-10.0] * 4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("table_format", ["parquet", "csv"])
def test_a_finished_run_says_so_and_how_it_was_made(tmp_path: Path, table_format: Format) -> None:
    out = tmp_path / "run"
    study = Study.load("singh2016")
    states: list[tuple[str, int]] = []

    def watch(phase: str, *_: int) -> None:
        states.append((json.loads((out / "manifest.json").read_text(encoding="utf-8"))["status"], len(phase)))

    found = simulate(
        study,
        subjects=5,
        seed=9,
        days="20d",
        out=out,
        table_format=table_format,
        chunk=CHUNK,
        progress=watch,
    )
    assert {status for status, _ in states} == {"running"}
    manifest = RunFolder(out).read_manifest()
    assert manifest["status"] == "finished"
    assert (manifest["parts_finished"], manifest["parts"]) == (4, 4)
    assert (manifest["study"], manifest["seed"], manifest["subjects_per_arm"]) == ("singh2016", 9, 5)
    assert manifest["end_h"] == 480.0
    assert {"study_hash", "parameter_hash", "versions"} <= manifest.keys()
    assert Study.load(out / "study.yaml") == study
    folder = RunFolder(out, table_format)
    pd.testing.assert_frame_equal(folder.outcomes().frame(), found.outcomes, check_exact=True)
    for kind, kept in (("patients", found.patients), ("events", found.events)):
        pd.testing.assert_frame_equal(folder.table(kind), kept, check_exact=True)
    # In memory the same comes out as on disk.
    without = simulate(study, subjects=5, seed=9, days="20d", chunk=CHUNK)
    pd.testing.assert_frame_equal(without.outcomes, found.outcomes, check_exact=True)


class StopError(Exception):
    """Something that ends a run half-way."""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("cause", [StopError, KeyboardInterrupt])
def test_a_run_that_is_stopped_keeps_what_is_finished(tmp_path: Path, cause: type[BaseException]) -> None:
    out = tmp_path / "run"

    def stop(_: str, done: int, _total: int) -> None:
        if done == 3:
            raise cause

    with pytest.raises(cause):
        simulate(Study.load("singh2016"), subjects=5, out=out, chunk=CHUNK, progress=stop)
    manifest = RunFolder(out).read_manifest()
    assert (manifest["status"], manifest["parts_finished"], manifest["parts"]) == ("interrupted", 3, 4)
    kept = RunFolder(out).outcomes().frame()
    # The last three that finish are those of subjects 6 to 20.
    assert sorted(set(kept["subject"])) == list(range(6, 21))
    assert not list((out / "outcomes").glob(".*"))


@pytest.mark.usefixtures("quick")
def test_a_run_in_which_nobody_could_be_simulated_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(trial: Trial, _plan: TrialPlan, chunks: list[Chunk], *_: object) -> Iterator[tuple[int, Tables]]:
        for chunk in chunks:
            yield chunk.number, made_up_tables(trial, chunk, "the solver stopped")

    monkeypatch.setattr(studies, "run_chunks", run)
    with pytest.raises(SolverError, match=r"no patient could be simulated\. Patient 1: the solver stopped"):
        simulate(Study.load("singh2016"), subjects=5, out=tmp_path / "run", chunk=CHUNK)
    assert RunFolder(tmp_path / "run").read_manifest()["status"] == "interrupted"


@pytest.mark.parametrize(
    ("options", "error", "word"),
    [
        ({"workers": 0}, StudyError, "workers: 0"),
        ({"subjects": 0}, StudyError, "subjects: 0"),
        ({"days": "0 d"}, UnitError, "--days"),
        ({"days": "1h"}, StudyError, "larger --days"),
        ({"table_format": "parket"}, StudyError, "'parquet'"),
        ({"subjects": {"plasebo": 4}}, StudyError, "'placebo'"),
        ({"replicates": 0}, StudyError, "--replicates: 0"),
        ({"subjects": 1_000_000, "replicates": 1_000}, StudyError, "in pieces"),
        ({"chunk": 0}, StudyError, "chunk: 0"),
        ({"hold": "beliefs"}, StudyError, "'belief'"),
        ({"seed": 1.5}, ModelError, "1.5"),
        ({"parameters": "nowhere.csv"}, ModelError, "nowhere.csv"),
    ],
)
def test_a_study_run_that_is_refused_leaves_no_folder(
    tmp_path: Path, options: dict[str, Any], error: type[KetasimError], word: str
) -> None:
    with pytest.raises(error, match=word):
        simulate(Study.load("daly2018"), out=tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        (None, {}, "regimen: None"),
        (5, {}, "regimen: 5"),
        ("none", {"illness": None}, "--illness: None"),
        ("none", {"weight": 70}, "--weight: 70"),
        ("none", {"severity": "33"}, "severity: '33'"),
        ("none", {"severity": True}, "severity: True"),
        ("none", {"set": "clearance=80 L/h"}, "--set"),
        ("none", {"rtol": 0.0}, "rtol: 0.0"),
        ("none", {"days": None}, "--days: None"),
        ("none", {"at": (40,)}, "--at: 40"),
        ("mytrial.yaml", {}, "Study.load"),
    ],
)
def test_what_cannot_be_meant_is_refused(what: object, options: dict[str, object], words: str) -> None:
    with pytest.raises(KetasimError, match=re.escape(words)):
        simulate(what, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "options",
    [{"seed": -1}, {"seed": "1"}, {"subjects": "4"}, {"subjects": {"ketamine": "4"}}, {"workers": 1.5}],
)
def test_wrong_numbers_of_a_trial_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(KetasimError, match=f"--{next(iter(options))}"):
        simulate(Study.load("murrough2013"), **options)


def test_one_text_is_as_good_as_a_list() -> None:
    one = simulate("none", days="1d", at="40min", clamp="bdnf=1.2")
    assert set(one.summary("40min")["bdnf"]["at"]) == {"40min"}
    assert float(one.trajectories["bdnf"][0, 0, 0, -1]) == pytest.approx(1.2, rel=1e-12)


def test_options_and_what_is_taken_beside_reach_the_whole_chain() -> None:
    text = "84 mg esketamine intranasal"
    plain = simulate(text, days="2d")
    beside = simulate(text, days="2d", beside="ticlopidine", options={"trapping": "habenula_24h"})
    first, second = (course.quantities["s_ketamine_venous"].values for course in (plain, beside))
    assert second.max() > 1.05 * first.max()
    trapped = [course.quantities["nmda_block_habenula"].values[-1] for course in (plain, beside)]
    assert trapped[1] > 10.0 * trapped[0]


def test_a_steady_state_holds_from_the_first_value_also_with_a_clamp_and_a_later_start() -> None:
    text = "0.5 mg/kg ketamine iv over 40 min, every 8 h at steady state"
    plain = simulate(text, days="1d")
    for other in (
        simulate(text, days="1d", clamp="ampa_drive@0h..12h"),
        simulate(f"{text} from 48 h", days="1d"),
    ):
        for name in ("ketamine_venous", "nmda_block_mean"):
            first = [course.quantities[name].values[0] for course in (plain, other)]
            assert first[0] > 0.0
            assert first[1] == pytest.approx(first[0], rel=1e-6)
