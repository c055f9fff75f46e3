"""Long runs under ``/api/v1/jobs``: begun, followed, stopped, kept and deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Path, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import StreamingResponse

from ketasim.api import scenarios
from ketasim.app.compute import computed
from ketasim.app.jobs.asking import ask, busy
from ketasim.app.jobs.faults import BusyError, NoSuchJobError, problem_error
from ketasim.app.jobs.pool import JobPool
from ketasim.app.jobs.record import JobRecord
from ketasim.app.jobs.request import JobRequest, StopRequest
from ketasim.app.limits import limit
from ketasim.app.problems import AppProblem, of_error, problem_response

__all__ = ["router", "start", "stop"]

router = APIRouter(tags=["jobs"])
Id = Annotated[str, Path(pattern=r"^j[0-9a-f]{16}$")]
#: Seconds between looks at a run, and until a silent stream says that it is still there.
_LOOK_S, _SILENCE_S = 0.1, 15.0
#: Runs that a killed server left are taken up when the page has had time to open.
_DELAY_S = 3.0
_LARGEST_EVENT = 2**53


class _Out(BaseModel):
    model_config = ConfigDict(extra="allow")


class Progress(_Out):
    """How far a run is: people done, people a second, and seconds left."""

    done: int
    total: int
    rate: float
    eta_s: float | None = None
    unit: str
    trials_done: int = 0
    trials: int = 0
    phase: str


class JobCard(_Out):
    """A run in a list."""

    job: str
    kind: str
    name: str
    state: str
    position: int
    total: int
    unit: str
    trials: int
    estimate_s: float
    created: str
    finished: str | None = None
    progress: Progress | None = None
    has_result: bool
    note: str


class JobDetail(JobCard):
    """A run with what was asked, and why it failed."""

    problem: dict[str, Any] | None = None
    request: dict[str, Any] | None = None


class JobList(_Out):
    """All runs, the newest first."""

    jobs: list[JobCard]
    limits: dict[str, int]


class JobResult(_Out):
    """What came of a run, so far or at its end."""

    kind: str
    preliminary: bool
    stopped: bool
    seed: int


async def start(app: FastAPI) -> None:
    """Open the runs of this user, and begin to work a little later."""

    def hashes() -> dict[str, str]:
        return {
            "model_hash": scenarios.model_hash(),
            "parameter_hash": scenarios.parameter_hash(),
            "version": version("ketasim"),
        }

    pool = await asyncio.to_thread(JobPool.open, app.state.settings.state, hashes)
    app.state.jobs = pool
    app.state.job_streams = 0
    # Begun by the first request too, whichever comes first.
    app.state.jobs_timer = asyncio.get_running_loop().call_later(_DELAY_S, pool.begin)


async def stop(app: FastAPI) -> None:
    """End what is under way; the next server goes on with it."""
    app.state.jobs_timer.cancel()
    await asyncio.to_thread(app.state.jobs.close)


def pool_of(request: Request) -> JobPool:
    """The runs of the server that a request is for."""
    pool: JobPool = request.app.state.jobs
    pool.begin()
    return pool


def record_of(request: Request, job: str) -> JobRecord:
    """A run by its id.

    Raises
    ------
    AppProblem
        404, if there is none.
    """
    try:
        return pool_of(request).get(job)
    except NoSuchJobError as error:
        raise AppProblem(404, "not_found", "Not found", str(error)) from error


@router.post("/jobs", status_code=202, response_model=JobCard, summary="Begin a long run")
async def post_job(request: Request, asked: Annotated[JobRequest, Body()]) -> dict[str, Any]:
    """Put simulated trials, or a population, into the queue."""
    pool = pool_of(request)
    record = await computed(request, ask, pool, asked)
    return card(pool, record)


@router.get("/jobs", response_model=JobList, summary="All long runs")
def get_jobs(request: Request) -> dict[str, Any]:
    """The newest first. Who looks is perhaps about to begin one: a process for it is made ready."""
    pool = pool_of(request)
    pool.prepare()
    bounds = {
        "running": 1,
        "queued": int(limit("jobs_queued").value),
        "kept": int(limit("jobs_kept").value),
    }
    return {"jobs": [card(pool, record) for record in pool.all()], "limits": bounds}


@router.get("/jobs/{job}", response_model=JobDetail, summary="A long run")
def get_job(request: Request, job: Id) -> dict[str, Any]:
    """How far it is, what was asked, and why it failed if it did."""
    record = record_of(request, job)
    # The state first: a run that fails meanwhile has its problem before its state says so.
    found = card(pool_of(request), record)
    problem = None if record.problem is None else problem_content(problem_of(record.problem))
    return {**found, "problem": problem, "request": record.folder.read("request")}


@router.get("/jobs/{job}/result", response_model=JobResult, summary="What came of a long run")
def get_result(request: Request, job: Id) -> Response:
    """The result at its end, or what there is of it so far, marked as preliminary."""
    record = record_of(request, job)
    found = result_of(record)
    return Response(json.dumps(found, ensure_ascii=False, allow_nan=False), media_type="application/json")


def result_of(record: JobRecord) -> dict[str, Any]:
    """The result of a run, whole or so far.

    Raises
    ------
    AppProblem
        404, if there is none yet.
    """
    over = record.state in ("finished", "stopped")
    found = record.folder.read("result") if over else record.folder.read("partial")
    found = record.folder.read("result") if found is None else found
    if not isinstance(found, dict):
        raise AppProblem(
            404, "no_result", "No result", f"Nothing has come of this run so far; it is {record.state}."
        )
    return found


@router.post("/jobs/{job}/stop", response_model=JobCard, summary="End a long run with what it has")
def post_stop(request: Request, job: Id, asked: StopRequest | None = None) -> dict[str, Any]:
    """Keep what is finished; with ``keep`` false it is thrown away, as by DELETE."""
    pool, record = pool_of(request), record_of(request, job)
    if asked is not None and not asked.keep:
        # Told before it is forgotten, since afterwards nobody knows of it.
        gone = {**card(pool, record), "state": "stopped", "has_result": False}
        pool.delete(job)
        return gone
    return card(pool, pool.stop(record.id))


@router.post("/jobs/{job}/resume", response_model=JobCard, summary="Go on with a run that ended early")
def post_resume(request: Request, job: Id) -> dict[str, Any]:
    """Put a run that was stopped, failed or was interrupted into the queue again."""
    pool, record = pool_of(request), record_of(request, job)
    try:
        return card(pool, pool.resume(record.id))
    except BusyError as error:
        raise busy(error) from error


@router.delete("/jobs/{job}", status_code=204, summary="End a long run and forget it")
def delete_job(request: Request, job: Id) -> Response:
    """Nothing of it stays on the disk."""
    pool_of(request).delete(record_of(request, job).id)
    return Response(status_code=204)


@router.get(
    "/jobs/{job}/events",
    summary="Follow a long run",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def get_events(request: Request, job: Id) -> StreamingResponse:
    """Server-sent events: ``state``, ``progress``, ``partial``, and at last ``done`` or ``failed``.

    Each replaces the one of its name before it, so that who comes late, or comes back with
    ``Last-Event-ID``, is told the newest of each that he has not seen.
    """
    record = record_of(request, job)
    if request.app.state.job_streams >= limit("job_streams").value:
        raise AppProblem(429, "busy", "Busy", "Too many pages follow long runs; close some of them.")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    last = _last_event(request.headers.get("last-event-id", ""))
    return StreamingResponse(_stream(request, record, last), 200, headers, media_type="text/event-stream")


def _last_event(text: str) -> int:
    """Number of the last event that a page has seen; 0 if it does not say, or something else."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 17 else 0
    return min(number, _LARGEST_EVENT)


