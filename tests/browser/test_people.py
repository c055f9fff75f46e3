"""Virtual people whose own curves are drawn on request."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.explorer import INFUSION, Explorer, link_of

Opener = Callable[..., Explorer]

_MOST = 12


def test_example_people_are_drawn_on_request_and_held_by_the_link(explore: Opener) -> None:
    explorer = explore(link=link_of([{"regimen": INFUSION}], bands="none"))
    tick = explorer.page.get_by_label("Example people")
    assert not any(explorer.curves(".example").values())
    before = len(explorer.simulations())
    tick.check()
    explorer.settle(0.7)
    asked = explorer.simulations()[before:]
    assert [body.get("examples") for body in asked] == [_MOST]
    drawn = explorer.curves(".example")
    people = explorer.server.call("/simulate", asked[0])["results"][0]["examples"]
    for row, path in drawn.items():
        # One line begins for each person who could be solved.
        assert path.count("M") == len(people[row])
    assert 0 < len(people["madrs"]) <= _MOST
    assert explorer.state["state"]["examples"] is True
    tick.uncheck()
    explorer.settle(0.7)
    assert not any(explorer.curves(".example").values())
    tick.check()
    explorer.settle(0.7)
    assert explorer.curves(".example") == drawn
    # What the page holds already is not asked for again.
    assert len(explorer.simulations()) == before + 1
