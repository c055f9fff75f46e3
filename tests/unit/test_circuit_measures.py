"""What is read from a run: made-up runs with known answers, and the counters of the kernel on a real one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ketasim.circuit.condition import NO_DRUG
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.measures import GAMMA_HZ, NetworkActivity, swap
from ketasim.circuit.network import SpikingNetwork
from ketasim.circuit.parameters import NetworkParameters
from ketasim.circuit.wiring import wire

EDGES = np.array([0, 4, 6, 7, 9])
WARM, COUNTED = 500.0, 2000.0
#: Spikes of a cell that are no further apart belong to a burst: 20 ms, in steps.
BURST_STEPS = 200


def activity(
    spikes: list[int] | None = None,
    bursts: list[int] | None = None,
    currents: NDArray[np.float64] | None = None,
) -> NetworkActivity:
    """A made-up run of nine cells: 2 s are counted, after half a second that is not."""
    length = round(WARM + COUNTED)
    return NetworkActivity(
        edges=EDGES,
        counted_ms=COUNTED,
        warm_ms=WARM,
        spikes=np.array(spikes or [0] * 9),
        burst_spikes=np.array(bursts or [0] * 9),
        currents=np.zeros((length, 4), np.float32) if currents is None else currents.astype(np.float32),
        population=np.zeros((length, 4), np.int32),
        raster=np.zeros((0, 2), np.int32),
        voltage=np.zeros(4),
        open_conductance=np.zeros(4),
        block=np.zeros(4),
    )


def flat(ampa: float, nmda: float, gaba_a: float, gaba_b: float) -> NDArray[np.float64]:
    """Constant currents after a warm-up that must not be read."""
    values = np.tile([ampa, nmda, gaba_a, gaba_b], (2500, 1))
    values[:500] = 1e6
    return values


def wave(frequency: float, amplitude: float) -> NDArray[np.float64]:
    """AMPA current that swings around 500 pA."""
    values = flat(500.0, 0.0, 0.0, 0.0)
    values[:, 0] += amplitude * np.sin(2.0 * np.pi * frequency * np.arange(2500) / 1000.0)
    return values


def test_rates_are_spikes_over_the_counted_time() -> None:
    made_up = activity(spikes=[0, 2, 4, 6, 10, 30, 8, 1, 0])
    np.testing.assert_array_equal(made_up.cell_rates, [0, 1, 2, 3, 5, 15, 4, 0.5, 0])
    np.testing.assert_array_equal(made_up.rates, [1.5, 10.0, 4.0, 0.25])


def test_burst_share_is_of_pyramidal_spikes() -> None:
    made_up = activity(spikes=[10, 0, 6, 4, 50, 50, 9, 9, 9], bursts=[5, 0, 0, 4, 50, 0, 9, 0, 0])
    assert made_up.burst_share == 9 / 20
    assert activity().burst_share == 0.0


def test_mean_currents_leave_the_warm_up_out() -> None:
    made_up = activity(currents=flat(120.0, 60.0, -50.0, -10.0))
    assert made_up.mean_currents == {"ampa": 120.0, "nmda": 60.0, "gaba_a": -50.0, "gaba_b": -10.0}
    assert made_up.excitation_over_inhibition == 180.0 / 60.0
    np.testing.assert_array_equal(made_up.field_potential, np.full(2000, 170.0))


@pytest.mark.parametrize("frequency", [8.0, 37.0, 41.0, 62.5, 85.0, 200.0])
def test_spectrum_peaks_where_the_current_swings(frequency: float) -> None:
    made_up = activity(currents=wave(frequency, amplitude=20.0))
    frequencies, power = made_up.spectrum()
    spacing = frequencies[1] - frequencies[0]
    assert spacing == 1000.0 / 512
    assert abs(frequencies[power.argmax()] - frequency) <= spacing / 2.0
    # A sine has the variance amplitude^2 / 2; the Hann window widens it by two bins to each side.
    assert power.sum() * spacing == pytest.approx(200.0, rel=0.02)
    inside = GAMMA_HZ[0] + 2.0 * spacing < frequency < GAMMA_HZ[1] - 2.0 * spacing
    assert made_up.gamma == pytest.approx(200.0 if inside else 0.0, abs=4.0)


def test_gamma_grows_with_the_square_of_the_swing_and_not_with_the_mean() -> None:
    weak, strong = (activity(currents=wave(41.0, amplitude)) for amplitude in (5.0, 15.0))
    # Single precision keeps 3e-5 pA of a current of 500 pA.
    assert strong.gamma / weak.gamma == pytest.approx(9.0, rel=1e-4)
    assert activity(currents=flat(800.0, 0.0, -300.0, 0.0)).gamma == 0.0


def test_swap_on_known_counts() -> None:
    # Below 0.5 Hz is silent, above 2 Hz active: no spike, or more than four, in 2 s.
    before = activity(spikes=[0, 0, 5, 9, 0, 99, 0, 99, 0])
    after = activity(spikes=[5, 4, 0, 1, 99, 0, 99, 0, 99])
    found = swap(before, after)
    assert (found.silent, found.active) == (2, 2)
    assert (found.woken, found.silenced) == (0.5, 0.5)


def test_swap_at_its_edges_and_without_such_cells() -> None:
    # 0.5 Hz is not silent and 2 Hz is not active.
    edge = activity(spikes=[1, 1, 4, 4, 0, 0, 0, 0, 0])
    found = swap(edge, activity(spikes=[9, 0, 9, 0, 9, 9, 9, 9, 9]))
    assert (found.silent, found.active, found.woken, found.silenced) == (0, 0, 0.0, 0.0)


@pytest.fixture(scope="module")
def busy() -> SpikingNetwork:
    """Cells without synapses, each class at a rate of its own, some above 100 Hz."""
    values = {f"{kind}_{to}": 0.0 for kind in ("ampa", "nmda", "gabab") for to in CLASSES}
    values |= {f"gaba_{sender}_{to}": 0.0 for sender in CLASSES[1:] for to in CLASSES}
    values |= {f"external_ampa_{name}": 1.0 for name in CLASSES}
    values |= {f"external_nmda_{name}": 0.1 for name in CLASSES}
    parameters = NetworkParameters("busy", values)
    drive = np.array([3.0, 3.0, 0.5, 0.4])
    return SpikingNetwork(parameters, wire(parameters, 400, 1), drive, np.ones(4))


@pytest.fixture(scope="module")
def run(busy: SpikingNetwork) -> NetworkActivity:
    return busy.run(NO_DRUG, seed=2, duration=2000.0, raster=200_000)


def burst_spikes(steps: NDArray[np.int64]) -> int:
    """Spikes with a neighbour in reach."""
    return sum(
        bool((np.abs(np.delete(steps, i) - step) <= BURST_STEPS).any()) for i, step in enumerate(steps)
    )


def test_counters_agree_with_the_raster(run: NetworkActivity) -> None:
    step, cell = run.raster.T
    assert np.all(np.diff(step) >= 0)
    assert step[0] >= 5000
    assert step[-1] < 20_000
    np.testing.assert_array_equal(np.bincount(cell, minlength=len(run.spikes)), run.spikes)
    np.testing.assert_array_equal(
        [burst_spikes(step[cell == i]) for i in range(len(run.spikes))], run.burst_spikes
    )
    kind = np.repeat(np.arange(4), np.diff(run.edges))
    population = np.zeros_like(run.population)
    np.add.at(population, (step // 10, kind[cell]), 1)
    np.testing.assert_array_equal(population[500:], run.population[500:])
    assert run.population[:500].sum() > 0
    # Both sides of the counter are seen: cells that only burst, and cells that do and do not.
    share = run.burst_spikes[run.spikes > 0] / run.spikes[run.spikes > 0]
    assert share.max() == 1.0
    assert ((share > 0.05) & (share < 0.95)).sum() > 50


def test_a_cell_faster_than_50_hz_bursts_all_the_time(busy: SpikingNetwork) -> None:
    fast = replace(busy, drive=np.array([12.0, 0.1, 0.1, 0.1])).run(NO_DRUG, seed=2, duration=1000.0)
    pyramidal = fast.spikes[: fast.edges[1]]
    assert pyramidal.min() > 50
    assert fast.burst_share == pytest.approx(1.0, abs=0.01)
    # The others are at rest, far from threshold.
    assert fast.spikes[fast.edges[1] :].sum() == 0


def test_raster_keeps_the_first_spikes_only(busy: SpikingNetwork, run: NetworkActivity) -> None:
    short = busy.run(NO_DRUG, seed=2, duration=2000.0, raster=100)
    np.testing.assert_array_equal(short.raster, run.raster[:100])
    np.testing.assert_array_equal(short.spikes, run.spikes)
    assert busy.run(NO_DRUG, seed=2, duration=2000.0).raster.shape == (0, 2)


def test_gamma_of_unconnected_cells_is_that_of_shot_noise(busy: SpikingNetwork) -> None:
    # AMPA of a cell is shot noise: size s, rate r, decay t. The mean current of n cells that are held near
    # their reset has the spectrum 2 n r (s t V)^2 / (n^2 (1 + (2 pi f t)^2)) to each side of zero.
    values = dict(busy.parameters.values) | {"external_ampa_pyramidal": 0.05, "external_nmda_pyramidal": 0.0}
    quiet = replace(busy, parameters=NetworkParameters("quiet", values))
    run = quiet.run(NO_DRUG, seed=3, duration=8000.0)
    cells, rate, size = run.edges[1], 3.0, 0.05
    assert run.spikes[:cells].sum() == 0
    decay = quiet.parameters.value("ampa_decay") / 1000.0
    frequency, power = run.spectrum()
    band = (frequency >= GAMMA_HZ[0]) & (frequency <= GAMMA_HZ[1])
    each = size * decay * run.voltage[0]
    expected = 2.0 * 1000.0 * rate * each**2 / cells / (1.0 + (2.0 * math.pi * frequency[band] * decay) ** 2)
    # 31 bins of some 28 half-overlapping windows: a standard error of some 4 %.
    assert power[band].mean() == pytest.approx(expected.mean(), rel=0.16)
    assert run.gamma == pytest.approx(power[band].sum() * frequency[1], rel=1e-12)
