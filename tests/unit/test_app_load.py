"""Eight clients at once: each gets what it asked for, and nothing that one does harms another.

A minute of twenty real pages is measured by ``python -m benchmarks.explorer``; a server that is killed and
started again is tested with the browser.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
from tests.unit.app_client import BASE, Client, an_app

from ketasim.app import compute, routes
from ketasim.app.simulating import simulated

API = "/api/v1"
CLIENTS = 8
AXIS = {"dose": 1, "knots_h": [-0.5, 0.0, 2.0, 24.0, 72.0], "shares": [0.1, 0.3, 0.3, 0.3], "columns": 60}
#: Failures of the server that have a name of their own.
NAMED_FAILURES = {"solver_failed", "compiling", "timeout"}
#: Longer than any of this takes on a busy machine: it fails a test that would hang.
PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with an_app(tmp_path_factory.mktemp("state")) as found:
        # The first request makes the model; who waits for it is another test's.
        assert found.post(f"{API}/simulate", json=curves(0.5)).status_code == 200
        yield found


def curves(dose: float, **more: Any) -> dict[str, Any]:
    scenario = {"regimen": f"{dose:g} mg/kg ketamine iv over 40 min"}
    return {"scenarios": [scenario], "axis": AXIS, "variables": ["ketamine_venous", "madrs"], **more}


Work = Callable[[httpx.AsyncClient, int], Awaitable[Any]]


def together(client: Client, work: Work, clients: int = CLIENTS) -> list[Any]:
    """Let several clients work at once on one server."""

    async def one(number: int) -> Any:
        transport = httpx.ASGITransport(client.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=client.headers) as own:
            return await work(own, number)

    async def all_of_them() -> list[Any]:
        async with asyncio.timeout(PATIENCE_S):
            return list(await asyncio.gather(*(one(number) for number in range(clients))))

    return client.loop.run_until_complete(all_of_them())


def waiting(client: Client) -> int:
    """Requests that the server still works for."""
    return int(client.app.state.desk._waiting)


def test_each_of_eight_gets_the_curves_of_its_own_dose(client: Client) -> None:
    doses = [[round(0.1 + 0.02 * (8 * step + number), 2) for step in range(4)] for number in range(CLIENTS)]

    async def work(own: httpx.AsyncClient, number: int) -> list[httpx.Response]:
        return [await own.post(f"{API}/simulate", json=curves(dose)) for dose in doses[number]]

    replies = together(client, work)
    for number, own in enumerate(replies):
        assert [reply.status_code for reply in own] == [200] * len(doses[number])
        for dose, reply in zip(doses[number], own, strict=True):
            assert reply.json()["results"][0]["sentence"].startswith(f"{dose:g} mg/kg ketamine")
    # Alone the same comes out, to the last digit: lanes of other requests are no part of it.
    for number in (0, CLIENTS - 1):
        alone = client.post(f"{API}/simulate", json=curves(doses[number][-1])).json()
        assert alone["results"] == replies[number][-1].json()["results"]
    assert waiting(client) == 0


GOOD: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("GET", "/meta", {}),
    ("POST", "/regimen", {"json": {"text": "84 mg esketamine intranasal, twice weekly x 4 weeks"}}),
    ("POST", "/simulate", {"json": curves(0.5, bands="knowledge", draws=4)}),
    ("POST", "/simulate", {"json": curves(0.4, people=8)}),
    ("GET", "/observations?variable=madrs&drug=ketamine&route=iv&dose=0.5%20mg/kg", {}),
    ("GET", "/evidence?query=ketamine", {}),
    ("GET", "/stages/symptoms", {}),
    ("GET", "/jobs", {}),
)
JSON = {"content-type": "application/json"}
BAD: Sequence[tuple[str, str, dict[str, Any], int]] = (
    ("POST", "/simulate", {"content": b"{" * 100_000, "headers": JSON}, 400),
    (
        "POST",
        "/simulate",
        {"content": b'{"scenarios": [NaN]}', "headers": JSON},
        400,
    ),
    ("POST", "/simulate", {"json": curves(0.5, people=10**9)}, 413),
    (
        "POST",
        "/simulate",
        {"content": b" " * 2_000_000, "headers": JSON},
        413,
    ),
    ("POST", "/simulate", {"json": {"scenarios": [{"regimen": "9e999 mg/kg ketamine iv"}]}}, 422),
    ("POST", "/simulate", {"json": {"scenarios": [{"regimen": "x" * 3000}], "axis": AXIS}}, 422),
    ("POST", "/regimen", {"content": b"text=none"}, 415),
    ("GET", "/stages/..%2f..%2fserver", {}, 404),
)


def test_hostile_requests_harm_only_themselves(client: Client) -> None:
    async def work(own: httpx.AsyncClient, number: int) -> None:
        for step in range(len(GOOD)):
            method, path, options = GOOD[(number + step) % len(GOOD)]
            if number % 2:
                method, path, options, status = BAD[(number + step) % len(BAD)]
            else:
                status = 200
            reply = await own.request(method, API + path, **options)
            assert "Traceback" not in reply.text
            if reply.status_code >= 500:
                assert reply.json()["code"] in NAMED_FAILURES, reply.text
            assert reply.status_code == status, (path, reply.text)

    together(client, work)
    assert waiting(client) == 0


async def leave(app: Any, body: bytes, begun: threading.Event | None = None) -> list[dict[str, Any]]:
    """Ask for curves and go away at once, or when it has begun; gives what was sent after that."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": f"{API}/simulate",
        "raw_path": f"{API}/simulate".encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1:8765"),
            (b"content-type", b"application/json"),
            (b"authorization", b"Bearer " + b"t" * 32),
        ],
    }
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        found = next(messages, {"type": "http.disconnect"})
        while begun is not None and found["type"] == "http.disconnect" and not begun.is_set():
            await asyncio.sleep(0.01)
        return found

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


