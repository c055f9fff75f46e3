"""The spiking prefrontal network: built, given its background drive, and run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ketasim.circuit.condition import NO_DRUG, Condition
from ketasim.circuit.ensemble import circuit_names, load_ensemble
from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.kernel import integrate, magnesium_polynomial
from ketasim.circuit.measures import NetworkActivity
from ketasim.circuit.parameters import INTERNEURONS, NetworkParameters
from ketasim.circuit.wiring import FULL_SIZE, Wiring, wire
from ketasim.errors import ModelError

__all__ = ["STEP_MS", "SpikingNetwork", "Task", "build_network", "load_network", "run_tasks"]

STEP_MS = 0.1
#: Runs start from rest; nothing is counted before this has passed.
WARM_MS = 500.0
_FIRST_DRIVE = (2.0, 1.2, 0.8, 1.0)
# Length in ms and strength of the rounds that steer the background drive; then it is frozen.
_ROUNDS = ((3000.0, 0.3), (6000.0, 0.1), (12000.0, 0.04))
# More events a step than the kernel can draw would be lost.
_LARGEST_DRIVE = 12.0
_LONGEST_MS = 600_000.0
# Block that follows the state of the channel runs for so many of its time constants before counting begins.
_SETTLE_TIMES = 10.0


@dataclass(frozen=True, eq=False)
class SpikingNetwork:
    """A wired network with its background drive.

    Parameters
    ----------
    parameters : NetworkParameters
        Strengths and cell properties.
    wiring : Wiring
        Who is connected to whom.
    drive : float64 array, shape (4,)
        External events per ms and cell of each class.
    open_reference : float64 array, shape (4,)
        Mean open NMDA conductance of a cell at rest, in nS: what activity is relative to where block
        follows the state of the channel.
    """

    parameters: NetworkParameters
    wiring: Wiring
    drive: NDArray[np.float64]
    open_reference: NDArray[np.float64]

    @cached_property
    def addresses(self) -> NDArray[np.int32]:
        """Where each target's first variable is in the kernel's state."""
        return self.wiring.place[self.wiring.targets].astype(np.int32)

    def run(
        self,
        condition: Condition = NO_DRUG,
        seed: int = 1,
        duration: float = 2500.0,
        raster: int = 0,
    ) -> NetworkActivity:
        """Run the network.

        Parameters
        ----------
        condition : Condition
            What acts on it.
        seed : int
            Of the external events; the same seed gives the same run, bit for bit.
        duration : float
            Length in ms, of which the first 500 are not counted.
        raster : int
            Number of spikes to keep with time and cell.

        Raises
        ------
        ModelError
            If the duration is not between 1 s and 10 min, or the seed or the raster is negative.
        """
        if not 1000.0 <= duration <= _LONGEST_MS:
            raise ModelError(f"duration is {duration:g} ms; a run lasts from 1000 ms to {_LONGEST_MS:g} ms.")
        if seed < 0 or raster < 0:
            raise ModelError(f"seed is {seed} and raster is {raster}; neither may be negative.")
        return self._integrate(condition, seed, duration, raster, gain=0.0)[0]

    def _integrate(
        self, condition: Condition, seed: int, duration: float, raster: int, gain: float
    ) -> tuple[NetworkActivity, NDArray[np.float64]]:
        p, wires = self.parameters, self.wiring
        scale = FULL_SIZE / wires.cells
        # Of what pyramidal cells send, by the class that receives it.
        from_pyramidal = np.array([condition.density, 1.0, 1.0, 1.0]) * condition.release_gain * scale
        from_class = np.array([1.0, condition.sst_gain, 1.0])[:, None] * condition.gaba_a_gain * scale
        decays = [p.value("ampa_decay"), p.value("nmda_decay"), p.value("gabab_decay")]
        decays += list(p.of_classes("gaba_decay", INTERNEURONS))
        block = np.array(condition.block)
        state = condition.state
        # Block that follows the state of the channel needs time to settle before anything is counted.
        warm = WARM_MS + (_SETTLE_TIMES * state.time if state.kinetic else 0.0)
        total = duration + warm - WARM_MS
        spikes = np.zeros((raster, 2), dtype=np.int32)
        single = np.float32
        found = integrate(
            wires.edges,
            wires.tiles,
            wires.place,
            wires.owner,
            wires.segments,
            self.addresses,
            wires.threshold_offset,
            p.cells().astype(single),
            (p.of_classes("ampa") * from_pyramidal).astype(single),
            (p.of_classes("nmda") * from_pyramidal).astype(single),
            (p.inhibition() * from_class).astype(single),
            (p.of_classes("gabab") * condition.sst_gain * scale).astype(single),
            p.of_classes("external_ampa").astype(single),
            p.of_classes("external_nmda").astype(single),
            self.drive.copy(),
            np.exp(-STEP_MS / np.array(decays)).astype(single),
            block.astype(single),
            magnesium_polynomial(p.value("magnesium")),
            p.value("nmda_gate_step"),
            p.value("nmda_decay"),
            round(total / STEP_MS),
            round(p.value("delay") / STEP_MS),
            single(STEP_MS),
            round(warm / STEP_MS),
            _streams(seed, len(wires.owner)),
            state.kinetic,
            (block / np.maximum(1.0 - block, 1e-6)).astype(single),
            self.open_reference.astype(single),
            single(state.trapped),
            single(1.0 / state.time),
            p.of_classes("target"),
            gain,
            spikes,
        )
        count, bursting, current, population, kept, voltage, opened, blocked, drive = found
        activity = NetworkActivity(
            edges=wires.edges,
            counted_ms=duration - WARM_MS,
            warm_ms=warm,
            spikes=count,
            burst_spikes=bursting,
            currents=current,
            population=population,
            raster=spikes[:kept],
            voltage=voltage,
            open_conductance=opened,
            block=blocked,
        )
        return activity, drive


def _streams(seed: int, lanes: int) -> NDArray[np.uint32]:
    """Return a state for each lane's random stream: never 0, which xorshift would keep for ever."""
    state = np.random.SeedSequence(seed).generate_state(lanes, dtype=np.uint32)
    return np.where(state == 0, np.uint32(1), state)


