"""Parts of the compiled time loop against closed forms and a solver."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.stats import chi2, poisson

from ketasim.circuit import kernel
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.parameters import NetworkParameters

LANES, TILE, VARIABLES = kernel.LANES, kernel.TILE, kernel.VARIABLES
DT = 0.1
#: Relative rounding of single precision.
EPS = float(np.finfo(np.float32).eps)
SPIKE = -30.0
DEFAULTS = NetworkParameters("defaults", {})
OPEN = np.array([1, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)
NEVER = np.ones(kernel.EVENT_LEVELS, dtype=np.float32)


def jahr_stevens(voltage: NDArray[np.float64], magnesium: float) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + magnesium / 3.57 * np.exp(-0.062 * voltage)))


def fast_exponential(e: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((1.0 + np.clip(e, -20.0, 9.0) / 1024.0) ** 1024)


class Tile:
    """Sixteen cells of one class without synapses, moved step by step."""

    def __init__(self, cell: NDArray[np.float64], seed: int = 1, dt: float = DT) -> None:
        self.dt = np.float32(dt)
        self.cell = cell.astype(np.float32)
        self.state = np.zeros(TILE, dtype=np.float32)
        self.streams = np.random.default_rng(seed).integers(1, 2**32, LANES, dtype=np.uint32)
        self.spiked = np.zeros(LANES, dtype=np.uint8)
        self["v"] = self.cell[2]
        self["conducts"] = 1.0

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return self.state.reshape(-1, LANES)[VARIABLES.index(name)].copy()

    def __setitem__(self, name: str, value: object) -> None:
        self.state.reshape(-1, LANES)[VARIABLES.index(name)] = value

    def step(
        self,
        levels: NDArray[np.float32] = NEVER,
        events: tuple[float, float] = (0.0, 0.0),
        decay: NDArray[np.float64] | None = None,
        magnesium: NDArray[np.float32] = OPEN,
    ) -> NDArray[np.bool_]:
        """Move by one step; without ``decay`` conductances stay what they are."""
        factors = (np.ones(6) if decay is None else decay).astype(np.float32)
        f = np.float32
        kernel._update(
            0, 1, self.state, self.streams, self.spiked, magnesium, self.cell,
            levels, f(events[0]), f(events[1]), factors, self.dt,
        )  # fmt: skip
        return self.spiked.astype(bool)


@pytest.mark.parametrize("magnesium", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_magnesium_polynomial_follows_the_published_block(magnesium: float) -> None:
    coefficients = kernel.magnesium_polynomial(magnesium).astype(np.float64)[::-1]
    voltage = np.linspace(-100.0, -20.0, 2001)
    error = np.abs(np.polyval(coefficients, (voltage + 60.0) / 40.0) - jahr_stevens(voltage, magnesium))
    # Degree 7 leaves at most 1.9e-4, at the ends; a cell is between -95 mV and the spike at -30 mV.
    assert error.max() < 2.5e-4
    assert error[(voltage > -95.0) & (voltage < SPIKE)].max() < 1e-4


@pytest.mark.parametrize("e", [-19.0, -10.0, -3.0, -0.5, 0.5, 3.0, 6.0, 8.9])
def test_exponential_by_squaring(e: float) -> None:
    tile = Tile(DEFAULTS.cells()[0])
    leak, rest, threshold, sharpness = tile.cell[1:5].astype(np.float64)
    tile["offset"] = rest - threshold - e * sharpness
    # At rest nothing but the exponential acts; the capacitance makes it move the potential by some 10 mV.
    tile.cell[0] = DT * leak * sharpness * math.exp(e) / 10.0
    tile.step()
    found = (tile["v"].astype(np.float64) - rest) / 10.0 * math.exp(e)
    # 1024 equal factors multiply the rounding of one; the potential has steps of 8e-6 mV.
    np.testing.assert_allclose(found, (1.0 + e / 1024.0) ** 1024, rtol=1024 * EPS + 1e-6)
    # log (1 + x)^n = n x - n x^2 / 2 + ...: the distance from a true exponential, next term included.
    bound = e**2 / 2048.0 * (1.0 + 2.0 * abs(e) / 1024.0) + 1024 * EPS
    assert np.all(np.abs(np.log(found) - e) < bound)


@pytest.mark.parametrize(("e", "limit"), [(9.5, 9.0), (40.0, 9.0), (-25.0, -20.0), (-300.0, -20.0)])
def test_exponential_is_limited_at_both_ends(e: float, limit: float) -> None:
    tile = Tile(DEFAULTS.cells()[0])
    leak, rest, threshold, sharpness = tile.cell[1:5].astype(np.float64)
    tile["offset"] = rest - threshold - e * sharpness
    tile.cell[0] = DT * leak * sharpness * math.exp(limit) / 10.0
    tile.step()
    found = (tile["v"].astype(np.float64) - rest) / 10.0
    np.testing.assert_allclose(found * math.exp(limit), fast_exponential(np.array(limit)), rtol=2e-4)


@pytest.mark.parametrize("kind", range(4), ids=CLASSES)
def test_a_cell_without_input_relaxes_to_rest(kind: int) -> None:
    tile = Tile(DEFAULTS.cells()[kind])
    capacitance, leak, rest, threshold, sharpness = tile.cell[:5].astype(np.float64)
    tile["v"] = rest - 10.0
    for n in range(1, 3001):
        tile.step()
        if n == 100:
            # Forward Euler of the leak; far below threshold the exponential adds less than 1e-3 mV.
            expected = rest - 10.0 * (1.0 - DT * leak / capacitance) ** n
            np.testing.assert_allclose(tile["v"], expected, atol=1e-3)
    # The rest point of the whole equation is above the leak's reversal by what the exponential adds.
    shift = sharpness * math.exp((rest - threshold) / sharpness)
    # Potentials have steps of 8e-6 mV, and Euler stalls where a move is smaller than half of that.
    np.testing.assert_allclose(tile["v"], rest + shift, atol=8e-6 * capacitance / (DT * leak))


def test_conductances_and_adaptation_decay_as_they_should() -> None:
    tile = Tile(DEFAULTS.cells()[0])
    times = np.array([2.0, 100.0, 200.0, 6.0, 12.0, 8.0])
    names = ("ampa", "nmda", "gabab", "gaba0", "gaba1", "gaba2")
    for name in names:
        tile[name] = np.linspace(0.5, 2.0, LANES)
    # Pulled far down, so that no cell fires and the adaptation has no steps up.
    tile["gaba0"] = np.linspace(50.0, 80.0, LANES)
    tile["w"] = 40.0
    begin = {name: tile[name].astype(np.float64) for name in names}
    steps = 400
    for _ in range(steps):
        assert not tile.step(decay=np.exp(-DT / times)).any()
    for name, time in zip(names, times, strict=True):
        # Each step rounds once, and the factor itself is rounded once.
        np.testing.assert_allclose(tile[name], begin[name] * math.exp(-steps * DT / time), rtol=steps * EPS)
    np.testing.assert_allclose(tile["w"], 40.0 * (1.0 - DT / tile.cell[8]) ** steps, rtol=steps * EPS)


@pytest.mark.parametrize("kind", range(4), ids=CLASSES)
def test_a_spike_resets_adapts_and_is_followed_by_the_refractory_time(kind: int) -> None:
    tile = Tile(DEFAULTS.cells()[kind])
    reset, refractory, jump, time = tile.cell[5:9].astype(np.float64)
    tile["v"] = -29.0
    tile["ampa"] = 30.0
    assert tile.step().all()
    np.testing.assert_array_equal(tile["v"], np.float32(reset))
    np.testing.assert_allclose(tile["w"], jump, rtol=EPS)
    held = 0
    while held < 100:
        tile.step()
        if (tile["v"] != np.float32(reset)).any():
            break
        held += 1
    assert held == round(refractory / DT)
    np.testing.assert_allclose(tile["w"], jump * (1.0 - DT / time) ** (held + 1), rtol=50 * EPS)


def exact_spikes(cell: NDArray[np.float64], conductance: float, end: float) -> list[float]:
    """Spike times in ms of the cell under a constant conductance, with a true exponential."""
    capacitance, leak, rest, threshold, sharpness, reset, refractory, jump, time = cell

    def slope(_: float, y: NDArray[np.float64]) -> list[float]:
        v, w = y
        spike = leak * sharpness * math.exp(min((v - threshold) / sharpness, 40.0))
        return [(-leak * (v - rest) + spike - conductance * v - w) / capacitance, -w / time]

    def crossing(_: float, y: NDArray[np.float64]) -> float:
        return float(y[0] - SPIKE)

    crossing.terminal = True  # type: ignore[attr-defined]
    spikes: list[float] = []
    start, y = 0.0, [rest, 0.0]
    while True:
        run = solve_ivp(slope, (start, end), y, events=crossing, rtol=1e-8, atol=1e-8)
        if run.status != 1:
            return spikes
        spikes.append(float(run.t[-1]))
        start = spikes[-1] + refractory
        if start >= end:
            return spikes
        y = [reset, (float(run.y[1, -1]) + jump) * math.exp(-refractory / time)]


@pytest.mark.parametrize("kind", range(4), ids=CLASSES)
def test_intervals_of_a_driven_cell_against_a_solver(kind: int) -> None:
    cell = DEFAULTS.cells()[kind]
    conductance = 1.2 * cell[1]
    wanted = np.diff(exact_spikes(cell, conductance, 120.0))[:8]
    assert len(wanted) == 8
    late = []
    for dt in (DT, DT / 8.0):
        tile = Tile(cell, dt=dt)
        tile["ampa"] = conductance
        found = np.diff([k * dt for k in range(round(120.0 / dt)) if tile.step()[0]])[:8]
        late.append(float((found - wanted).mean()))
    # Forward Euler sees the upstroke late, by less than three steps of 0.1 ms in an interval of 5 to 15 ms.
    assert 0.0 < late[0] < 3.0 * DT
    # It is of first order, so that an eighth of the step leaves an eighth; what the approximate exponential
    # does to an interval, some 0.015 ms, is left whole.
    assert late[1] == pytest.approx(late[0] / 8.0, abs=0.02)


def test_events_come_from_the_lanes_own_streams() -> None:
    rate = np.array([2.0, 5.0, 0.3, 12.0])
    levels = np.zeros((4, kernel.EVENT_LEVELS), dtype=np.float32)
    kernel._poisson_levels(rate, np.float32(DT), levels)
    tile = Tile(DEFAULTS.cells()[0])
    tile["gaba0"] = 500.0
    states = [int(x) for x in tile.streams]
    counts = np.zeros((300, LANES), dtype=np.int64)
    before = np.zeros(LANES)
    for k in range(len(counts)):
        tile.step(levels[k % 4], (1.0, 0.5))
        for lane in range(LANES):
            x = states[lane]
            x = (x ^ (x << 13)) & 0xFFFFFFFF
            x ^= x >> 17
            x = (x ^ (x << 5)) & 0xFFFFFFFF
            states[lane] = x
            counts[k, lane] = sum((x >> 8) / 2**24 > float(level) for level in levels[k % 4])
        before += counts[k]
        # Whole numbers and halves are exact in single precision.
        np.testing.assert_array_equal(tile["ampa"], before)
        np.testing.assert_array_equal(tile["nmda"], 0.5 * before)
    assert counts.max() >= 4


@pytest.mark.parametrize("rate", [0.02, 0.5, 3.0, 12.0])
def test_external_events_are_poisson(rate: float) -> None:
    levels = np.zeros((1, kernel.EVENT_LEVELS), dtype=np.float32)
    kernel._poisson_levels(np.array([rate]), DT, levels)
    exact = poisson.cdf(np.arange(kernel.EVENT_LEVELS), rate * DT)
    np.testing.assert_allclose(levels[0], exact, rtol=EPS)
    tile = Tile(DEFAULTS.cells()[0], seed=5)
    tile["gaba0"] = 500.0
    steps = 4000
    drawn = np.zeros(kernel.EVENT_LEVELS + 1)
    for _ in range(steps):
        tile["ampa"] = 0.0
        tile.step(levels[0], (1.0, 0.0))
        drawn += np.bincount(tile["ampa"].astype(np.int64), minlength=len(drawn))
    wanted = np.diff(np.concatenate([[0.0], exact, [1.0]])) * steps * LANES
    # Cells of fewer than 5 are put together, so that chi-square holds.
    enough = wanted >= 5.0
    observed = np.append(drawn[enough], drawn[~enough].sum())
    expected = np.append(wanted[enough], wanted[~enough].sum())
    observed, expected = observed[expected > 0.5], expected[expected > 0.5]
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(0.999, len(expected) - 1)


def kinetics(
    activity: float, odds: float, trapped: float, speed: float, block: float, steps: int
) -> tuple[float, float]:
    """Block of one pyramidal cell of constant activity after some ms, and its smoothed open conductance."""
    state = np.zeros(TILE, dtype=np.float32)
    state[VARIABLES.index("v") * LANES] = -60.0
    state[VARIABLES.index("nmda") * LANES] = 2.0 * activity
    state[VARIABLES.index("conducts") * LANES] = 1.0 - block
    edges = np.array([0, 1, 1, 1, 1])
    place = np.zeros(1, dtype=np.int64)
    opened = np.array([2.0], dtype=np.float32)
    reference = np.full(4, 2.0, dtype=np.float32)
    for _ in range(steps):
        kernel._channel_kinetics(
            edges, place, state, OPEN, opened, reference, np.full(4, odds, dtype=np.float32),
            np.float32(trapped), np.float32(speed),
        )  # fmt: skip
    return 1.0 - float(state[VARIABLES.index("conducts") * LANES]), float(opened[0])


@pytest.mark.parametrize("trapped", [0.0, 0.4, 1.0])
@pytest.mark.parametrize(("activity", "odds"), [(1.0, 0.5), (3.0, 0.5), (0.2, 4.0), (2.0, 0.0)])
def test_block_settles_where_binding_and_unbinding_balance(
    activity: float, odds: float, trapped: float
) -> None:
    found, opened = kinetics(activity, odds, trapped, 0.05, 0.9, 8000)
    assert opened == pytest.approx(2.0 * activity, rel=1e-4)
    bound = odds * activity / (1.0 - trapped + trapped * activity)
    # A move smaller than half a step of single precision stalls: 3e-8 over the slowest rate, 0.05 x 0.2.
    assert found == pytest.approx(bound / (1.0 + bound), abs=2e-5)
    if trapped == 1.0:
        assert found == pytest.approx(odds / (1.0 + odds), abs=2e-5)


def test_block_is_lost_with_the_given_time_at_rest() -> None:
    found, _ = kinetics(activity=1.0, odds=0.0, trapped=0.7, speed=1.0 / 300.0, block=0.8, steps=450)
    # Exact for constant activity; each of the 450 steps rounds the unblocked share.
    assert found == pytest.approx(0.8 * math.exp(-1.5), abs=450 * EPS)


def test_openness_is_smoothed_over_300_ms() -> None:
    _, opened = kinetics(activity=2.0, odds=0.0, trapped=1.0, speed=0.01, block=0.0, steps=300)
    assert opened == pytest.approx(2.0 * (2.0 - (1.0 - 1.0 / 300.0) ** 300), rel=300 * EPS)
