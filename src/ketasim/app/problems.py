"""What goes wrong, said so that a page can put it at its field: ``application/problem+json``."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from ketasim.app.limits import limit
from ketasim.errors import KetasimError, SolverError

__all__ = [
    "AppProblem",
    "FieldProblem",
    "Problem",
    "install",
    "problem_response",
    "too_large",
    "took_too_long",
]

_log = logging.getLogger("ketasim.app")
_MEDIA = "application/problem+json"
_SHOWN = 200
#: When work that was not done in time may be asked for again.
_RETRY_S = 10


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    path: str
    value: Any = None
    allowed: Any = None
    nearest: str | None = None
    hint: str | None = None


class Problem(BaseModel):
    """A problem as it is sent, after RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[FieldProblem] = []


class AppProblem(Exception):  # noqa: N818 - what HTTP calls a problem
    """A problem that is sent as it is.

    Parameters
    ----------
    status : int
        Status of HTTP.
    code, title, detail : str
        Name for programs, headline, and a sentence that says what to do.
    errors : sequence of mapping
        Fields of :class:`FieldProblem`, one mapping a fault.
    headers : mapping of str to str, optional
        Headers of the reply.
    **extra
        More members, such as ``retry_after_s``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = [dict(item) for item in errors]
        self.headers = dict(headers or {})
        self.extra = extra


def too_large(name: str, found: str, path: str | None = None) -> AppProblem:
    """Return the problem of a request that asks for more than a limit allows.

    Parameters
    ----------
    name : str
        Name of the limit.
    found : str
        What was asked for, in words.
    path : str, optional
        The field.
    """
    bound = limit(name)
    detail = f"{found} is more than one request may ask for ({bound.text})."
    if bound.command:
        detail += f" The command '{bound.command}' has no such limit."
    errors = [] if path is None else [{"path": path, "value": found, "allowed": bound.text}]
    return AppProblem(
        413,
        "too_large",
        "Too large",
        detail,
        errors,
        limit={"id": bound.id, "value": bound.value, "unit": bound.unit},
        command=bound.command,
    )


def took_too_long() -> AppProblem:
    """Return the problem of a request that was not answered in time, whoever is to blame for it."""
    bound = limit("request_time")
    return AppProblem(
        503,
        "timeout",
        "Not done in time",
        f"It was not done within {bound.value:g} s. Other work may keep this computer busy: ask again, or "
        f"ask for less at once. The command '{bound.command}' has no such limit.",
        headers={"Retry-After": str(_RETRY_S)},
        limit={"id": bound.id, "value": bound.value, "unit": bound.unit},
        command=bound.command,
    )


def plain(value: Any, depth: int = 4) -> Any:
    """Copy what a request held, short and of numbers and texts that JSON has."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)[:_SHOWN]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        clean = value.encode("utf-8", "replace").decode("utf-8")
        return clean if len(clean) <= _SHOWN else clean[:_SHOWN] + "…"
    if depth and isinstance(value, Mapping):
        return {plain(str(key)): plain(item, depth - 1) for key, item in list(value.items())[:20]}
    if depth and isinstance(value, list | tuple):
        return [plain(item, depth - 1) for item in value[:20]]
    return plain(type(value).__name__)


def problem_response(problem: AppProblem) -> JSONResponse:
    """Return a problem as a reply."""
    content = {
        "type": f"urn:ketasim:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": plain_text(problem.detail),
        "errors": [
            FieldProblem(**{key: plain(value) for key, value in item.items()}).model_dump()
            for item in problem.errors
        ],
        **{key: plain(value) for key, value in problem.extra.items()},
    }
    headers = {"Cache-Control": "no-store", **problem.headers}
    return JSONResponse(content, problem.status, headers, media_type=_MEDIA)


def plain_text(text: str) -> str:
    """Return a text without half characters, at most some thousands long."""
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= 20 * _SHOWN else clean[: 20 * _SHOWN] + "…"


