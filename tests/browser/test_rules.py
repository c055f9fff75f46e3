"""Rules of supervision: word and shape beside colour, and marks that outlive the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.browser.explorer import INFUSION, Explorer, link_of

Opener = Callable[..., Explorer]

_FAILS = "84 mg esketamine intranasal, twice weekly x 4 weeks"
_PASSES = "56 mg esketamine intranasal"
_CASES = {"fail": _FAILS, "warn": INFUSION, "pass": _PASSES}
_WORDS = {"fail": "Fails: ", "warn": "Warns: "}


@pytest.mark.parametrize("state", list(_CASES))
def test_what_the_api_finds_is_said_with_word_shape_figure_and_source(explore: Opener, state: str) -> None:
    explorer = explore(link=link_of([{"regimen": _CASES[state]}], bands="none"))
    body = {"scenarios": [{"regimen": _CASES[state]}], "variables": ["madrs"]}
    rules = explorer.server.call("/simulate", body)["results"][0]["rules"]
    found = {kind: [rule for rule in rules if rule["state"] == kind] for kind in ("fail", "warn", "pass")}
    assert found[state]
    worst = next(kind for kind in ("fail", "warn", "pass") if found[kind])
    assert worst == state
    panel = explorer.page.locator("#reading section", has=explorer.page.get_by_text("Supervision rules"))
    counts = f"{len(found['pass'])} pass, {len(found['warn'])} warn, {len(found['fail'])} fail"
    assert counts in panel.inner_text()
    for kind, word in _WORDS.items():
        items = panel.locator(f"li.{kind}").all()
        assert len(items) == len(found[kind])
        for item, rule in zip(items, found[kind], strict=True):
            text = item.inner_text()
            assert text.startswith(f"{word}{rule['title']}")
            assert f"Rule {rule['id']}" in text
            assert rule["message"].rstrip(".") in text
    if found["pass"]:
        assert f"{len(found['pass'])} pass: " in panel.inner_text()


def test_shapes_of_marks_differ(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": _FAILS}], bands="none"))
    shapes = explorer.page.evaluate(
        """async () => {
          const { mark } = await import("/static/reading.js");
          return ["fail", "warn", "pass", "unknown"].map((state) => mark(state).innerHTML);
        }"""
    )
    assert len(set(shapes)) == 4


def test_mark_of_a_failed_rule_stays_on_pin_link_summary_and_export(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}, {"regimen": _FAILS}], bands="none"))
    pin = explorer.page.locator("#pins .pin").nth(1)
    assert "1 rule fails" in pin.inner_text()
    assert "fail" not in explorer.page.locator("#pins .pin").nth(0).inner_text()
    address = explorer.page.url
    explorer.page.get_by_role("button", name="Export", exact=True).click()
    dialog = explorer.page.get_by_role("dialog")
    assert "B fails 1 supervision rule" in dialog.inner_text()
    dialog.get_by_label("Report", exact=False).check()
    with explorer.page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    report = download.value.path().read_text("utf-8")
    rules = explorer.server.call("/simulate", {"scenarios": [{"regimen": _FAILS}], "variables": ["madrs"]})
    failed = next(rule for rule in rules["results"][0]["rules"] if rule["state"] == "fail")
    assert failed["title"] in report
    again = explore(link=address.partition("#")[1] + address.partition("#")[2])
    assert "1 rule fails" in again.page.locator("#pins .pin").nth(1).inner_text()
    again.page.locator("#pins .pin").nth(1).locator(".pin-choose").click()
    again.settle()
    assert "1 rule fails" in (again.page.locator("#summary").text_content() or "")
