"""The explorer's server: the public API behind a typed contract, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from ketasim.app import export_routes, jobs_routes, pages, problems, routes
from ketasim.app.compute import Desk
from ketasim.app.paths import API
from ketasim.app.security import Guard
from ketasim.app.settings import AppSettings, open_state
from ketasim.app.warming import Warming

__all__ = ["create_app"]

_WORDS = {
    400: "unreadable",
    401: "no token",
    403: "another page or host",
    404: "not found",
    409: "the model has changed",
    413: "too large",
    415: "not JSON",
    422: "not valid",
    429: "busy",
    500: "the equations could not be solved, or a fault of the program",
    503: "the model is made ready, or it was not done in time; ask again",
}


#: What passes by itself.
_PASSING = (429, 503)


def _responses() -> dict[int | str, dict[str, Any]]:
    """Describe what a request can be refused with; all are problems."""
    schema = {"$ref": "#/components/schemas/Problem"}
    content: Mapping[str, Any] = {"application/problem+json": {"schema": schema}}
    found: dict[int | str, dict[str, Any]] = {
        status: {"description": words, "content": dict(content)} for status, words in _WORDS.items()
    }
    for status in _PASSING:
        found[status]["headers"] = {
            "Retry-After": {
                "description": "seconds until it may be asked for again",
                "schema": {"type": "integer"},
            }
        }
    return found


class _Explorer(FastAPI):
    """FastAPI whose document holds the problem that each reply may be."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            parts = document.setdefault("components", {}).setdefault("schemas", {})
            shape = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            parts |= shape.pop("$defs", {})
            parts["Problem"] = shape
            self.openapi_schema = document
        return self.openapi_schema


def create_app(settings: AppSettings | None = None) -> FastAPI:
    """Build the explorer's application.

    Parameters
    ----------
    settings : AppSettings, optional
        Where it listens and what opens it; default: this computer alone.

    Returns
    -------
    FastAPI
        An ASGI application that answers only who has the token.

    Raises
    ------
    KetasimError
        If the state folder cannot be used.
    """
    settings = AppSettings() if settings is None else settings
    open_state(settings.state)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        if settings.warm:
            app.state.warming.start()
        await jobs_routes.start(app)
        try:
            yield
        finally:
            await jobs_routes.stop(app)
            app.state.desk.close()
            app.state.patient_desk.close()

    app = _Explorer(
        title="Ketasim explorer",
        summary="How a dose of ketamine becomes a mood, and a harm.",
        description="For research and teaching, not for treating a person.",
        version=version("ketasim"),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.warming = Warming()
    app.state.desk = Desk()
    app.state.patient_desk = Desk(1)
    problems.install(app)
    for router in (routes.router, jobs_routes.router, export_routes.router):
        app.include_router(router, prefix=API, responses=_responses())
    app.include_router(pages.router)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=1)
    # Added last, so that it stands before all others.
    app.add_middleware(Guard, settings=settings)
    return app
