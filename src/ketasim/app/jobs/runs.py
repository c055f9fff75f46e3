"""What is done in the process of a long run, whatever its kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from ketasim.app.jobs.request import JobRequest, PopulationRequest, TrialRequest
from ketasim.app.jobs.state import JobFolder
from ketasim.errors import StudyError

__all__ = ["Pace", "Reporter", "run_job"]

#: Seconds between reports of progress, and least seconds between partial results.
_BETWEEN, _PARTIAL = 0.25, 2.0
#: The first partial result comes after this share of the work, or so many seconds.
_FIRST_SHARE, _FIRST_S = 0.05, 1.0
#: Partial results may take this share of the time.
_COST = 0.1


@dataclass(frozen=True)
class Reporter:
    """How a run tells what it does, and learns that it is to end.

    Parameters
    ----------
    send : callable
        Takes the name of an event and its data.
    stop_asked : callable
        Whether the run is to end with what it has.
    """

    send: Callable[[str, Mapping[str, Any]], None]
    stop_asked: Callable[[], bool]


@dataclass
class Pace:
    """Decides when progress and partial results are worth telling, and how long a run still takes.

    Parameters
    ----------
    total : int
        Units of work in all.
    begun : int
        Units that were done before this process began.
    clock : callable
        Seconds, from any origin.
    """

    total: int
    begun: int = 0
    clock: Callable[[], float] = time.monotonic
    _start: float = field(init=False)
    _told: float = field(init=False, default=-1e9)
    _partial: float = field(init=False)
    _cost: float = field(init=False, default=0.0)
    _any: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._start = self._partial = self.clock()

    def progress(self, done: int, **more: Any) -> dict[str, Any] | None:
        """Progress as the page reads it; None if the last one is only just told."""
        now = self.clock()
        if now - self._told < _BETWEEN and done < self.total:
            return None
        self._told = now
        elapsed = now - self._start
        rate = (done - self.begun) / elapsed if elapsed > 0.0 and done > self.begun else 0.0
        left = (self.total - done) / rate if rate > 0.0 else None
        return {
            "done": done,
            "total": self.total,
            "rate": round(rate, 1),
            "eta_s": None if left is None else round(left, 1),
            **more,
        }

    def partial_due(self, done: int) -> bool:
        """Whether a partial result is worth its time now."""
        since = self.clock() - self._partial
        if not self._any:
            return done >= _FIRST_SHARE * self.total or since >= _FIRST_S
        return since >= max(_PARTIAL, self._cost / _COST)

    def partial_told(self, cost_s: float) -> None:
        """Note that a partial result was told, and how long it took to make."""
        self._any, self._cost, self._partial = True, cost_s, self.clock()


def run_job(folder: JobFolder, report: Reporter) -> None:
    """Do what the folder of a run asks for, and write its result there.

    Raises
    ------
    KetasimError
        If it cannot be done; says why.
    """
    data = folder.read("request")
    if data is None:
        raise StudyError("The request of this run is missing or damaged; begin it again.")
    adapter: TypeAdapter[TrialRequest | PopulationRequest] = TypeAdapter(JobRequest)
    request = adapter.validate_python(data)
    if isinstance(request, TrialRequest):
        from ketasim.app.jobs.trial import run_trial

        run_trial(folder, request, report)
    else:
        from ketasim.app.jobs.population import run_population

        run_population(folder, request, report)
