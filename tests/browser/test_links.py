"""Links hold the whole state: the same hash, the same picture, plain words where one cannot be opened."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.browser.explorer import INFUSION, TWICE_WEEKLY, Explorer, link_of, read_link
from tests.browser.launch import Server

Opener = Callable[..., Explorer]

_SWITCHES = ("ampa", "mtorc1", "trkb")

_PERSONS = st.fixed_dictionaries(
    {},
    optional={
        "weight": st.integers(45, 120).map(lambda kg: f"{kg} kg"),
        "age": st.integers(20, 80),
        "sex": st.sampled_from(["female", "male"]),
        "severity": st.integers(20, 45),
    },
)
_MECHANISMS = st.fixed_dictionaries(
    {},
    optional={
        "switches": st.dictionaries(st.sampled_from(_SWITCHES), st.floats(0.0, 1.0), max_size=2),
        "parameters": st.dictionaries(st.just("clearance"), st.integers(40, 120).map(lambda v: f"{v} L/h")),
    },
)
_SCENARIOS = st.fixed_dictionaries(
    {
        "regimen": st.tuples(
            st.integers(1, 20), st.sampled_from(["", ", twice weekly x 4 weeks", ", weekly x 3"])
        ).map(lambda parts: f"{parts[0] / 10:g} mg/kg ketamine iv over 40 min{parts[1]}")
    },
    optional={"person": _PERSONS, "mechanism": _MECHANISMS, "setting": st.just({"control": "saline"})},
)
_STATES = st.fixed_dictionaries(
    {},
    optional={
        "axis": st.fixed_dictionaries(
            {
                "kind": st.sampled_from(["clocks", "linear", "log"]),
                "dose": st.integers(1, 8),
                "knots_h": st.none(),
                "shares": st.none(),
                "end_h": st.sampled_from([168, 672, 2016]),
                "clock": st.none(),
            }
        ),
        "tau_h": st.floats(-0.2, 2000.0),
        "open": st.sampled_from(["madrs", "ampa_drive"]),
        "more": st.just(True),
        "bands": st.sampled_from(["people", "both", "none"]),
        "observations": st.just(False),
        "view": st.sampled_from(["trial", "evidence"]),
        "scales": st.just({"ketamine_venous": {"log": True}}),
    },
)

_AGAIN = """async (hash) => {
  const { decode, encode } = await import("/static/link.js");
  const { state } = await decode(hash);
  const again = await encode(state, {});
  const { state: twice } = await decode(again);
  return [again, await encode(twice, {}), state];
}"""


@given(scenarios=st.lists(_SCENARIOS, min_size=1, max_size=4), state=_STATES)
def test_random_states_come_back_from_their_link(
    shared: Explorer, scenarios: list[dict[str, Any]], state: dict[str, Any]
) -> None:
    again, twice, found = shared.page.evaluate(_AGAIN, link_of(scenarios, **state))
    assert again == twice
    assert [entry["scenario"] for entry in found["scenarios"]] == scenarios
    for key, value in state.items():
        assert found[key] == value
    held = read_link(again)
    assert [scenario for _, scenario in held["scenarios"]] == scenarios
    assert set(held["state"]) <= set(state)


def _random_states(count: int) -> list[str]:
    chance = random.Random(8)
    links = []
    for _ in range(count):
        dose = chance.randint(2, 12) / 10
        scenarios = [
            {
                "regimen": f"{dose:g} mg/kg ketamine iv over 40 min, twice weekly x 4 weeks",
                "person": {"weight": f"{chance.randint(50, 110)} kg"},
                "mechanism": {"switches": {chance.choice(_SWITCHES): 0.0}},
            }
        ]
        links.append(
            link_of(
                scenarios,
                tau_h=chance.uniform(0.1, 600.0),
                open=chance.choice([None, "tnf", "madrs"]),
                axis={"kind": chance.choice(["clocks", "log"]), "dose": chance.randint(1, 8), "end_h": 672},
                bands="none",
            )
        )
    return links


@pytest.mark.parametrize("link", _random_states(3), ids=["first", "second", "third"])
def test_link_gives_the_same_picture_in_another_browser(explore: Opener, link: str) -> None:
    first = explore(link=link)
    first.page.get_by_role("button", name="Copy link").click()
    first.page.get_by_text("Link copied").first.wait_for()
    address = first.page.evaluate("navigator.clipboard.readText()")
    second = explore(link="#" + address.partition("#")[2])
    for part in (".stroke-A", ".ghost", ".control"):
        assert second.curves(part) == first.curves(part)
    assert second.values() == first.values()
    assert second.page.locator(".slot").is_visible() == first.page.locator(".slot").is_visible()
    held, other = read_link(address), second.state
    assert held["scenarios"] == other["scenarios"]
    assert held["state"] == other["state"]


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("#s=AAAA!!", "damaged"),
        ("#s=eJwrSS0u", "damaged"),
        (link_of([{"regimen": INFUSION}])[:-9], "damaged"),
        (link_of([{"regimen": INFUSION}], schema=99), "newer Ketasim"),
    ],
    ids=["letters", "cut", "cut-off", "schema"],
)
def test_link_that_cannot_be_opened_says_why_and_the_page_still_works(
    explore: Opener, link: str, said: str
) -> None:
    explorer = explore(link=link)
    assert said in explorer.notices
    assert explorer.values()


def test_link_that_unpacks_to_too_much_is_not_opened(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": "x" * 300_000}]))
    assert "200 kB" in explorer.notices
    assert explorer.values()


def test_long_link_opens_and_says_that_a_study_file_holds_the_same(explore: Opener, server: Server) -> None:
    chance = random.Random(3)
    stages = ("pharmacokinetics", "receptors", "ampa", "synapses", "neurotrophin", "safety", "symptoms")
    values = [
        (row["id"], f"{row['value']!r} {row['unit']}".strip())
        for stage in stages
        for row in server.call(f"/stages/{stage}")["parameters"]
    ]
    scenarios = [
        {"regimen": INFUSION, "mechanism": {"parameters": dict(chance.sample(values, 60))}} for _ in range(4)
    ]
    explorer = explore(link=link_of(scenarios, bands="none"))
    assert all(explorer.curves().values())
    explorer.page.get_by_role("button", name="Copy link").click()
    notice = explorer.page.locator("#notices .notice", has_text="characters")
    notice.wait_for()
    assert len(explorer.page.evaluate("navigator.clipboard.readText()")) > 3000
    notice.get_by_role("button", name="Save a study file").click()
    explorer.page.get_by_role("dialog").get_by_label("Study file", exact=False).wait_for()


def test_each_released_change_is_one_step_back(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], bands="none"))
    words = explorer.page.get_by_label("Regimen in words")
    words.fill(TWICE_WEEKLY)
    words.press("Tab")
    explorer.settle(0.7)
    slider = explorer.page.get_by_label("Amount, slider")
    box = slider.bounding_box()
    assert box is not None
    mouse = explorer.page.mouse
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
    mouse.down()
    for step in range(20):
        mouse.move(box["x"] + (0.3 + 0.02 * step) * box["width"], box["y"] + box["height"] / 2)
    mouse.up()
    explorer.settle(0.7)
    changed = explorer.scenario["regimen"]
    assert changed not in (INFUSION, TWICE_WEEKLY)
    explorer.page.go_back()
    explorer.settle(0.7)
    assert words.input_value() == TWICE_WEEKLY
    explorer.page.go_back()
    explorer.settle(0.7)
    assert words.input_value() == INFUSION
    explorer.page.go_forward()
    explorer.settle(0.7)
    assert words.input_value() == TWICE_WEEKLY


def test_link_of_other_parameters_says_so_and_shows_what_it_said_then(explore: Opener) -> None:
    explorer = explore()
    hash_text = explorer.page.evaluate(
        """async () => {
          const { decode, encode } = await import("/static/link.js");
          const { state } = await decode(location.hash);
          return encode(state, { version: "0.0.9", model_hash: "old", parameter_hash: "old" },
            [["A", [["MADRS at 24 h", 21.5, "points"]]]]);
        }"""
    )
    other = explore(link=hash_text)
    assert "0.0.9" in other.notices
    other.page.get_by_role("button", name="Show the stored values").click()
    assert "MADRS at 24 h 21.5 points" in other.notices
    assert other.values() == explorer.values()


def test_link_whose_pinned_scenario_cannot_be_is_not_a_silent_empty_page(explore: Opener) -> None:
    explorer = explore(load=False)
    explorer.allow("422")
    bad = {"regimen": INFUSION, "mechanism": {"parameters": {"no_such_parameter": "1"}}}
    explorer.page.goto(explorer.server.address + link_of([{"regimen": INFUSION}, bad], bands="none"))
    explorer.page.locator("#notices .notice-fail", has_text="no_such_parameter").wait_for()
    explorer.page.get_by_role("button", name="Unpin B").click()
    explorer.wait_ready()
    assert explorer.notices == ""
    assert all(explorer.curves().values())
