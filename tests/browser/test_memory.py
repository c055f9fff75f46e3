"""Two tabs that play and change keep their size: no listener is left behind, no node piles up.

Ten minutes, as a person would let it play, are too long here: the cursor moves through the whole axis at the
speed of the keys instead, and scenarios, stages and overlays are opened and closed in between.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.explorer import INFUSION, Explorer, link_of

Opener = Callable[..., Explorer]

_ROUNDS = 5
#: Steps of the cursor in a round.
_STEPS = 400
#: A browser keeps things for a while by itself: nodes not yet collected, code compiled late.
_NODES, _LISTENERS, _HEAP = 1.10, 1.05, 1.30


def counts(explorer: Explorer) -> dict[str, float]:
    """Nodes, listeners and bytes that the page holds, after a collection."""
    session = explorer.page.context.new_cdp_session(explorer.page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = {item["name"]: item["value"] for item in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return {name: found[name] for name in ("Nodes", "JSEventListeners", "JSHeapUsedSize")}


def busy(explorer: Explorer) -> None:
    """What a restless reader does: move, play, change, open, close."""
    explorer.page.evaluate(
        """async (steps) => {
          const chain = document.getElementById("chain-time");
          chain.focus();
          const key = (name) =>
            chain.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
          key("Home");
          for (let i = 0; i < steps; i += 1) {
            key("ArrowRight");
            if (i % 10 === 0) await new Promise(requestAnimationFrame);
          }
          key(" ");
          await new Promise((done) => setTimeout(done, 300));
          key(" ");
        }""",
        _STEPS,
    )
    slider = explorer.page.get_by_label("Amount, slider")
    slider.focus()
    explorer.press("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft")
    explorer.page.locator("#chain").focus()
    for row in ("ampa_drive", "madrs"):
        explorer.row(row).locator(".row-name").click()
        explorer.page.locator(".strip .param").first.wait_for()
        explorer.row(row).locator(".row-name").click()
    explorer.page.locator("#chain").focus()
    explorer.press("t")
    explorer.page.get_by_role("dialog").wait_for()
    explorer.press("Escape", "p")
    explorer.settle(0.3)
    explorer.page.get_by_role("button", name="Unpin B").click()
    explorer.settle(0.3)


def test_two_tabs_stay_as_large_as_they_were(explore: Opener) -> None:
    tabs = [
        explore(link=link_of([{"regimen": INFUSION}], bands="none", observations=False)) for _ in range(2)
    ]
    for tab in tabs:
        busy(tab)
    before = [counts(tab) for tab in tabs]
    for _ in range(_ROUNDS):
        for tab in tabs:
            busy(tab)
    for tab, first in zip(tabs, before, strict=True):
        last = counts(tab)
        print(f"before {first}, after {_ROUNDS} rounds {last}")
        assert last["JSEventListeners"] <= _LISTENERS * first["JSEventListeners"]
        assert last["Nodes"] <= _NODES * first["Nodes"]
        assert last["JSHeapUsedSize"] <= _HEAP * first["JSHeapUsedSize"]
