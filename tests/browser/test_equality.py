"""What the page shows is what the Python API returns, to the printed digits: three scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.browser.explorer import INFUSION, Explorer, link_of
from tests.browser.printed import printed, printed_change, printed_in

import ketasim as ks

Opener = Callable[..., Explorer]

_SCENARIOS: dict[str, dict[str, Any]] = {
    "infusion": {"regimen": INFUSION},
    "spray": {
        "regimen": "84 mg esketamine intranasal, twice weekly x 4 weeks",
        "person": {"weight": "61 kg", "age": 58, "sex": "male", "severity": 38},
        "setting": {"control": "saline", "comedication": ["new_antidepressant"]},
    },
    "blocked": {
        "regimen": f"{INFUSION}, three times weekly x 2 weeks",
        "mechanism": {"switches": {"mtorc1": 0.0}, "parameters": {"clearance": "60 L/h"}},
    },
}
_COLUMNS = (20, 100, 170, 240, 300, 400, 470)


@pytest.mark.parametrize("name", list(_SCENARIOS))
def test_page_and_python_say_the_same(explore: Opener, name: str) -> None:
    scenario = _SCENARIOS[name]
    explorer = explore(
        link=link_of([scenario], bands="none", more=True, axis={"kind": "clocks", "dose": 1, "end_h": 672})
    )
    rows = {row["id"]: row for row in explorer.server.call("/meta")["rows"]}
    asked = explorer.simulations()[0]
    (result,) = ks.simulate_scenarios(
        [scenario],
        axis={key: asked["axis"][key] for key in ("knots_h", "shares", "columns", "dose")},
        variables=list(rows),
        people=200,
    )
    flag = explorer.page.locator("#chain-time")
    flag.focus()
    for column in _COLUMNS:
        _go(explorer, column)
        said = explorer.values()
        assert set(said) == set(rows)
        for row, series in result.series.items():
            value = float(series.mid[column]) * _scale(rows[row], series.unit)
            assert said[row] == printed_in(rows[row], value)
        _check_reading(explorer, result, column)
    for rule in result.rules:
        if rule.state in ("fail", "warn"):
            assert rule.title in explorer.reading
    hundred = result.hundred
    assert hundred is not None
    for item in hundred.to_dict()["items"]:
        shown = (
            explorer.page.locator("#reading .rate-row", has_text=item["name"]).first.locator("b").inner_text()
        )
        value = item["value"]
        small = "<0.1" if value < 0.05 else printed(float(f"{value:.1f}"), 2)
        assert shown == ("0" if value == 0 else f"{np.floor(value + 0.5):.0f}" if value >= 9.95 else small)


def _go(explorer: Explorer, column: int) -> None:
    """Move the cursor to a column, by keys."""
    explorer.press("Home", *["Shift+ArrowRight"] * (column // 10), *["ArrowRight"] * (column % 10))
    explorer.frame()


def _scale(row: dict[str, Any], unit: str) -> float:
    """From the unit of the API to the one that is shown: only ratios become percentages."""
    return 100.0 if row["unit"] == "%" and unit != "%" else 1.0


def _check_reading(explorer: Explorer, result: Any, column: int) -> None:
    mood = float(result.series["madrs"].mid[column])
    assert explorer.page.locator("#reading .headline").inner_text() == printed(mood)
    text = explorer.page.locator("#reading .change").inner_text()
    against = printed_change(float(result.difference.mid[column]), mood)
    assert f"{against} against {result.control.name}" in text
