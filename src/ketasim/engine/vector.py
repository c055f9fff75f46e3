"""Solves a system for many patients at once, in machine code.

Patients are cut into chunks, which threads work on while nothing else waits for
Python. Where the kernels fail, the reference solver tries; who fails there too is
reported with a reason, and changes nobody else's result.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ketasim.engine import driver, records
from ketasim.engine.cache import KernelCache, default_cache
from ketasim.engine.events import EventTable, Picked, event_table
from ketasim.engine.kernel import WIDTHS, observer_text, solver_text
from ketasim.engine.lower import Lowering, lower
from ketasim.engine.native import Library, Processor, load_library
from ketasim.engine.program import Program
from ketasim.engine.recipe import Recipe
from ketasim.engine.records import Ending
from ketasim.engine.schedule import Schedule
from ketasim.engine.system import System
from ketasim.errors import ModelError, SolverError, unknown_name

if TYPE_CHECKING:
    from ketasim.engine.reference import ReferenceEngine

__all__ = ["DEFAULT_RTOL", "STEP_LIMIT", "Batch", "Solutions", "VectorEngine"]

FloatArray = npt.NDArray[np.float64]

#: Chosen from the work-precision figure in ``benchmarks/``: the error of any state is then
#: below 1e-4 of its largest value, far below anything that is measured in people.
DEFAULT_RTOL = 3e-5

#: First steps after a dose and after a gentler change, in hours. A step that is too long is
#: rejected and costs one try; one that is too short costs several until it has grown.
_SHARP_STEP_H, _GENTLE_STEP_H = 0.003, 2.0

#: Some seconds for one patient, and enough for ten thousand doses: beyond it the equations are at fault.
STEP_LIMIT = 5e5

#: Patients a chunk: much more than a register, little enough to end soon.
_CHUNK = 256

#: How often the main thread looks for Ctrl-C, in seconds.
_LOOK_S = 0.1


@dataclass(frozen=True)
class Batch:
    """Patients to solve.

    Parameters
    ----------
    parameters : array, shape (patients, parameters)
        In the order of the system's parameters.
    starts : array, shape (patients, states)
        States at the first time.
    schedules : sequence of Schedule
        What happens to each.
    times : sequence of arrays
        Output times of each, increasing; a run goes from the first to the last.
    table : EventTable, optional
        The schedules as arrays, where these are at hand; a schedule is then only asked for
        if its patient fails.
    """

    parameters: FloatArray
    starts: FloatArray
    schedules: Sequence[Schedule]
    times: Sequence[FloatArray]
    table: EventTable | None = None

    def __len__(self) -> int:
        return len(self.schedules)

    def part(self, chosen: slice | Sequence[int]) -> Batch:
        """Some of the patients."""
        places = range(len(self))[chosen] if isinstance(chosen, slice) else chosen
        picked = np.array(list(places), dtype=np.int64)
        return Batch(
            self.parameters[picked],
            self.starts[picked],
            Picked(self.schedules, picked),
            [self.times[i] for i in picked.tolist()],
            None if self.table is None else self.table.part(picked),
        )


@dataclass(frozen=True)
class Solutions:
    """What became of a batch.

    Parameters
    ----------
    values : list of arrays, shape (times, outputs)
        Results of each patient. Those of a patient that failed are NaN from where he did;
        ``failures`` says why.
    endings : array of int, shape (patients,)
        An :class:`~ketasim.engine.records.Ending` each.
    steps, rejections : array of int, shape (patients,)
        Steps that were tried, and those of them that were too long.
    least_pivots : array, shape (patients,)
        Smallest pivot of any step, over what it is for a very short one.
    reached : array, shape (patients,)
        Time that was reached.
    finals : array, shape (patients, states)
        States at that time, before anything that happens at it: a run can go on from there.
    failures : dict of int to str
        What to tell of each patient that failed, by number.
    """

    values: list[FloatArray]
    endings: npt.NDArray[np.int64]
    steps: npt.NDArray[np.int64]
    rejections: npt.NDArray[np.int64]
    least_pivots: FloatArray
    reached: FloatArray
    finals: FloatArray
    failures: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VectorEngine:
    """Solves a system for many patients.

    Parameters
    ----------
    equations : System or Recipe
        The equations, or how to make them if they are needed.
    forced : tuple of str
        States that can be infused into.
    width : int, optional
        Patients side by side: 1, 2, 4 or 8. Default: ``KETASIM_WIDTH``, or what the
        processor's registers hold.
    hour : float
        An hour in the system's unit of time.
    cache : KernelCache, optional
        Where compiled kernels are kept.
    """

    equations: System | Recipe
    forced: tuple[str, ...] = ()
    width: int | None = None
    hour: float = 1.0
    cache: KernelCache = field(default_factory=default_cache, repr=False)
    _observers: dict[tuple[str, ...] | None, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def system(self) -> System:
        """The equations."""
        return self.equations.system if isinstance(self.equations, Recipe) else self.equations

    @cached_property
    def _lowering(self) -> Lowering:
        return lower(self.system, self.forced)

    @cached_property
    def program(self) -> Program:
        """The system as kernels take it."""
        note = self._note("program")
        if note is None:
            return self._lowering.program

        def make() -> bytes:
            return self._lowering.program.to_bytes()

        return Program.from_bytes(self.cache.get_or_make(note, make))

    def _note(self, *what: str) -> str | None:
        """Key of something that follows from the equations, if they are known before they are made."""
        digest = self.equations.digest if isinstance(self.equations, Recipe) else None
        if digest is None:
            return None
        return self.cache.make_key(digest, str(len(self.forced)), *self.forced, *what)

    @cached_property
    def lanes(self) -> int:
        """Patients side by side.

        Raises
        ------
        ModelError
            If the setting is not a width that exists.
        """
        wanted: int | str | None = self.width if self.width is not None else os.environ.get("KETASIM_WIDTH")
        if wanted is None or wanted == "":
            return Processor.host().lanes
        if str(wanted) not in map(str, WIDTHS):
            raise ModelError(
                f"KETASIM_WIDTH: {wanted!r} is not a number of patients side by side; give one of "
                f"{', '.join(map(str, WIDTHS))}, or nothing for what suits the processor."
            )
        return int(wanted)

    @cached_property
    def reference(self) -> ReferenceEngine:
        """The solver that tries where the kernels fail."""
        from ketasim.engine.reference import ReferenceEngine

        return ReferenceEngine(self.system)

    @cached_property
    def _library(self) -> Library:
        names = ("setup", "step", "control", "newton")
        lanes = self.lanes
        return load_library(
            lambda: solver_text(self._lowering, lanes), names, self.cache, self._note("solver", str(lanes))
        )

    @cached_property
    def kernels(self) -> dict[str, Any]:
        """Compiled functions by name, as the driver takes them."""
        return driver.kernel_functions(self._library)

    def _observer(self, outputs: tuple[str, ...] | None) -> Any:
        if outputs not in self._observers:
            for name in outputs or ():
                if name not in self.program.quantities:
                    raise ModelError(f"output: {unknown_name('quantity', name, self.program.quantities)}")
            wanted = ("states",) if outputs is None else ("quantities", *outputs)
            library = load_library(
                lambda: observer_text(self._lowering, self.lanes, outputs),
                ("observe",),
                self.cache,
                self._note("observer", str(self.lanes), *wanted),
            )
            # Two threads may come here at once: both then use the first's.
            self._observers.setdefault(outputs, driver.kernel_functions(library)["observe"])
        return self._observers[outputs]

    def solve(
        self,
        batch: Batch,
        defaults: Mapping[str, float],
        rtol: float = DEFAULT_RTOL,
        outputs: Sequence[str] | None = None,
        workers: int = 1,
        stop: npt.NDArray[np.int64] | None = None,
    ) -> Solutions:
        """Solve patients.

        Parameters
        ----------
        batch : Batch
            Who, and what happens to them.
        defaults : mapping of str to float
            Value of each input without a path of its own.
        rtol : float
            Accuracy, relative to each state's size.
        outputs : sequence of str, optional
            Quantities wanted; default: all states.
        workers : int
            Threads.
        stop : array of int, shape (1,), optional
            Not 0 when nobody waits for the results any more; another thread may say so meanwhile. Patients
            who are not done by then end as :attr:`~ketasim.engine.records.Ending.STOPPED`.

        Returns
        -------
        Solutions
            In the order of the batch. A value at the time of a bolus is the one before it.

        Raises
        ------
        ModelError
            If times do not increase, or a name does not exist.
        """
        parts = [batch.part(slice(start, start + _CHUNK)) for start in range(0, len(batch), _CHUNK)]
        if len(batch) <= self.lanes:
            return self._solved(batch, defaults, rtol, outputs, _flag(stop))
        return _joined(list(self.stream(parts, defaults, rtol, outputs, workers, stop)))

    def stream(
        self,
        batches: Iterable[Batch],
        defaults: Mapping[str, float],
        rtol: float = DEFAULT_RTOL,
        outputs: Sequence[str] | None = None,
        workers: int = 1,
        stop: npt.NDArray[np.int64] | None = None,
    ) -> Iterator[Solutions]:
        """Solve batch after batch, holding only a few at once.

        Batches are taken from the iterable when a thread is about to be free, and results
        come in the same order, so that memory does not grow with their number. Ctrl-C
        stops the threads within a step.

        Parameters
        ----------
        batches : iterable of Batch
            Each is one thread's work for a while.
        defaults, rtol, outputs, workers, stop
            As for :meth:`solve`; a given ``stop`` is set when the last batch is taken or nobody goes on.

        Yields
        ------
        Solutions
        """
        self.load(outputs)
        stop = _flag(stop)
        pool = ThreadPoolExecutor(max(1, workers))
        waiting: list[Future[Solutions]] = []
        try:
            for batch in batches:
                waiting.append(pool.submit(self._solved, batch, defaults, rtol, outputs, stop))
                if len(waiting) > workers:
                    yield _awaited(waiting.pop(0))
            while waiting:
                yield _awaited(waiting.pop(0))
        finally:
            stop[0] = 1
            pool.shutdown(wait=True, cancel_futures=True)

    def load(self, outputs: Sequence[str] | None) -> None:
        """Have the code for some outputs compiled, or read from the disk; parameters as for :meth:`solve`."""
        _ = self.kernels, self._observer(None if outputs is None else tuple(outputs))

    def _solved(
        self,
        batch: Batch,
        defaults: Mapping[str, float],
        rtol: float,
        outputs: Sequence[str] | None,
        stop: npt.NDArray[np.int64],
    ) -> Solutions:
        names = None if outputs is None else tuple(outputs)
        solutions = self.march(batch, defaults, rtol, names, records.no_tape(), stop)
        failed = np.flatnonzero((solutions.endings != Ending.REACHED) & (solutions.endings != Ending.STOPPED))
        for i in failed.tolist():
            self._retry(i, batch, defaults, rtol, names, solutions, stop)
        for i, values in enumerate(solutions.values):
            reached = solutions.endings[i] in (Ending.REACHED, Ending.BY_REFERENCE)
            if reached and not np.isfinite(values).all():
                column = int(np.flatnonzero(~np.isfinite(values).all(axis=0))[0])
                name = self.program.state_names[column] if names is None else names[column]
                solutions.endings[i] = Ending.NOT_FINITE
                solutions.failures[i] = (
                    f"{name!r} is no finite number; compare the parameters with their ranges."
                )
            if i in solutions.failures and solutions.endings[i] == Ending.NOT_FINITE:
                values[:] = np.nan
        return solutions

    def march(
        self,
        batch: Batch,
        defaults: Mapping[str, float],
        rtol: float,
        outputs: tuple[str, ...] | None,
        tape: records.Tape,
        stop: npt.NDArray[np.int64],
    ) -> Solutions:
        """Solve patients by the kernels alone; parameters as for :meth:`solve`."""
        times = [np.asarray(own, dtype=np.float64) for own in batch.times]
        _check(times)
        if not times:
            return Solutions([], *records.empty_report(0, len(self.program.state_names)))
        begins, ends = np.array([own[0] for own in times]), np.array([own[-1] for own in times])
        table = batch.table
        if table is None:
            table = event_table(self.program, batch.schedules, begins.tolist(), ends.tolist(), defaults)
        offsets = np.zeros(len(times) + 1, dtype=np.int64)
        offsets[1:] = np.cumsum([len(own) for own in times])
        width = len(self.program.state_names) if outputs is None else len(outputs)
        results = np.full((int(offsets[-1]), width), np.nan)
        report = records.empty_report(len(times), len(self.program.state_names))
        parameters = np.ascontiguousarray(batch.parameters, dtype=np.float64)
        starts = np.ascontiguousarray(batch.starts, dtype=np.float64)
        driver.run_march(
            *(self.kernels[name] for name in ("setup", "step", "control")),
            self._observer(outputs),
            records.allocate(self.program, width, self.lanes),
            records.Patients(parameters, starts, table.inputs, begins, ends),
            table.events,
            records.Outputs(offsets, np.concatenate(times), results),
            tape,
            records.Control(rtol, _SHARP_STEP_H * self.hour, _GENTLE_STEP_H * self.hour, STEP_LIMIT, stop),
            report,
        )
        finite = np.isfinite(parameters).all(axis=1) & np.isfinite(starts).all(axis=1)
        report.endings[~finite] = Ending.NOT_FINITE
        values = [results[a:b] for a, b in pairwise(offsets)]
        return Solutions(values, *report)

    def _retry(
        self,
        i: int,
        batch: Batch,
        defaults: Mapping[str, float],
        rtol: float,
        outputs: tuple[str, ...] | None,
        solutions: Solutions,
        stop: npt.NDArray[np.int64],
    ) -> None:
        """Let the reference solver try one patient; changes the solutions."""
        ending = Ending(solutions.endings[i])
        if ending is Ending.NOT_FINITE:
            solutions.failures[i] = self._not_finite(batch.parameters[i], batch.starts[i])
            return
        parameters = dict(zip(self.program.parameters, batch.parameters[i].tolist(), strict=True))
        try:
            found = self.reference.solve(
                parameters, batch.starts[i], batch.schedules[i], batch.times[i], defaults, rtol, stop
            )
        except SolverError as error:
            solutions.failures[i] = f"{_REASONS[ending]} at {solutions.reached[i]:.6g}; {error}"
            return
        values = (
            found.states.T if outputs is None else np.array([found.quantities[name] for name in outputs]).T
        )
        solutions.values[i][:] = values
        solutions.endings[i] = Ending.BY_REFERENCE
        solutions.reached[i] = batch.times[i][-1]
        solutions.finals[i] = found.states[:, -1]

    def _not_finite(self, parameters: FloatArray, start: FloatArray) -> str:
        for name, value in zip(self.program.parameters, parameters, strict=True):
            if not np.isfinite(value):
                return f"parameter {name!r} is {value:g}; give a finite number."
        for name, value in zip(self.program.state_names, start, strict=True):
            if not np.isfinite(value):
                return f"state {name!r} starts at {value:g}; give a finite number."
        raise AssertionError("all numbers are finite")  # only called where one is not


_REASONS = {
    Ending.STEP_TOO_SHORT: "no step was short enough",
    Ending.TOO_MANY_STEPS: f"{STEP_LIMIT:,.0f} steps were not enough",
}


def _flag(stop: npt.NDArray[np.int64] | None) -> npt.NDArray[np.int64]:
    """What tells to stop: what was given, or one that nobody else knows."""
    return np.zeros(1, dtype=np.int64) if stop is None else stop


def _check(times: Sequence[FloatArray]) -> None:
    for own in times:
        if own.ndim != 1 or own.size == 0 or not np.isfinite(own).all() or (np.diff(own) <= 0.0).any():
            raise ModelError("output times: give at least one; they must be finite and increase.")


def _awaited(future: Future[Solutions]) -> Solutions:
    """Wait for a result, and look for Ctrl-C meanwhile."""
    while True:
        try:
            return future.result(timeout=_LOOK_S)
        except TimeoutError:
            if future.done():
                raise


def _joined(parts: Sequence[Solutions]) -> Solutions:
    failures: dict[int, str] = {}
    before = 0
    for part in parts:
        failures |= {before + i: text for i, text in part.failures.items()}
        before += len(part.values)
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("endings", "steps", "rejections", "least_pivots", "reached", "finals")
    }
    values = [own for part in parts for own in part.values]
    return replace(parts[0], values=values, failures=failures, **arrays)
