"""What is timed inside the page: from an input event to the frame in which its effect is drawn."""

from __future__ import annotations

import random
from typing import Any

from tests.browser.explorer import INFUSION, TWICE_WEEKLY, Explorer, link_of

__all__ = [
    "FIRST_CURVE",
    "HELPERS",
    "cursor",
    "drag",
    "drag_for",
    "dragged",
    "link",
    "new_link",
    "redraws",
    "releases",
    "stages",
    "switches",
]

#: When the first curve is drawn, in ms since the page was asked for.
FIRST_CURVE = """
new MutationObserver((_, watch) => {
  if (!document.querySelector('.row[data-row="madrs"] .stroke-A[d^="M"]')) return;
  watch.disconnect();
  window.firstCurve = performance.now();
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["d"] });
"""
#: The slider's positions are visited in strides, so that no answer that the page keeps is asked for again.
HELPERS = """
window.bench = {
  slider: () => document.querySelector('input[aria-label="Amount, slider"]'),
  path: (row, name) => document.querySelector(`.row[data-row="${row}"] .plot ${name}`),
  frame: () => new Promise((done) => requestAnimationFrame(done)),
  /** After the frame that is being made was drawn. */
  drawn: () => new Promise((done) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(0);
  }),
  /** When `node` is told another path. */
  changed: (node, patience = 20000) => new Promise((done, refuse) => {
    const late = setTimeout(() => { watch.disconnect(); refuse(new Error("no new curve")); }, patience);
    const watch = new MutationObserver(() => { clearTimeout(late); watch.disconnect(); done(); });
    watch.observe(node, { attributes: true, attributeFilter: ["d"] });
  }),
  move(i, event = "input") {
    const slider = bench.slider();
    const step = Number(slider.step);
    const count = Math.round((Number(slider.max) - Number(slider.min)) / step) + 1;
    slider.value = String(Number(slider.min) + step * ((7 * i) % count));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    if (event === "change") slider.dispatchEvent(new Event("change", { bubbles: true }));
  },
  async one(i) {
    const began = performance.now();
    const seen = bench.changed(bench.path("madrs", ".stroke-A"));
    bench.move(i);
    await seen;
    await bench.drawn();
    return performance.now() - began;
  },
  async drag(count) {
    const took = [];
    for (let i = 1; i <= count; i += 1) took.push(await bench.one(i));
    return took;
  },
  async dragFor(seconds, first) {
    const took = [];
    const faults = [];
    const end = performance.now() + 1000 * seconds;
    for (let i = first; performance.now() < end; i += 1) {
      try {
        took.push(await bench.one(i));
      } catch (fault) {
        faults.push(String(fault));
      }
      await new Promise((done) => setTimeout(done, 100));
    }
    return { took, faults };
  },
  /** When the first bands stand and when the last do: of few draws, then of all; at times of all at once. */
  async release(i) {
    const band = bench.path("madrs", ".wide");
    let old = band.getAttribute("d");
    const began = performance.now();
    const took = [];
    bench.move(i, "change");
    while (performance.now() - began < (took.length ? 3000 : 20000)) {
      const now = band.getAttribute("d");
      if (now && now !== old) {
        await bench.drawn();
        old = now;
        took.push(performance.now() - began);
        if (took.length === 2) return took;
      }
      await bench.frame();
    }
    if (took.length) return [took[0], took[0]];
    throw new Error("no new band");
  },
  /** The work of what `act` causes: the event itself, and the next frame with style and layout. */
  async work(act) {
    await bench.frame();
    await bench.drawn();
    const began = performance.now();
    act();
    const event = performance.now() - began;
    return new Promise((done) => requestAnimationFrame((start) => {
      document.body.getBoundingClientRect();
      done(event + performance.now() - Math.max(start, began));
    }));
  },
};
"""


def link(scenarios: int = 1, **state: Any) -> str:
    """A link with scenarios A to D: the first is moved, the others are eight infusions of other sizes."""
    others = [TWICE_WEEKLY.replace("0.5", size) for size in ("0.4", "0.6", "0.75")]
    return link_of([{"regimen": text} for text in (INFUSION, *others)[:scenarios]], **state)