def build_network(
    parameters: NetworkParameters,
    cells: int = FULL_SIZE,
    seed: int = 1,
    drive: Sequence[float] | None = None,
    wiring: Wiring | None = None,
) -> SpikingNetwork:
    """Wire a network and set its background drive so that each class fires at its target rate.

    Parameters
    ----------
    parameters : NetworkParameters
        Strengths and cell properties.
    cells : int
        Size.
    seed : int
        Of the wiring and of the runs that set the drive.
    drive : sequence of four floats, optional
        External events per ms of each class, if they are known already.
    wiring : Wiring, optional
        In place of a new one; for sets that do not differ in shares or probabilities of connection.

    Raises
    ------
    ModelError
        If the drive that a class needs is larger than the kernel can give: the class is too much inhibited.
    """
    if drive is not None and len(drive) != len(CLASSES):
        raise ModelError(f"drive has {len(drive)} entries; it needs one for {', '.join(CLASSES)}.")
    network = SpikingNetwork(
        parameters,
        wire(parameters, cells, seed) if wiring is None else wiring,
        np.array(_FIRST_DRIVE if drive is None else drive, dtype=np.float64),
        np.ones(len(CLASSES)),
    )
    if drive is None:
        for length, gain in _ROUNDS:
            _, found = network._integrate(NO_DRUG, seed, length, 0, gain)
            network = replace(network, drive=found)
    for name, events in zip(CLASSES, network.drive, strict=True):
        if not 0.0 < events <= _LARGEST_DRIVE:
            raise ModelError(
                f"{parameters.name}: {name} cells have or need {events:.3g} external events per ms; it must "
                f"be above 0 and at most {_LARGEST_DRIVE:g}. Strengthen the external input or weaken the "
                "inhibition onto this class."
            )
    rest = network.run(NO_DRUG, seed, WARM_MS + 1000.0)
    return replace(network, open_reference=np.maximum(rest.open_conductance, 1e-6))


def load_network(name: str | None = None, cells: int = FULL_SIZE, seed: int = 1) -> SpikingNetwork:
    """Build a shipped circuit; at full size and with the first wiring its drive is known already.

    Parameters
    ----------
    name : str, optional
        The most likely circuit by default.
    cells, seed : int
        Size and seed of the wiring.
    """
    circuit = load_ensemble().circuit(name or circuit_names()[0])
    known = circuit.drive if (cells, seed) == (FULL_SIZE, 1) else None
    return build_network(circuit.parameters, cells, seed, drive=known)


@dataclass(frozen=True)
class Task:
    """One run of a network: a condition, a seed, a duration in ms."""

    condition: Condition
    seed: int = 1
    duration: float = 2500.0


def run_tasks(
    network: SpikingNetwork,
    tasks: Iterable[Task],
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> list[NetworkActivity]:
    """Run many tasks side by side; the result does not depend on the number of threads.

    Parameters
    ----------
    network : SpikingNetwork
        What is run.
    tasks : iterable of Task
        What is done to it.
    threads : int
        The kernel leaves Python's lock, so each thread fills a core.
    progress : function, optional
        Called with the number of runs that are done.

    Returns
    -------
    list of NetworkActivity
        In the order of the tasks.
    """
    if threads < 1:
        raise ModelError(f"threads is {threads}; it must be at least 1.")

    def one(task: Task) -> NetworkActivity:
        return network.run(task.condition, task.seed, task.duration)

    done = []
    with ThreadPoolExecutor(threads) as pool:
        try:
            for activity in pool.map(one, tasks):
                done.append(activity)
                if progress is not None:
                    progress(len(done))
        except BaseException:
            # What has not begun need not be waited for.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done
