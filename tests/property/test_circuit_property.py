"""What must hold of the spiking network for any wiring, condition, drive or count."""

from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from ketasim.circuit import kernel
from ketasim.circuit.condition import ChannelState, Condition
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.measures import NetworkActivity, swap
from ketasim.circuit.network import SpikingNetwork
from ketasim.circuit.parameters import NetworkParameters
from ketasim.circuit.wiring import wire

#: A class is never empty, and the network never below the smallest allowed.
CHANCES = st.lists(st.floats(0.0, 1.0), min_size=16, max_size=16)
SHARES = st.lists(st.floats(0.25, 1.0), min_size=4, max_size=4)
GAINS = st.floats(0.3, 3.0)
BLOCKS = st.tuples(*[st.floats(0.0, 1.0)] * 4)
SEEDS = st.integers(0, 2**32)
#: Rounding of single precision.
EPS = float(np.finfo(np.float32).eps)
OPEN = np.array([1, 0, 0, 0, 0, 0, 0, 0], dtype=np.float32)


@cache
def network() -> SpikingNetwork:
    parameters = NetworkParameters(
        "property",
        {f"external_ampa_{name}": value for name, value in zip(CLASSES, (1.0, 0.8, 0.5, 0.5), strict=True)},
    )
    return SpikingNetwork(parameters, wire(parameters, 400, 1), np.array([2.0, 1.1, 0.4, 1.0]), np.ones(4))


@settings(max_examples=25)
@given(CHANCES, SHARES, st.integers(400, 520), SEEDS)
def test_any_wiring_is_whole(chances: list[float], shares: list[float], cells: int, seed: int) -> None:
    names = [(sender, to) for sender in CLASSES for to in CLASSES]
    values = {f"connect_{sender}_{to}": p for (sender, to), p in zip(names, chances, strict=True)}
    values |= {f"share_{name}": share / sum(shares) for name, share in zip(CLASSES, shares, strict=True)}
    wiring = wire(NetworkParameters("any", values), cells, seed)
    sender = np.repeat(np.arange(wiring.cells), np.diff(wiring.segments[:, [0, -1]], axis=1)[:, 0])
    pair = sender.astype(np.int64) * wiring.cells + wiring.targets
    # In rising order within rising senders: each pair once. None is a cell with itself.
    assert np.all(np.diff(pair) > 0)
    assert not np.any(sender == wiring.targets)
    kind = np.repeat(np.arange(4), wiring.sizes)
    found = np.zeros((4, 4), dtype=np.int64)
    np.add.at(found, (kind[sender], kind[wiring.targets]), 1)
    counted = np.add.reduceat(np.diff(wiring.segments, axis=1), wiring.edges[:-1], axis=0)
    np.testing.assert_array_equal(found, counted)
    pairs = np.outer(wiring.sizes, wiring.sizes) - np.diag(wiring.sizes)
    chance = np.array(chances).reshape(4, 4)
    np.testing.assert_array_equal(found[chance == 0.0], 0)
    np.testing.assert_array_equal(found[chance == 1.0], pairs[chance == 1.0])
    # Six binomial deviations, and six pairs for chances too small to be normal.
    assert np.all(np.abs(found - chance * pairs) <= 6.0 * np.sqrt(chance * (1.0 - chance) * pairs) + 6.0)
    lane = wiring.place // kernel.TILE * kernel.LANES + wiring.place % kernel.TILE
    np.testing.assert_array_equal(wiring.owner[lane], np.arange(wiring.cells))
    assert np.count_nonzero(wiring.owner >= 0) == wiring.cells


@given(st.floats(1e-3, 12.0))
def test_any_drive_has_poisson_levels(rate: float) -> None:
    levels = np.zeros((1, kernel.EVENT_LEVELS), dtype=np.float32)
    kernel._poisson_levels(np.array([rate]), 0.1, levels)
    np.testing.assert_allclose(levels[0], poisson.cdf(np.arange(kernel.EVENT_LEVELS), 0.1 * rate), rtol=EPS)
    # What lies above the most events that can be drawn is at most 0.02 % of the drive.
    missed = poisson.expect(lambda m: np.maximum(m - kernel.EVENT_LEVELS, 0), args=(0.1 * rate,))
    assert missed < 2.5e-4 * 0.1 * rate


@given(st.floats(0.0, 2.0))
def test_any_magnesium_has_a_polynomial(magnesium: float) -> None:
    voltage = np.linspace(-95.0, -30.0, 200)
    z = (voltage + 60.0) / 40.0
    found = np.polyval(kernel.magnesium_polynomial(magnesium).astype(np.float64)[::-1], z)
    exact = 1.0 / (1.0 + magnesium / 3.57 * np.exp(-0.062 * voltage))
    # Where little Mg moves the half-block to below -95 mV, the polynomial is at its worst.
    assert np.abs(found - exact).max() < 4e-4


def settled(activity: float, odds: float, trapped: float, block: float, speed: float, steps: int) -> float:
    """Block of one cell of constant activity after some ms."""
    state = np.zeros(kernel.TILE, dtype=np.float32)
    conducts = kernel.VARIABLES.index("conducts") * kernel.LANES
    state[0] = -60.0
    state[kernel.VARIABLES.index("nmda") * kernel.LANES] = activity
    state[conducts] = 1.0 - block
    edges, place = np.array([0, 1, 1, 1, 1]), np.zeros(1, dtype=np.int64)
    opened, reference = np.array([activity], dtype=np.float32), np.ones(4, dtype=np.float32)
    all_odds = np.full(4, odds, dtype=np.float32)
    for _ in range(steps):
        kernel._channel_kinetics(
            edges, place, state, OPEN, opened, reference, all_odds, np.float32(trapped), np.float32(speed)
        )
    return 1.0 - float(state[conducts])


