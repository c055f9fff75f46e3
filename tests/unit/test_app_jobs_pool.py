"""Long runs of a server: queued, followed, stopped, kept, and found again by the next server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from ketasim.app.jobs import process
from ketasim.app.jobs.faults import BusyError, NoSuchJobError, problem_error
from ketasim.app.jobs.pool import JobPool
from ketasim.app.jobs.record import ENDED, JobRecord
from ketasim.app.jobs.runs import Pace
from ketasim.app.jobs.state import JobFolder, StateFolder, new_job_id
from ketasim.app.limits import limit
from ketasim.errors import KetasimError, StudyError

STUB = (sys.executable, str(Path(__file__).with_name("stub_worker.py")))
#: A busy machine may take long to begin a process; nothing here waits so long unless it fails.
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def _stub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "COMMAND", STUB)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[JobPool]:
    """A pool that works."""
    made = JobPool.open(tmp_path)
    made.begin()
    yield made
    made.close()


def ask(pool: JobPool, name: str) -> JobRecord:
    """Put a run into the queue."""
    return pool.submit("trial", name, {"name": name}, 10, 10, 1.0)


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            pytest.fail("it did not happen in time")
        time.sleep(0.01)


def alive(folder: JobFolder) -> list[int]:
    """Processes of a run that have not ended."""
    pids = [int(path.name.removeprefix("pid-")) for path in folder.run.glob("pid-*")]
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and state_of(pid) != "Z"]


def state_of(pid: int) -> str:
    """Letter of the state of a process; Z has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_run_goes_from_the_queue_to_its_result(pool: JobPool) -> None:
    record = ask(pool, "steps 4")
    until(lambda: record.state in ENDED)
    assert record.state == "finished"
    assert record.progress is not None
    assert record.progress["done"] == 4
    assert record.folder.read("result")["steps"] == 4
    events = pool.events(record, 0)
    assert [event.id for event in events] == sorted({event.id for event in events})
    assert events[-1].name == "done"
    # A page that has seen all is told nothing twice.
    assert pool.events(record, events[-1].id) == []
    assert [event.name for event in pool.events(record, events[-2].id)] == ["done"]


def test_one_run_works_and_the_rest_wait_until_the_queue_is_full(pool: JobPool) -> None:
    first = ask(pool, "steps 1000")
    waiting = [ask(pool, "steps 1") for _ in range(int(limit("jobs_queued").value))]
    assert [pool.position(record) for record in waiting] == list(range(len(waiting)))
    assert sum(record.state == "running" for record in pool.all()) == 1
    with pytest.raises(BusyError, match=r"steps 1000 runs.*no more than 4 can"):
        ask(pool, "steps 1")
    pool.stop(first.id)
    until(lambda: all(record.state in ENDED for record in pool.all()))
    assert [record.state for record in waiting] == ["finished"] * len(waiting)


def test_stop_keeps_what_is_finished_and_resume_goes_on_with_it(pool: JobPool) -> None:
    record = ask(pool, "steps 12")
    until(lambda: "partial" in record.events)
    pool.stop(record.id)
    until(lambda: record.state in ENDED)
    assert record.state == "stopped"
    kept = record.folder.read("result")
    assert kept["stopped"]
    assert 0 < kept["steps"] < 12
    pool.resume(record.id)
    until(lambda: record.state in ENDED)
    assert (record.state, record.folder.read("result")["steps"]) == ("finished", 12)
    assert record.note == f"Went on at step {kept['steps'] + 1}."


def test_a_run_that_has_not_begun_is_stopped_at_once(pool: JobPool) -> None:
    first, second = ask(pool, "steps 1000"), ask(pool, "steps 5")
    assert pool.stop(second.id).state == "stopped"
    assert not second.has_result
    pool.delete(first.id)


def test_delete_ends_the_process_and_leaves_nothing(pool: JobPool) -> None:
    record = ask(pool, "steps 1000")
    until(lambda: record.progress is not None)
    (pid,) = alive(record.folder)
    pool.delete(record.id)
    assert record.is_gone
    assert not record.folder.path.exists()
    until(lambda: state_of(pid) == "Z")
    with pytest.raises(NoSuchJobError, match="no such run"):
        pool.get(record.id)
    # The next one is not kept from working.
    after = ask(pool, "steps 1")
    until(lambda: after.state == "finished")


def test_a_failure_and_a_crash_are_told_and_the_server_goes_on(pool: JobPool) -> None:
    failed, crashed, good = ask(pool, "fail"), ask(pool, "crash"), ask(pool, "steps 1")
    until(lambda: all(record.state in ENDED for record in pool.all()))
    assert (failed.state, crashed.state, good.state) == ("failed", "failed", "finished")
    assert failed.problem == {"kind": "StudyError", "message": "the study cannot be used."}
    assert isinstance(problem_error(failed.problem), StudyError)
    assert crashed.problem is not None
    assert "exit code 9" in crashed.problem["message"]
    assert problem_error(crashed.problem) is None
    assert pool.events(failed, 0)[-1].name == "failed"


def test_a_process_that_waits_is_taken_for_the_next_run(pool: JobPool) -> None:
    pool.prepare()
    spare = pool._spare
    assert spare is not None
    pool.prepare()
    assert pool._spare is spare
    record = ask(pool, "steps 1")
    until(lambda: record.state == "finished")
    assert (record.folder.run / f"pid-{spare.pid}").exists()


