"""The page is there at once; what needs the model waits for it, and is told if it never comes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
import httpx
from fastapi import FastAPI
from tests.unit.app_client import BASE, TOKEN, a_loop, connected, lived

from ketasim.app import opening
from ketasim.app.opening import Opening
from ketasim.app.settings import AppSettings

SETTINGS = AppSettings(token=TOKEN)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What programs say that stand for the explorer here must not be kept for its next start."""
    monkeypatch.setenv("KETASIM_CACHE_DIR", "off")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with a_loop() as found:
        yield found


def test_the_page_does_not_wait_for_the_model(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    def build(_: AppSettings) -> FastAPI:
        loaded.wait(20.0)
        inner = FastAPI()
        inner.add_api_route("/api/v1/meta", lambda: {"here": True})
        return inner

    monkeypatch.setattr(opening, "_full_app", build)
    app = Opening(SETTINGS)

    async def during() -> None:
        async with connected(app) as browser:
            asked = asyncio.create_task(browser.get("/api/v1/meta"))
            page = await browser.get("/")
            assert page.status_code == 200
            assert (await browser.get("/", headers={"host": "evil.example"})).status_code == 403
            assert not asked.done()
            loaded.set()
            reply = await asked
            assert reply.json() == {"here": True}

    assert loop.run_until_complete(lived(app, during)) == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def test_a_model_that_cannot_be_loaded_is_said_and_the_server_ends_in_order(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def build(_: AppSettings) -> FastAPI:
        raise OSError("a secret of the disk")

    monkeypatch.setattr(opening, "_full_app", build)
    app = Opening(SETTINGS)

    async def during() -> None:
        async with connected(app) as browser:
            for _ in range(2):
                reply = await browser.get("/api/v1/meta")
                assert (reply.status_code, reply.json()["code"]) == (500, "failed")
                assert "secret" not in reply.text
            stranger = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
            async with stranger:
                assert (await stranger.get("/api/v1/meta")).status_code == 401

    assert loop.run_until_complete(lived(app, during))[-1] == "lifespan.shutdown.complete"
    assert "a secret of the disk" in caplog.text
