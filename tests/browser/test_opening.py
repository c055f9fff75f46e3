"""The page opens on a working scenario, asks nobody else, and says what is wrong when something is."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from playwright.sync_api import Route
from tests.browser.explorer import INFUSION, Explorer, link_of
from tests.browser.launch import Server
from tests.browser.printed import to_number

Opener = Callable[..., Explorer]

#: Three times the bar of 2 s, since a busy machine is not what this is about.
_FIRST_CURVE_S = 6.0
#: Own modules and styles: those before the first curve unpacked, those of the whole first view as sent.
_MOST_BYTES = 150_000
#: When the first curve is drawn, in ms since the page was asked for.
_FIRST_CURVE = """
new MutationObserver((_, watch) => {
  if (!document.querySelector('.row[data-row="madrs"] .stroke-A[d^="M"]')) return;
  watch.disconnect();
  window.firstCurve = performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["d"] });
"""
_ROWS = 14


def problem(route: Route, status: int, **fields: object) -> None:
    """Answer a request with a problem."""
    route.fulfill(
        status=status, content_type="application/problem+json", body=json.dumps({"status": status, **fields})
    )


def test_opens_on_one_infusion_with_curves_in_all_rows(explore: Opener) -> None:
    explorer = explore(load=False)
    began = time.monotonic()
    explorer.page.goto(explorer.server.address)
    explorer.page.wait_for_selector('.row[data-row="madrs"] .stroke-A[d^="M"]', state="attached")
    took = time.monotonic() - began
    explorer.wait_ready()
    assert took < _FIRST_CURVE_S
    assert explorer.page.title().startswith("Ketasim")
    assert (
        explorer.page.get_by_label("Start from").evaluate("(e) => e.selectedOptions[0].text")
        == "One infusion"
    )
    curves = explorer.curves()
    assert len(curves) == _ROWS
    assert all(path.startswith("M") for path in curves.values())
    assert "Of 100 such people" in explorer.reading
    assert "For research and teaching" in explorer.reading
    assert "token" not in explorer.page.url


def test_what_comes_before_the_first_curve_is_light_and_plotly_waits(explore: Opener) -> None:
    explorer = explore(script=_FIRST_CURVE)
    sizes = explorer.page.evaluate(
        """performance.getEntriesByType("resource")
        .map((e) => [e.name, e.encodedBodySize, e.decodedBodySize, e.startTime])"""
    )
    first = explorer.page.evaluate("window.firstCurve")
    own = [size for size in sizes if "/static/" in size[0]]
    before = [size for size in own if size[3] < first]
    raw = sum(size[2] for size in before)
    whole = sum(size[1] for size in own)
    print(f"before the first curve: {raw / 1000:.0f} kB of {len(before)} modules and styles, unpacked")
    print(f"all of the first view: {whole / 1000:.0f} kB of {len(own)}, as sent")
    assert 10 < len(before) < len(own)
    assert raw < _MOST_BYTES
    assert whole < _MOST_BYTES
    assert not [size for size in sizes if "plotly" in size[0]]


def test_policy_allows_nothing_from_elsewhere_and_nothing_inline(explore: Opener) -> None:
    explorer = explore()
    response = explorer.page.request.get(explorer.server.origin)
    policy = response.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script>|<script [^>]*>[^<]|\sstyle=|\son\w+=", response.text())


def test_page_without_token_says_what_to_do_and_opens_afterwards(explore: Opener) -> None:
    explorer = explore(load=False)
    explorer.allow("401")
    explorer.page.goto(explorer.server.origin)
    assert "ketasim app" in explorer.page.locator("body").inner_text()
    assert not explorer.page.locator(".row").count()
    explorer.open()
    assert explorer.values()


def test_stored_state_comes_back_in_the_same_browser(explore: Opener) -> None:
    explorer = explore()
    explorer.page.get_by_label("Start from").select_option(label="Infusions twice weekly")
    explorer.settle()
    explorer.page.wait_for_timeout(500)
    explorer.open()
    assert "twice weekly" in explorer.page.get_by_label("Regimen in words").input_value()


def test_kernels_are_prepared_behind_a_bar_while_controls_work(explore: Opener) -> None:
    explorer = explore(load=False)
    explorer.allow("503")
    held = {"closed": True}

    def answer(route: Route) -> None:
        if held["closed"]:
            problem(
                route,
                503,
                code="compiling",
                title="Preparing",
                detail="",
                errors=[],
                retry_after_s=0.3,
                elapsed_s=1.0,
                expected_s=5.0,
            )
        else:
            route.continue_()

    explorer.page.route("**/api/v1/simulate", answer)
    explorer.page.goto(explorer.server.address)
    notice = explorer.page.locator("#notices .notice", has_text="Preparing the model")
    notice.wait_for()
    assert notice.locator("progress").get_attribute("value") is not None
    explorer.page.get_by_label("Axis").select_option("linear")
    held["closed"] = False
    explorer.wait_ready()
    assert explorer.notices == ""
    assert explorer.page.get_by_label("Axis").input_value() == "linear"


def test_failure_of_the_server_keeps_the_curves_and_names_what_failed(explore: Opener) -> None:
    explorer = explore()
    explorer.allow("500")
    before = explorer.curves()
    explorer.page.route(
        "**/api/v1/simulate",
        lambda route: problem(
            route,
            500,
            code="solver_failed",
            title="The model could not be solved",
            detail="Person 1 at 3.2 h: step too small.",
            errors=[],
        ),
    )
    explorer.page.get_by_label("Amount, slider").focus()
    explorer.press("ArrowRight")
    notice = explorer.page.locator("#notices .notice-fail")
    notice.wait_for()
    assert "Person 1 at 3.2 h" in notice.inner_text()
    assert notice.get_attribute("role") == "alert"
    assert notice.get_by_role("button", name="Copy details").is_visible()
    assert explorer.curves() == before
    explorer.page.unroute("**/api/v1/simulate")
    notice.get_by_role("button", name="Try again").click()
    explorer.settle()
    assert explorer.notices == ""
    assert explorer.curves() != before


def test_reference_solver_is_offered_where_the_usual_one_fails(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}]))
    explorer.allow("500")
    before = explorer.curves()
    referred: list[bool] = []

    def answer(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        referred.append(body.pop("reference", False))
        if referred[-1]:
            route.continue_(post_data=json.dumps(body))
        else:
            problem(route, 500, code="solver_failed", title="Not solved", detail="At 3.2 h.", errors=[])

    explorer.page.route("**/api/v1/simulate", answer)
    slider = explorer.page.get_by_label("Amount, slider")
    slider.focus()
    explorer.press("ArrowRight")
    offer = explorer.page.get_by_role("button", name="Try the reference solver")
    offer.wait_for()
    assert explorer.curves() == before
    offer.click()
    explorer.settle()
    assert explorer.curves() != before
    assert explorer.notices == ""
    # What follows for the same scenario goes the same way; another scenario starts anew.
    assert "Of 100 such people" in explorer.reading
    assert all(referred[referred.index(True) :])
    slider.focus()
    explorer.press("ArrowRight")
    offer.wait_for()
    assert referred[-1] is False


def test_lost_connection_is_said_and_found_again(explore: Opener) -> None:
    explorer = explore()
    explorer.allow("Failed to load resource", "failed:")
    explorer.page.route("**/api/**", lambda route: route.abort("connectionrefused"))
    slider = explorer.page.get_by_label("Amount, slider")
    slider.focus()
    explorer.press("ArrowRight", "ArrowRight")
    notice = explorer.page.locator("#notices .notice", has_text="ketasim app has stopped")
    notice.wait_for()
    assert all(explorer.curves().values())
    explorer.page.unroute("**/api/**")
    notice.wait_for(state="detached", timeout=10_000)
    explorer.settle()
    amount = explorer.page.get_by_label("Amount", exact=True).input_value()
    assert to_number(amount) == to_number(slider.input_value())
    assert amount in explorer.scenario["regimen"]


def test_views_open_from_the_header_and_address(explore: Opener, server: Server) -> None:
    explorer = explore()
    for name, landmark in (
        ("Trial", "People an arm"),
        ("Evidence", "What is said about ketamine"),
        ("Explore", "Mood"),
    ):
        explorer.page.locator("#views").get_by_role("button", name=name).click()
        explorer.page.get_by_text(landmark, exact=False).first.wait_for()
    assert server.process.poll() is None
