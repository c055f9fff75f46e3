"""A server that is killed and started again: the page waits, links open, and a long run goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.browser.explorer import TWICE_WEEKLY, Explorer, link_of
from tests.browser.launch import Server, free_port

Opener = Callable[..., Explorer]


def test_page_link_and_run_outlive_a_killed_server(explore: Opener, tmp_path: Path) -> None:
    port = free_port()
    server = Server.start(tmp_path, port)
    try:
        server.warm()
        explorer = explore(server=server, link=link_of([{"regimen": TWICE_WEEKLY}], bands="none", tau_h=30.0))
        explorer.allow(
            "Failed to load resource", "failed:", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED"
        )
        address, values = explorer.page.url, explorer.values()
        explorer.page.locator("#views").get_by_role("button", name="Trial").click()
        explorer.page.get_by_label("People an arm").fill("40")
        explorer.page.get_by_label("Trials", exact=True).fill("2000")
        explorer.page.get_by_role("button", name="Run", exact=True).click()
        explorer.page.locator(".progress-line", has_text="trials").wait_for()
        explorer.page.locator(".preliminary").wait_for(timeout=60_000)
        earlier = server.call("/jobs")["jobs"][0]["progress"]["trials_done"]
        assert earlier > 0
        server.kill()
        explorer.page.locator("#views").get_by_role("button", name="Explore").click()
        explorer.page.get_by_label("Amount, slider").focus()
        explorer.press("ArrowRight")
        lost = explorer.page.locator("#notices .notice", has_text="ketasim app has stopped")
        lost.wait_for(timeout=15_000)
        server = Server.start(tmp_path, port)
        lost.wait_for(state="detached", timeout=30_000)
        server.warm()
        explorer.settle(1.0)
        assert explorer.values() != values
        run = server.call("/jobs")["jobs"][0]
        assert run["state"] in ("running", "queued")
        again = explore(server=server, load=False)
        again.page.goto(address.replace(str(port), str(server.port)))
        again.allow("401")
        if again.page.locator(".row").count() == 0:
            # A browser that never was here needs the printed address once; the link is kept behind it.
            again.open("#" + address.partition("#")[2])
        assert again.values() == values
        again.page.locator("#views").get_by_role("button", name="Trial").click()
        again.page.locator(".progress-line", has_text="of 2,000 trials").wait_for(timeout=20_000)
        later = server.call(f"/jobs/{run['job']}")["progress"]["trials_done"]
        assert later >= earlier
        again.page.get_by_role("button", name="Stop and keep").click()
        again.page.get_by_text("Stopped: this is the result of", exact=False).wait_for(timeout=30_000)
    finally:
        server.end()
