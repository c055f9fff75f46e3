"""From a request for curves to the public API, and from its results to what is sent."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import numpy as np
from pydantic_core import to_json

from ketasim.api import scenarios
from ketasim.api.scenarios.solving import Stop
from ketasim.app.cascade_rows import load_rows
from ketasim.app.contract import SimulateIn
from ketasim.app.limits import limit
from ketasim.app.problems import AppProblem, too_large
from ketasim.errors import ModelError, unknown_name

__all__ = ["check_size", "simulated"]

_DECIMALS = 10


def check_size(request: SimulateIn) -> None:
    """Refuse what asks for more than one request may.

    Raises
    ------
    AppProblem
        413, or 422 for a row that does not exist.
    """
    asked = {
        "scenarios": (len(request.scenarios), "/scenarios"),
        "columns": (request.axis.columns if request.axis else 0, "/axis/columns"),
        "variables": (len(request.variables or ()), "/variables"),
        "draws": (request.draws, "/draws"),
        "people": (request.people, "/people"),
        "examples": (request.examples, "/examples"),
    }
    for name, (count, path) in asked.items():
        if count > limit(name).value:
            raise too_large(name, f"{count:,} {limit(name).unit}", path)
    rows = load_rows()
    for place, variable in enumerate(request.variables or ()):
        if variable not in rows:
            hint = unknown_name("row", variable, rows)
            error = {"path": f"/variables/{place}", "value": variable, "hint": hint}
            raise AppProblem(422, "invalid", "Not valid", hint, [error])


def simulated(request: SimulateIn, stop: Stop | None = None) -> bytes:
    """Simulate scenarios.

    Parameters
    ----------
    request : SimulateIn
        Scenarios, axis, rows and bands; its size was checked.
    stop : array of int, shape (1,), optional
        Set by another thread when nobody waits for the answer any more.

    Returns
    -------
    bytes
        :class:`~ketasim.app.contract.SimulateOut` as JSON.

    Raises
    ------
    ScenarioError, SolverError, ModelError
        As the public API; a value of a parameter that the arithmetic cannot take is a `ModelError`.
    """
    began = time.perf_counter()
    # How the page calls its axis is nothing that the numbers depend on.
    axis = None if request.axis is None else request.axis.model_dump(exclude={"kind"})
    try:
        # A value that cannot be computed with is reported below, and not to the window of the program.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            results = scenarios.simulate_scenarios(
                request.scenarios,
                axis=axis,
                variables=request.variables,
                bands=request.bands,
                draws=request.draws,
                people=request.people,
                seed=request.seed,
                reference=request.reference,
                examples=request.examples,
                stop=stop,
            )
    except ArithmeticError as error:
        raise ModelError(
            f"the equations cannot be computed with these values ({error}). Times, volumes and masses must "
            "be above 0; each parameter's range stands beside it."
        ) from error
    return to_json(
        {
            "hash": hashlib.sha256(request.model_dump_json().encode()).hexdigest()[:16],
            "model_hash": scenarios.model_hash(),
            "elapsed_ms": round(1e3 * (time.perf_counter() - began), 2),
            "results": [_scaled(result.to_dict()) for result in results],
        },
        inf_nan_mode="null",
    )


def _scaled(result: dict[str, Any]) -> dict[str, Any]:
    """Bring the rows that are shown in another unit than the model's into it."""
    for row in load_rows().values():
        people = (result.get("examples") or {}).get(row.id)
        if people is not None and row.scale != 1.0:
            result["examples"][row.id] = _many_times(people, row.scale)
        for part in (result, result.get("control") or {}):
            _scale_series((part.get("series") or {}).get(row.id), row.scale, row.unit)
        _scale_series((result.get("difference") or {}).get(row.id), row.scale, row.unit)
        rest = result.get("rest") or {}
        if row.id in rest:
            rest[row.id] = _times(rest[row.id], row.scale)
    for peak in result.get("peaks") or ():
        row_of_peak = load_rows().get(peak["row"])
        if row_of_peak is not None:
            peak["value"] = _times(peak["value"], row_of_peak.scale)
    return result


def _scale_series(series: dict[str, Any] | None, scale: float, unit: str) -> None:
    if series is None:
        return
    series["unit"] = unit
    if scale != 1.0:
        for name, values in series.items():
            if isinstance(values, list):
                series[name] = _many_times(values, scale)


def _many_times(values: list[Any], scale: float) -> Any:
    # Rounding takes away what the multiplication adds behind the digits that there were.
    return np.round(np.asarray(values, dtype=np.float64) * scale, _DECIMALS).tolist()


def _times(value: float | None, scale: float) -> float | None:
    return value if value is None or scale == 1.0 else round(value * scale, _DECIMALS)
