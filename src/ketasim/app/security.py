"""Stands before the application: who may ask, how much, how long, and what the browser may do with a reply.

Only a page that was opened with the start-up token is answered; a page of another origin is not, even if
its name was made to point to this computer. Nothing of a request reaches a path, a file name or a code.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketasim.app.limits import limit
from ketasim.app.problems import (
    AppProblem,
    from_status,
    problem_response,
    too_large,
    took_too_long,
    unexpected,
)
from ketasim.app.reading_json import read_json
from ketasim.app.settings import AppSettings

__all__ = ["POLICY", "Guard", "Replayed"]

#: What a page may load: only what this server gives.
POLICY = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_READING = ("GET", "HEAD", "OPTIONS")
_MOST_FIELDS = 20
_CLOSED_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Ketasim</title></head>
<body><h1>This page is not open yet</h1>
<p>Open the address that <code>ketasim app</code> printed when it started: it carries a token, so that no
other page can use your explorer. Then load this page again: a link in its address is kept.</p></body></html>
"""


class Guard:
    """The outermost layer; see the module.

    Parameters
    ----------
    app : ASGI application
        What is guarded.
    settings : AppSettings
        Host, port and token.
    endless : iterable of str
        Endings of paths whose replies go on for as long as they like.
    """

    def __init__(self, app: ASGIApp, settings: AppSettings, endless: Iterable[str] = ("/events",)) -> None:
        self._app = app
        self._settings = settings
        self._endless = tuple(endless)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; see the class."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reply = _Reply(send)
        try:
            early = self._refused(scope)
            if early is not None:
                await early(scope, receive, reply)
                return
            seconds = None if scope["path"].endswith(self._endless) else limit("request_time").value
            async with asyncio.timeout(seconds):
                await self._app(scope, await _checked_body(scope, receive), reply)
        except TimeoutError:
            await reply.instead(took_too_long(), scope, receive)
        except AppProblem as problem:
            await reply.instead(problem, scope, receive)
        except ConnectionError:
            # Who asked has gone; there is nobody to answer.
            return
        except Exception as error:  # the last place that can keep a traceback from the page
            await reply.instead(unexpected(error), scope, receive)

    def _refused(self, scope: Scope) -> Response | None:
        """Return the reply to who may not go on, or None."""
        headers = Headers(scope=scope)
        if not self._settings.allows_host(headers.get("host", "")):
            raise AppProblem(
                403,
                "wrong_host",
                "Refused",
                f"This server is {self._settings.shown_host}:{self._settings.port}; the request names "
                "another one. Open the address that 'ketasim app' prints.",
            )
        self._check_origin(scope["method"], headers)
        at_root = scope["path"] == "/"
        given = _token_of(scope) if at_root else None
        if given is not None and scope["method"] in _READING:
            return self._opened(given)
        if self._is_known(headers):
            return None
        if at_root:
            return HTMLResponse(_CLOSED_PAGE, 401)
        raise from_status(401, "Open the address that 'ketasim app' printed: it carries the token.")

    def _opened(self, token: str) -> Response:
        if not self._is_token(token):
            return HTMLResponse(_CLOSED_PAGE, 401)
        # The address bar, the history and a copied link then hold no token.
        reply = RedirectResponse("/", 303)
        reply.set_cookie(self._settings.cookie, self._settings.token, httponly=True, samesite="strict")
        return reply

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode("utf-8", "replace"), self._settings.token.encode())

    def _is_known(self, headers: Headers) -> bool:
        """Whether a request carries the token, as a cookie or as a bearer's."""
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(given.strip()):
            return True
        # By hand: a cookie that another program of this computer has set, in any form, must not hide ours.
        pairs = (part.strip().partition("=") for part in headers.get("cookie", "").split(";"))
        return any(name == self._settings.cookie and self._is_token(value) for name, _, value in pairs)

    def _check_origin(self, method: str, headers: Headers) -> None:
        """Refuse what a page of another origin asks, and any page's request that hides its origin."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        known = True
        if origin is not None:
            scheme, _, place = origin.partition("://")
            known = scheme == "http" and self._settings.allows_host(place)
        if site in ("cross-site", "same-site"):
            # Pressing a link to the page is no danger: no cookie comes with it from another site.
            known = known and method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        if not known:
            raise AppProblem(403, "wrong_origin", "Refused", "The request comes from another page.")


def _token_of(scope: Scope) -> str | None:
    """Return the token in an address, if there is one."""
    try:
        found = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return found["token"][-1] if "token" in found else None


async def _checked_body(scope: Scope, receive: Receive) -> Receive:
    """Read and check what a request holds, and return it again as it came."""
    if scope["method"] in _READING:
        return receive
    headers = Headers(scope=scope)
    most = int(limit("body").value)
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large("body", f"a body of {length[:20]} bytes")
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise too_large("body", f"a body of more than {most} bytes")
    if body:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise from_status(415, "Send JSON, with the header 'Content-Type: application/json'.")
        read_json(bytes(body))
    return Replayed(bytes(body), receive)


class Replayed:
    """Gives a body that was read already, then whatever comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> MutableMapping[str, Any]:
        """Give the next message."""
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Reply:
    """Sends a reply with the headers of this module, and knows whether one has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            if "server" in headers:
                del headers["server"]
        await self._send(message)

    async def instead(self, problem: AppProblem, scope: Scope, receive: Receive) -> None:
        """Send a problem, unless a reply has begun: that one is broken off."""
        if not self._begun:
            await problem_response(problem)(scope, receive, self)
