"""What is solved: the shipped chain and the timing model, for patients who all differ.

Everybody gets eight infusions in 28 days at hours of his own, has parameters of his own,
and is looked at 60 times.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from benchmarks.timing_model import DOSE_UMOL, INFUSED, PARAMETERS, START, VARIED, build_timing_model
from ketasim.dosing import parse_regimen
from ketasim.engine import Batch, Infusion, InputPath, Schedule, System
from ketasim.model import Simulator, build_chain
from ketasim.model.administration import INFUSED as CHAIN_INFUSED
from ketasim.model.parameters import load_parameters
from ketasim.model.patients import Patient, Wanted
from ketasim.model.simulator import Case

__all__ = ["Problem", "chain_problem", "chain_simulator", "timing_problem", "with_daily_stress"]

FloatArray = npt.NDArray[np.float64]

SPAN_H = 672.0
DOSE_DAYS = (0, 3, 7, 10, 14, 17, 21, 24)
INFUSION_H = 2.0 / 3.0
#: A dose may come this much earlier or later, and none so early that it is part of the start.
JITTER_H = 6.0
OUTPUTS = 60
SEVERITY = 33.0
#: Spread of the chain's parameters that differ between people, as standard deviation of the logarithm.
SPREAD = 0.2
REGIMEN = "0.5 mg/kg ketamine iv over 40 min"


@dataclass(frozen=True)
class Problem:
    """A system and patients of it.

    Parameters
    ----------
    name : str
        For tables.
    system : System
        The equations.
    forced : tuple of str
        States that are infused into.
    defaults : mapping of str to float
        Values of the inputs.
    batch : Batch
        The patients.
    """

    name: str
    system: System
    forced: tuple[str, ...]
    defaults: Mapping[str, float]
    batch: Batch

    def __len__(self) -> int:
        return len(self.batch)

    def first(self, count: int) -> Problem:
        """The same with fewer patients; with more than there are, they repeat."""
        return replace(self, batch=self.batch.part([i % len(self.batch) for i in range(count)]))


def output_times() -> FloatArray:
    """Hours at which everybody is looked at, the same for all: dense at first, then about daily."""
    early = [0.0, 6.5, 7.0, 8.0, 10.0, 14.0]
    return np.concatenate([early, np.linspace(24.0, SPAN_H, OUTPUTS - len(early))])


def dose_starts(random: np.random.Generator) -> FloatArray:
    """Hours at which one patient's eight infusions start."""
    moved: FloatArray = 24.0 * np.array(DOSE_DAYS) + JITTER_H + random.uniform(-JITTER_H, JITTER_H, 8)
    return moved


def chain_simulator() -> Simulator:
    """The shipped chain."""
    return Simulator(build_chain())


def chain_patients(simulator: Simulator, count: int) -> list[Patient]:
    """Patients with parameters of their own, at rest at one severity."""
    shipped = load_parameters()
    varied = [name for name in shipped if shipped[name].iiv > 0.0]
    patients: list[Patient] = []
    random = np.random.default_rng(1)
    while len(patients) < count:
        wanted = []
        for _ in range(count):
            factors = np.exp(SPREAD * random.standard_normal(len(varied)))
            own = {name: shipped[name].value * float(k) for name, k in zip(varied, factors, strict=True)}
            wanted.append(Wanted(shipped.with_values(own), SEVERITY))
        # A few have no stable rest at this severity, and are left out.
        patients += [found for found in simulator.depressed_many(wanted) if isinstance(found, Patient)]
    return patients[:count]


def chain_problem(simulator: Simulator, count: int) -> Problem:
    """Patients of the shipped chain."""
    engine = simulator.engine()
    names = [symbol.name for symbol in engine.system.parameters]
    times = output_times()
    random = np.random.default_rng(2)
    rows, schedules = [], []
    patients = chain_patients(simulator, count)
    for patient in patients:
        values = simulator.chain.parameter_values(patient.parameters)
        rows.append([values[name] for name in names])
        one = simulator.schedule(Case(patient, parse_regimen(REGIMEN), times))
        moved = [
            replace(infusion, start=infusion.start + start, end=infusion.end + start)
            for start in dose_starts(random)
            for infusion in one.infusions
        ]
        schedules.append(replace(one, infusions=moved))
    states = np.array([patient.state for patient in patients])
    batch = Batch(np.array(rows), states, schedules, [times] * count)
    forced = tuple(name for name in CHAIN_INFUSED if name in simulator.chain.states)
    return Problem("chain", _lean(engine.system), forced, simulator.chain.input_defaults(), batch)


def _lean(system: System) -> System:
    """The same without read-outs that no rate needs: some solvers compute them at every step."""
    needed = {symbol for rate in system.rates for symbol in rate.free_symbols}
    for symbol in reversed(list(system.quantities)):
        if symbol in needed:
            needed |= system.quantities[symbol].free_symbols
    kept = {symbol: value for symbol, value in system.quantities.items() if symbol in needed}
    return replace(system, quantities=kept)


def timing_problem(count: int) -> Problem:
    """Patients of the timing model."""
    random = np.random.default_rng(3)
    times, names = output_times(), list(PARAMETERS)
    rows = np.tile(np.array(list(PARAMETERS.values())), (count, 1))
    for name, spread in VARIED.items():
        rows[:, names.index(name)] *= np.exp(spread * random.standard_normal(count))
    schedules = []
    for row in rows:
        starts = dose_starts(random)
        amounts = {state: DOSE_UMOL / row[names.index(volume)] for state, volume in INFUSED.items()}
        schedules.append(
            Schedule(
                infusions=[
                    Infusion(state, float(start), float(start) + INFUSION_H, float(amount))
                    for start in starts
                    for state, amount in amounts.items()
                ]
            )
        )
    states = np.tile(np.array(list(START.values())), (count, 1))
    batch = Batch(rows, states, schedules, [times] * count)
    return Problem("timing model", build_timing_model(), tuple(INFUSED), {}, batch)


def with_daily_stress(problem: Problem) -> Problem:
    """The same patients, with a new life stress every day."""
    days = int(SPAN_H // 24)
    random = np.random.default_rng(4)
    schedules = []
    for schedule in problem.batch.schedules:
        path = InputPath(
            tuple(24.0 * day for day in range(days)), tuple(random.standard_normal(days).tolist())
        )
        schedules.append(replace(schedule, inputs={**schedule.inputs, "life_stress": path}))
    return replace(problem, batch=replace(problem.batch, schedules=schedules))