def test_work_for_who_has_left_is_not_waited_for(client: Client) -> None:
    body = json.dumps(curves(0.5, bands="both", draws=64)).encode()

    async def crowd() -> list[list[dict[str, Any]]]:
        async with asyncio.timeout(PATIENCE_S):
            return list(await asyncio.gather(*(leave(client.app, body) for _ in range(3 * CLIENTS))))

    replies = client.loop.run_until_complete(crowd())
    assert {reply[0]["status"] for reply in replies} == {400}
    # What had not begun is taken from the queue: only what threads hold already is still to be finished.
    workers = client.app.state.desk._pool._max_workers
    assert waiting(client) <= workers
    reply = client.post(f"{API}/simulate", json=curves(0.45))
    assert reply.status_code == 200


def test_work_that_has_begun_ends_when_who_asked_leaves(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(_: Any, stop: Any) -> bytes:
        begun.set()
        until = time.monotonic() + PATIENCE_S
        while not stop[0] and time.monotonic() < until:
            time.sleep(0.01)
        ended.set()
        return b"{}"

    monkeypatch.setattr(routes, "simulated", endless)
    body = json.dumps(curves(0.5)).encode()

    async def leave_when_begun() -> list[dict[str, Any]]:
        return await leave(client.app, body, begun)

    sent = client.loop.run_until_complete(leave_when_begun())
    assert sent[0]["status"] == 400
    # Far less than it would go on by itself.
    assert ended.wait(PATIENCE_S / 4)


def test_the_reference_solver_keeps_nobody_waiting(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def held(asked: Any, stop: Any) -> bytes:
        if asked.reference:
            free.wait(PATIENCE_S)
        return simulated(asked, stop)

    monkeypatch.setattr(routes, "simulated", held)

    async def work(own: httpx.AsyncClient, number: int) -> int:
        asked = curves(0.5 + 0.01 * number, reference=number < CLIENTS - 1)
        reply = await own.post(f"{API}/simulate", json=asked)
        # The only one who did not ask for it is answered first, and lets the others go on.
        free.set()
        return reply.status_code

    assert together(client, work) == [200] * CLIENTS


def test_a_full_desk_says_so_and_opens_again(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(asked: Any, stop: Any) -> bytes:
        # Longer than eight requests take to arrive.
        time.sleep(0.3)
        return simulated(asked, stop)

    monkeypatch.setattr(compute, "_MOST_WAITING", 2)
    monkeypatch.setattr(routes, "simulated", slow)

    async def work(own: httpx.AsyncClient, number: int) -> httpx.Response:
        return await own.post(f"{API}/simulate", json=curves(0.6 + 0.01 * number))

    replies = together(client, work)
    statuses = [reply.status_code for reply in replies]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 2
    refused = replies[statuses.index(429)]
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("busy", "1")
    assert client.post(f"{API}/simulate", json=curves(0.7)).status_code == 200
    assert waiting(client) == 0