async def _stream(request: Request, record: JobRecord, last: int) -> AsyncIterator[str]:
    pool = pool_of(request)
    state = request.app.state
    state.job_streams += 1
    try:
        yield "retry: 2000\n\n"
        silent = 0.0
        while not pool.is_closed:
            for event in pool.events(record, last):
                last, silent = event.id, 0.0
                data = event.data
                if event.name == "failed":
                    data = {"problem": problem_content(problem_of(event.data))}
                yield f"id: {event.id}\nevent: {event.name}\ndata: {_line(data)}\n\n"
                if event.name in ("done", "failed"):
                    return
            if record.is_gone:
                return
            if silent >= _SILENCE_S:
                silent = 0.0
                yield ": still here\n\n"
            await asyncio.sleep(_LOOK_S)
            silent += _LOOK_S
    finally:
        state.job_streams -= 1


def _line(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def card(pool: JobPool, record: JobRecord) -> dict[str, Any]:
    """A run as a list shows it."""
    return {
        "job": record.id,
        "kind": record.kind,
        "name": record.name,
        "state": record.state,
        "position": pool.position(record),
        "total": record.total,
        "unit": "people",
        "trials": record.trials,
        "estimate_s": round(record.estimate_s, 1),
        "created": record.created,
        "finished": record.finished,
        "progress": record.progress,
        "has_result": record.has_result,
        "note": record.note,
    }


def problem_content(problem: AppProblem) -> dict[str, Any]:
    """A problem as the data of its reply."""
    content: dict[str, Any] = json.loads(bytes(problem_response(problem).body))
    return content


def problem_of(problem: Any) -> AppProblem:
    """What a process told of its failure, as a problem."""
    kind, message = str(problem.get("kind")), str(problem.get("message"))
    if kind == "ChangedError":
        return AppProblem(409, "model_changed", "The model has changed", message)
    error = problem_error(problem)
    if error is not None:
        return of_error(error)
    if kind in ("gone", "system"):
        return AppProblem(500, "failed", "The run ended early", message)
    return AppProblem(
        500,
        "failed",
        "A fault of Ketasim",
        "This is a fault of the program, not of the input; what happened stands in worker.log in the folder "
        "of the run. Please report it.",
    )
