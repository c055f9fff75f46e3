"""The clock axis and the way numbers are written, run as the page runs them, over random cases."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.browser.explorer import TWICE_WEEKLY, Explorer, link_of
from tests.browser.printed import printed

from ketasim.api.scenarios.axis import Axis

Opener = Callable[..., Explorer]

_COLUMNS = 480
#: Round trip through x: only rounding is between them.
_ROUNDING = 1e-9
_INFUSION_H = 40 / 60

_AXES = """async (cases) => {
  const { createAxis } = await import("/static/axis.js");
  return cases.map(({ knots, shares, taus }) => {
    const axis = createAxis({ knots, shares });
    const x = taus.map(axis.x);
    return { x, back: x.map(axis.tau), at: knots.map(axis.x) };
  });
}"""


def random_axes(count: int) -> list[dict[str, Any]]:
    """Axes with knots and widths of all sizes."""
    chance = np.random.default_rng(20)
    cases = []
    for _ in range(count):
        pieces = int(chance.integers(1, 9))
        start = -float(chance.exponential(50.0))
        knots = start + np.concatenate([[0.0], np.cumsum(10.0 ** chance.uniform(-2.0, 3.5, pieces))])
        shares = 10.0 ** chance.uniform(-1.5, 0.5, pieces)
        taus = np.sort(chance.uniform(knots[0], knots[-1], 60))
        cases.append({"knots": knots.tolist(), "shares": shares.tolist(), "taus": taus.tolist()})
    return cases


def test_axis_is_monotone_its_own_inverse_and_the_servers_twin(shared: Explorer) -> None:
    cases = random_axes(150)
    for case, found in zip(cases, shared.page.evaluate(_AXES, cases), strict=True):
        span = case["knots"][-1] - case["knots"][0]
        assert (np.diff(found["x"]) > 0.0).all()
        np.testing.assert_allclose(found["back"], case["taus"], rtol=0.0, atol=_ROUNDING * span)
        twin = Axis(tuple(case["knots"]), tuple(case["shares"]), _COLUMNS)
        np.testing.assert_allclose(found["x"], twin.position(case["taus"]), rtol=0.0, atol=_ROUNDING)
        np.testing.assert_allclose(found["at"], twin.edges_x, rtol=0.0, atol=_ROUNDING)


def test_columns_of_the_page_are_those_of_the_server(shared: Explorer) -> None:
    found = shared.page.evaluate(
        """async ({ knots, shares }) => {
          const { createAxis } = await import("/static/axis.js");
          const axis = createAxis({ knots, shares });
          return Array.from({ length: 480 }, (_, i) => axis.centre(i, 480));
        }""",
        {"knots": [-0.26, 0, 2, 24, 336, 2016], "shares": [0.035, 0.265, 0.2, 0.26, 0.24]},
    )
    twin = Axis((-0.26, 0, 2, 24, 336, 2016), (0.035, 0.265, 0.2, 0.26, 0.24), _COLUMNS)
    np.testing.assert_allclose(found, twin.centres_h, rtol=1e-12)


@given(dose_h=st.one_of(st.just(0.0), st.floats(0.5, 8000.0)), room_h=st.floats(3.0, 9000.0))
def test_clocks_keep_their_seams_for_any_dose_and_end(shared: Explorer, dose_h: float, room_h: float) -> None:
    found = shared.page.evaluate(
        """async ([dose, end]) => {
          const axis = await import("/static/axis.js");
          return ["fourClocks", "oneClock", "logClock"].map((name) => axis[name](dose, end));
        }""",
        [dose_h, dose_h + room_h],
    )
    for line in found:
        assert (np.diff(line["knots"]) > 0.0).all()
        assert min(line["shares"]) > 0.0
        assert len(line["shares"]) == len(line["knots"]) - 1
        assert math.fsum(line["shares"]) == pytest.approx(1.0, abs=1e-12)
        assert line["knots"][-1] == pytest.approx(room_h, rel=1e-9)
    clocks = found[0]["knots"]
    seams = [seam for seam in (0.0, 2.0, 24.0, 336.0) if seam < 0.98 * clocks[-1]]
    assert clocks[1:-1] == seams


def test_widening_and_moving_a_seam_leave_room_for_all(shared: Explorer) -> None:
    found = shared.page.evaluate(
        """async () => {
          const { widen, moveSeam } = await import("/static/axis.js");
          const shares = [0.035, 0.265, 0.2, 0.26, 0.24];
          return { wide: shares.map((_, i) => widen(shares, i)),
            moved: [-2, -0.1, 0, 0.1, 2].map((d) => moveSeam(shares, 2, d)) };
        }"""
    )
    for piece, shares in enumerate(found["wide"]):
        assert shares[piece] == pytest.approx(0.7)
        assert min(shares) >= 0.06 - 1e-12
        assert sum(shares) == pytest.approx(1.0)
    for shares in found["moved"]:
        assert sum(shares) == pytest.approx(1.0)
        assert min(shares[1:3]) >= 0.02 - 1e-12


_TIPS = """(row) => {
  const path = document.querySelector(`.row[data-row="${row}"] .plot .stroke-A`);
  const width = Number(path.closest("svg").getAttribute("width"));
  const points = [];
  for (const [, letter, a, b] of path.getAttribute("d").matchAll(/([MLH])([-\\d.]+)(?: ([-\\d.]+))?/g)) {
    const x = Number(a);
    points.push([x, letter === "H" ? points[points.length - 1][1] : Number(b)]);
  }
  return { width, points, height: Number(path.closest("svg").getAttribute("height")) };
}"""


@pytest.mark.parametrize("dose", [1, 5])
def test_peak_at_forty_minutes_lies_in_its_column(explore: Opener, dose: int) -> None:
    link = link_of([{"regimen": TWICE_WEEKLY}], axis={"kind": "clocks", "dose": dose, "end_h": 672})
    explorer = explore(link=link)
    body = explorer.simulations()[-1]
    axis = Axis(tuple(body["axis"]["knots_h"]), tuple(body["axis"]["shares"]), _COLUMNS)
    drawn = explorer.page.evaluate(_TIPS, "ketamine_venous")
    minutes = [point for point in drawn["points"] if 0.0 < axis.time(point[0] / drawn["width"]) < 2.0]
    x, _ = min(minutes, key=lambda point: point[1])
    column = math.floor(float(axis.position(_INFUSION_H)) * _COLUMNS)
    # The path goes through the centres of columns, written to a tenth of a pixel.
    assert abs(x / drawn["width"] * _COLUMNS - (column + 0.5)) <= 0.15


def test_spike_of_a_minute_on_day_sixty_keeps_its_height(explore: Opener) -> None:
    events = [
        {
            "time_h": day * 24.0,
            "amount": 0.2,
            "unit": "mg/kg",
            "route": "iv",
            "drug": "ketamine",
            "duration_h": 1 / 60,
        }
        for day in (0, 60)
    ]
    explorer = explore(load=False)
    regimen = explorer.server.call("/regimen", {"events": events})["text"]
    explorer.open(link_of([{"regimen": regimen}], axis={"kind": "clocks", "dose": 1, "end_h": 2016}))
    drawn = explorer.page.evaluate(_TIPS, "ketamine_venous")
    body = explorer.simulations()[0] | {"bands": "none"}
    axis = Axis(tuple(body["axis"]["knots_h"]), tuple(body["axis"]["shares"]), _COLUMNS)
    column = math.floor(float(axis.position(60 * 24.0)) * _COLUMNS)
    series = explorer.server.call("/simulate", body)["results"][0]["series"]["ketamine_venous"]
    highest = max(series["hi"][column : column + 2])
    near = [y for x, y in drawn["points"] if abs(x / drawn["width"] * _COLUMNS - (column + 0.5)) < 1.6]
    low, high = next(
        r["range"] for r in explorer.server.call("/meta")["rows"] if r["id"] == "ketamine_venous"
    )
    y = 5.0 + (drawn["height"] - 10.0) * (1.0 - (highest - low) / (high - low))
    # Three pixels beyond the box are as far as a curve is drawn; a path is written to a tenth of a pixel.
    assert min(near) == pytest.approx(max(-3.0, y), abs=0.1)
    assert max(near) - min(near) >= 1.0


@given(value=st.floats(-1e7, 1e7, allow_nan=False), digits=st.integers(1, 5))
def test_numbers_are_written_short_and_without_false_digits(
    shared: Explorer, value: float, digits: int
) -> None:
    text = shared.page.evaluate(
        'async ([v, d]) => (await import("/static/format.js")).number(v, d)', [value, digits]
    )
    assert text == printed(value, digits)
    assert "-" not in text


def test_times_are_said_in_their_own_unit(shared: Explorer) -> None:
    said = shared.page.evaluate(
        """async (taus) => {
          const { timeLabel, timeWords } = await import("/static/format.js");
          return taus.map((tau) => [timeLabel(tau), timeWords(tau, 3)]);
        }""",
        [-48, -1, 0, 40 / 60, 3, 24, 191, 1008],
    )
    assert [label for label, _ in said] == [
        "2 d before",
        "60 min before",
        "0 min",
        "40 min",
        "3 h",
        "day 1",
        "day 8",
        "week 6",
    ]
    assert said[2][1] == "at dose 3"
    assert said[3][1] == "40 minutes after dose 3"
    assert said[6][1] == "8 days after dose 3"
