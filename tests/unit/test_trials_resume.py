"""A run that is stopped, in whatever way, and gone on with: the result is that of a run never stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import xarray as xr

import ketasim.api.studies
import ketasim.api.trial_result
import ketasim.report
import ketasim.trials.runs.workers
from ketasim.api import simulate_study
from ketasim.errors import ModelError, StudyError
from ketasim.model.parameters import load_parameters
from ketasim.trials import Study
from ketasim.trials.runs.folder import RunFolder

#: ``ketasim run`` in parts of two patients, without what takes most of its time and has tests of its own.
PROGRAM = """
import pandas as pd
import ketasim.api.studies as studies
import ketasim.report as report
import ketasim.api.trial_result as trial_result
studies.chunk_size = lambda *_: 2
trial_result.influence = lambda *_: pd.DataFrame({"name": ["none"]})
report.write_figures = lambda _, folder: folder
report.write_report = lambda _, path: path
from ketasim.cli import main
main()
"""
ASKED: dict[str, Any] = {"subjects": 20, "days": "1d", "seed": 3}
RUN = ["run", "murrough2013", "--subjects", "20", "--days", "1d", "--seed", "3"]
#: Patients of a part, and parts of the whole: two arms of 20.
PART, PARTS = 4, 10
TABLES = ("outcomes", "patients", "events")

# pyarrow's idle threads make a later Python warn of every fork, which this package's workers survive.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Leave out sensitivities, figures, report and typical patients: they see nothing of parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ketasim.api.trial_result, "influence", lambda *_: pd.DataFrame({"name": ["none"]}))
        patch.setattr(
            ketasim.api.trial_result,
            "typical_trajectories",
            lambda _: xr.Dataset(coords={"time": [0.0, 24.0]}),
        )
        patch.setattr(ketasim.report, "write_figures", lambda _, folder: folder)
        patch.setattr(ketasim.report, "write_report", lambda _, path: path)
        yield


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.load("murrough2013")


@pytest.fixture(scope="module")
def unbroken(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing stopped, in other parts than those that are stopped."""
    out = tmp_path_factory.mktemp("unbroken") / "run"
    simulate_study(study, out=out, workers=1, chunk=7, **ASKED)
    return out


