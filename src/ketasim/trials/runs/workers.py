"""Spreads the patients of a trial over processes, chunk by chunk.

A chunk is some patients in a row. Which process works on it, and when, changes nothing: a
patient's result follows from the trial and his number alone. The same chunks go to a Dask
cluster if there is one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ketasim.errors import StudyError
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet
from ketasim.model.simulator import Simulator
from ketasim.population.draws import Draws
from ketasim.trials.conduct.march import conduct
from ketasim.trials.conduct.rating import Hold
from ketasim.trials.conduct.recording import Tables, record
from ketasim.trials.conduct.trial import Keep, Trial
from ketasim.trials.runs.processes import work_on_processes
from ketasim.trials.study import Study

__all__ = ["Chunk", "TrialPlan", "chunk_size", "chunks_of", "default_workers", "run_chunk", "run_chunks"]

#: Most and fewest patients in a chunk, and most numbers that its courses may hold (8 bytes each).
_MOST, _FEWEST, _NUMBERS = 2048, 32, 3_000_000
#: About so many chunks make a lively progress bar.
_LIVELY = 16
_ADVICE = "What is finished is kept; go on with --resume, perhaps with fewer --workers."


@dataclass(frozen=True)
class TrialPlan:
    """All that a worker needs to build a trial; small, so that it travels fast.

    Parameters
    ----------
    study, parameters, seed, subjects, end_h, with_twin, hold, between_study, keep, draws, common
        As of :class:`~ketasim.trials.conduct.trial.Trial`.
    replicates : int
        How often the trial is simulated.
    """

    study: Study
    parameters: ParameterSet
    seed: int = 1
    subjects: int | Mapping[str, int] | None = None
    end_h: float | None = None
    with_twin: bool = True
    hold: Hold = "nothing"
    between_study: bool = False
    keep: Keep = "all"
    replicates: int = 1
    draws: Draws | None = None
    common: bool = False

    def build(self) -> Trial:
        """Join the study with the model."""
        return Trial(
            self.study,
            Simulator(build_chain(parameters=self.parameters)),
            self.parameters,
            self.seed,
            self.subjects,
            self.end_h,
            self.with_twin,
            self.hold,
            self.between_study,
            self.keep,
            self.draws,
            self.common,
        )


@dataclass(frozen=True)
class Chunk:
    """Patients in a row, counted over all replicates."""

    number: int
    first: int
    count: int


def default_workers(chunks: int) -> int:
    """Processes to use when none are asked for: one a core, no more than there are chunks."""
    return max(1, min(os.cpu_count() or 1, chunks))


def chunk_size(trial: Trial, replicates: int, *, lively: bool = True) -> int:
    """Patients in a chunk: small enough for the memory and, if asked, for a lively progress bar."""
    total = trial.count * replicates
    width = trial.largest_grid * len(trial.recorded)
    most = -(-total // _LIVELY) if lively else total
    return max(1, min(_MOST, max(_FEWEST, _NUMBERS // width), max(_FEWEST, most)))


def chunks_of(total: int, size: int) -> list[Chunk]:
    """Cut patients into chunks.

    Raises
    ------
    StudyError
        If the size is not positive.
    """
    if size < 1:
        raise StudyError(f"chunk size: {size} is not a number of patients; give 1 or more.")
    starts = range(0, total, size)
    return [Chunk(number, first, min(size, total - first)) for number, first in enumerate(starts)]


def run_chunk(trial: Trial, chunk: Chunk) -> Tables:
    """Simulate the patients of a chunk; one that cannot be solved is reported, not dropped."""
    place = np.arange(chunk.first, chunk.first + chunk.count, dtype=np.int64)
    return record(trial, conduct(trial, place // trial.count, place % trial.count + 1))


def _start(plan: TrialPlan) -> Callable[[Chunk], Tables]:
    """Build the trial once a process."""
    trial = plan.build()
    return lambda chunk: run_chunk(trial, chunk)


def run_chunks(
    trial: Trial,
    plan: TrialPlan,
    chunks: Sequence[Chunk],
    workers: int,
    scheduler: str | None = None,
) -> Iterator[tuple[int, Tables]]:
    """Yield results as they finish, in any order.

    Parameters
    ----------
    trial : Trial
        Used directly when one worker is enough.
    plan : TrialPlan
        What other processes build their trial from.
    chunks : sequence of Chunk
        What to do.
    workers : int
        Number of processes.
    scheduler : str, optional
        Address of a Dask scheduler, to whose workers the chunks go instead.

    Yields
    ------
    int, Tables
        Number of the chunk, and what came of it.

    Raises
    ------
    StudyError
        If the number of workers is not positive, a worker dies, or there is no such scheduler.
    """
    if workers < 1:
        raise StudyError(f"workers: {workers} is not a number of processes; give 1 or more.")
    if not chunks:
        return
    if scheduler is not None:
        from ketasim.trials.runs.cluster import run_on_cluster

        yield from run_on_cluster(plan, chunks, scheduler)
    elif workers == 1 or len(chunks) == 1:
        for chunk in chunks:
            yield chunk.number, run_chunk(trial, chunk)
    else:
        for place, tables in work_on_processes(_start, plan, chunks, workers, _ADVICE):
            yield chunks[place].number, tables
