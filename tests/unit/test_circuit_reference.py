"""Whole runs of the network against a slow, plain copy of it in double precision."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from ketasim.circuit import kernel, network
from ketasim.circuit.condition import NO_DRUG, ChannelState, Condition
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.network import SpikingNetwork
from ketasim.circuit.parameters import INTERNEURONS, NetworkParameters
from ketasim.circuit.wiring import wire

DT = 0.1
CHLORIDE, POTASSIUM, SPIKE = -70.0, -95.0, -30.0
#: External input of its own, so that the network is active within 20 ms whatever the shipped table holds.
ACTIVE = NetworkParameters(
    "active",
    {
        **{f"external_ampa_{name}": value for name, value in zip(CLASSES, (1.0, 0.8, 0.5, 0.5), strict=True)},
        **{
            f"external_nmda_{name}": value
            for name, value in zip(CLASSES, (0.08, 0.15, 0.12, 0.05), strict=True)
        },
    },
)


@dataclass
class Reference:
    """The network in double precision, one plain line an equation; ``exact`` for true exponential and Mg."""

    network: SpikingNetwork
    condition: Condition
    seed: int
    exact: bool

    def __post_init__(self) -> None:
        wires, p = self.network.wiring, self.network.parameters
        self.kind = np.repeat(np.arange(4), wires.sizes)
        cells = p.cells()[self.kind].T
        (
            self.c,
            self.leak,
            self.rest,
            self.threshold,
            self.sharp,
            self.reset,
            self.ref,
            self.jump,
            self.tau,
        ) = cells
        self.threshold = self.threshold + wires.threshold_offset
        raw = np.random.SeedSequence(self.seed).generate_state(len(wires.owner), dtype=np.uint32)
        self.v = self.rest + 12.0 * (raw[: wires.cells] >> 8) / 2**24
        lane = np.array([np.flatnonzero(wires.owner == cell)[0] for cell in range(wires.cells)])
        self.stream = raw[lane]
        self.w, self.left = np.zeros(wires.cells), np.zeros(wires.cells)
        self.g = np.zeros((6, wires.cells))
        self.blocked = np.array(self.condition.block)[self.kind]
        self.opened = self.network.open_reference[self.kind]
        self.gate = np.zeros(wires.cells)
        levels = np.zeros((4, kernel.EVENT_LEVELS), dtype=np.float32)
        kernel._poisson_levels(self.network.drive, np.float32(DT), levels)
        self.levels = levels[self.kind]
        self.polynomial = kernel.magnesium_polynomial(p.value("magnesium")).astype(np.float64)[::-1]
        times = [p.value(f"{name}_decay") for name in ("ampa", "nmda", "gabab")]
        times += [p.value(f"gaba_decay_{name}") for name in INTERNEURONS]
        self.decay = np.exp(-DT / np.array(times))[:, None]

    def share(self) -> NDArray[np.float64]:
        """Share of NMDA conductance free of Mg."""
        if self.exact:
            magnesium = self.network.parameters.value("magnesium")
            return np.asarray(1.0 / (1.0 + magnesium / 3.57 * np.exp(-0.062 * self.v)))
        return np.asarray(np.polyval(self.polynomial, (self.v + 60.0) / 40.0))

    def deliver(self, cell: int, opened: float) -> None:
        """Add one spike's conductances, with the condition's gains, to its targets."""
        wires, p, act = self.network.wiring, self.network.parameters, self.condition
        scale = 4000.0 / wires.cells
        name = CLASSES[self.kind[cell]]
        for to, target in enumerate(CLASSES):
            at = wires.targets[wires.segments[cell, to] : wires.segments[cell, to + 1]]
            if name == "pyramidal":
                gain = scale * act.release_gain * (act.density if target == "pyramidal" else 1.0)
                self.g[0, at] += gain * p.value(f"ampa_{target}")
                self.g[1, at] += gain * p.value(f"nmda_{target}") * opened
                continue
            sst = act.sst_gain if name == "sst" else 1.0
            gaba = p.value(f"gaba_{name}_{target}")
            self.g[3 + INTERNEURONS.index(name), at] += scale * sst * act.gaba_a_gain * gaba
            if name == "sst":
                self.g[2, at] += scale * sst * p.value(f"gabab_{target}")

    def events(self) -> NDArray[np.int64]:
        """External events of each cell in this step."""
        x = self.stream
        x = x ^ (x << np.uint32(13))
        x = x ^ (x >> np.uint32(17))
        self.stream = x ^ (x << np.uint32(5))
        uniform = (self.stream >> 8) / 2**24
        return np.asarray((uniform[:, None] > self.levels).sum(axis=1))

    def move(self) -> NDArray[np.int64]:
        """One step; returns the cells that fire."""
        p = self.network.parameters
        events = self.events()
        self.g[0] += p.of_classes("external_ampa")[self.kind] * events
        self.g[1] += p.of_classes("external_nmda")[self.kind] * events
        e = (self.v - self.threshold) / self.sharp
        e = np.clip(e, -20.0, 9.0)
        upstroke = np.exp(e) if self.exact else (1.0 + e / 1024.0) ** 1024
        current = (
            -self.leak * (self.v - self.rest)
            + self.leak * self.sharp * upstroke
            - (self.g[0] + self.g[1] * self.share() * (1.0 - self.blocked)) * self.v
            - self.g[3:].sum(axis=0) * (self.v - CHLORIDE)
            - self.g[2] * (self.v - POTASSIUM)
            - self.w
        )
        # Counted in whole steps, where the kernel counts in rounded ms.
        moved = self.v + np.where(self.left <= 0, DT / self.c * current, 0.0)
        fired = moved > SPIKE
        self.v = np.where(fired, self.reset, moved)
        self.w = self.w * (1.0 - DT / self.tau) + np.where(fired, self.jump, 0.0)
        self.left = np.where(fired, np.round(self.ref / DT), self.left - 1)
        self.g *= self.decay
        return np.flatnonzero(fired)

    def run(self, steps: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Step and cell of every spike, and the four currents each ms."""
        p = self.network.parameters
        delay = round(p.value("delay") / DT)
        waiting: deque[list[tuple[int, float]]] = deque([[] for _ in range(delay)])
        spikes, currents = [], []
        for k in range(steps):
            for cell, opened in waiting.popleft():
                self.deliver(cell, opened)
            now = []
            # The gate of a sending cell: a spike opens a share of what is closed, the rest decays.
            self.gate *= math.exp(-DT / p.value("nmda_decay"))
            for cell in self.move():
                opened = p.value("nmda_gate_step") * (1.0 - self.gate[cell])
                self.gate[cell] += opened
                now.append((int(cell), float(opened)))
                spikes.append((k, int(cell)))
            waiting.append(now)
            if k % round(1.0 / DT) == 0:
                currents.append(self.means())
                if self.condition.state.kinetic:
                    self.bind()
        return np.array(spikes), np.array(currents)

    def means(self) -> list[float]:
        """Mean currents into pyramidal cells, in pA."""
        each = [
            -self.g[0] * self.v,
            -self.g[1] * self.share() * (1.0 - self.blocked) * self.v,
            -self.g[3:].sum(axis=0) * (self.v - CHLORIDE),
            -self.g[2] * (self.v - POTASSIUM),
        ]
        return [float(x[self.kind == 0].mean()) for x in each]

    def bind(self) -> None:
        """One ms of block that follows the state of the channel."""
        how = self.condition.state
        self.opened = self.opened + (self.g[1] * self.share() - self.opened) / 300.0
        o = self.opened / self.network.open_reference[self.kind]
        block = np.array(self.condition.block)[self.kind]
        x = block / (1.0 - block)
        leave = 1.0 - how.trapped + how.trapped * o
        goal = o * x / (o * x + leave)
        self.blocked = self.blocked + (goal - self.blocked) * (1.0 - np.exp(-(o * x + leave) / how.time))