@pytest.fixture(scope="module")
def whole(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run in small parts, to be copied and damaged."""
    out = tmp_path_factory.mktemp("whole") / "run"
    simulate_study(study, out=out, workers=1, chunk=PART, **ASKED)
    return out


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def table(run: Path, kind: str) -> pd.DataFrame:
    """All rows, in an order that does not depend on how the run was cut."""
    folder = RunFolder(run)
    rows = folder.outcomes().frame() if kind == "outcomes" else folder.table(kind)
    keys = {
        "outcomes": ["replicate", "subject", "quantity", "statistic", "time_h"],
        "patients": ["replicate", "subject"],
        "events": ["replicate", "subject", "time_h", "kind", "detail"],
    }[kind]
    return rows.sort_values(keys, ignore_index=True)


def require_same(run: Path, unbroken: Path) -> None:
    for kind in TABLES:
        pd.testing.assert_frame_equal(table(run, kind), table(unbroken, kind), check_exact=True)
    written = {path.name: path.read_bytes() for path in run.glob("*.csv")}
    assert {"endpoints.csv", "comparison.csv", "contrasts.csv"} <= written.keys()
    assert written == {path.name: path.read_bytes() for path in unbroken.glob("*.csv")}
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
    assert manifest["parts_finished"] == manifest["parts"]


def finished(run: Path) -> int:
    """Parts whose last table is there."""
    return len(list((run / "outcomes").glob("part-*")))


def start(*more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *RUN, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(run: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240.0
    while run.poll() is None and time.monotonic() < deadline and not condition():
        time.sleep(0.005)
    assert condition(), run.stderr.read() if run.poll() is not None and run.stderr else "too slow"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no groups of processes")
def test_killed_at_three_random_moments_and_resumed_it_is_bit_identical(
    tmp_path: Path, study: Study, unbroken: Path
) -> None:
    out = tmp_path / "run"
    moments = random.Random(20)
    before = 0
    for kill, workers in enumerate(("2", "1", "1")):
        run = start("--out", str(out), "--workers", workers, *(["--resume"] if kill else []))
        # At least one of the 20 parts more than last time, so that it is the work that is hit; then some
        # moment in the next part or two, each of which takes about 0.05 s.
        enough = before + moments.randint(1, 2)
        wait_for(run, lambda enough=enough: finished(out) >= enough)  # type: ignore[misc]
        time.sleep(moments.uniform(0.0, 0.06))
        if kill == 0:
            # Of the first run the parent alone, as when memory runs out.
            run.kill()
        else:
            os.killpg(run.pid, signal.SIGKILL)
        # The error stream comes to its end when the last process that holds it has ended: the workers of a
        # killed parent end too.
        _, said = run.communicate(timeout=180.0)
        assert run.returncode == -signal.SIGKILL
        assert "Traceback" not in said
        assert before < finished(out) < 20
        before = finished(out)
        assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["status"] == "running"
    simulate_study(study, out=out, workers=1, resume=True, **ASKED)
    require_same(out, unbroken)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_ctrl_c_keeps_finished_parts_and_the_run_goes_on(
    tmp_path: Path, study: Study, unbroken: Path
) -> None:
    out = tmp_path / "run"

    def impatient(phase: str, done: int, _total: int) -> None:
        if phase == "simulating patients" and done == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        simulate_study(study, out=out, workers=1, chunk=PART, progress=impatient, **ASKED)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["parts_finished"], manifest["parts"]) == ("interrupted", 3, PARTS)
    assert finished(out) == 3
    seen: list[int] = []
    simulate_study(
        study,
        out=out,
        workers=1,
        resume=True,
        progress=lambda phase, done, _: seen.append(done) if phase.startswith("simulating") else None,
        **ASKED,
    )
    # Only the other seven were simulated.
    assert seen == [4, 5, 6, 7, 8, 9, 10]
    require_same(out, unbroken)


@forks
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_killed_worker_is_told_and_the_run_goes_on(tmp_path: Path, study: Study, unbroken: Path) -> None:
    out = tmp_path / "run"

    def kill_one(phase: str, done: int, _total: int) -> None:
        if phase == "simulating patients" and done == 1:
            worker = multiprocessing.active_children()[0]
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(StudyError, match=r"a worker process ended .* out of memory.*--resume"):
        simulate_study(study, out=out, workers=2, chunk=PART, progress=kill_one, **ASKED)
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["status"] == "interrupted"
    assert 1 <= finished(out) < PARTS
    simulate_study(study, out=out, workers=1, resume=True, **ASKED)
    require_same(out, unbroken)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may be simulated."""

    def never(*_: object) -> None:
        raise AssertionError("a patient was simulated")

    monkeypatch.setattr(ketasim.trials.runs.workers, "run_chunk", never)


@pytest.mark.usefixtures("idle")
def test_resuming_a_finished_run_simulates_nobody_and_writes_the_same(
    copied: Path, study: Study, unbroken: Path
) -> None:
    before = {kind: table(copied, kind) for kind in TABLES}
    for name in ("endpoints.csv", "comparison.csv"):
        (copied / name).unlink()
    simulate_study(study, out=copied, resume=True, **ASKED)
    for kind in TABLES:
        pd.testing.assert_frame_equal(table(copied, kind), before[kind], check_exact=True)
    require_same(copied, unbroken)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def other_people(path: Path) -> None:
    """A part with too few patients, as of a run in smaller parts."""
    pd.read_parquet(path).head(2).to_parquet(path)


def zeros_inside(path: Path) -> None:
    """What a power cut or a failing disk leaves: a file of the right length with zeros in it."""
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    path.write_bytes(content)


def test_damaged_parts_are_simulated_again_and_no_others(copied: Path, study: Study, unbroken: Path) -> None:
    damages: list[tuple[str, Callable[[Path], object]]] = [
        ("outcomes", cut_short),
        ("patients", cut_short),
        ("events", cut_short),
        ("events", Path.unlink),
        ("outcomes", lambda path: path.write_bytes(b"")),
        ("patients", other_people),
        ("outcomes", zeros_inside),
    ]
    for number, (kind, damage) in enumerate(damages):
        damage(copied / kind / f"part-{number:05d}.parquet")
    # What is no part is no harm: a copy that somebody made.
    shutil.copy(copied / "outcomes" / "part-00009.parquet", copied / "outcomes" / "part-9 (copy).parquet")
    seen: list[int] = []
    simulate_study(
        study,
        out=copied,
        workers=1,
        resume=True,
        progress=lambda phase, done, _: seen.append(done) if phase.startswith("simulating") else None,
        **ASKED,
    )
    assert seen == list(range(PARTS - len(damages) + 1, PARTS + 1))
    (copied / "outcomes" / "part-9 (copy).parquet").unlink()
    require_same(copied, unbroken)


def test_a_part_that_is_damaged_later_is_named(copied: Path) -> None:
    zeros_inside(copied / "outcomes" / "part-00002.parquet")
    with pytest.raises(StudyError, match=r"part-00002\.parquet: this part of a run cannot be .*delete it"):
        RunFolder(copied).outcomes().matrix("madrs")


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("seed 3, and now it is 4", {"seed": 4}),
        ("subjects_per_arm 20, and now it is 21", {"subjects": 21}),
        ("replicates 1, and now it is 2", {"replicates": 2}),
        ("end_h 24.0, and now it is 48.0", {"days": "2d"}),
        ("hold 'nothing', and now it is 'belief'", {"hold": "belief"}),
        ("between_study False, and now it is True", {"between_study": True}),
        ("format 'parquet', and now it is 'csv'", {"table_format": "csv"}),
        ("patients_per_part 4, and now it is 5", {"chunk": 5}),
        ("parameter_hash", {"parameters": load_parameters().with_values({"weight": 71.5})}),
    ],
)
def test_another_run_is_refused_by_name(
    copied: Path, study: Study, field: str, other: dict[str, Any]
) -> None:
    before = (copied / "manifest.json").read_bytes()
    with pytest.raises(StudyError, match=r"give the same, or begin a new run in another folder") as refused:
        simulate_study(study, out=copied, resume=True, **(ASKED | other))
    assert f"begun with {field}" in str(refused.value)
    assert (copied / "manifest.json").read_bytes() == before


