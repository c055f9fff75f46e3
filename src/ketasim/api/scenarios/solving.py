"""Runs lanes side by side: persons of all scenarios, with the drug and with the control, in one go."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.models import simulator
from ketasim.api.scenarios.people import Block
from ketasim.api.scenarios.plans import Plan
from ketasim.api.scenarios.rows import OUTPUTS
from ketasim.api.scenarios.switching import SWITCHES
from ketasim.dosing import Regimen
from ketasim.engine import Batch, Solutions
from ketasim.engine.records import Ending, no_tape
from ketasim.errors import AbandonedError, SolverError
from ketasim.model.clamp import share_settings
from ketasim.model.cohort import Cohort, Given, InputStep, prepare_stretch

__all__ = ["Lot", "Solved", "Stop", "solve_lots"]

FloatArray = npt.NDArray[np.float64]
#: One number, which another thread sets when nobody waits for the result any more.
Stop = npt.NDArray[np.int64]

#: Persons a thread takes at once, at most: a few registers full, so that threads end together.
_PART: Final = 32
_MOST_THREADS: Final = 4


@dataclass(frozen=True, eq=False)
class Lot:
    """Persons of one scenario in one arm.

    Parameters
    ----------
    plan : Plan
        The scenario.
    block : Block
        The persons.
    regimen : Regimen
        Doses of the arm.
    times_h : array, shape (times,)
        Output times, increasing from the begin of the run.
    """

    plan: Plan
    block: Block
    regimen: Regimen
    times_h: FloatArray


@dataclass(frozen=True, eq=False)
class Solved:
    """Courses of a lot.

    Parameters
    ----------
    values : array, shape (persons, times, outputs)
        In the order of :data:`~ketasim.api.scenarios.rows.OUTPUTS`, in their shown units.
    kept : array of int
        Who could be solved, by place in the block.
    steps : int
        Steps of the solver, all persons together.
    by_reference : int
        How many the reference solver had to solve.
    """

    values: FloatArray
    kept: npt.NDArray[np.int64]
    steps: int
    by_reference: int

    def among(self, kept: npt.NDArray[np.int64]) -> Solved:
        """Those of some places in the block, which are among those who could be solved."""
        chosen = np.isin(self.kept, kept)
        return replace(self, values=self.values[chosen], kept=self.kept[chosen])


def solve_lots(
    lots: Sequence[Lot], rtol: float, *, reference: bool = False, stop: Stop | None = None
) -> list[Solved]:
    """Solve several lots together.

    Parameters
    ----------
    lots : sequence of Lot
        Who, and what is done to them.
    rtol : float
        Accuracy, relative to each state's size.
    reference : bool
        Whether the reference solver tries where the kernels fail. It can take minutes for one person,
        which nobody waits for unasked.
    stop : array of int, shape (1,), optional
        Not 0 when nobody waits for the result any more.

    Raises
    ------
    SolverError
        If nobody of a lot can be solved.
    AbandonedError
        If it was stopped.
    """
    model = simulator()
    cohort, given = _together(lots)
    rows = np.concatenate([lot.block.rows for lot in lots])
    states = np.concatenate([lot.block.states for lot in lots])
    times = [lot.times_h for lot in lots for _ in range(len(lot.block))]
    batch = prepare_stretch(model, cohort, rows, states, given, times)
    flag = np.zeros(1, dtype=np.int64) if stop is None else stop
    solved = _rescued(batch, rtol, flag) if reference else _marched(batch, rtol, flag)
    if flag[0]:
        raise AbandonedError("the simulation was stopped; nobody waited for it.")
    return list(_shared_out(lots, solved))


def _rescued(batch: Batch, rtol: float, stop: Stop) -> list[Solutions]:
    """Solve with the reference solver where the kernels fail."""
    engine, defaults = simulator().engine(), simulator().chain.input_defaults()
    parts = _parts(batch, engine.lanes)
    return [engine.solve(part, defaults, rtol, OUTPUTS, stop=stop) for part in parts]


def _marched(batch: Batch, rtol: float, stop: Stop) -> list[Solutions]:
    """Solve by the kernels alone, in threads if there are many persons; who fails is told of."""
    engine, defaults = simulator().engine(), simulator().chain.input_defaults()

    def march(part: Batch) -> Solutions:
        return engine.march(part, defaults, rtol, OUTPUTS, no_tape(), stop)

    if len(batch) <= engine.lanes:
        return [_told(march(batch))]
    threads = min(os.cpu_count() or 1, _MOST_THREADS)
    registers = math.ceil(len(batch) / threads / engine.lanes)
    parts = _parts(batch, min(_PART, registers * engine.lanes))
    # Before there are threads, so that no two of them compile.
    engine.load(OUTPUTS)
    with ThreadPoolExecutor(threads) as pool:
        return [_told(solved) for solved in pool.map(march, parts)]


def _parts(batch: Batch, size: int) -> list[Batch]:
    return [batch.part(slice(first, first + size)) for first in range(0, len(batch), size)]


def _told(solutions: Solutions) -> Solutions:
    """The same with a reason for each person who was not solved."""
    failures = {}
    for place, values in enumerate(solutions.values):
        ending = Ending(int(solutions.endings[place]))
        if ending is not Ending.REACHED or not np.isfinite(values).all():
            hours = float(solutions.reached[place]) / simulator().hour
            words = "not finite" if ending is Ending.REACHED else ending.name.lower().replace("_", " ")
            failures[place] = f"{words} at hour {hours:.5g}"
    return replace(solutions, failures=failures)


def _shared_out(lots: Sequence[Lot], solutions: Sequence[Solutions]) -> Iterator[Solved]:
    """Results of each lot."""
    factors = np.array([simulator().shown_factor(name) for name in OUTPUTS])
    values = [own for part in solutions for own in part.values]
    steps = np.concatenate([part.steps for part in solutions])
    endings = np.concatenate([part.endings for part in solutions])
    failures: dict[int, str] = {}
    first = 0
    for part in solutions:
        failures |= {first + place: text for place, text in part.failures.items()}
        first += len(part.values)
    first = 0
    for lot in lots:
        places = range(first, first + len(lot.block))
        first = places.stop
        kept = np.array([i - places.start for i in places if i not in failures], dtype=np.int64)
        own = {i - places.start: failures[i] for i in places if i in failures}
        if not len(kept):
            raise SolverError(
                f"{lot.regimen.text}: the equations could not be solved: {next(iter(own.values()))}. Try the "
                "reference solver, take back what was changed in the mechanism, or choose a smaller dose."
            )
        solved = np.array([values[places.start + i] for i in kept]) / factors
        rescued = int((endings[places.start : places.stop] == Ending.BY_REFERENCE).sum())
        yield Solved(solved, kept, int(steps[places.start : places.stop].sum()), rescued)


def _together(lots: Sequence[Lot]) -> tuple[Cohort, Given]:
    """All persons as one cohort, and what each is given."""
    base = lots[0].block.cohort.parameters
    names = dict.fromkeys(name for lot in lots for name in lot.block.cohort.varied)
    varied = {
        name: np.concatenate(
            [lot.block.cohort.varied.get(name, np.full(len(lot.block), base[name].value)) for lot in lots]
        )
        for name in names
    }
    days = max(lot.block.cohort.stress.shape[1] for lot in lots)
    stress = np.concatenate([_padded(lot.block.cohort.stress, days) for lot in lots])
    severity = np.concatenate([lot.block.cohort.severity for lot in lots])
    plans: list[Regimen] = []
    which, steps, first = [], [], 0
    for lot in lots:
        which.append(np.full(len(lot.block), len(plans)))
        plans.append(lot.regimen)
        steps += _beside(lot, np.arange(first, first + len(lot.block)))
        first += len(lot.block)
    given = Given(tuple(plans), np.concatenate(which), steps=steps)
    return Cohort(base, varied, severity, stress), given


def _padded(stress: FloatArray, days: int) -> FloatArray:
    """Life stress over more days: the last one goes on."""
    return np.pad(stress, ((0, 0), (0, days - stress.shape[1])), mode="edge")


def _beside(lot: Lot, persons: npt.NDArray[np.int64]) -> list[InputStep]:
    """What acts beside the doses, and switches."""
    start, count = lot.plan.start_h, len(persons)
    found = []
    for step in lot.plan.steps:
        marks = [(start, 0.0)] if step.start_h > start else []
        marks.append((max(step.start_h, start), step.value))
        if np.isfinite(step.end_h):
            marks.append((step.end_h, 0.0))
        found += [_at(step.name, persons, time, np.full(count, value)) for time, value in marks]
    for switch, share in lot.plan.switches.items():
        for quantity in SWITCHES[switch].quantities:
            rest = lot.block.rest[quantity]
            for name, value in share_settings(quantity, share, rest).items():
                found.append(_at(name, persons, start, np.broadcast_to(value, count)))
    return found


def _at(name: str, persons: npt.NDArray[np.int64], time_h: float, values: FloatArray) -> InputStep:
    return InputStep(name, persons, np.full(len(persons), time_h), values)
