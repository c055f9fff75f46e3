"""Reads JSON from strangers: of bounded depth, with finite numbers, and whole characters."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from ketasim.app.limits import limit
from ketasim.app.problems import AppProblem

__all__ = ["read_json"]

_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
#: More digits than any number of the model has; a longer one costs more to read than its text.
_DIGITS = 400


def _refused(detail: str) -> AppProblem:
    return AppProblem(400, "unreadable", "Unreadable", f"The request cannot be read: {detail}")


def _constant(text: str) -> NoReturn:
    raise _refused(f"{text} is no number; numbers must be finite.")


def _integer(text: str) -> int:
    if len(text) > _DIGITS:
        raise _refused(f"a number has {len(text)} digits; at most {_DIGITS} are read.")
    return int(text)


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _refused(f"{text[:40]} is too large; numbers must be finite.")
    return value


def depth_of(body: bytes) -> int:
    """Count how deep lists and objects are nested in a JSON text, without reading it."""
    deepest = depth = 0
    for bracket in _BRACKET.findall(_TEXT.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def read_json(body: bytes) -> dict[str, Any]:
    """Read the object that a request holds.

    Parameters
    ----------
    body : bytes
        UTF-8.

    Returns
    -------
    dict
        Numbers are finite, texts can be written as UTF-8.

    Raises
    ------
    AppProblem
        400, if it is not JSON, too deep, no object, or holds what JSON does not have.
    """
    deepest = int(limit("depth").value)
    # Counting brackets first spares most requests the slower look.
    if body.count(b"[") + body.count(b"{") > deepest and depth_of(body) > deepest:
        raise _refused(f"lists and objects are nested more than {deepest} deep.")
    try:
        found = json.loads(
            body.decode("utf-8"), parse_constant=_constant, parse_int=_integer, parse_float=_real
        )
        # Half of a pair of escapes is text for Python, but for nothing that it is sent to.
        json.dumps(found, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise _refused(f"it is not JSON (line {error.lineno}, column {error.colno}: {error.msg}).") from error
    except UnicodeError as error:
        raise _refused("it is not UTF-8, or has half a character.") from error
    if not isinstance(found, dict):
        raise _refused("it must be an object, as in {...}.")
    return found
