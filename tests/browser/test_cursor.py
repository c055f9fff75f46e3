"""The cursor gives the value that was computed for its time, in all rows, and asks nobody for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.browser.explorer import TWICE_WEEKLY, Explorer, link_of
from tests.browser.printed import printed, printed_change, printed_in

from ketasim.api.scenarios.axis import Axis

Opener = Callable[..., Explorer]

_COLUMNS = 480


class Answers:
    """The page, and the numbers that the server gives for what it shows."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        body = next(
            b for b in reversed(explorer.simulations()) if b["bands"] == "none" and not b.get("people")
        )
        self.axis = Axis(tuple(body["axis"]["knots_h"]), tuple(body["axis"]["shares"]), _COLUMNS)
        self.result: dict[str, Any] = explorer.server.call("/simulate", body)["results"][0]
        self.rows = {row["id"]: row for row in explorer.server.call("/meta")["rows"]}

    def column(self, tau_h: float) -> int:
        """The column of a time."""
        return min(_COLUMNS - 1, math.floor(float(self.axis.position(tau_h)) * _COLUMNS))

    def printed(self, column: int) -> dict[str, str]:
        """What all rows should print at a column."""
        series = self.result["series"]
        return {row: printed_in(self.rows[row], item["mid"][column]) for row, item in series.items()}

    def check(self, column: int) -> None:
        """Rows and reading against the numbers."""
        assert self.explorer.values() == self.printed(column)
        reading = self.explorer.page.locator("#reading .headline").inner_text()
        mood = self.result["series"]["madrs"]["mid"][column]
        assert reading == printed(mood)
        against = self.result["difference"]["madrs"]["mid"][column]
        text = self.explorer.page.locator("#reading .change").inner_text()
        assert f"{printed_change(mood - self.result['rest']['madrs'], mood)} from baseline" in text
        assert f"{printed_change(against, mood)} against" in text


@pytest.fixture(scope="module")
def answers(shared: Explorer) -> Iterator[Answers]:
    shared.open(link_of([{"regimen": TWICE_WEEKLY}], axis={"kind": "clocks", "dose": 1, "end_h": 672}))
    return Answers(shared)


def test_drag_gives_the_computed_values_and_asks_nothing(answers: Answers) -> None:
    explorer = answers.explorer
    asked = len(explorer.calls())
    box = explorer.row("madrs").locator(".plot-box").bounding_box()
    assert box is not None
    mouse = explorer.page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 30)
    mouse.down()
    for share in (0.31, 0.44, 0.5, 0.61, 0.77, 0.93):
        x = box["x"] + share * box["width"]
        mouse.move(x, box["y"] + 30)
        explorer.frame()
        answers.check(math.floor((x - box["x"]) / box["width"] * _COLUMNS))
    mouse.up()
    assert explorer.calls()[asked:] == []


def test_press_anywhere_moves_the_cursor(answers: Answers) -> None:
    explorer = answers.explorer
    box = explorer.row("glutamate").locator(".plot-box").bounding_box()
    assert box is not None
    explorer.page.mouse.click(box["x"] + 0.4 * box["width"], box["y"] + 10)
    explorer.frame()
    answers.check(math.floor(0.4 * box["width"] / box["width"] * _COLUMNS))


def test_keys_move_by_columns_to_the_ends_and_to_what_happens(answers: Answers) -> None:
    explorer = answers.explorer
    asked = len(explorer.calls())
    explorer.page.locator("#chain-time").focus()

    def at(*keys: str) -> int:
        explorer.press(*keys)
        explorer.frame()
        return int(explorer.page.locator("#chain-time").get_attribute("aria-valuenow") or -1)

    assert at("Home") == 0
    assert at("ArrowRight", "ArrowRight") == 2
    assert at("Shift+ArrowRight") == 12
    assert at("ArrowLeft") == 11
    answers.check(11)
    assert at("End") == _COLUMNS - 1
    answers.check(_COLUMNS - 1)
    at("Home")
    first = at("PageDown")
    assert first == answers.column(0.0)
    events = {answers.column(event["time_h"]) for event in answers.result["events"]}
    peaks = {answers.column(peak["time_h"]) for peak in answers.result["peaks"]}
    seen = {at("PageDown") for _ in range(60)}
    assert events | peaks <= seen | {first}
    assert at("PageUp") < max(seen)
    assert explorer.calls()[asked:] == []


def test_flag_and_slider_say_the_time_in_words(answers: Answers) -> None:
    explorer = answers.explorer
    flag = explorer.page.locator("#chain-time")
    assert flag.get_attribute("role") == "slider"
    tau = answers.axis.centres_h
    flag.focus()
    explorer.press("Home")
    for _ in range(30):
        explorer.press("Shift+ArrowRight")
    explorer.frame()
    column = int(flag.get_attribute("aria-valuenow") or -1)
    assert column == 300
    words = flag.get_attribute("aria-valuetext") or ""
    days = float(tau[300]) / 24.0
    assert words == f"{printed(days, 2)} days after dose 1"
    assert flag.inner_text() == f"day {printed(days, 2)}"
    name = explorer.row("tnf").locator(".row-name")
    said = name.evaluate(
        """(e) => e.getAttribute("aria-labelledby").split(" ")
        .map((id) => document.getElementById(id).textContent).join(" ")"""
    )
    assert "Inflammation" in said
    assert flag.inner_text() in said
    assert explorer.value("tnf") in said


def test_live_region_speaks_once_the_cursor_rests(answers: Answers) -> None:
    explorer = answers.explorer
    explorer.page.locator("#chain-time").focus()
    explorer.press("Home", *["Shift+ArrowRight"] * 20)
    quiet = explorer.spoken
    explorer.until("document.getElementById('status').textContent.includes('MADRS')", "a spoken sentence")
    explorer.page.wait_for_timeout(700)
    assert explorer.spoken != quiet or explorer.value("madrs") in quiet
    assert explorer.value("madrs") in explorer.spoken
    assert "rule" in explorer.spoken


def test_play_crosses_the_screen_evenly_and_says_nothing(answers: Answers) -> None:
    explorer = answers.explorer
    explorer.page.locator("#chain-time").focus()
    explorer.press("Home")
    explorer.page.wait_for_timeout(800)
    spoken = explorer.spoken
    asked = len(explorer.calls())
    explorer.press(" ")
    steps = explorer.page.evaluate(
        """new Promise((done) => {
          const flag = document.getElementById("chain-time");
          const seen = [];
          const start = performance.now();
          const look = () => {
            seen.push([performance.now() - start, Number(flag.getAttribute("aria-valuenow"))]);
            if (performance.now() - start < 1500) requestAnimationFrame(look);
            else done(seen);
          };
          requestAnimationFrame(look);
        })"""
    )
    assert explorer.spoken == spoken
    explorer.press(" ")
    explorer.frame()
    stopped = explorer.page.locator("#chain-time").get_attribute("aria-valuenow")
    explorer.page.wait_for_timeout(300)
    assert explorer.page.locator("#chain-time").get_attribute("aria-valuenow") == stopped
    assert explorer.calls()[asked:] == []
    columns = [column for _, column in steps]
    assert columns == sorted(columns)
    first, last = steps[0], steps[-1]
    # 480 columns in 24 s; a busy machine draws late, but time does not run slower for it.
    rate = (last[1] - first[1]) / (last[0] - first[0]) * 1000.0
    assert rate == pytest.approx(_COLUMNS / 24.0, rel=0.3)
