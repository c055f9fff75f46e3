"""Simulates and analyses the replicates that a question of design needs, on several processes.

A task is some whole replicates of one curve: simulated at the largest size and analysed at
every size where they are, so that only estimates travel.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ketasim.design.nested import Analyse, Simulated, analyse_sizes
from ketasim.design.planned import Planned
from ketasim.design.sizes import simulated_sizes
from ketasim.model.parameters import ParameterSet
from ketasim.trials.conduct.trial import Trial
from ketasim.trials.runs.processes import work_on_processes
from ketasim.trials.runs.workers import TrialPlan, chunk_size, chunks_of, run_chunk

__all__ = ["Curve", "Done", "Question", "Task", "run_tasks", "tasks_of"]

#: Trials that a process keeps ready.
_READY = 4
#: Replicates of a run so large that only memory limits the patients simulated together.
_MANY = 1_000_000
#: About so many tasks make a lively progress bar.
_LIVELY = 40
#: Patients below which a task costs as much as one with as many.
_FEWEST = 300
_ADVICE = "Try again with fewer --workers, or a smaller largest --n."


@dataclass(frozen=True)
class Curve:
    """One way to run the trial.

    Parameters
    ----------
    label : str
        Its name.
    planned : Planned
        The study and its analysis.
    parameters : sequence of ParameterSet
        Typical values: one set, or several that stand for their uncertainty.
    direction : str
        Which direction of the estimate is wanted.
    """

    label: str
    planned: Planned
    parameters: Sequence[ParameterSet]
    direction: str


@dataclass(frozen=True)
class Question:
    """What is simulated, and at which sizes it is analysed.

    Parameters
    ----------
    curves : sequence of Curve
        The same people take part in all of them.
    sizes : sequence of dict of str to int
        Patients of each arm, for each size, rising.
    replicates, seed : int
        How many trials, and what names their random numbers.
    between_study : bool
        Whether trials differ from each other beyond their people.
    analyse : callable, optional
        Makes the analyses; default: :func:`ketasim.trials.planned.analyse.analyse`.
    """

    curves: Sequence[Curve]
    sizes: Sequence[dict[str, int]]
    replicates: int
    seed: int = 1
    between_study: bool = False
    analyse: Analyse | None = None

    @property
    def largest(self) -> dict[str, int]:
        """Patients of each arm in a simulated trial."""
        return simulated_sizes(self.curves[0].planned.study, self.sizes[-1])

    def trial(self, curve: int, chosen: int) -> Trial:
        """Join a curve's study with a set of parameters, at the largest size."""
        own = self.curves[curve]
        plan = TrialPlan(
            own.planned.study,
            own.parameters[chosen],
            self.seed,
            simulated_sizes(own.planned.study, self.sizes[-1]),
            with_twin=False,
            between_study=self.between_study,
            keep="scores",
            replicates=self.replicates,
        )
        return plan.build()


@dataclass(frozen=True)
class Task:
    """Some replicates of one curve under one set of parameters."""

    curve: int
    chosen: int
    first: int
    count: int


def tasks_of(question: Question, size: int) -> list[Task]:
    """Cut the work into tasks; those of all curves take turns, so that none lags behind.

    Parameters
    ----------
    question : Question
        What is asked.
    size : int
        Patients that may be simulated together.
    """
    people = sum(question.largest.values())
    sets = len(question.curves[0].parameters)
    edges = [question.replicates * place // sets for place in range(sets + 1)]
    wish = max(-(-question.replicates // _LIVELY), _FEWEST // people)
    most = max(1, min(size // people, wish))
    return [
        Task(curve, chosen, first, min(most, last - first))
        for chosen, (begin, last) in enumerate(itertools.pairwise(edges))
        for first in range(begin, last, most)
        for curve in range(len(question.curves))
    ]


@dataclass(frozen=True)
class Done:
    """What came of a task.

    Parameters
    ----------
    task : Task
        The task.
    rows : DataFrame
        Columns :data:`~ketasim.design.nested.REPLICATES`.
    reason : str
        Why the first patient who could not be simulated could not; empty if all could.
    """

    task: Task
    rows: pd.DataFrame
    reason: str


def run_task(question: Question, trial: Trial, task: Task) -> Done:
    """Simulate some replicates and analyse them at every size."""
    people, own = trial.count, question.curves[task.curve]
    tables = [
        run_chunk(trial, replace(chunk, first=task.first * people + chunk.first))
        for chunk in chunks_of(task.count * people, chunk_size(trial, _MANY))
    ]
    simulated = Simulated.of(tables)
    failed = simulated.patients[simulated.patients["status"] == "not simulated"]
    found = analyse_sizes(
        simulated,
        own.planned,
        question.sizes,
        question.analyse or _analyse(),
        seed=question.seed,
        direction=own.direction,
    )
    found.insert(0, "set", task.chosen)
    found.insert(0, "label", own.label)
    return Done(task, found, "" if failed.empty else str(failed["left_reason"].iloc[0]))


def _analyse() -> Analyse:
    from ketasim.trials.planned.analyse import analyse

    return analyse


class _Here:
    """What a process has at hand: the question, and trials that are ready."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.trials: dict[tuple[int, int], Trial] = {}

    def work(self, task: Task) -> Done:
        """Do a task."""
        key = (task.curve, task.chosen)
        if key not in self.trials:
            while len(self.trials) >= _READY:
                self.trials.pop(next(iter(self.trials)))
            self.trials[key] = self.question.trial(*key)
        return run_task(self.question, self.trials[key], task)


def _start(question: Question) -> Callable[[Task], Done]:
    return _Here(question).work


def run_tasks(question: Question, workers: int | None = None) -> Iterator[Done]:
    """Yield results as they finish, in any order.

    Parameters
    ----------
    question : Question
        What is asked.
    workers : int, optional
        Processes; default: one a core.

    Yields
    ------
    Done
        What came of each task.

    Raises
    ------
    StudyError
        If a worker dies.
    """
    here = _Here(question)
    first = here.trials.setdefault((0, 0), question.trial(0, 0))
    tasks = tasks_of(question, chunk_size(first, _MANY))
    used = min(workers or os.cpu_count() or 1, len(tasks))
    if used == 1:
        for task in tasks:
            yield here.work(task)
        return
    for _, done in work_on_processes(_start, question, tasks, used, _ADVICE):
        yield done
