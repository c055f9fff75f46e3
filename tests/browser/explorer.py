"""One page of the explorer, as the tests see it: what it shows, what it asked for, what went wrong."""

from __future__ import annotations

import base64
import json
import os
import re
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request
from tests.browser.launch import Server

__all__ = ["INFUSION", "TWICE_WEEKLY", "Explorer", "link_of", "open_explorer", "read_link"]

INFUSION = "0.5 mg/kg ketamine iv over 40 min"
TWICE_WEEKLY = f"{INFUSION}, twice weekly x 4 weeks"

_READY_MS = 60_000
_WAIT_MS = 15_000
_SETTLED_S = 60.0
_SIMULATE = "/api/v1/simulate"
#: What the page asks for by itself after a change.
_FOLLOWING = (_SIMULATE, "/api/v1/observations", "/api/v1/regimen")
_PREFIX = "#s="

_WATCH_POLICY = """
window.policyFaults = [];
document.addEventListener("securitypolicyviolation", (event) => window.policyFaults.push(
  `${event.violatedDirective}: ${event.blockedURI} (${event.sourceFile}:${event.lineNumber})`));
"""


def link_of(scenarios: Sequence[dict[str, Any]], schema: int = 1, **state: Any) -> str:
    """The part of an address after ``#`` that holds scenarios A to D and a state of the page."""
    data = {"schema": schema, "scenarios": list(zip("ABCD", scenarios, strict=False)), "state": state}
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    press = zlib.compressobj(wbits=-15)
    packed = press.compress(text.encode()) + press.flush()
    return _PREFIX + base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_link(address: str) -> dict[str, Any]:
    """What an address of the page holds."""
    text = address.partition(_PREFIX)[2]
    packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    found = json.loads(zlib.decompress(packed, wbits=-15))
    assert isinstance(found, dict)
    return found


