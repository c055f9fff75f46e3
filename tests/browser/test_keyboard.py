"""Everything by keyboard: the five tasks that people come with, the focus, and the single letters."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from tests.browser.explorer import INFUSION, Explorer, link_of, read_link
from tests.browser.printed import to_number

Opener = Callable[..., Explorer]

_NO_MOUSE = """
for (const type of ["mousedown", "mouseup", "pointerdown", "touchstart", "wheel"]) {
  addEventListener(type, () => { window.usedMouse = true; }, true);
}
"""
_ORDER = ("top", "scenario", "pins", "tools", "chain", "reading")


@pytest.fixture
def keyboard(explore: Opener) -> Explorer:
    explorer = explore(script=_NO_MOUSE)
    return explorer


def to_chain(explorer: Explorer) -> None:
    """By the skip link, as one who has no mouse comes to the chain."""
    explorer.page.evaluate(
        "(() => { document.activeElement.blur(); window.getSelection().removeAllRanges(); })()"
    )
    explorer.tab_to(".skip")
    explorer.press("Enter")
    assert explorer.page.evaluate("document.activeElement.id") == "chain"


def to_row(explorer: Explorer, row: str) -> None:
    """With the arrow keys to a row."""
    for _ in range(30):
        explorer.press("ArrowDown")
        if explorer.page.evaluate("document.activeElement.closest('.row')?.dataset.row") == row:
            return
    raise AssertionError(f"no arrow key led to {row}")


def choose(explorer: Explorer, text: str) -> None:
    """Type the beginning of an option of the menu that has the focus."""
    explorer.page.keyboard.type(text, delay=20)
    explorer.settle(0.7)


def no_mouse(explorer: Explorer) -> None:
    """Nothing but keys was used."""
    assert not explorer.page.evaluate("window.usedMouse ?? false")


def test_task_1_one_infusion_lifts_mood_for_a_week(keyboard: Explorer) -> None:
    to_chain(keyboard)
    keyboard.press("Home")
    keyboard.frame()
    keyboard.press("PageDown")
    keyboard.frame()
    at_dose = {row: to_number(text) for row, text in keyboard.values().items()}
    peak = at_dose["ketamine_venous"]
    for _ in range(40):
        keyboard.press("PageDown")
        keyboard.frame()
        peak = max(peak, to_number(keyboard.value("ketamine_venous")))
    flag = keyboard.page.locator("#chain-time")
    keyboard.press("Home")
    while "day 7" not in flag.inner_text():
        keyboard.press("Shift+ArrowRight" if "day" not in flag.inner_text() else "ArrowRight")
        keyboard.frame()
    week = {row: to_number(text) for row, text in keyboard.values().items()}
    assert week["ketamine_venous"] < 0.01 * peak
    assert week["madrs"] < at_dose["madrs"]
    keyboard.page.wait_for_timeout(800)
    assert "MADRS" in keyboard.spoken
    no_mouse(keyboard)


def test_task_2_two_regimens_side_by_side_and_the_data_taken(keyboard: Explorer) -> None:
    to_chain(keyboard)
    keyboard.press("p")
    keyboard.settle()
    start_from = keyboard.page.get_by_label("Start from").get_attribute("id")
    keyboard.tab_to(f"#{start_from}", key="Shift+Tab")
    choose(keyboard, "Esk")
    held = dict(keyboard.state["scenarios"])
    assert "esketamine" in held["A"]["regimen"]
    assert held["B"]["regimen"] == INFUSION
    to_chain(keyboard)
    keyboard.press("t")
    table = keyboard.page.get_by_role("dialog")
    table.locator("tbody tr").first.wait_for()
    assert any("×" in cell for cell in table.locator("td").all_inner_texts())
    keyboard.press("Escape")
    assert not table.count()
    keyboard.page.evaluate("document.activeElement.blur()")
    keyboard.tab_to("#actions button:nth-child(2)")
    keyboard.press("Enter")
    keyboard.tab_to('input[name="export-as"]')
    keyboard.tab_to(".dialog-body .btn.primary")
    with keyboard.page.expect_download() as download:
        keyboard.press("Enter")
    keyboard.press("Escape")
    frame = pd.read_csv(download.value.path(), comment="#")
    assert set(frame["scenario"]) == {"A", "B"}
    no_mouse(keyboard)


def test_task_3_a_mechanism_off_another_wiring_and_what_was_published(keyboard: Explorer) -> None:
    before = keyboard.curves()
    to_chain(keyboard)
    to_row(keyboard, "mtorc1")
    keyboard.press("k")
    keyboard.settle()
    assert "off" in (keyboard.row("mtorc1").get_attribute("class") or "").split()
    assert keyboard.curves()["spine_density"] != before["spine_density"]
    assert "What the switch changed" in keyboard.reading
    wiring = keyboard.page.get_by_label("Wiring").get_attribute("id")
    keyboard.tab_to(f"#{wiring}", key="Shift+Tab")
    first = keyboard.curves()
    keyboard.press("ArrowDown", "ArrowDown")
    keyboard.settle(0.7)
    assert keyboard.curves() != first
    keyboard.page.evaluate("document.activeElement.blur()")
    keyboard.tab_to('#views [data-view="evidence"]')
    keyboard.press("Enter")
    keyboard.page.locator(".board tbody tr").first.wait_for()
    search = keyboard.page.get_by_label("Search study, quantity, arm").get_attribute("id")
    keyboard.tab_to(f"#{search}")
    keyboard.page.keyboard.type("abdallah")
    keyboard.page.wait_for_timeout(600)
    rows = keyboard.page.locator(".board tbody tr").all_inner_texts()
    assert rows
    assert all(word in "".join(rows).lower() for word in ("abdallah",))
    assert any("hit" in row or "miss" in row for row in rows)
    no_mouse(keyboard)


def test_task_4_a_trial_with_drop_out(keyboard: Explorer) -> None:
    keyboard.tab_to('#views [data-view="trial"]')
    keyboard.press("Enter")
    keyboard.page.get_by_label("People an arm").wait_for()
    for label, text in (("People an arm", "15"), ("Leave by the last visit", "15 %"), ("Trials", "4")):
        field = keyboard.page.locator("#trial").get_by_label(label, exact=True)
        keyboard.tab_to(f"#{field.get_attribute('id')}")
        keyboard.press("Control+a")
        keyboard.page.keyboard.type(text)
    keyboard.tab_to("#trial .btn.primary")
    keyboard.press("Enter")
    keyboard.page.get_by_role("button", name="Export this run").wait_for(timeout=60_000)
    # Another test's run may stand there until this one has results.
    keyboard.page.locator("#trial").get_by_text("dropped out").first.wait_for(
        timeout=60_000, state="attached"
    )
    said = keyboard.page.locator("#trial").inner_text()
    for words in ("Of 100 people", "Harms", "Who stayed", "trials", "dropped out"):
        assert words in said
    no_mouse(keyboard)


def test_task_5_where_a_number_comes_from_and_this_exactly(keyboard: Explorer) -> None:
    to_chain(keyboard)
    to_row(keyboard, "ampa_drive")
    keyboard.press("Enter")
    strip = keyboard.page.locator(".slot .strip")
    strip.locator(".param").first.wait_for()
    for words in ("Equation", "Parameters", "Evidence and disputes"):
        assert words in strip.inner_text()
    assert strip.locator("math").count()
    keyboard.tab_to(".strip .cites button")
    keyboard.press("Enter")
    card = keyboard.page.get_by_role("dialog")
    card.wait_for()
    keyboard.until(
        "/(19|20)\\d\\d/.test(document.querySelector('dialog').innerText)", "a year on the citation card"
    )
    keyboard.press("Escape")
    assert keyboard.page.evaluate("document.activeElement.closest('.strip') !== null")
    keyboard.page.evaluate("document.activeElement.blur()")
    keyboard.tab_to("#actions button:nth-child(1)")
    keyboard.press("Enter")
    keyboard.page.get_by_text("Link copied").first.wait_for()
    copied = read_link(keyboard.page.evaluate("navigator.clipboard.readText()"))
    assert copied["state"]["open"] == "ampa_drive"
    keyboard.press("Tab", "Enter")
    keyboard.tab_to('input[name="export-as"]')
    for _ in range(6):
        keyboard.press("ArrowDown")
    keyboard.tab_to(".dialog-body .btn.primary")
    with keyboard.page.expect_download() as download:
        keyboard.press("Enter")
    assert download.value.suggested_filename.endswith(".py")
    assert "ks.simulate_scenarios" in download.value.path().read_text("utf-8")
    no_mouse(keyboard)


def test_focus_is_always_seen_and_goes_from_left_to_right(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], open="tnf", bands="none"))
    explorer.page.locator(".strip .param").first.wait_for()
    explorer.page.evaluate("document.activeElement.blur()")
    places: list[str] = []
    hidden: list[str] = []
    for _ in range(260):
        explorer.press("Tab")
        found = explorer.page.evaluate(
            """(() => {
              const e = document.activeElement;
              if (e === document.body) return null;
              const seen = (node) => {
                const style = getComputedStyle(node);
                return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
              };
              const near = [e, e.nextElementSibling, e.parentElement, e.querySelector(":scope > *")];
              const box = e.getBoundingClientRect();
              const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0;
              const places = ["top", "scenario", "pins", "tools", "chain", "reading"];
              const label = e.getAttribute("aria-label") ?? e.textContent.slice(0, 40);
              return { place: places.find((id) => e.closest(`#${id}`)),
                ok: near.filter(Boolean).some(seen) && (inside || e.matches("input[type=radio]")),
                name: `${e.tagName} ${e.className?.baseVal ?? e.className} ${label}` };
            })()"""
        )
        if found is None:
            break
        if found["place"] and (not places or places[-1] != found["place"]):
            places.append(found["place"])
        if not found["ok"]:
            hidden.append(found["name"])
    assert places == list(_ORDER)
    assert not hidden


def test_skip_link_keeps_the_link_in_the_address(keyboard: Explorer) -> None:
    keyboard.page.get_by_label("Start from").select_option(label="Ketamine by mouth")
    keyboard.settle(0.9)
    to_chain(keyboard)
    keyboard.page.wait_for_timeout(600)
    keyboard.page.reload()
    keyboard.wait_ready()
    assert "oral" in keyboard.page.get_by_label("Regimen in words").input_value()


def test_letters_act_only_in_the_chain_and_can_be_turned_off(keyboard: Explorer) -> None:
    words = keyboard.page.get_by_label("Regimen in words")
    words.focus()
    keyboard.press("End", "p", "Backspace")
    assert keyboard.page.locator("#pins .pin").count() == 1
    to_chain(keyboard)
    keyboard.press("?")
    tick = keyboard.page.get_by_label("Single-letter keys on")
    keyboard.tab_to(".dialog-body input[type=checkbox]")
    keyboard.press(" ")
    assert not tick.is_checked()
    keyboard.press("Escape")
    to_chain(keyboard)
    keyboard.press("p", "k", "t")
    assert keyboard.page.locator("#pins .pin").count() == 1
    assert not keyboard.page.get_by_role("dialog").count()
    keyboard.press("Home", "ArrowRight")
    keyboard.frame()
    assert keyboard.page.locator("#chain-time").get_attribute("aria-valuenow") == "1"


def test_keys_choose_dose_clock_scale_and_row(explore: Opener) -> None:
    link = link_of(
        [{"regimen": f"{INFUSION}, twice weekly x 4 weeks"}],
        bands="none",
        axis={"kind": "clocks", "dose": 1, "end_h": 672},
    )
    explorer = explore(link=link)
    to_chain(explorer)
    explorer.press("]", "]")
    explorer.settle()
    assert "dose 3 of 8" in explorer.page.locator("#tools").inner_text()
    assert explorer.page.locator(".clock-name", has_text="Before").count() == 1
    explorer.press("[")
    explorer.settle()
    assert "dose 2 of 8" in explorer.page.locator("#tools").inner_text()
    before = explorer.curves()
    explorer.press("1")
    explorer.settle()
    assert explorer.page.locator('.clock-name[aria-pressed="true"]').inner_text() == "Minutes"
    explorer.press("0")
    explorer.settle()
    assert explorer.page.locator('.clock-name[aria-pressed="true"]').count() == 0
    assert set(explorer.curves()) == set(before)
    to_row(explorer, "ketamine_venous")
    explorer.press("l")
    explorer.frame()
    assert "log" in explorer.row("ketamine_venous").locator(".row-range").inner_text()
    seam = explorer.page.locator(".seam-handle").last
    place = float(seam.get_attribute("aria-valuenow") or 0)
    seam.focus()
    explorer.press("Shift+ArrowLeft")
    explorer.settle()
    assert float(explorer.page.locator(".seam-handle").last.get_attribute("aria-valuenow") or 0) < place


def test_a_dialog_that_closes_gives_the_focus_back_and_takes_it_from_nobody(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], bands="none"))
    page = explorer.page
    page.get_by_role("button", name="Export", exact=True).focus()
    explorer.press("Enter")
    page.get_by_role("dialog").wait_for()
    explorer.press("Escape")
    explorer.until("!document.querySelector('dialog')", "the dialog to go")
    assert "Export" in explorer.focused()
    explorer.press("Enter")
    page.get_by_role("dialog").wait_for()
    # A quick reader goes on before the page is told that its dialog has closed.
    page.evaluate("document.querySelector('dialog').close(); document.getElementById('chain').focus()")
    explorer.until("!document.querySelector('dialog')", "the dialog to go")
    assert "#chain" in explorer.focused()
