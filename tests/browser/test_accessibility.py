"""axe-core finds nothing serious, in each view and overlay, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import axe_playwright_python
import pytest
from tests.browser.explorer import INFUSION, Explorer, link_of

Opener = Callable[..., Explorer]

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async (tags) => {
  const options = { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] };
  const { violations } = await axe.run(document, options);
  const places = (nodes) => nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ");
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, help, nodes }) => `${id}: ${help} (${nodes.length}) ${places(nodes)}`);
}"""


def serious(explorer: Explorer, where: str) -> list[str]:
    """Serious findings where the page stands now."""
    explorer.frame()
    found: list[str] = explorer.page.evaluate(_RUN, _TAGS)
    return [f"{where}: {finding}" for finding in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_findings(explore: Opener, theme: str) -> None:
    scenarios = [
        {"regimen": INFUSION, "mechanism": {"switches": {"mtorc1": 0.0}}},
        {"regimen": "84 mg esketamine intranasal, twice weekly x 4 weeks"},
    ]
    explorer = explore(
        link=link_of(scenarios, open="ampa_drive", more=True), bypass_csp=True, color_scheme=theme
    )
    page = explorer.page
    page.evaluate(_AXE)
    page.locator(".strip .param").first.wait_for()
    found = serious(explorer, "explore")
    for name, opens in (("export", "Export"),):
        page.get_by_role("button", name=opens, exact=True).click()
        page.get_by_role("dialog").wait_for()
        found += serious(explorer, name)
        page.keyboard.press("Escape")
    for key, name in (("t", "compare"), ("?", "help")):
        page.locator("#chain").focus()
        page.keyboard.press(key)
        page.get_by_role("dialog").wait_for()
        found += serious(explorer, name)
        page.keyboard.press("Escape")
    page.get_by_label("Regimen in words").fill("0.5 mg/kg ketamien iv")
    page.keyboard.press("Tab")
    explorer.allow("422")
    explorer.settle(0.7)
    found += serious(explorer, "field with a message")
    for view, landmark in (("trial", "#trial .btn.primary"), ("evidence", ".board tbody tr")):
        page.locator(f'#views [data-view="{view}"]').click()
        page.locator(landmark).first.wait_for()
        found += serious(explorer, view)
    assert not found, "\n".join(found)


def test_no_serious_findings_on_a_phone(explore: Opener) -> None:
    explorer = explore(size=(390, 844), bypass_csp=True, link=link_of([{"regimen": INFUSION}], open="madrs"))
    explorer.page.evaluate(_AXE)
    found = []
    for part in ("scenario", "chain", "reading"):
        explorer.page.locator(f'#bottom [data-part="{part}"]').click()
        found += serious(explorer, part)
    assert not found, "\n".join(found)


def test_result_of_a_trial_has_no_serious_findings(explore: Opener) -> None:
    explorer = explore(load=False, bypass_csp=True)
    design = {"n": 8, "control": True}
    body = {
        "kind": "trial",
        "scenarios": [{"regimen": INFUSION}],
        "design": design,
        "replicates": 2,
        "seed": 1,
    }
    job = explorer.server.call("/jobs", body)["job"]
    explorer.open(link_of([{"regimen": INFUSION}], bands="none"))
    explorer.page.locator('#views [data-view="trial"]').click()
    explorer.page.locator(f'#trial .runs [data-job="{job}"] .link').click()
    explorer.page.get_by_role("button", name="Export this run").wait_for(timeout=60_000)
    explorer.page.evaluate(_AXE)
    folded = explorer.page.locator("#trial .card").get_by_role("button", name="Show as table")
    for _ in range(folded.count()):
        folded.first.click()
    explorer.picture("trial_result", full=True)
    found = serious(explorer, "result")
    assert not found, "\n".join(found)


def test_every_chart_has_a_sentence_and_a_table(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], bands="none", open="madrs"))
    sentences = explorer.page.evaluate(
        """[...document.querySelectorAll(".row")].filter((row) => row.getClientRects().length).map((row) => {
          const plot = row.querySelector(".plot");
          return document.getElementById(plot.getAttribute("aria-labelledby")).textContent;
        })"""
    )
    assert len(sentences) == 14
    assert all("starts at" in text or "stays at" in text for text in sentences)
    slot = explorer.page.locator(".slot")
    slot.get_by_role("button", name="Show as table").click()
    table = slot.locator("table").first
    assert table.locator("thead th").count() >= 2
    assert table.locator("tbody tr").count() > 10
    shown = {
        row.locator("th").inner_text(): row.locator("td").first.inner_text()
        for row in table.locator("tbody tr").all()
    }
    # The time at the cursor is one of those of the table.
    assert explorer.value("madrs") in shown.values()
