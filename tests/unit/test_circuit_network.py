"""The spiking network: what acts on it, its runs, and its background drive."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ketasim.circuit.condition import NO_DRUG, ChannelState, Condition
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.measures import NetworkActivity
from ketasim.circuit.network import SpikingNetwork, Task, build_network, run_tasks
from ketasim.circuit.parameters import NetworkParameters
from ketasim.circuit.wiring import FULL_SIZE, SMALLEST, wire
from ketasim.errors import ModelError

DEFAULTS = NetworkParameters("defaults", {})
BLOCK = (0.2, 0.3, 0.4, 0.1)


def named(prefix: str, *values: float) -> dict[str, float]:
    """The same parameter of the four classes."""
    return {f"{prefix}_{name}": value for name, value in zip(CLASSES, values, strict=True)}


#: Strengths of its own, so that what is tested does not follow each change of the shipped table.
SYNAPSES = (
    named("ampa", 0.18, 0.35, 0.15, 0.12)
    | named("nmda", 0.12, 0.06, 0.12, 0.08)
    | named("gaba_pv", 1.6, 1.6, 0.5, 0.5)
    | named("gaba_sst", 0.8, 0.4, 0.05, 0.25)
    | named("gaba_vip", 0.05, 0.05, 0.25, 0.02)
    | named("gabab", 0.006, 0.003, 0.001, 0.002)
)
INPUT = named("external_ampa", 1.0, 0.8, 0.5, 0.5) | named("external_nmda", 0.08, 0.15, 0.12, 0.05)
ACTIVE = SYNAPSES | INPUT
UNCOUPLED = dict.fromkeys(SYNAPSES, 0.0)
SILENT = UNCOUPLED | dict.fromkeys(INPUT, 0.0)
DRIVE = np.array([2.0, 1.1, 0.38, 1.05])


def network(values: Mapping[str, float] = ACTIVE, cells: int = 400, seed: int = 2) -> SpikingNetwork:
    """A network with a drive that is known to make it fire."""
    parameters = NetworkParameters("test", values)
    return SpikingNetwork(parameters, wire(parameters, cells, seed), DRIVE, np.array([1.9, 2.2, 1.2, 0.9]))


@pytest.fixture(scope="module")
def active() -> SpikingNetwork:
    return network()


@pytest.fixture(scope="module")
def run(active: SpikingNetwork) -> NetworkActivity:
    return active.run(Condition(BLOCK), seed=3, duration=1500.0, raster=100_000)


def assert_same(one: NetworkActivity, other: NetworkActivity) -> None:
    """Bit for bit, and not because nothing happened."""
    assert one.spikes.sum() > 300
    names = (
        "spikes",
        "burst_spikes",
        "currents",
        "population",
        "raster",
        "voltage",
        "open_conductance",
        "block",
    )
    for name in names:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# --- what acts on the network ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"block": (0.0, 1.2, 0.0, 0.0)}, r"block of pv is 1\.2"),
        ({"block": (0.0, 0.0, 0.0, -0.1)}, r"block of vip is -0\.1"),
        ({"block": (math.nan, 0.0, 0.0, 0.0)}, "block of pyramidal is nan"),
        ({"block": (0.1, 0.2, 0.3)}, "block has 3 entries; it needs one for pyramidal, pv, sst, vip"),
        ({"gaba_a_gain": 0.0}, "gaba_a_gain is 0; a gain is finite and above 0"),
        ({"release_gain": -1.0}, "release_gain is -1"),
        ({"density": math.inf}, "density is inf"),
        ({"sst_gain": math.nan}, "sst_gain is nan"),
    ],
)
def test_wrong_conditions_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Condition(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"trapped": 1.1}, r"trapped is 1\.1"),
        ({"trapped": math.nan}, "trapped is nan"),
        ({"time": 0.0}, "time is 0 ms"),
        ({"time": math.nan}, "time is nan ms"),
    ],
)
def test_wrong_channel_states_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        ChannelState(**arguments)  # type: ignore[arg-type]


def test_with_block_changes_the_named_classes_only() -> None:
    start = Condition(BLOCK, 0.8, 0.9, 0.7, 0.6, ChannelState(True, 0.5, 100.0))
    changed = start.with_block(pv=0.75, vip=0.0)
    assert changed == replace(start, block=(0.2, 0.75, 0.4, 0.0))
    with pytest.raises(ModelError, match="nearest valid name is 'sst'"):
        start.with_block(sts=0.5)


# --- runs ------------------------------------------------------------------------------------------------


def test_a_network_without_input_is_silent_at_rest() -> None:
    activity = network(SILENT).run(Condition(BLOCK), duration=1500.0, raster=10)
    assert activity.spikes.sum() == 0
    assert activity.population.sum() == 0
    assert len(activity.raster) == 0
    np.testing.assert_array_equal(activity.currents, 0.0)
    # The exponential holds a cell a little above the leak's reversal; after 500 ms, or 25 time constants of
    # the slowest class, nothing is left of where it started. Potentials stall within 2e-3 mV.
    cells = DEFAULTS.cells()
    shift = cells[:, 4] * np.exp((cells[:, 2] - cells[:, 3]) / cells[:, 4])
    np.testing.assert_allclose(activity.voltage, cells[:, 2] + shift, atol=3e-3)
    np.testing.assert_allclose(activity.block, BLOCK, rtol=1e-6)


def noise(decay: float, drive: NDArray[np.float64]) -> SpikingNetwork:
    """A network whose cells get NMDA events only, without Mg, and too few to fire."""
    values = SILENT | named("external_nmda", *[0.002] * 4) | {"magnesium": 0.0, "nmda_decay": decay}
    return replace(network(values), drive=drive)


def test_open_conductance_is_the_mean_of_its_shot_noise() -> None:
    decay, drive = 100.0, np.array([2.0, 1.0, 0.5, 0.25])
    activity = noise(decay, drive).run(NO_DRUG, seed=5, duration=3000.0)
    assert activity.spikes.sum() == 0
    # Mean of the sampled ms from 500 on: events of a step, added before they decay, build up from nothing.
    fall = math.exp(-0.1 / decay)
    steps = np.arange(5000, 30000, 100) + 1
    expected = 0.002 * drive * 0.1 * fall / (1.0 - fall) * (1.0 - fall**steps).mean()
    # One cell's standard deviation is mean / sqrt(2 drive decay); 2.5 s hold 2500 / 200 independent samples.
    size = expected / np.sqrt(2.0 * drive * decay) / np.sqrt(np.diff(activity.edges) * 2500.0 / 200.0)
    assert np.all(np.abs(activity.open_conductance - expected) < 4.0 * size)


@pytest.mark.parametrize("trapped", [0.0, 0.5, 1.0])
def test_block_follows_the_channel_as_far_as_blocker_escapes(trapped: float) -> None:
    decay, drive, activity = 20.0, np.array([2.0, 2.0, 4.0, 4.0]), np.array([2.0, 0.5, 1.0, 3.0])
    mean = 0.002 * drive * decay
    quiet = replace(noise(decay, drive), open_reference=mean / activity)
    found = quiet.run(Condition(BLOCK, state=ChannelState(True, trapped, 50.0)), 5, 6000.0)
    assert found.spikes.sum() == 0
    odds = np.array(BLOCK) / (1.0 - np.array(BLOCK))
    bound = odds * activity / (1.0 - trapped + trapped * activity)
    # Openness, smoothed over 300 ms, starts at the reference and is 1 % of the way from its goal on average;
    # it fluctuates by 3 %. With everything trapped neither matters.
    np.testing.assert_allclose(found.block, bound / (1.0 + bound), atol=1e-4 if trapped == 1.0 else 6e-3)


def test_same_seed_same_run(active: SpikingNetwork, run: NetworkActivity) -> None:
    active.run(NO_DRUG, seed=9, duration=1000.0)
    again = network().run(Condition(BLOCK), seed=3, duration=1500.0, raster=100_000)
    assert_same(run, again)
    other = active.run(Condition(BLOCK), seed=4, duration=1500.0)
    assert not np.array_equal(run.spikes, other.spikes)


def test_number_of_threads_and_order_do_not_matter(active: SpikingNetwork) -> None:
    kinetic = ChannelState(kinetic=True, trapped=0.5)
    tasks = [
        Task(NO_DRUG, 1, 1200.0),
        Task(Condition(BLOCK), 2, 1500.0),
        Task(Condition(BLOCK, state=kinetic), 2, 1200.0),
        Task(Condition(gaba_a_gain=0.8), 1, 1200.0),
    ]
    seen: list[int] = []
    alone = run_tasks(active, tasks, threads=1, progress=seen.append)
    assert seen == [1, 2, 3, 4]
    together = run_tasks(active, tasks, threads=3)
    backwards = run_tasks(active, tasks[::-1], threads=2)[::-1]
    for one, two, three in zip(alone, together, backwards, strict=True):
        assert_same(one, two)
        assert_same(one, three)
    np.testing.assert_array_equal(active.drive, DRIVE)


@pytest.mark.parametrize(
    ("condition", "changed"),
    [
        (Condition(density=0.5), ["ampa_pyramidal", "nmda_pyramidal"]),
        (Condition(release_gain=0.5), [f"{kind}_{to}" for kind in ("ampa", "nmda") for to in CLASSES]),
        (Condition(gaba_a_gain=0.5), [name for name in SYNAPSES if name.startswith("gaba_")]),
        (
            Condition(sst_gain=0.5),
            [name for name in SYNAPSES if name.startswith(("gaba_sst_", "gabab_"))],
        ),
    ],
    ids=["density", "release", "gaba_a", "sst"],
)
def test_a_gain_is_the_same_as_other_conductances(
    active: SpikingNetwork, condition: Condition, changed: list[str]
) -> None:
    # Halving is exact in binary, so that the two must agree bit for bit.
    halved = {name: 0.5 * active.parameters.value(name) for name in changed}
    weaker = network(ACTIVE | halved)
    assert_same(active.run(condition, 6, 1500.0, 10_000), weaker.run(NO_DRUG, 6, 1500.0, 10_000))
    assert not np.array_equal(active.run(NO_DRUG, 6, 1500.0).spikes, weaker.run(NO_DRUG, 6, 1500.0).spikes)


def test_full_block_is_a_network_without_nmda(active: SpikingNetwork) -> None:
    without = network(ACTIVE | named("nmda", *[0.0] * 4) | named("external_nmda", *[0.0] * 4))
    stronger = DRIVE * 1.4
    blocked = replace(active, drive=stronger).run(Condition((1.0,) * 4), 6, 1500.0, 10_000)
    free = replace(without, drive=stronger).run(NO_DRUG, 6, 1500.0, 10_000)
    # Conductance before block, and block, are what differs.
    same = replace(free, open_conductance=blocked.open_conductance, block=blocked.block)
    assert_same(blocked, same)
    np.testing.assert_array_equal(blocked.currents[:, 1], 0.0)
    np.testing.assert_array_equal(blocked.block, 1.0)
    assert np.all(blocked.open_conductance > 0.0)


@pytest.mark.parametrize("name", CLASSES)
def test_block_of_a_class_acts_on_that_class_alone(name: str) -> None:
    uncoupled = network(INPUT | UNCOUPLED)
    free = uncoupled.run(NO_DRUG, 6, 1500.0)
    blocked = uncoupled.run(NO_DRUG.with_block(**{name: 0.6}), 6, 1500.0)
    members = uncoupled.wiring.members(name)
    others = np.ones(uncoupled.wiring.cells, dtype=bool)
    others[members] = False
    np.testing.assert_array_equal(blocked.spikes[others], free.spikes[others])
    assert blocked.spikes[members].sum() < free.spikes[members].sum()
    assert blocked.block[CLASSES.index(name)] == pytest.approx(0.6, rel=1e-6)


def test_nmda_gate_saturates_on_the_sending_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ketasim.circuit.network.WARM_MS", 0.0)
    weight, step, decay = 1e-4, 0.3, 100.0
    values = SILENT | {"external_ampa_pyramidal": 1.0, "nmda_vip": weight, "magnesium": 0.0}
    values |= {"nmda_gate_step": step, "nmda_decay": decay, "delay": 1.0}
    senders = replace(network(values), drive=np.array([6.0, 0.1, 0.1, 0.1]))
    run = senders.run(NO_DRUG, seed=5, duration=1500.0, raster=100_000)
    assert run.rates[0] > 30.0
    targets = np.diff(senders.wiring.segments, axis=1)[:, CLASSES.index("vip")]
    gate, since = np.zeros(400), np.zeros(400)
    # The sum of all synapses on VIP cells at each sample: every tenth ms, after that step's decay.
    samples = np.arange(0, 15_000, 100)
    total = np.zeros(len(samples))
    for k, cell in run.raster:
        left = gate[cell] * math.exp(-(k - since[cell]) * 0.1 / decay)
        rise = step * (1.0 - left)
        gate[cell], since[cell] = left + rise, k
        arrived = samples >= k + 10
        total[arrived] += targets[cell] * rise * np.exp(-(samples[arrived] - k - 9) * 0.1 / decay)
    expected = weight * FULL_SIZE / 400 * total.mean() / senders.wiring.sizes[3]
    # Thousands of additions in single precision, each off by at most 6e-8 of the sum.
    assert run.open_conductance[3] == pytest.approx(expected, rel=1e-4)


# --- the background drive, and what is refused -----------------------------------------------------------


def test_drive_of_unconnected_cells_reaches_the_target_rates() -> None:
    built = build_network(NetworkParameters("uncoupled", INPUT | UNCOUPLED), 800, seed=1)
    rates = np.mean([built.run(NO_DRUG, seed, 5500.0).rates for seed in (11, 12)], axis=0)
    # Steering sees 300 ms at a time, in which 40 VIP cells fire about 100 times, and follows this noise.
    np.testing.assert_allclose(rates, DEFAULTS.of_classes("target"), rtol=0.06)
    rest = built.run(NO_DRUG, 1, 1500.0)
    np.testing.assert_array_equal(built.open_reference, rest.open_conductance)


def test_drive_of_a_connected_network_reaches_the_target_rates() -> None:
    built = build_network(NetworkParameters("coupled", ACTIVE), 1200, seed=1)
    rates = np.mean([built.run(NO_DRUG, seed, 5500.0).rates for seed in (11, 12)], axis=0)
    # More than for unconnected cells: the rates of a network in waves differ from run to run.
    np.testing.assert_allclose(rates, DEFAULTS.of_classes("target"), rtol=0.1)


def test_a_known_drive_is_kept() -> None:
    given = (1.9, 1.0, 0.4, 1.1)
    built = build_network(NetworkParameters("given", ACTIVE), 400, seed=2, drive=given)
    np.testing.assert_array_equal(built.drive, given)
    np.testing.assert_array_equal(built.wiring.targets, wire(built.parameters, 400, 2).targets)


def test_a_class_that_cannot_reach_its_rate_is_named() -> None:
    weak = NetworkParameters("weak", SILENT | {"external_ampa_sst": 0.05})
    with pytest.raises(ModelError, match=r"weak: (pyramidal|pv) cells have or need .* at most 12"):
        build_network(weak, 400)


@pytest.mark.parametrize("wrong", [0.0, 12.5, math.nan])
def test_a_drive_out_of_range_is_named(wrong: float) -> None:
    with pytest.raises(ModelError, match=f"test: sst cells have or need {wrong:g} external events"):
        build_network(NetworkParameters("test", ACTIVE), 400, drive=(2.0, 1.0, wrong, 1.0))


@pytest.mark.parametrize("cells", [0, SMALLEST - 1])
def test_a_network_of_too_few_cells_is_refused(cells: int) -> None:
    with pytest.raises(ModelError, match=f"cells is {cells}; a network needs at least {SMALLEST}"):
        build_network(DEFAULTS, cells)


@pytest.mark.parametrize("duration", [999.0, 600_001.0, math.nan, -1.0])
def test_a_duration_out_of_range_is_refused(active: SpikingNetwork, duration: float) -> None:
    with pytest.raises(ModelError, match=f"duration is {duration:g} ms; a run lasts from 1000 ms"):
        active.run(NO_DRUG, duration=duration)


def test_no_threads_are_refused(active: SpikingNetwork) -> None:
    with pytest.raises(ModelError, match="threads is 0; it must be at least 1"):
        run_tasks(active, [Task(NO_DRUG)], threads=0)
