"""Switches and wirings: what lies below changes, what lies above does not, and all can be taken back."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from tests.browser.explorer import INFUSION, Explorer, link_of

Opener = Callable[..., Explorer]

#: Only the dose acts on these two: later stages feed back on all others, if only over days.
_ABOVE = ("ketamine_venous", "nmda_block_mean")
_LINK = {
    "axis": {"kind": "clocks", "dose": 1, "end_h": 672},
    "bands": "none",
    "observations": False,
    "tau_h": 24.0,
}


_DRAWN = """[...document.querySelectorAll(".chain-card svg, .chain-card .row-name")]
  .map((node) => node.matches("svg") ? node.innerHTML.replaceAll('edge "', 'edge"') : node.textContent)"""


def _meta(explorer: Explorer) -> dict[str, Any]:
    found: dict[str, Any] = explorer.server.call("/meta")
    return found


def _pixels(shot: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=np.int16)


def _plot(explorer: Explorer, row: str) -> np.ndarray[Any, Any]:
    """The pixels of a row's curve, without the dotted curve of before."""
    explorer.page.evaluate(
        "document.querySelectorAll('.ghost').forEach((e) => { e.style.visibility = 'hidden'; })"
    )
    shot = explorer.row(row).locator(".plot").screenshot(animations="disabled")
    explorer.page.evaluate("document.querySelectorAll('.ghost').forEach((e) => { e.style.visibility = ''; })")
    return _pixels(shot)


def test_each_switch_changes_its_own_row_and_mood_but_nothing_above_the_circuit(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], **_LINK))
    before = explorer.curves()
    meta = _meta(explorer)
    switches = meta["switches"]
    dots = {row["switch"] for row in meta["rows"]}
    assert len(switches) >= 8
    silent = []
    for switch in switches:
        knob = explorer.page.locator(f'#scenario [data-switch="{switch["id"]}"]')
        knob.click()
        explorer.settle(0.3)
        after = explorer.curves()
        assert knob.get_attribute("aria-checked") == "false"
        # Two switches may stand at one row, which has one dot.
        if switch["id"] in dots:
            row = explorer.row(switch["row"])
            assert "off" in (row.get_attribute("class") or "").split()
            assert row.locator(".row-title").inner_text().endswith(", off")
            assert row.locator(".dot").get_attribute("aria-pressed") == "false"
        for above in _ABOVE:
            if above != switch["row"]:
                assert after[above] == before[above], f"{switch['id']} changed {above}"
        if after == before:
            silent.append(switch["id"])
        ghost = explorer.curves(".ghost")
        assert ghost == before
        assert "What the switch changed" in explorer.reading
        knob.click()
        explorer.settle(0.3)
        assert explorer.curves() == before
        assert not any(explorer.curves(".ghost").values())
    assert not silent


def test_pixels_above_a_switch_stay_and_those_below_change(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], **_LINK))
    rows = [row["id"] for row in _meta(explorer)["rows"] if row["group"] == "main"]
    before = {row: _plot(explorer, row) for row in rows}
    explorer.row("ampa_drive").locator(".dot").click()
    explorer.settle()
    after = {row: _plot(explorer, row) for row in rows}
    same = {row for row in rows if np.array_equal(before[row], after[row])}
    assert set(_ABOVE) <= same
    below = {"ampa_drive", "trkb", "mtorc1", "spine_density", "madrs"}
    assert not below & same
    explorer.page.get_by_role("button", name="All as default").click()
    explorer.settle()
    for row in rows:
        assert np.array_equal(before[row], _plot(explorer, row)), row


def test_all_as_default_restores_the_exact_picture(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], **_LINK))
    explorer.page.mouse.move(0, 0)
    card = explorer.page.locator(".chain-card")
    before, drawn = card.screenshot(animations="disabled"), explorer.page.evaluate(_DRAWN)
    explorer.page.locator("#chain").focus()
    explorer.row("mtorc1").locator(".row-name").focus()
    explorer.press("k")
    explorer.settle()
    explorer.page.get_by_label("Wiring").select_option(index=2)
    explorer.settle()
    assert card.screenshot(animations="disabled") != before
    explorer.page.get_by_role("button", name="All as default").click()
    explorer.settle()
    explorer.page.mouse.move(0, 0)
    explorer.page.evaluate("document.activeElement.blur()")
    after = card.screenshot(animations="disabled")
    different = np.argwhere((_pixels(before) != _pixels(after)).any(axis=2))
    # The edge of a dot in a layer of its own is drawn with other shades at times; its elements are the same.
    assert len(different) <= 20, f"from {different.min(axis=0)} to {different.max(axis=0)}"
    assert explorer.page.evaluate(_DRAWN) == drawn


def test_each_wiring_has_its_own_curves_from_the_same_dose(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], **_LINK))
    wirings = _meta(explorer)["wirings"]
    assert len(wirings) > 3
    menu = explorer.page.get_by_label("Wiring")
    seen = {}
    for wiring in wirings:
        menu.select_option(wiring["id"])
        explorer.settle(0.3)
        curves = explorer.curves()
        assert wiring["summary"] in explorer.page.locator("#scenario").inner_text()
        assert explorer.scenario.get("mechanism", {}).get("wiring", "default") == wiring["id"]
        seen[wiring["id"]] = curves
    plasma = {curves["ketamine_venous"] for curves in seen.values()}
    assert len(plasma) == 1
    assert len({tuple(curves.values()) for curves in seen.values()}) > len(seen) / 2


def test_partial_switch_by_field_and_by_a_long_press(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], **_LINK))
    explorer.page.get_by_label("AMPA", exact=False).and_(
        explorer.page.locator('input[type="number"]')
    ).first.fill("50")
    explorer.press("Tab")
    explorer.settle(0.3)
    assert explorer.scenario["mechanism"]["switches"]["ampa"] == 0.5
    assert "at 50 %" in explorer.row("ampa_drive").locator(".row-title").inner_text()
    box = explorer.row("ampa_drive").locator(".dot").bounding_box()
    assert box is not None
    mouse = explorer.page.mouse
    mouse.move(box["x"] + 12, box["y"] + 12)
    mouse.down()
    explorer.page.wait_for_timeout(650)
    mouse.up()
    field = explorer.row("ampa_drive").locator(".partly select")
    assert field.input_value() == "50"
    field.select_option("25")
    explorer.settle(0.3)
    assert explorer.scenario["mechanism"]["switches"]["ampa"] == 0.25
    explorer.press("Escape")
    assert not explorer.row("ampa_drive").locator("select").count()


def test_reading_names_the_largest_changes_and_what_was_published(explore: Opener) -> None:
    scenario = {"regimen": INFUSION, "mechanism": {"switches": {"mtorc1": 0.0}}}
    explorer = explore(link=link_of([scenario], **_LINK))
    panel = explorer.page.locator(
        "#reading section", has=explorer.page.get_by_text("What the switch changed")
    )
    items = panel.locator("ul").first.locator("li").all_inner_texts()
    assert 1 <= len(items) <= 3
    assert all("move" in item or "stays at rest" in item for item in items)
    published = panel.locator(".probe").inner_text()
    assert "model" in published or "No published result" in published