def test_old_runs_make_room(pool: JobPool) -> None:
    kept = int(limit("jobs_kept").value)
    for _ in range(kept + 3):
        record = ask(pool, "fail")
        until(lambda record=record: record.state in ENDED)
    assert len(pool.all()) == kept
    assert len(pool._state.folders()) == kept


def test_a_closed_server_leaves_a_run_that_the_next_one_ends(tmp_path: Path) -> None:
    first = JobPool.open(tmp_path)
    first.begin()
    record = ask(first, "steps 30")
    until(lambda: "partial" in record.events)
    seen = record.since(0)[-1].id
    first.close()
    assert alive(record.folder) == []
    second = JobPool.open(tmp_path)
    found = second.get(record.id)
    assert (found.state, found.attempts) == ("queued", 0)
    assert "goes on where it was" in found.note
    # What is told after the restart is newer than all before.
    assert all(event.id > seen for event in found.since(0) if event.name == "state")
    second.begin()
    until(lambda: found.state in ENDED)
    assert found.folder.read("result")["steps"] == 30
    steps = (found.folder.run / "steps").read_text(encoding="utf-8").split()
    # No step was done twice.
    assert steps == [str(number) for number in range(30)]
    second.close()


_SERVER = """
import sys, time
from pathlib import Path
from ketasim.app.jobs import process
from ketasim.app.jobs.pool import JobPool
process.COMMAND = tuple(sys.argv[2:])
pool = JobPool.open(Path(sys.argv[1]))
pool.begin()
record = pool.submit("trial", "steps 30", {"name": "steps 30"}, 10, 10, 1.0)
while "partial" not in record.events:
    time.sleep(0.01)
print(record.id, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal that cannot be caught")
def test_a_killed_server_takes_its_process_along_and_the_next_one_goes_on(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path), *STUB], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        job = server.stdout.readline().strip()
        folder = JobFolder(tmp_path / "jobs" / job)
        assert len(alive(folder)) == 1
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    until(lambda: alive(folder) == [])
    pool = JobPool.open(tmp_path)
    record = pool.get(job)
    assert record.state == "queued"
    assert record.progress is not None
    pool.begin()
    until(lambda: record.state in ENDED)
    assert record.folder.read("result")["steps"] == 30
    assert record.note.startswith("Went on at step")
    pool.close()


def test_a_run_that_was_killed_again_and_again_waits_for_a_person(tmp_path: Path) -> None:
    pool = JobPool.open(tmp_path)
    record = ask(pool, "steps 3")
    record.state, record.attempts = "running", 3
    record.save()
    pool.close()
    again = JobPool.open(tmp_path)
    again.begin()
    found = again.get(record.id)
    assert found.state == "interrupted"
    assert "Resume" in found.note
    again.resume(found.id)
    until(lambda: found.state == "finished")
    again.close()


def test_two_servers_do_not_touch_each_others_runs(tmp_path: Path) -> None:
    first, second = StateFolder.claim(tmp_path), StateFolder.claim(tmp_path)
    assert first.path != second.path
    first.release()
    third = StateFolder.claim(tmp_path)
    assert third.path == first.path
    second.release()
    third.release()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("not a folder", encoding="utf-8")
    with pytest.raises(KetasimError, match="--state"):
        JobPool.open(file)


def test_what_is_damaged_on_the_disk_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "jobs" / new_job_id()
    folder.mkdir(parents=True)
    (folder / "job.json").write_text('{"kind": "trial", "nonsense": 1}', encoding="utf-8")
    other = tmp_path / "jobs" / "mine"
    other.mkdir()
    pool = JobPool.open(tmp_path)
    assert pool.all() == []
    assert not folder.exists()
    # What a server did not make is not touched.
    assert other.exists()
    pool.close()


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.write("result", {"value": 1})
    with pytest.raises(ValueError, match="JSON"):
        folder.write("result", {"value": float("nan")})
    assert folder.read("result") == {"value": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert folder.read("missing") is None
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    assert folder.read("broken") is None


def test_progress_is_told_now_and_then_and_partial_results_when_they_are_worth_it() -> None:
    now = [0.0]
    pace = Pace(1000, begun=100, clock=lambda: now[0])
    now[0] = 1.0
    told = pace.progress(300)
    # 200 in a second; 700 are left.
    assert told is not None
    assert (told["rate"], told["eta_s"]) == (200.0, 3.5)
    assert pace.progress(310) is None
    assert pace.progress(1000) is not None
    # A twentieth of the work, or what there is after a second.
    now[0] = 0.9
    assert not pace.partial_due(49)
    assert pace.partial_due(50)
    now[0] = 1.1
    assert pace.partial_due(1)
    pace.partial_told(cost_s=1.0)
    now[0] = 3.5
    # Partial results that take a second come every ten.
    assert not pace.partial_due(900)
    now[0] = 11.2
    assert pace.partial_due(900)


def test_a_record_survives_the_disk(tmp_path: Path) -> None:
    path = tmp_path / new_job_id()
    path.mkdir()
    record = JobRecord(JobFolder(path), "trial", "mine", 10, 2, 1.5)
    record.note, record.progress = "a note", {"done": 3, "total": 10}
    record.save()
    found = JobRecord.load(JobFolder(path))
    assert found is not None
    assert json.dumps(found.progress) == json.dumps(record.progress)
    assert (found.name, found.state, found.note, found.created) == (
        *("mine", "queued", "a note"),
        record.created,
    )
