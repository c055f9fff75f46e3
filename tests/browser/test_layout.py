"""No two texts lie on each other and none is cut, at all sizes, with the longest names and numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.browser.explorer import Explorer, link_of

Opener = Callable[..., Explorer]

#: 720 by 450 is 1440 by 900 at 200 %.
_SIZES = {
    "1440x900": (1440, 900),
    "1180x800": (1180, 800),
    "1024x768": (1024, 768),
    "390x844": (390, 844),
    "320x640": (320, 640),
    "zoom200": (720, 450),
}
_LONG = (
    "84 mg esketamine intranasal, twice weekly x 4 weeks then 84 mg esketamine intranasal, weekly x 4 "
    "then 84 mg esketamine intranasal, every 14 days x 8"
)
_SCENARIOS: list[dict[str, Any]] = [
    {
        "regimen": "3 mg/kg ketamine iv bolus, three times weekly x 4 weeks",
        "person": {
            "weight": "62.5 kg",
            "severity": 55,
            "failed_treatments": 5,
            "bdnf": "met/met",
            "ancestry": "japanese",
        },
        "mechanism": {"wiring": "disinhibition", "switches": {"inflammation": 0.5}},
    },
    {"regimen": _LONG, "setting": {"control": "saline", "comedication": ["new_antidepressant"]}},
    {
        "regimen": "100 mg ketamine intranasal, daily x 84",
        "person": {"illness": "healthy"},
        "setting": {"control": "none", "expectancy": "none"},
    },
    {"regimen": "0.5 mg/kg ketamine iv over 40 min", "population": "mdd_trials"},
]
_FIND = Path(__file__).with_name("texts.js").read_text("utf-8")


def faults(explorer: Explorer, root: str = "body") -> list[str]:
    """Texts that lie on each other or are cut, and a page that is wider than its window."""
    explorer.frame()
    found: list[str] = explorer.page.evaluate(f"(root) => {{ {_FIND} return layoutFaults(root); }}", root)
    return found


def both_themes(explorer: Explorer, where: str, root: str = "body") -> list[str]:
    """Faults in light and dark; a picture of each."""
    found = []
    for theme in ("light", "dark"):
        explorer.page.emulate_media(color_scheme=theme)
        found += [f"{where}, {theme}: {fault}" for fault in faults(explorer, root)]
        explorer.picture(f"layout_{where}_{theme}", full=root == "body")
    return found


@pytest.mark.parametrize("size", list(_SIZES))
def test_texts_neither_overlap_nor_are_cut(explore: Opener, size: str) -> None:
    link = link_of(
        _SCENARIOS,
        more=True,
        open="ampa_drive",
        bands="both",
        tau_h=24.0,
        axis={"kind": "clocks", "dose": 2, "end_h": 2016},
    )
    explorer = explore(size=_SIZES[size], link=link, device_scale_factor=2 if size == "zoom200" else 1)
    explorer.page.locator(".strip .param").first.wait_for(state="attached")
    found = []
    parts = explorer.page.locator("#bottom [data-part]")
    if parts.first.is_visible():
        for part in ("scenario", "chain", "reading"):
            explorer.page.locator(f'#bottom [data-part="{part}"]').click()
            found += both_themes(explorer, f"{size}_{part}")
    else:
        found += both_themes(explorer, f"{size}_explore")
        drawer = explorer.page.locator(".drawer-button")
        if drawer.is_visible():
            drawer.click()
            found += both_themes(explorer, f"{size}_drawer", "#scenario")
            explorer.page.keyboard.press("Escape")
            explorer.page.locator('[data-part="chain"]').first.evaluate("(e) => e.click()")
    views = "#views" if explorer.page.locator("#views").is_visible() else "#bottom"
    for view, landmark in (("trial", "#trial .btn.primary"), ("evidence", ".board tbody tr")):
        explorer.page.locator(f'{views} [data-view="{view}"]').click()
        explorer.page.locator(landmark).first.wait_for()
        found += both_themes(explorer, f"{size}_{view}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("size", ["1440x900", "320x640"])
def test_texts_of_overlays_neither_overlap_nor_are_cut(explore: Opener, size: str) -> None:
    explorer = explore(size=_SIZES[size], link=link_of(_SCENARIOS, bands="none"))
    found = []
    explorer.page.get_by_role("button", name="Export", exact=True).click()
    explorer.page.get_by_role("dialog").wait_for()
    found += both_themes(explorer, f"{size}_export", "dialog")
    explorer.page.keyboard.press("Escape")
    for key, name in (("t", "compare"), ("?", "help")):
        explorer.page.locator("#chain").focus()
        explorer.page.keyboard.press(key)
        explorer.page.get_by_role("dialog").wait_for()
        found += both_themes(explorer, f"{size}_{name}", "dialog")
        explorer.page.keyboard.press("Escape")
    assert not found, "\n".join(found)


def test_one_clock_fills_the_width_of_a_phone_and_a_tab_changes_it(explore: Opener) -> None:
    explorer = explore(size=_SIZES["390x844"], has_touch=True)
    tabs = explorer.page.locator(".clock-tabs button")
    assert tabs.count() == 4
    seen = []
    for index in range(4):
        tabs.nth(index).tap()
        explorer.settle()
        assert tabs.nth(index).get_attribute("aria-pressed") == "true"
        seen.append(tuple(explorer.curves().values()))
    assert len(set(seen)) == 4
    line = explorer.page.locator("#summary").inner_text()
    assert "MADRS" in line
    assert "rule" in line
    small = explorer.page.evaluate(
        """[...document.querySelectorAll("button, select, a, input:not([type=checkbox], [type=radio])")]
        .filter((e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }))
        .filter((e) => !e.closest("p, .sr, .skip"))
        .map((e) => [e.className, e.getBoundingClientRect()])
        .filter(([, box]) => box.width > 0 && Math.min(box.width, box.height) < 24)
        .map(([name, box]) => `${name} ${box.width} by ${box.height}`)"""
    )
    assert not small
