"""Scenarios side by side: pins, strokes, the Compare table and its ratios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.browser.explorer import INFUSION, Explorer, link_of
from tests.browser.printed import printed, to_number

Opener = Callable[..., Explorer]

_SPRAY = "84 mg esketamine intranasal, twice weekly x 4 weeks"


def set_words(explorer: Explorer, text: str) -> None:
    """Type a regimen for the active scenario."""
    words = explorer.page.get_by_label("Regimen in words")
    words.fill(text)
    words.press("Tab")
    explorer.settle(0.7)


def pin(explorer: Explorer) -> None:
    """Press the button that pins."""
    explorer.page.locator("#pins .pin-add").click()


def test_four_can_be_pinned_and_a_fifth_asks_which_goes(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}]))
    for count, dose in enumerate(("0.6", "0.7", "0.8"), start=1):
        pin(explorer)
        set_words(explorer, INFUSION.replace("0.5", dose))
        assert explorer.page.locator("#pins .pin").count() == count + 1
    held = {letter: s["regimen"][:3] for letter, s in explorer.state["scenarios"]}
    assert held == {"A": "0.8", "B": "0.5", "C": "0.6", "D": "0.7"}
    assert all(explorer.curves(f".stroke-{letter}")["madrs"] for letter in "ABCD")
    pin(explorer)
    dialog = explorer.page.get_by_role("dialog")
    assert "Which one may go?" in dialog.inner_text()
    dialog.get_by_role("button", name="Keep all four").click()
    assert {letter: s["regimen"][:3] for letter, s in explorer.state["scenarios"]} == held
    pin(explorer)
    dialog.get_by_role("button", name="Replace C").click()
    explorer.settle()
    assert {letter: s["regimen"][:3] for letter, s in explorer.state["scenarios"]} == {**held, "C": "0.8"}
    explorer.page.get_by_role("button", name="Unpin D").click()
    explorer.settle()
    assert [letter for letter, _ in explorer.state["scenarios"]] == ["A", "B", "C"]


def test_a_pin_says_in_what_it_differs_and_can_be_edited(explore: Opener) -> None:
    other = {"regimen": INFUSION, "person": {"weight": "95 kg"}, "mechanism": {"switches": {"mtorc1": 0.0}}}
    explorer = explore(link=link_of([{"regimen": INFUSION}, other]))
    second = explorer.page.locator("#pins .pin").nth(1)
    assert "weight 95 kg" in second.inner_text()
    assert "off" in second.inner_text()
    before = explorer.curves(".stroke-A")
    second.locator(".pin-choose").click()
    explorer.settle()
    assert explorer.state["state"]["active"] == "B"
    set_words(explorer, INFUSION.replace("0.5", "0.25"))
    held = dict(explorer.state["scenarios"])
    assert held["A"]["regimen"] == INFUSION
    assert held["B"]["regimen"].startswith("0.25")
    assert explorer.curves(".stroke-A")["ketamine_venous"] == before["ketamine_venous"]


def test_strokes_tell_scenarios_apart_without_colour(explore: Opener) -> None:
    doses = ("0.5", "0.6", "0.7", "0.8")
    explorer = explore(
        link=link_of([{"regimen": INFUSION.replace("0.5", dose)} for dose in doses], bands="none")
    )
    styles = explorer.page.evaluate(
        """["A", "B", "C", "D"].map((letter) => {
          const curve = document.querySelector(`[data-row="madrs"] .plot .stroke-${letter}`);
          const style = getComputedStyle(curve);
          return { dash: style.strokeDasharray, colour: style.stroke, width: parseFloat(style.strokeWidth) };
        })"""
    )
    assert len({style["dash"] for style in styles}) == 4
    assert styles[0]["dash"] == "none"
    assert len({style["colour"] for style in styles[1:]}) == 1
    sample = explorer.page.locator("#pins .stroke-sample path")
    assert len({path.evaluate("(e) => getComputedStyle(e).strokeDasharray") for path in sample.all()}) == 4


def test_only_what_is_not_known_yet_is_asked_for(explore: Opener) -> None:
    doses = ("0.5", "0.6", "0.7")
    explorer = explore(
        link=link_of([{"regimen": INFUSION.replace("0.5", dose)} for dose in doses], bands="none")
    )
    pins = explorer.curves(".stroke-B"), explorer.curves(".stroke-C")

    def asked_by(act: Callable[[], None]) -> list[list[str]]:
        before = len(explorer.simulations())
        act()
        explorer.settle(0.7)
        return [[s["regimen"][:4] for s in body["scenarios"]] for body in explorer.simulations()[before:]]

    # A pin is a copy of what is on show: curves and counts are there.
    assert asked_by(lambda: pin(explorer)) == []
    assert explorer.curves(".stroke-D") == explorer.curves(".stroke-A")
    # What is edited is asked for alone: its curves, then its counts; the others stay.
    assert asked_by(lambda: set_words(explorer, INFUSION.replace("0.5", "0.55"))) == [["0.55"]] * 2
    assert (explorer.curves(".stroke-B"), explorer.curves(".stroke-C")) == pins
    # Going back asks for nothing.
    assert asked_by(explorer.page.go_back) == []
    assert explorer.curves(".stroke-D") == explorer.curves(".stroke-A")
    # Another axis moves all columns; A and D are the same and asked for once.
    whole = [["0.5 ", "0.6 ", "0.7 "]]
    assert asked_by(lambda: explorer.page.get_by_label("Axis").select_option("log")) == whole * 2


def _metrics(explorer: Explorer) -> list[dict[str, Any]]:
    """What the server gives for the scenarios on show, by id."""
    scenarios = [scenario for _, scenario in explorer.state["scenarios"]]
    asked = explorer.simulations()[-1]
    body = {
        "scenarios": scenarios,
        "axis": asked["axis"],
        "variables": ["madrs"],
        "bands": "none",
        "people": 200,
    }
    results = explorer.server.call("/simulate", body)["results"]
    return [{metric["id"]: metric for metric in result["metrics"]} for result in results]


def test_table_has_the_metrics_of_the_api_and_their_ratios(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}, {"regimen": _SPRAY}], bands="none"))
    first, second = _metrics(explorer)
    explorer.page.locator("#chain").focus()
    explorer.press("t")
    dialog = explorer.page.get_by_role("dialog")
    dialog.locator("tbody tr").first.wait_for()
    assert dialog.locator("thead th").all_inner_texts() == ["Measure", "Unit", "A", "B", "B against A"]
    rows = {
        row.locator("th").inner_text(): row.locator("td").all_inner_texts()
        for row in dialog.locator("tbody tr").all()
    }
    assert len(rows) == len(first)
    compared = 0
    for name, metric in first.items():
        other = second[name]
        cells = rows[metric["name"]]
        if metric["value"] is None or other["value"] is None:
            continue
        assert cells[1].split(" (")[0] == printed(metric["value"])
        assert cells[2].split(" (")[0] == printed(other["value"])
        if metric["compare"] == "difference":
            assert to_number(cells[3]) == pytest.approx(to_number(printed(other["value"] - metric["value"])))
        elif metric["value"]:
            assert cells[3] == f"{printed(other['value'] / metric['value'])} ×"
        compared += 1
    assert compared >= 10
    dialog.get_by_role("button", name="Copy as text").click()
    copied = explorer.page.evaluate("navigator.clipboard.readText()")
    assert copied.splitlines()[0].split("\t") == ["Measure", "Unit", "A", "B", "B against A"]
    assert len(copied.splitlines()) == 1 + len(rows)


def test_values_of_pins_stand_below_the_value_of_the_first(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}, {"regimen": "none"}], bands="none", tau_h=24.0))
    second = explorer.row("madrs").locator(".row-pins").inner_text()
    assert second.startswith("B ")
    assert to_number(second[2:]) > to_number(explorer.value("madrs"))
    assert f"B {second[2:]}" in explorer.reading