_TITLES = {
    400: ("unreadable", "Unreadable"),
    401: ("no_token", "Not opened"),
    403: ("refused", "Refused"),
    404: ("not_found", "Not found"),
    405: ("method", "Wrong method"),
    413: ("too_large", "Too large"),
    415: ("not_json", "Not JSON"),
    422: ("invalid", "Not valid"),
}


def from_status(status: int, detail: str, headers: Mapping[str, str] | None = None) -> AppProblem:
    """Return the problem of a status of HTTP."""
    code, title = _TITLES.get(status, ("refused", "Refused"))
    return AppProblem(status, code, title, detail, headers=headers)


def of_error(error: KetasimError) -> AppProblem:
    """Return the problem of an error of Ketasim.

    A :class:`~ketasim.errors.SolverError` is a failure to compute; any other is input that cannot be
    used. The faults of a scenario are passed on, each at its field.
    """
    if isinstance(error, SolverError):
        names = ("patient", "time_h", "solver_status")
        extra = {name: getattr(error, name) for name in names if getattr(error, name, None) is not None}
        return AppProblem(500, "solver_failed", "The equations could not be solved", str(error), **extra)
    faults = getattr(error, "faults", ())
    errors = [
        {"path": pointer(fault.path), **{name: _words(name, getattr(fault, name)) for name in _FIELDS}}
        for fault in faults
    ]
    return AppProblem(422, "invalid", "Not valid", str(error), errors)


_FIELDS = ("value", "allowed", "nearest", "hint")


def _words(name: str, value: Any) -> Any:
    return str(value) if name in ("nearest", "hint") and value is not None else value


def pointer(path: str | Iterable[str | int]) -> str:
    """Return a path in the form ``/scenarios/0/regimen``, from a dotted text or a sequence of keys."""
    if isinstance(path, str):
        if path.startswith("/") or not path:
            return path
        path = path.replace("[", ".").replace("]", "").split(".")
    return "".join(f"/{plain(str(key))}" for key in path if key != "")


def of_validation(errors: Sequence[Any]) -> AppProblem:
    """Return the problem of a request that does not have the declared shape."""
    found, words = [], []
    for item in errors[:20]:
        path = pointer(item["loc"][1:] if item["loc"][:1] == ("body",) else item["loc"])
        message = str(item["msg"])
        context = item.get("ctx") or {}
        found.append(
            {
                "path": path,
                "value": item.get("input"),
                "allowed": context.get("expected") or message,
                "nearest": context.get("nearest"),
                "hint": message,
            }
        )
        words.append(f"{path or 'request'}: {message}")
    return AppProblem(422, "invalid", "Not valid", "; ".join(words), found)


def install(app: FastAPI) -> None:
    """Make every fault of an application a problem; none shows where in the code it happened."""

    async def on_problem(_: Request, error: AppProblem) -> JSONResponse:
        return problem_response(error)

    async def on_error(_: Request, error: KetasimError) -> JSONResponse:
        return problem_response(of_error(error))

    async def on_validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return problem_response(of_validation(error.errors()))

    async def on_status(request: Request, error: HTTPException) -> JSONResponse:
        details = {
            404: f"There is nothing at {request.url.path}.",
            405: f"{request.method} is not answered at {request.url.path}.",
        }
        detail = details.get(error.status_code, str(error.detail))
        return problem_response(from_status(error.status_code, detail, error.headers))

    handlers: Mapping[type[Exception], Any] = {
        AppProblem: on_problem,
        KetasimError: on_error,
        RequestValidationError: on_validation,
        HTTPException: on_status,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)


def unexpected(error: BaseException) -> AppProblem:
    """Write a fault of the program to the log, and return what may be said of it."""
    _log.error("a request failed", exc_info=error)
    return AppProblem(
        500,
        "failed",
        "A fault of Ketasim",
        "This is a fault of the program, not of the input; what happened stands in the window in which "
        "'ketasim app' runs. Please report it.",
    )
