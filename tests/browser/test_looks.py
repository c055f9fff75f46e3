"""Looks for those who see, print or move otherwise: colour blindness, forced colours, calm, paper."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.browser.explorer import INFUSION, Explorer, link_of

Opener = Callable[..., Explorer]

_LINK = link_of([{"regimen": INFUSION}, {"regimen": INFUSION.replace("0.5", "1")}], tau_h=24.0)
#: Contrast of lines that WCAG asks for.
_LINES = 3.0
_TEXT = 4.5


def _pixels(shot: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), dtype=np.float64)


def _luminance(colour: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    part = colour / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one: list[int], other: list[int]) -> float:
    """Contrast of two colours, as WCAG counts it."""
    low, high = sorted(float(_luminance(np.array(colour, dtype=np.float64))) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


_COLOURS = """(names) => {
  const probe = document.createElement("i");
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(${name})`;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const pen = canvas.getContext("2d");
    pen.fillStyle = getComputedStyle(probe).color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const found = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  return found;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_and_texts_have_contrast(explore: Opener, theme: str) -> None:
    explorer = explore(link=_LINK, color_scheme=theme)
    rows = explorer.server.call("/meta")["rows"]
    stages = [f"--stage-{name}" for name in dict.fromkeys(row["colour"] for row in rows)]
    texts = ["--ink", "--ink2", "--ink3", "--accent", "--pass", "--warn", "--fail"]
    found = explorer.page.evaluate(_COLOURS, ["--surface", *stages, *texts])
    for name in stages:
        assert contrast(found[name], found["--surface"]) >= _LINES, name
    for name in texts:
        assert contrast(found[name], found["--surface"]) >= _TEXT, name
    explorer.picture(f"explore_{theme}")


@pytest.mark.parametrize("sight", ["protanopia", "deuteranopia", "achromatopsia"])
def test_scenarios_stay_apart_without_hue(explore: Opener, sight: str) -> None:
    explorer = explore(link=_LINK)
    session = explorer.page.context.new_cdp_session(explorer.page)
    session.send("Emulation.setEmulatedVisionDeficiency", {"type": sight})
    explorer.picture(f"sight_{sight}")
    # One is solid and the other is dashed, whatever colours are seen; both stand out from the ground.
    plot = _pixels(explorer.row("ketamine_venous").locator(".plot").screenshot())
    ink = _luminance(plot) < 0.45
    assert ink.any(axis=0).mean() > 0.5
    session.detach()


def test_forced_colours_keep_curves_focus_and_states(explore: Opener) -> None:
    scenario = {"regimen": INFUSION, "mechanism": {"switches": {"mtorc1": 0.0}}}
    explorer = explore(link=link_of([scenario, {"regimen": INFUSION}]), forced_colors="active")
    found = explorer.page.evaluate(
        """(() => {
          const of = (selector, key) => getComputedStyle(document.querySelector(selector))[key];
          document.querySelector(".flag").focus();
          return { ground: of("body", "backgroundColor"), cursor: of(".cursor", "backgroundColor"),
            curve: of('[data-row="madrs"] .plot .stroke-A', "stroke"),
            dash: of('[data-row="madrs"] .plot .stroke-B', "strokeDasharray") };
        })()"""
    )
    assert found["curve"] != found["ground"]
    assert found["cursor"] != found["ground"]
    assert found["dash"] != "none"
    assert explorer.row("mtorc1").locator(".row-title").inner_text().endswith(", off")
    explorer.picture("forced_colours")


def test_reduced_motion_steps_instead_of_gliding(explore: Opener) -> None:
    explorer = explore(
        reduced_motion="reduce", link=link_of([{"regimen": INFUSION}], bands="none", tau_h=0.5)
    )
    explorer.page.locator("#chain-time").focus()
    explorer.press("Home")
    explorer.frame()
    explorer.press(" ")
    columns = explorer.page.evaluate(
        """new Promise((done) => {
          const seen = new Set();
          const start = performance.now();
          const look = () => {
            seen.add(document.getElementById("chain-time").getAttribute("aria-valuenow"));
            if (performance.now() - start < 2300) requestAnimationFrame(look);
            else done([...seen].map(Number));
          };
          look();
        })"""
    )
    explorer.press(" ")
    # A step a second, of one 24th of the width.
    assert 2 <= len(columns) <= 4
    assert min(np.diff(sorted(columns))) >= 19
    lasting = explorer.page.evaluate(
        """[...document.querySelectorAll("*")].filter((e) => {
          const s = getComputedStyle(e);
          const lasts = `${s.transitionDuration},${s.animationDuration}`.split(",");
          return lasts.some((x) => parseFloat(x) > 0.15);
        }).length"""
    )
    assert lasting == 0


def test_print_is_light_with_all_rows_and_the_sources(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], bands="none"), color_scheme="dark")
    explorer.page.emulate_media(media="print", color_scheme="dark")
    explorer.frame()
    found = explorer.page.evaluate(
        """(() => {
          const seen = (s) => [...document.querySelectorAll(s)].filter((e) => e.checkVisibility()).length;
          const { backgroundColor: ground, color: ink } = getComputedStyle(document.body);
          const sources = document.querySelector(".sources");
          return { ground, ink, rows: seen(".row"), controls: seen("#tools, #actions, #scenario, #bottom"),
            rules: seen("#reading .rules"), sources: sources.checkVisibility() && sources.textContent };
        })()"""
    )
    assert found["ground"] == "rgb(255, 255, 255)"
    assert _luminance(np.array([float(x) for x in found["ink"][4:-1].split(",")[:3]])) < 0.1
    assert found["rows"] == 14
    assert found["controls"] == 0
    assert found["rules"] == 1
    explorer.picture("print", full=True)
    paper = explorer.page.pdf(format="A4")
    assert paper.startswith(b"%PDF-")
    seen = explorer.server.call("/observations?variable=madrs&drug=ketamine&route=iv&dose=0.5%20mg%2Fkg")
    assert bool(seen["observations"]) == ("Sources of the points" in (found["sources"] or ""))


def test_theme_can_be_chosen_and_is_kept(explore: Opener) -> None:
    explorer = explore(color_scheme="light")
    explorer.page.get_by_role("button", name="Dark colours").click()
    dark = explorer.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark == "rgb(18, 21, 25)"
    explorer.open()
    assert explorer.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