@pytest.mark.usefixtures("idle")
def test_another_study_is_refused(copied: Path, study: Study) -> None:
    with pytest.raises(StudyError, match="begun with study 'murrough2013', and now it is 'zarate2006'"):
        simulate_study(Study.load("zarate2006"), out=copied, resume=True, **ASKED)
    changed = study.model_copy(update={"title": "the same name, another title"})
    with pytest.raises(StudyError, match="begun with study_hash"):
        simulate_study(changed, out=copied, resume=True, **ASKED)


@pytest.mark.usefixtures("idle")
def test_another_version_is_refused(copied: Path, study: Study) -> None:
    manifest = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    manifest["versions"]["numpy"] = "1.0"
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(StudyError, match=r"begun with versions: numpy '1\.0', and now it is"):
        simulate_study(study, out=copied, resume=True, **ASKED)


@pytest.mark.usefixtures("idle")
def test_a_manifest_that_was_edited_into_nonsense_is_refused(copied: Path, study: Study) -> None:
    manifest = json.loads((copied / "manifest.json").read_text(encoding="utf-8"))
    manifest["patients_per_part"] = "four"
    (copied / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelError, match="patients_per_part: 'four' cannot be used"):
        simulate_study(study, out=copied, resume=True, **ASKED)


@pytest.mark.usefixtures("idle")
def test_a_folder_without_a_run_is_refused_and_left_alone(tmp_path: Path, study: Study) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(StudyError, match="there is no run of Ketasim here; leave --resume out"):
        simulate_study(study, out=tmp_path, resume=True, **ASKED)
    with pytest.raises(StudyError, match="there is no run of Ketasim here"):
        simulate_study(study, out=tmp_path / "thesis.txt", resume=True, **ASKED)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.usefixtures("idle")
def test_resuming_without_a_folder_is_refused(study: Study) -> None:
    with pytest.raises(StudyError, match="--resume: name the folder"):
        simulate_study(study, resume=True, **ASKED)
