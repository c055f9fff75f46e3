"""Long runs over HTTP: asked for, followed by server-sent events, stopped, kept and refused."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from tests.unit.app_client import Client, an_app

from ketasim.app import jobs_routes
from ketasim.app.jobs import process
from ketasim.app.jobs.pool import JobPool
from ketasim.app.jobs.record import ENDED, JobRecord
from ketasim.app.jobs_routes import problem_of
from ketasim.app.limits import limit

STUB = (sys.executable, str(Path(__file__).with_name("stub_worker.py")))
JOBS = "/api/v1/jobs"
PATIENCE_S = 120.0
SCENARIO = {"regimen": "0.5 mg/kg ketamine iv over 40 min"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The explorer with runs that only count."""
    patch = pytest.MonkeyPatch()
    patch.setattr(process, "COMMAND", STUB)
    try:
        with an_app(tmp_path_factory.mktemp("state")) as made:
            yield made
    finally:
        patch.undo()


@pytest.fixture(autouse=True)
def _empty(client: Client) -> Iterator[None]:
    """Leave no run behind."""
    yield
    for found in client.get(JOBS).json()["jobs"]:
        client.request("DELETE", f"{JOBS}/{found['job']}")


def ask(client: Client, name: str, **more: Any) -> httpx.Response:
    """Ask for a run of the stub."""
    body = {"kind": "trial", "study": "murrough2013", "n": 2, "replicates": 2, "name": name, **more}
    return client.post(JOBS, json=body)


def ended(client: Client, job: str) -> dict[str, Any]:
    """Wait for the end of a run."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found: dict[str, Any] = client.get(f"{JOBS}/{job}").json()
        if found["state"] in ("finished", "stopped", "failed"):
            return found
        time.sleep(0.02)
    pytest.fail("it did not end in time")


def events_of(text: str) -> list[tuple[int, str, Mapping[str, Any]]]:
    """Events of a stream: number, name and data."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and line[0] != ":")
        if "event" in lines:
            found.append((int(lines["id"]), lines["event"], json.loads(lines["data"])))
    return found


def problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """A problem, after a look at its kind."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = reply.json()
    assert found["code"] == code
    return found


def test_a_run_is_followed_to_its_end_and_taken_up_again_by_its_last_event(client: Client) -> None:
    reply = ask(client, "steps 4")
    assert reply.status_code == 202
    card = reply.json()
    assert (card["total"], card["trials"], card["unit"]) == (8, 2, "people")
    stream = client.get(f"{JOBS}/{card['job']}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    events = events_of(stream.text)
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(set(numbers))
    assert events[-1][1:] == ("done", {"state": "finished"})
    assert {name for _, name, _ in events} <= {"state", "progress", "partial", "done"}
    # Who comes back is told only what is new to him.
    again = client.get(f"{JOBS}/{card['job']}/events", headers={"Last-Event-ID": str(numbers[-2])})
    assert [name for _, name, _ in events_of(again.text)] == ["done"]
    # Whoever says nonsense is told all.
    odd = client.get(f"{JOBS}/{card['job']}/events", headers={"Last-Event-ID": "x" * 40})
    assert events_of(odd.text)[-1][1] == "done"
    assert client.get(f"{JOBS}/{card['job']}/result").json()["steps"] == 4


def test_a_list_tells_of_all_runs(client: Client) -> None:
    job = ask(client, "steps 1000").json()["job"]
    waiting = ask(client, "steps 1").json()
    listed = client.get(JOBS).json()
    assert [card["job"] for card in listed["jobs"]] == [waiting["job"], job]
    assert listed["limits"] == {"running": 1, "queued": 4, "kept": 20}
    assert waiting["position"] == 0
    detail = client.get(f"{JOBS}/{job}").json()
    assert detail["request"]["study"] == "murrough2013"
    assert detail["problem"] is None


def test_stop_and_keep_and_resume(client: Client) -> None:
    job = ask(client, "steps 15").json()["job"]
    end = time.monotonic() + PATIENCE_S
    while not client.get(f"{JOBS}/{job}").json()["has_result"] and time.monotonic() < end:
        time.sleep(0.02)
    so_far = client.get(f"{JOBS}/{job}/result").json()
    assert so_far["preliminary"]
    assert client.post(f"{JOBS}/{job}/stop", json={"keep": True}).json()["state"] == "stopping"
    assert ended(client, job)["state"] == "stopped"
    kept = client.get(f"{JOBS}/{job}/result").json()
    assert kept["stopped"]
    assert 0 < kept["steps"] < 15
    assert client.post(f"{JOBS}/{job}/resume", json={}).status_code == 200
    assert ended(client, job)["note"].startswith("Went on at step")
    assert client.get(f"{JOBS}/{job}/result").json()["steps"] == 15


def test_stop_without_keeping_throws_it_away(client: Client) -> None:
    job = ask(client, "steps 1000").json()["job"]
    assert client.post(f"{JOBS}/{job}/stop", json={"keep": False}).json()["state"] == "stopped"
    problem(client.get(f"{JOBS}/{job}"), 404, "not_found")


def test_a_failed_run_says_why(client: Client) -> None:
    job = ask(client, "fail").json()["job"]
    found = ended(client, job)
    assert found["problem"]["status"] == 422
    assert found["problem"]["detail"] == "the study cannot be used."
    *_, (_, name, data) = events_of(client.get(f"{JOBS}/{job}/events").text)
    assert name == "failed"
    assert data["problem"]["code"] == "invalid"
    problem(client.get(f"{JOBS}/{job}/result"), 404, "no_result")


def test_a_run_that_fails_while_it_is_looked_at_says_why(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is followed by a thread of its own, which may end it in the middle of a reply."""
    job = ask(client, "steps 1000").json()["job"]
    pool, card = client.app.state.jobs, jobs_routes.card

    def failing(asked: JobPool, record: JobRecord) -> dict[str, Any]:
        if record.state not in ENDED:
            pool._told(record, "failed", {"kind": "StudyError", "message": "no"})
        return card(asked, record)

    monkeypatch.setattr(jobs_routes, "card", failing)
    found = client.get(f"{JOBS}/{job}").json()
    assert found["state"] == "failed"
    assert found["problem"]["detail"] == "no"


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("ChangedError", 409, "model_changed"),
        ("SolverError", 500, "solver_failed"),
        ("StudyError", 422, "invalid"),
        ("gone", 500, "failed"),
        ("system", 500, "failed"),
        ("fault", 500, "failed"),
    ],
)
def test_every_way_to_fail_is_a_named_problem(kind: str, status: int, code: str) -> None:
    found = problem_of({"kind": kind, "message": "what happened"})
    assert (found.status, found.code) == (status, code)
    assert kind == "fault" or "what happened" in found.detail


