"""The page at once, and the model behind it as soon as it is loaded."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ketasim.app import pages, problems
from ketasim.app.first_answers import FirstAnswers
from ketasim.app.paths import API
from ketasim.app.security import Guard, Replayed
from ketasim.app.settings import AppSettings

__all__ = ["Opening"]


class Opening:
    """Answers for the page while the explorer's application is still being loaded, and then lets it answer.

    Parameters
    ----------
    settings : AppSettings
        As of :func:`~ketasim.app.server.create_app`.
    """

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._pages = _page_app(settings)
        self._known = FirstAnswers()
        self._early = Guard(self._wait, settings)
        self._loading: asyncio.Task[FastAPI] | None = None
        self._lifespan: AbstractAsyncContextManager[Any] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or begin and end with the server."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif not scope.get("path", "").startswith(API):
            await self._pages(scope, receive, send)
        elif self._loaded is not None and not self._known.wants(scope):
            await self._loaded(scope, receive, send)
        else:
            # Who may not ask need not wait.
            await self._early(scope, receive, send)

    @property
    def _loaded(self) -> FastAPI | None:
        task = self._loading
        known = task is not None and task.done() and not task.cancelled() and task.exception() is None
        return task.result() if known and task is not None else None

    async def _wait(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._loading is None:
            raise RuntimeError("a request came before the server had begun")
        body = (await receive()).get("body", b"")
        if self._known.wants(scope) and await self._known.answer(scope, body, send):
            return
        # Shielded: who leaves must not stop the loading for all.
        app = await asyncio.shield(self._loading)
        await self._known.ask(app, scope, body, Replayed(body, receive), send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._loading = asyncio.create_task(self._load())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._loading.cancel()
        # Whatever became of it was said to who asked.
        await asyncio.wait([self._loading])
        if not self._loading.cancelled():
            self._loading.exception()
        if self._lifespan is not None:
            await self._lifespan.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})

    async def _load(self) -> FastAPI:
        app = await asyncio.to_thread(_full_app, self._settings)
        lifespan = app.router.lifespan_context(app)
        await lifespan.__aenter__()
        self._lifespan = lifespan
        return app


def _full_app(settings: AppSettings) -> FastAPI:
    # What takes long to load: the model and all that it needs.
    from ketasim.app.server import create_app

    return create_app(settings)


def _page_app(settings: AppSettings) -> ASGIApp:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    problems.install(app)
    app.include_router(pages.router)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)
    return Guard(app, settings)
