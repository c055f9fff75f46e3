"""A client of the explorer without a network: one loop, one application, and plain calls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from ketasim.app.settings import AppSettings

TOKEN = "t" * 32
BASE = "http://127.0.0.1:8765"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Client:
    """Sends requests to an ASGI application; without headers of its own it has the token."""

    def __init__(
        self, app: Any, loop: asyncio.AbstractEventLoop, headers: dict[str, str] | None = None
    ) -> None:
        self.app = app
        self.loop = loop
        self.headers = BEARER if headers is None else headers

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send one request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=self.headers) as client:
                return await client.request(method, path, **options)

        return self.loop.run_until_complete(send())

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Get something."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """Post something."""
        return self.request("POST", path, **options)


@contextmanager
def a_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that is closed at the end."""
    loop = asyncio.new_event_loop()
    try:
        yield loop
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


@contextmanager
def an_app(state: Path) -> Iterator[Client]:
    """The whole explorer, started and stopped as a server would."""
    # Late: what is tested without the model must not wait for it.
    from ketasim.app.server import create_app

    app = create_app(AppSettings(token=TOKEN, state=state, warm=False))
    with a_loop() as loop:
        context = app.router.lifespan_context(app)
        loop.run_until_complete(context.__aenter__())
        try:
            yield Client(app, loop)
        finally:
            loop.run_until_complete(context.__aexit__(None, None, None))


async def lived(app: Any, during: Any) -> list[str]:
    """Run something while a server lives, and return what the application said of its life."""
    begun, ended = asyncio.Event(), asyncio.Event()
    orders: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: list[str] = []

    async def send(message: Any) -> None:
        told.append(message["type"])
        (begun if message["type"] == "lifespan.startup.complete" else ended).set()

    task = asyncio.create_task(app({"type": "lifespan"}, orders.get, send))
    await orders.put({"type": "lifespan.startup"})
    await begun.wait()
    try:
        await during()
    finally:
        await orders.put({"type": "lifespan.shutdown"})
        await ended.wait()
        await task
    return told


def connected(app: Any) -> httpx.AsyncClient:
    """A client with the token, for work inside a loop."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE, headers=BEARER)
