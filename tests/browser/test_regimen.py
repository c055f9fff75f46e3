"""Words, form and days say the same regimen, and what is wrong is said at its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.browser.explorer import INFUSION, TWICE_WEEKLY, Explorer, link_of
from tests.browser.printed import to_number

Opener = Callable[..., Explorer]


class Panel:
    """The regimen in its three forms."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        page = explorer.page
        self.words = page.get_by_label("Regimen in words")
        self.drug = page.locator("#scenario").get_by_label("Drug", exact=True)
        self.route = page.get_by_label("Route", exact=True)
        self.amount = page.get_by_label("Amount", exact=True)
        self.unit = page.get_by_label("Unit", exact=True)
        self.over = page.get_by_label("Over", exact=True)
        self.often = page.get_by_label("How often")
        self.times = page.get_by_label("Times", exact=True)

    def days(self) -> list[int]:
        """Days with a dose."""
        pressed = self.explorer.page.locator('.day[aria-pressed="true"]').all()
        return [int((day.get_attribute("aria-label") or "").split()[1].rstrip(",")) for day in pressed]

    def say(self, text: str) -> None:
        """Type a regimen."""
        self.words.fill(text)
        self.words.press("Tab")
        self.explorer.settle(0.7)

    def check(self) -> dict[str, Any]:
        """Compare the three with what the server makes of the words; its answer."""
        regimen = self.explorer.scenario["regimen"]
        answer: dict[str, Any] = self.explorer.server.call("/regimen", {"text": regimen})
        assert self.words.input_value() == regimen
        assert self.days() == sorted(
            {int(e["time_h"] // 24) + 1 for e in answer["events"] if e["time_h"] < 28 * 24}
        )
        form = answer["form"]
        if form is None:
            assert not self.amount.is_visible()
            return answer
        assert self.drug.input_value() == form["drug"]
        assert self.route.input_value() == form["route"]
        assert f"{self.amount.input_value()} {self.unit.input_value()}" == form["amount"]
        assert self.often.input_value() == form["every"]
        if form["every"] != "once":
            assert to_number(self.times.input_value()) == form["times"]
        if form.get("over") and self.over.is_visible():
            minutes = 60.0 * answer["events"][0]["duration_h"]
            assert to_number(self.over.input_value()) == pytest.approx(minutes)
        assert answer["sentence"] in self.explorer.page.locator("#scenario").inner_text()
        return answer


@pytest.fixture
def panel(explore: Opener) -> Panel:
    return Panel(
        explore(link=link_of([{"regimen": INFUSION}], axis={"kind": "clocks", "dose": 1, "end_h": 672}))
    )


def test_words_give_form_and_days(panel: Panel) -> None:
    for text in (
        TWICE_WEEKLY,
        "84 mg esketamine intranasal, twice weekly x 4 weeks",
        "1 mg/kg ketamine oral, weekly x 3",
        "none",
    ):
        panel.say(text)
        panel.check()
    assert panel.days() == []


def test_form_gives_words_and_days(panel: Panel) -> None:
    panel.often.select_option("twice weekly")
    panel.explorer.settle(0.7)
    answer = panel.check()
    assert len(answer["events"]) > 1
    panel.amount.fill("0.75")
    panel.amount.press("Tab")
    panel.explorer.settle(0.7)
    assert panel.check()["events"][0]["amount"] == pytest.approx(0.75)
    panel.over.fill("60")
    panel.over.press("Tab")
    panel.explorer.settle(0.7)
    assert panel.check()["events"][0]["duration_h"] == pytest.approx(1.0)
    panel.times.fill("3")
    panel.times.press("Tab")
    panel.explorer.settle(0.7)
    assert len(panel.check()["events"]) == 3
    panel.drug.select_option("esketamine")
    panel.explorer.settle(0.7)
    assert panel.check()["events"][0]["drug"] == "esketamine"


def test_days_give_words_and_form(panel: Panel) -> None:
    page = panel.explorer.page
    day = page.locator(".day").nth(7)
    day.click()
    panel.explorer.settle(0.7)
    panel.check()
    assert panel.days() == [1, 8]
    box, goal = day.bounding_box(), page.locator(".day").nth(10).bounding_box()
    assert box is not None
    assert goal is not None
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(goal["x"] + 2, goal["y"] + 4)
    page.mouse.move(goal["x"] + 4, goal["y"] + 4)
    page.mouse.up()
    panel.explorer.settle(0.7)
    panel.check()
    assert panel.days() == [1, 11]
    page.locator(".day").nth(10).focus()
    panel.explorer.press("Enter")
    panel.explorer.settle(0.7)
    panel.check()
    assert panel.days() == [1]
    panel.explorer.press("ArrowDown", "Enter")
    panel.explorer.settle(0.7)
    assert panel.days() == [1, 18]
    panel.explorer.press("Shift+ArrowLeft")
    panel.explorer.settle(0.7)
    panel.check()
    assert panel.days() == [1, 17]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0.5 mg/kg ketamien iv over 40 min", "ketamine"),
        ("0.5 mg/kg ketamine sublinguall over 40 min", "sublingual"),
        ("0.5 ketamine iv over 40 min", "unit"),
        ("-1 mg/kg ketamine iv over 40 min", "1"),
        ("something for the mood", "something"),
        ("0.5 mg/kg ketamine iv over -5 min", "above 0"),
    ],
)
def test_bad_words_are_refused_at_their_field_and_curves_stay(panel: Panel, text: str, said: str) -> None:
    explorer = panel.explorer
    explorer.allow("422")
    before = explorer.curves()
    panel.say(text)
    assert panel.words.input_value() == text
    assert panel.words.get_attribute("aria-invalid") == "true"
    message = explorer.page.locator(f"#{panel.words.get_attribute('aria-describedby')}")
    assert said in message.inner_text()
    assert f"Curves are for: {INFUSION}" in message.inner_text()
    assert explorer.curves() == before
    assert explorer.scenario["regimen"] == INFUSION
    panel.say(TWICE_WEEKLY)
    assert panel.words.get_attribute("aria-invalid") is None
    assert not message.is_visible()


def test_bad_number_of_a_person_is_refused_at_its_field(panel: Panel) -> None:
    explorer = panel.explorer
    before = explorer.curves()
    explorer.page.locator("#scenario").get_by_role("button", name="Edit").click()
    weight = explorer.page.locator("#scenario").get_by_label("Weight", exact=False)
    weight.fill("7000")
    weight.press("Tab")
    explorer.settle()
    assert weight.get_attribute("aria-invalid") == "true"
    message = explorer.page.locator(f"#{weight.get_attribute('aria-describedby')}").inner_text()
    assert "must lie between" in message
    assert explorer.curves() == before
    weight.fill("50")
    weight.press("Tab")
    explorer.settle()
    assert weight.get_attribute("aria-invalid") is None
    assert explorer.scenario["person"]["weight"] == "50 kg"
    assert explorer.curves() != before


def test_value_that_a_link_brings_and_no_scenario_allows_marks_the_curves_as_stale(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}]))
    explorer.allow("422")
    explorer.page.evaluate(
        "(hash) => { location.hash = hash; }", link_of([{"regimen": INFUSION, "person": {"weight": "9 kg"}}])
    )
    explorer.settle(0.7)
    assert all(explorer.curves().values())
    mark = explorer.page.locator(".stale-mark")
    assert mark.is_visible()
    assert "The curves are still for" in mark.inner_text()
