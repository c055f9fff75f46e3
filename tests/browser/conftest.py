"""One browser and one explorer for the tests of the page.

Chromium is the one of the system (Debian: ``apt-get install chromium``). Without it these tests are
skipped, but fail where ``KETASIM_BROWSER=required`` is in the environment. With
``KETASIM_SCREENSHOTS=FOLDER`` the pictures that the tests take are kept there, to be looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.browser.explorer import Explorer, open_explorer
from tests.browser.launch import Chromium, Server, find_chromium

_HERE = Path(__file__).parent
_CHROMIUM = Chromium()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:  # noqa: ARG001
    """Close the browser before tests of other kinds: while it is open, the thread's event loop is taken."""
    result = yield
    if nextitem is None or not nextitem.path.is_relative_to(_HERE):
        _CHROMIUM.close()
    return result


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Where Chromium is; skips, or fails if it is required."""
    found = find_chromium()
    if found is None:
        reason = "these tests need Chromium, and there is no program `chromium` here"
        if os.environ.get("KETASIM_BROWSER") == "required":
            pytest.fail(f"{reason}; KETASIM_BROWSER=required forbids to skip them")
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def server(chromium_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:  # noqa: ARG001
    """A running ``ketasim app``, warm."""
    with Server.started(tmp_path_factory.mktemp("state")) as running:
        running.warm()
        yield running


Opener = Callable[..., Explorer]


@pytest.fixture
def explore(chromium_path: str, server: Server) -> Iterator[Opener]:
    """Opens pages; at the end their console must be empty, and nobody else asked for anything."""
    opened: list[Explorer] = []
    with ExitStack() as stack:

        def start(**options: Any) -> Explorer:
            page = stack.enter_context(
                open_explorer(_CHROMIUM.browser(chromium_path), options.pop("server", server), **options)
            )
            opened.append(page)
            return page

        yield start
        faults = [fault for page in opened for fault in page.faults()]
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="module")
def shared(chromium_path: str, server: Server) -> Iterator[Explorer]:
    """One page for the tests of a file that only read it."""
    with open_explorer(_CHROMIUM.browser(chromium_path), server) as page:
        yield page
        faults = page.faults()
    assert not faults, "\n".join(faults)
