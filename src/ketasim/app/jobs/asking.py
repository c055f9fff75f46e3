"""From a request to a run in the queue: what is asked for is looked at before it is taken."""

from __future__ import annotations

from dataclasses import dataclass

from ketasim.app.jobs.faults import BusyError
from ketasim.app.jobs.pool import JobPool
from ketasim.app.jobs.record import JobRecord
from ketasim.app.jobs.request import PopulationRequest, TrialRequest, request_data
from ketasim.app.limits import limit
from ketasim.app.problems import AppProblem, too_large

__all__ = ["ask", "busy"]

#: Rough costs, measured: seconds a virtual person with his control, and until the first one.
_PERSON_S, _START_S = 4e-3, 4.0


@dataclass(frozen=True)
class _Size:
    """How much a run asks for."""

    title: str
    total: int
    trials: int
    estimate_s: float


def ask(pool: JobPool, request: TrialRequest | PopulationRequest) -> JobRecord:
    """Look at a request, and put the run into the queue.

    Raises
    ------
    AppProblem
        413, if it asks for more than a run may; 429, if too many wait.
    KetasimError
        If a scenario or a study cannot be used; says where.
    """
    size = _trial(request) if isinstance(request, TrialRequest) else _population(request)
    name = request.name or size.title
    try:
        return pool.submit(
            request.kind, name, request_data(request), size.total, size.trials, size.estimate_s
        )
    except BusyError as error:
        raise busy(error) from error


def busy(error: BusyError) -> AppProblem:
    """The problem of a queue that is full."""
    return AppProblem(429, "busy", "Busy", str(error), headers={"Retry-After": "30"}, retry_after_s=30)


def _trial(request: TrialRequest) -> _Size:
    # Late: it needs what takes long to load, and the page must not wait for it.
    from ketasim.app.jobs.trial_plan import plan_trial

    if request.study_text is not None:
        _within("study_text", len(request.study_text), "/study_text")
    if request.scenarios is not None:
        _within("trial_arms", len(request.scenarios), "/scenarios")
        visits = request.design.visits if request.design is not None else None
        _within("trial_visits", len(visits or ()), "/design/visits")
    _within("trial_replicates", request.replicates, "/replicates")
    work = plan_trial(request)
    where = "/design/n" if request.scenarios is not None else "/n"
    _within("trial_size", work.people, where)
    _within("trial_people", work.people * request.replicates, "/replicates", work.command)
    _within("trial_end", work.end_h, "/design/visits" if request.scenarios is not None else "/study")
    return _Size(
        work.title,
        work.people * request.replicates,
        request.replicates,
        work.estimate_s(request.replicates),
    )


def _population(request: PopulationRequest) -> _Size:
    _within("population_people", request.n, "/n")
    return _Size(f"{request.n:,} virtual people", request.n, 0, _START_S + request.n * _PERSON_S)


def _within(name: str, asked: float, path: str, command: str = "") -> None:
    """Refuse more than a limit allows."""
    bound = limit(name)
    if asked > bound.value:
        problem = too_large(name, f"{asked:,.10g} {bound.unit}", path)
        if command:
            problem.extra["command"] = command
            problem.detail += f" Here it is: {command}"
        raise problem