@settings(max_examples=30)
@given(st.floats(0.3, 3.0), st.floats(0.0, 4.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_any_block_settles_on_the_ratio_of_its_rates(
    activity: float, odds: float, trapped: float, start: float
) -> None:
    bound = odds * activity / (1.0 - trapped + trapped * activity)
    # The slowest rate is 0.05 x 0.3 a ms: 1500 ms forget the start to exp(-22). Moves below half a step of
    # single precision stall, which leaves 3e-8 over that rate.
    found = settled(activity, odds, trapped, start, 0.05, 1500)
    assert abs(found - bound / (1.0 + bound)) < 2e-5
    assert (found - odds / (1.0 + odds)) * (activity - 1.0) * (1.0 - trapped) > -2e-5


@settings(max_examples=30)
@given(
    st.floats(0.0, 50.0), st.floats(0.0, 1e6), st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(1e-4, 1.0)
)
def test_no_block_leaves_zero_to_one(
    activity: float, odds: float, trapped: float, start: float, speed: float
) -> None:
    for steps in (1, 2, 7):
        assert 0.0 <= settled(activity, odds, trapped, start, speed, steps) <= 1.0


@settings(max_examples=15)
@given(BLOCKS, GAINS, GAINS, st.booleans(), st.floats(0.0, 1.0), SEEDS)
def test_any_run_adds_up(
    block: tuple[float, float, float, float],
    gaba: float,
    release: float,
    kinetic: bool,
    trapped: float,
    seed: int,
) -> None:
    state = ChannelState(kinetic, trapped, 100.0)
    condition = Condition(block, gaba, release, 1.2, 0.7, state)
    run = network().run(condition, seed, 1000.0, raster=100_000)
    assert np.array_equal(np.bincount(run.raster[:, 1], minlength=len(run.spikes)), run.spikes)
    by_class = np.add.reduceat(run.spikes, run.edges[:-1])
    np.testing.assert_array_equal(run.population[round(run.warm_ms) :].sum(axis=0), by_class)
    np.testing.assert_allclose(run.rates, by_class / np.diff(run.edges) / 0.5)
    assert np.all((run.burst_spikes >= 0) & (run.burst_spikes <= run.spikes))
    assert not np.any(run.burst_spikes == 1)
    assert np.all((run.block >= 0.0) & (run.block <= 1.0))
    if not kinetic:
        np.testing.assert_allclose(run.block, block, atol=EPS)
    assert np.all(np.isfinite(run.currents))
    # Below 0 mV excitation is inward; above the reversal of K+ GABA-B is outward.
    assert np.all(run.currents[:, :2] >= 0.0)
    assert np.all(run.currents[:, 3] <= 0.0)
    assert np.all((run.voltage > -95.0) & (run.voltage < -30.0))


def made_up(spikes: list[int], currents: np.ndarray | None = None) -> NetworkActivity:
    """A made-up run: 2 s are counted after 0.1 s."""
    count = np.array(spikes)
    zero = np.zeros(4)
    trace = np.zeros((2100, 4)) if currents is None else currents
    return NetworkActivity(
        np.array([0, len(count) - 3, len(count) - 2, len(count) - 1, len(count)]),
        2000.0, 100.0, count, count, trace.astype(np.float32), np.zeros((2100, 4), np.int32),
        np.zeros((0, 2), np.int32), zero, zero, zero,
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=40))
def test_swap_is_what_counting_one_by_one_gives(pairs: list[tuple[int, int]]) -> None:
    before, after = zip(*pairs, strict=True)
    found = swap(made_up(list(before)), made_up(list(after)))
    cells = pairs[:-3]
    # In 2 s: below 0.5 Hz is no spike, above 2 Hz is five or more.
    silent = [then for first, then in cells if first == 0]
    active = [then for first, then in cells if first >= 5]
    assert (found.silent, found.active) == (len(silent), len(active))
    assert found.woken == (sum(then >= 5 for then in silent) / len(silent) if silent else 0.0)
    assert found.silenced == (sum(then == 0 for then in active) / len(active) if active else 0.0)


@given(SEEDS, st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_gamma_is_quadratic_and_never_more_than_all_power(seed: int, factor: float) -> None:
    currents = np.random.default_rng(seed).normal(100.0, 10.0, (2100, 4)) * [1, 1, -1, -1]
    one, other = made_up([1] * 4, currents), made_up([1] * 4, factor * currents.astype(np.float32))
    # Powers of two are exact, so that only the sums of the spectrum round.
    np.testing.assert_allclose(other.gamma, factor**2 * one.gamma, rtol=1e-9)
    frequency, power = one.spectrum()
    assert 0.0 < one.gamma < power.sum() * frequency[1]


@settings(max_examples=10)
@given(SEEDS, st.floats(1.3, 3.0))
def test_more_input_never_means_fewer_spikes_without_synapses(seed: int, factor: float) -> None:
    silent = {f"{kind}_{to}": 0.0 for kind in ("ampa", "nmda", "gabab") for to in CLASSES}
    silent |= {f"gaba_{sender}_{to}": 0.0 for sender in CLASSES[1:] for to in CLASSES}
    base = network()
    parameters = NetworkParameters("input", dict(base.parameters.values) | silent)
    drives = (base.drive, np.minimum(factor * base.drive, 12.0))
    few, many = (
        SpikingNetwork(parameters, base.wiring, drive, np.ones(4)).run(seed=seed, duration=1000.0)
        for drive in drives
    )
    assume(few.spikes.sum() > 0)
    assert np.all(many.rates >= few.rates)
    assert many.spikes.sum() > few.spikes.sum()