class Explorer:
    """A page, and what happened on it.

    Parameters
    ----------
    page : Page
        Playwright's page.
    server : Server
        Who serves it.
    """

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.server = server
        self.asked: list[Request] = []
        self._allowed: list[str] = []
        self._faults: list[str] = []
        self._flying: set[Request] = set()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self._faults.append(f"uncaught: {error}"))
        page.on("request", self._begin)
        page.on("requestfinished", self._finish)
        page.on("requestfailed", self._fail)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _begin(self, request: Request) -> None:
        self.asked.append(request)
        if not request.url.startswith((self.server.origin, "blob:", "data:")):
            self._faults.append(f"asked another host: {request.url}")
        self._flying.add(request)

    def _finish(self, request: Request) -> None:
        self._flying.discard(request)

    def _fail(self, request: Request) -> None:
        self._flying.discard(request)
        # A request for curves that is no longer wanted is taken back, and so is the stream of a run.
        if request.failure != "net::ERR_ABORTED":
            self._faults.append(f"failed: {request.url} ({request.failure})")

    def allow(self, *patterns: str) -> None:
        """Expect faults that match these patterns: the test causes them."""
        self._allowed += patterns

    def faults(self) -> list[str]:
        """What must not have happened."""
        policy = [] if self.page.is_closed() else self.page.evaluate("window.policyFaults ?? []")
        found = self._faults + [f"policy: {each}" for each in policy]
        return [each for each in found if not any(re.search(pattern, each) for pattern in self._allowed)]

    def open(self, hash_text: str = "") -> None:
        """Load the page with a link, and wait for its curves."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.server.origin}/?token={self.server.token}{hash_text}")
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until all is mounted, curves are drawn and nothing more is asked for."""
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=_READY_MS)
        self.page.wait_for_selector(
            '.row[data-row="madrs"] .plot .stroke-A[d^="M"]', state="attached", timeout=_READY_MS
        )
        self.settle()

    def settle(self, quiet_s: float = 0.4) -> None:
        """Wait until nothing was asked for some time, and one more picture was drawn."""
        until = time.monotonic() + _SETTLED_S
        last = time.monotonic()
        while time.monotonic() - last < quiet_s:
            self.page.wait_for_timeout(40)
            if any(request.url.split("?")[0].endswith(_FOLLOWING) for request in self._flying):
                last = time.monotonic()
            assert time.monotonic() < until, f"still waiting for {[r.url for r in self._flying]}"
        self.frame()

    def frame(self) -> None:
        """Wait until what was changed is drawn."""
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def until(self, expression: str, what: str, patience_s: float = 15.0) -> Any:
        """Wait until an expression of the page is true; its value."""
        end = time.monotonic() + patience_s
        while True:
            value = self.page.evaluate(expression)
            if value:
                return value
            assert time.monotonic() < end, f"waited {patience_s:g} s for {what}"
            self.page.wait_for_timeout(40)

    def calls(self) -> list[str]:
        """Addresses of all questions to the JSON API."""
        return [request.url for request in self.asked if "/api/" in request.url]

    def simulations(self) -> list[dict[str, Any]]:
        """Bodies of all requests for curves."""
        return [json.loads(r.post_data or "{}") for r in self.asked if r.url.endswith(_SIMULATE)]

    @property
    def state(self) -> dict[str, Any]:
        """What the address holds now, with the defaults left out."""
        return read_link(self.page.url)

    @property
    def scenario(self) -> dict[str, Any]:
        """The scenario that is edited, as the address holds it."""
        data = self.state
        active = data["state"].get("active", "A")
        scenario: dict[str, Any] = dict(data["scenarios"])[active]
        return scenario

    def row(self, row: str) -> Locator:
        """A row of the chain."""
        return self.page.locator(f'.row[data-row="{row}"]')

    def value(self, row: str) -> str:
        """The value that a row prints at the cursor."""
        return self.row(row).locator(".row-value").inner_text()

    def values(self) -> dict[str, str]:
        """The values that all rows on show print at the cursor."""
        return dict(
            self.page.evaluate(
                """[...document.querySelectorAll(".row")].filter((row) => row.getClientRects().length)
                .map((row) => [row.dataset.row, row.querySelector(".row-value").textContent])"""
            )
        )

    def curves(self, path: str = ".stroke-A") -> dict[str, str]:
        """The drawn curve of each row on show."""
        return dict(
            self.page.evaluate(
                """(path) => [...document.querySelectorAll(".row")].filter((e) => e.getClientRects().length)
                .map((e) => [e.dataset.row, e.querySelector(`.plot ${path}`)?.getAttribute("d") ?? ""])""",
                path,
            )
        )

    @property
    def reading(self) -> str:
        """All of the reading panel."""
        return self.page.locator("#reading").inner_text()

    @property
    def spoken(self) -> str:
        """What the live region says."""
        return self.page.locator("#status").text_content() or ""

    @property
    def notices(self) -> str:
        """Strips under the header."""
        return "\n".join(self.page.locator("#notices .notice").all_inner_texts())

    def focused(self) -> str:
        """What has the focus, in short."""
        found = self.page.evaluate(
            """(() => { const e = document.activeElement;
            return `${e.tagName.toLowerCase()}#${e.id}.${e.className?.baseVal ?? e.className} ${
              e.getAttribute("aria-label") ?? e.textContent.slice(0, 60)}`; })()"""
        )
        return str(found)

    def press(self, *keys: str) -> None:
        """Press keys one after another."""
        for key in keys:
            self.page.keyboard.press(key)

    def tab_to(self, selector: str, most: int = 150, key: str = "Tab") -> None:
        """Press Tab until the focus is on what matches a selector: nothing else moves it."""
        for _ in range(most):
            if self.page.evaluate("(s) => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press(key)
        raise AssertionError(f"{most} presses of {key} did not reach {selector}; now at {self.focused()}")

    def picture(self, name: str, full: bool = False) -> None:
        """Keep a picture of the page, if someone wants to look at it: each takes time."""
        folder = os.environ.get("KETASIM_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            path = Path(folder) / f"{name}.png"
            self.page.screenshot(path=path, full_page=full, animations="disabled")


@contextmanager
def open_explorer(
    browser: Browser,
    server: Server,
    *,
    size: tuple[int, int] = (1440, 900),
    link: str = "",
    script: str | None = None,
    load: bool = True,
    **context_options: Any,
) -> Iterator[Explorer]:
    """Open the page in a context of its own.

    Parameters
    ----------
    browser : Browser
        Running browser.
    server : Server
        Running explorer.
    size : tuple of int
        Width and height in CSS pixels.
    link : str
        What stands after ``#``.
    script : str, optional
        JavaScript that runs before that of the page.
    load : bool
        Whether the page is loaded already.
    **context_options
        Of Playwright's ``new_context``.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        permissions=["clipboard-read", "clipboard-write"],
        **{"color_scheme": "light", "locale": "en-GB", **context_options},
    )
    try:
        context.set_default_timeout(_WAIT_MS)
        context.add_init_script(_WATCH_POLICY + (script or ""))
        explorer = Explorer(context.new_page(), server)
        if load:
            explorer.open(link)
        yield explorer
    finally:
        context.close()
