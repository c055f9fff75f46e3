"""Spreads the persons of a trial over processes, chunk by chunk.

A chunk is a few persons of one arm. Which process works on it, and when, changes
nothing: a person's result follows from the trial and his number alone.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

import pandas as pd

from ketasim.errors import KetasimError, StudyError
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet
from ketasim.model.simulator import Simulator
from ketasim.population import VirtualPatient
from ketasim.trials.columns import OUTCOMES
from ketasim.trials.study import Arm, Study
from ketasim.trials.trial import Trial

__all__ = ["Chunk", "ChunkResult", "TrialPlan", "chunks_of", "default_workers", "run_chunk", "run_chunks"]

#: Persons a chunk: some registers full, and few enough for a lively progress bar.
CHUNK_SIZE = 32


@dataclass(frozen=True)
class TrialPlan:
    """All that a worker needs to build a trial; small, so that it travels fast."""

    study: Study
    parameters: ParameterSet
    seed: int
    replicate: int
    subjects: int | None
    end_h: float | None

    def build(self) -> Trial:
        """Join the study with the model."""
        return Trial(
            self.study,
            Simulator(build_chain(parameters=self.parameters)),
            self.parameters,
            self.seed,
            self.replicate,
            self.subjects,
            self.end_h,
        )


@dataclass(frozen=True)
class Chunk:
    """Some persons of one arm, by number."""

    number: int
    arm: str
    people: tuple[VirtualPatient, ...]


@dataclass(frozen=True)
class ChunkResult:
    """Outcomes of a chunk, and the persons that could not be simulated."""

    number: int
    outcomes: pd.DataFrame
    failed: tuple[tuple[int, str], ...]


def default_workers(chunks: int) -> int:
    """Processes to use when none are asked for: one a core, no more than there are chunks."""
    return max(1, min(os.cpu_count() or 1, chunks))


def chunks_of(trial: Trial) -> list[Chunk]:
    """Cut the persons of all arms into chunks, in a fixed order."""
    found: list[Chunk] = []
    for arm in trial.study.arms:
        people = trial.people(arm)
        for start in range(0, len(people), CHUNK_SIZE):
            found.append(Chunk(len(found), arm.id, people[start : start + CHUNK_SIZE]))
    return found


def run_chunk(trial: Trial, chunk: Chunk) -> ChunkResult:
    """Simulate the persons of a chunk; one that cannot be solved is reported, not dropped."""
    arm: Arm = trial.study.arm(chunk.arm)
    frames, failed = [], []
    for person, found in zip(chunk.people, trial.scored_many(arm, chunk.people), strict=True):
        if isinstance(found, KetasimError):
            failed.append((person.subject, str(found)))
        else:
            frames.append(trial.recorded(arm, person, found))
    if not frames:
        frames = [_nobody()]
    return ChunkResult(chunk.number, pd.concat(frames, ignore_index=True), tuple(failed))


def _nobody() -> pd.DataFrame:
    """Outcomes of no person, with the types of a table with persons in it."""
    types = {"replicate": "int64", "subject": "int64", "time_h": "float64", "value": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=types.get(name, "str")) for name in OUTCOMES})


_trials: dict[str, Trial] = {}


def _start(plan: TrialPlan) -> None:
    """Build the trial once a process."""
    # Ctrl-C reaches every process of the terminal; only the parent answers it, and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _trials["here"] = plan.build()


def _work(chunk: Chunk) -> ChunkResult:
    return run_chunk(_trials["here"], chunk)


def run_chunks(trial: Trial, plan: TrialPlan, chunks: Sequence[Chunk], workers: int) -> Iterator[ChunkResult]:
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

    Raises
    ------
    StudyError
        If the number of workers is not positive.
    """
    if workers < 1:
        raise StudyError(f"workers: {workers} is not a number of processes; give 1 or more.")
    if workers == 1 or len(chunks) < 2:
        for chunk in chunks:
            yield run_chunk(trial, chunk)
        return
    pool = ProcessPoolExecutor(min(workers, len(chunks)), initializer=_start, initargs=(plan,))
    try:
        waiting: set[Future[ChunkResult]] = {pool.submit(_work, chunk) for chunk in chunks}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        # On Ctrl-C what has not begun is dropped; finished chunks were handed on already.
        pool.shutdown(wait=True, cancel_futures=True)