def new_link() -> str:
    """A link that nobody has opened yet: no answer to it is kept."""
    return link_of([{"regimen": INFUSION.replace("0.5", f"{random.uniform(0.3, 0.7):.8f}")}])


def drag(explorer: Explorer, count: int) -> list[float]:
    """Times from moves of the dose slider to the frame with the new curves, in ms."""
    explorer.page.evaluate("bench.drag(5)")
    found: list[float] = explorer.page.evaluate("(count) => bench.drag(count)", count)
    explorer.settle()
    return found


def drag_for(explorer: Explorer, seconds: float, first: int) -> None:
    """Let a page move its slider for some time, 100 ms after each drawn curve, without waiting for it."""
    explorer.page.evaluate(
        "([seconds, first]) => void bench.dragFor(seconds, first).then((found) => (window.dragged = found))",
        [seconds, first],
    )


def dragged(explorer: Explorer, patience_s: float) -> tuple[list[float], list[str]]:
    """What came of :func:`drag_for`: times in ms, and what went wrong."""
    found = explorer.until("window.dragged", "a page that moves its slider", patience_s)
    return found["took"], [*found["faults"], *explorer.faults()]


def releases(explorer: Explorer, count: int) -> list[list[float]]:
    """Times from letting the slider go to the frames with bands of few and of all draws, in ms."""
    found = []
    for place in range(1, count + 1):
        found.append([float(each) for each in explorer.page.evaluate("(i) => bench.release(i)", place)])
        # The counts of people that follow are not part of the next release.
        explorer.settle(0.2)
    return found


def cursor(explorer: Explorer, count: int) -> list[float]:
    """Work of a move of the cursor by one column, in ms: the event, and the frame with style and layout."""
    found: list[float] = explorer.page.evaluate(
        """async (count) => {
          const flag = document.querySelector(".flag");
          const took = [];
          for (let i = 0; i < count; i += 1) {
            const key = i % 160 < 80 ? "ArrowRight" : "ArrowLeft";
            const press = new KeyboardEvent("keydown", { key, bubbles: true });
            took.push(await bench.work(() => flag.dispatchEvent(press)));
          }
          return took;
        }""",
        count,
    )
    return found


def redraws(explorer: Explorer, count: int) -> list[float]:
    """Work of drawing all rows anew, in ms: a row is fitted to its curves and back, which draws every row."""
    found: list[float] = explorer.page.evaluate(
        """async (count) => {
          const range = document.querySelector('.row[data-row="tnf"] .row-range');
          const took = [];
          for (let i = 0; i < count; i += 1) took.push(await bench.work(() => range.click()));
          return took;
        }""",
        count,
    )
    return found


def stages(explorer: Explorer) -> list[float]:
    """Times from pressing a row to its filled strip, in ms; every row on show, each for the first time."""
    found: list[float] = explorer.page.evaluate(
        """async () => {
          const took = [];
          for (const name of document.querySelectorAll(".row-main .row-name, .row-harms .row-name")) {
            const began = performance.now();
            name.click();
            while (!document.querySelector(".stage-strip .params")) await bench.frame();
            await bench.drawn();
            took.push(performance.now() - began);
            name.click();
            await bench.frame();
            await bench.drawn();
          }
          return took;
        }"""
    )
    return found


def switches(explorer: Explorer, rounds: int) -> list[float]:
    """Times from a press on a switch to the frame with the new mood, in ms; off and on, several times."""
    found = []
    for _ in range(rounds):
        for row in ("nmda_block_mean", "ampa_drive", "mtorc1", "spine_density", "tnf"):
            for _ in range(2):
                found.append(
                    float(
                        explorer.page.evaluate(
                            """async (row) => {
                              const began = performance.now();
                              const seen = bench.changed(bench.path("madrs", ".stroke-A"));
                              document.querySelector(`.row[data-row="${row}"] .dot`).click();
                              await seen;
                              await bench.drawn();
                              return performance.now() - began;
                            }""",
                            row,
                        )
                    )
                )
                explorer.settle(0.2)
    return found