def test_a_full_queue_is_said_plainly(client: Client) -> None:
    for _ in range(1 + int(limit("jobs_queued").value)):
        assert ask(client, "steps 1000").status_code == 202
    reply = ask(client, "steps 1")
    found = problem(reply, 429, "busy")
    assert "steps 1000 runs" in found["detail"]
    assert "4 runs wait" in found["detail"]
    assert int(reply.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"n": 4000, "replicates": 10}, "/n"),
        ({"n": 400, "replicates": 1000}, "/replicates"),
        ({"n": 2, "replicates": 20_000}, "/replicates"),
    ],
)
def test_too_large_a_run_names_the_call_without_a_limit(
    client: Client, body: dict[str, int], path: str
) -> None:
    found = problem(ask(client, "large", **body), 413, "too_large")
    assert found["errors"][0]["path"] == path
    assert "ketasim run" in found["detail"]


def test_other_limits(client: Client) -> None:
    many = {"kind": "trial", "scenarios": [SCENARIO] * 6}
    assert problem(client.post(JOBS, json=many), 413, "too_large")["errors"][0]["path"] == "/scenarios"
    visits = {"kind": "trial", "scenarios": [SCENARIO], "design": {"visits": ["24 h"] * 61}}
    assert problem(client.post(JOBS, json=visits), 413, "too_large")["errors"][0]["path"] == "/design/visits"
    text = {"kind": "trial", "study_text": "x" * 200_000}
    assert problem(client.post(JOBS, json=text), 413, "too_large")["errors"][0]["path"] == "/study_text"
    people = {"kind": "population", "scenario": SCENARIO, "n": 10**6}
    assert problem(client.post(JOBS, json=people), 413, "too_large")["errors"][0]["path"] == "/n"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"kind": "trial"}, ""),
        ({"kind": "trial", "study": "murrough2013", "study_text": "x"}, ""),
        ({"kind": "trial", "study": "murrough2013", "replicates": 0}, "/replicates"),
        ({"kind": "trial", "scenarios": [{"regimen": "10 mg salt iv"}]}, "/scenarios/0/regimen"),
        ({"kind": "trial", "scenarios": [SCENARIO], "design": {"drop_out": "many"}}, "/design/drop_out"),
        ({"kind": "trial", "study": "murrough2013", "path": "x"}, "/path"),
        ({"kind": "dance"}, ""),
    ],
)
def test_what_cannot_be_run_is_refused_at_its_field(client: Client, body: dict[str, Any], path: str) -> None:
    found = problem(client.post(JOBS, json=body), 422, "invalid")
    # A union of kinds puts the kind before the field.
    assert any(str(item["path"]).endswith(path) for item in found["errors"])


def test_a_study_is_a_name_and_never_a_path(client: Client) -> None:
    for name in ("/etc/passwd", "../../secret.yaml", "murrough2013.yaml"):
        found = problem(
            client.post(JOBS, json={"kind": "trial", "study": name, "replicates": 1}), 422, "invalid"
        )
        assert "unknown study" in found["detail"]


def test_a_wrong_id_is_not_found_and_reaches_no_file(client: Client) -> None:
    problem(client.get(f"{JOBS}/j0123456789abcdef"), 404, "not_found")
    for odd in ("j0", "..%2f..%2fetc", "J0123456789ABCDEF", "j0123456789abcdef0"):
        reply = client.get(f"{JOBS}/{odd}/result")
        assert reply.status_code in (404, 422)
        assert reply.headers["content-type"] == "application/problem+json"
