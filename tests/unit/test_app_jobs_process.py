"""A long run in its real process: killed with its server, and taken up by the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from ketasim.app.jobs.pool import JobPool
from ketasim.app.jobs.record import ENDED

#: A busy machine may take long to load the model twice; nothing here waits so long unless it fails.
PATIENCE_S = 120.0
_SERVER = """
import sys, time
from pathlib import Path
from ketasim.app.jobs.asking import ask
from ketasim.app.jobs.pool import JobPool
from ketasim.app.jobs.request import TrialRequest
pool = JobPool.open(Path(sys.argv[1]))
pool.begin()
record = ask(pool, TrialRequest(kind="trial", study="murrough2013", n=50, replicates=400))
while not (record.progress or {}).get("trials_done"):
    time.sleep(0.02)
print(record.id, flush=True)
time.sleep(600)
"""


def until(is_so: Callable[[], bool]) -> None:
    """Wait for something."""
    end = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end:
            pytest.fail("it did not happen in time")
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a signal that cannot be caught")
def test_a_trial_survives_that_its_server_is_killed(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        job = server.stdout.readline().strip()
    finally:
        os.kill(server.pid, signal.SIGKILL)
        server.communicate()
    pool = JobPool.open(tmp_path)
    record = pool.get(job)
    assert record.state == "queued"
    assert record.attempts == 1
    before = len(list((record.folder.run / "outcomes").glob("part-*")))
    assert before > 0
    pool.begin()
    # Gone on with, not begun anew: the first that is told counts what was there.
    until(lambda: record.note.startswith("Went on at trial"))
    pool.stop(job)
    until(lambda: record.state in ENDED)
    pool.close()
    assert record.state == "stopped"
    result = record.folder.read("result")
    each = json.loads((record.folder.run / "manifest.json").read_text(encoding="utf-8"))["patients_per_part"]
    assert result["stopped"]
    assert result["people"] >= before * each
    assert result["replicates"] == result["people"] // 100
    # Nothing was printed by the libraries, and nothing went wrong.
    assert record.folder.log.read_text(encoding="utf-8") == ""