@pytest.fixture(scope="module")
def small() -> SpikingNetwork:
    drive, reference = np.array([2.0, 1.1, 0.38, 1.05]), np.array([1.9, 2.2, 1.2, 0.9])
    return SpikingNetwork(ACTIVE, wire(ACTIVE, 400, 2), drive, reference)


CONDITIONS = {
    "no drug": NO_DRUG,
    "everything": Condition(
        (0.2, 0.3, 0.4, 0.1), gaba_a_gain=0.7, release_gain=0.8, density=0.9, sst_gain=0.6
    ),
    "kinetic": Condition((0.2, 0.3, 0.4, 0.1), state=ChannelState(kinetic=True, trapped=0.4, time=60.0)),
}


@pytest.mark.parametrize("name", CONDITIONS)
@pytest.mark.parametrize("seed", [1, 2])
def test_kernel_repeats_the_plain_copy(
    small: SpikingNetwork, monkeypatch: pytest.MonkeyPatch, name: str, seed: int
) -> None:
    monkeypatch.setattr(network, "WARM_MS", 0.0)
    monkeypatch.setattr(network, "_SETTLE_TIMES", 0.0)
    activity = small.run(CONDITIONS[name], seed, 1000.0, raster=10_000)
    steps = 500
    spikes, currents = Reference(small, CONDITIONS[name], seed, exact=False).run(steps)
    found = {(int(k), int(i)) for k, i in activity.raster if k < steps}
    wanted = {(int(k), int(i)) for k, i in spikes}
    assert len(wanted) > 60
    # Single precision moves a spike by one step in some hundreds, and what follows from it grows: in 50 ms
    # there is room for one or two such spikes, which change the currents by less than 0.2 %.
    assert len(found ^ wanted) <= 4
    largest = np.abs(currents).max(axis=0)
    assert np.all(np.abs(activity.currents[: steps // 10] - currents).max(axis=0) < 2e-3 * largest)
    assert largest.min() > 0.1


def test_spikes_before_feedback_with_true_exponential_and_magnesium(
    small: SpikingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "WARM_MS", 0.0)
    monkeypatch.setattr(network, "_SETTLE_TIMES", 0.0)
    activity = small.run(NO_DRUG, 1, 1000.0, raster=10_000)
    spikes, _ = Reference(small, NO_DRUG, 1, exact=True).run(300)
    found = {int(i): int(k) for k, i in activity.raster[::-1]}
    wanted = {int(i): int(k) for k, i in spikes[::-1]}
    late = np.array([found[i] - wanted[i] for i in wanted if i in found])
    # The two approximations move a spike by less than a step, which rounds to none or one. The exception is a
    # cell that has been waiting just below threshold, where a little less current costs it half a ms.
    assert len(late) > 50
    assert (np.abs(late) <= 1).mean() > 0.95
    assert (late == 0).mean() > 0.7
