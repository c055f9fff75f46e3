"""The page itself: files of this package by name, and plotly as its own package ships it."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from importlib.util import find_spec
from typing import Any

from fastapi import APIRouter, Request, Response

from ketasim.app.problems import from_status

__all__ = ["router"]

router = APIRouter(include_in_schema=False)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}
#: How a part of plotly asks whether its own style stands in the page already.
_OWN_STYLE = re.compile(rb'getElementById\("([0-9a-f]{64})"\)')


def _file(name: str) -> tuple[bytes, str] | None:
    """Return a file of the page and its type; None if there is none of this name.

    The name is compared with those that there are, and never made into a path.
    """
    for item in (resources.files("ketasim.app") / "static").iterdir():
        ending = item.name[item.name.rfind(".") :]
        if item.name == name and ending in _TYPES and item.is_file():
            return item.read_bytes(), _TYPES[ending]
    return None


def _sent(request: Request, body: bytes, kind: str) -> Response:
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=kind, headers=headers)


@router.get("/")
def index(request: Request) -> Response:
    """Return the page."""
    return static(request, "index.html")


@router.get("/static/{name}")
def static(request: Request, name: str) -> Response:
    """Return a module, a style or a picture of the page."""
    found = _file(name)
    if found is None:
        raise from_status(404, f"The page has no file {name[:80]!r}.")
    return _sent(request, *found)


@cache
def _plotly() -> bytes | None:
    if find_spec("plotly") is None:
        return None
    file = resources.files("plotly") / "package_data" / "plotly.min.js"
    return file.read_bytes() if file.is_file() else None


def _found_plotly() -> bytes:
    body = _plotly()
    if body is None:
        raise from_status(404, "The package plotly is not installed; install it for the large view.")
    return body


@router.get("/vendor/plotly.min.js")
def plotly(request: Request) -> Response:
    """Return plotly, which only the large view asks for."""
    return _sent(request, _found_plotly(), _TYPES[".js"])


@router.get("/vendor/plotly.json")
def plotly_styles() -> dict[str, Any]:
    """Say what a page must hold before plotly starts, so that plotly writes no style into it.

    The content policy allows none. Plotly puts rules into the sheet of the element ``sheet`` if there is
    one, which may be a file of this server (``style``). A part of it leaves its style out where an element
    of a name in ``present`` exists.
    """
    return {
        "script": "/vendor/plotly.min.js",
        "sheet": "plotly.js-style-global",
        "style": "/vendor/plotly.css",
        "present": sorted({name.decode() for name in _OWN_STYLE.findall(_found_plotly())}),
    }


@router.get("/vendor/plotly.css")
def plotly_sheet() -> Response:
    """Return the sheet that plotly fills."""
    return Response("", media_type=_TYPES[".css"], headers={"Cache-Control": "no-cache"})
