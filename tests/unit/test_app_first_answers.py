"""What a page asks first is answered at once by what the same program said at an earlier start."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
import httpx
from fastapi import FastAPI, Request, Response
from tests.unit.app_client import TOKEN, a_loop, connected, lived

from ketasim.app import first_answers, opening
from ketasim.app.opening import Opening
from ketasim.app.settings import AppSettings

META, SIMULATE = "/api/v1/meta", "/api/v1/simulate"
STAMP = "the same program"


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with a_loop() as found:
        yield found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KETASIM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(first_answers, "_stamp", lambda: STAMP)
    return tmp_path / "cache"


class Program:
    """Stands for the explorer's application: says how often it was asked."""

    def __init__(self, status: int = 200, loads: bool = True) -> None:
        self.asked: list[bytes] = []
        self._status = status
        self.loaded = threading.Event()
        if loads:
            self.loaded.set()

    def build(self, _: AppSettings) -> FastAPI:
        self.loaded.wait(60.0)
        app = FastAPI()

        async def answered(request: Request) -> Response:
            self.asked.append(await request.body())
            text = f"answer {len(self.asked)} to {self.asked[-1].decode()}"
            return Response(text, self._status, {"x-of": "the program", "etag": f'"{len(text)}"'})

        app.add_api_route(META, answered, methods=["GET"])
        app.add_api_route(SIMULATE, answered, methods=["POST"])
        return app


def during(
    loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
    program: Program,
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
) -> Any:
    """One start of the explorer with a program behind it."""
    monkeypatch.setattr(opening, "_full_app", program.build)
    app = Opening(AppSettings(token=TOKEN))
    found = []

    async def with_client() -> None:
        async with connected(app) as browser:
            found.append(await work(browser))

    loop.run_until_complete(lived(app, with_client))
    return found[0]


async def both(browser: httpx.AsyncClient) -> list[httpx.Response]:
    return [await browser.get(META), await browser.post(SIMULATE, json={"dose": 1})]


def test_a_later_start_answers_before_the_program_is_loaded(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = during(loop, monkeypatch, Program(), both)
    later = Program(loads=False)

    async def work(browser: httpx.AsyncClient) -> list[httpx.Response]:
        found = await both(browser)
        waiting = asyncio.create_task(browser.post(SIMULATE, json={"dose": 2}))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        later.loaded.set()
        return [*found, await waiting]

    *known, other = during(loop, monkeypatch, later, work)
    for one, same in zip(before, known, strict=True):
        assert same.content == one.content
        assert same.headers["x-of"] == "the program"
        assert same.headers["content-security-policy"] == one.headers["content-security-policy"]
    assert later.asked == [b'{"dose":2}']
    assert other.text == 'answer 1 to {"dose":2}'


def test_a_browser_that_was_here_before_is_told_that_nothing_has_changed(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = during(loop, monkeypatch, Program(), both)

    async def work(browser: httpx.AsyncClient) -> list[httpx.Response]:
        return [
            await browser.get(META, headers={"if-none-match": tag})
            for tag in (first.headers["etag"], '"other"')
        ]

    later = Program()
    same, other = during(loop, monkeypatch, later, work)
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-security-policy" in same.headers
    assert (other.status_code, other.content) == (200, first.content)
    assert not later.asked


def test_another_version_of_the_program_is_asked_anew(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stamp in (STAMP, "another", None, None):
        monkeypatch.setattr(first_answers, "_stamp", lambda stamp=stamp: stamp)
        program = Program()
        during(loop, monkeypatch, program, both)
        assert len(program.asked) == 2, stamp


def test_what_was_refused_is_not_kept(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    during(loop, monkeypatch, Program(503), both)
    later = Program()
    assert [reply.status_code for reply in during(loop, monkeypatch, later, both)] == [200, 200]
    assert len(later.asked) == 2


def test_only_the_first_questions_of_a_start_are_kept(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(browser: httpx.AsyncClient) -> None:
        for dose in range(7):
            assert (await browser.post(SIMULATE, json={"dose": dose})).status_code == 200

    during(loop, monkeypatch, Program(), work)
    later = Program()
    during(loop, monkeypatch, later, work)
    assert later.asked == [f'{{"dose":{dose}}}'.encode() for dose in (4, 5, 6)]


def test_who_may_not_ask_is_not_answered_either(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    during(loop, monkeypatch, Program(), both)

    async def work(browser: httpx.AsyncClient) -> list[int]:
        found = []
        for changed in ({"authorization": "Bearer wrong"}, {"host": "evil.example"}):
            for reply in (
                await browser.get(META, headers=changed),
                await browser.post(SIMULATE, json={"dose": 1}, headers=changed),
            ):
                found.append(reply.status_code)
        return found

    assert during(loop, monkeypatch, Program(), work) == [401, 401, 403, 403]


def test_without_a_disk_everything_is_asked(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("KETASIM_CACHE_DIR", "off")
    for _ in range(2):
        program = Program()
        during(loop, monkeypatch, program, both)
        assert len(program.asked) == 2
    assert not folder.exists()


def test_the_stamp_follows_the_files_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(first_answers, "__file__", str(tmp_path / "app" / "first_answers.py"))
    table = tmp_path / "model.csv"
    table.write_text("a", encoding="utf-8")
    # As when the process began: after the file was written.
    monkeypatch.setattr(first_answers, "BEGUN", table.stat().st_ctime + 10.0)
    stamp = first_answers._stamp.__wrapped__
    first = stamp()
    assert first == stamp()
    table.write_text("ab", encoding="utf-8")
    assert stamp() != first
    monkeypatch.setattr(first_answers, "BEGUN", table.stat().st_ctime - 10.0)
    assert stamp() is None
