"""Runs a patient under a dosing rule: from check to check, each dose following what is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Dose, Regimen
from ketasim.dosing.rules import DosingRule
from ketasim.engine.schedule import InputPath
from ketasim.errors import DoseError
from ketasim.model.patients import Patient
from ketasim.model.simulator import Run, Simulator

__all__ = ["run_with_rule"]

FloatArray = npt.NDArray[np.float64]

_NOTHING: Final = Regimen()


def run_with_rule(
    simulator: Simulator,
    patient: Patient,
    rule: DosingRule,
    check_times_h: Sequence[float] | FloatArray,
    times_h: Sequence[float] | FloatArray,
    *,
    before: Regimen = _NOTHING,
    inputs: Mapping[str, InputPath] | None = None,
) -> tuple[Run, Regimen]:
    """Simulate a patient whose doses a rule decides at check times.

    The rule sees every quantity just before any dose at the check, and all doses so far. An
    infusion that is on at a check goes on.

    After each check that gave doses the run starts again from rest with all doses so far. So it
    is exact and needs nothing but the patient and the doses; the cost is one whole run for every
    check that gave something, and two more: fine for tens of such checks, slow for thousands.

    Parameters
    ----------
    simulator, patient
        The model, and the patient at rest at ``times_h[0]``.
    rule : DosingRule
        Called at each check, in order.
    check_times_h : array, shape (n_checks,)
        Times of the checks in h, increasing, from ``times_h[0]`` to ``times_h[-1]``.
    times_h : array, shape (n_times,)
        Output times in h, increasing.
    before : Regimen, default none
        Doses that are planned whatever the rule says.
    inputs : mapping of str to InputPath, optional
        Outside inputs over time, as for :meth:`Simulator.run`.

    Returns
    -------
    Run
        Time courses at ``times_h``.
    Regimen
        All doses, those of ``before`` too. Run without the rule it gives the same courses.

    Raises
    ------
    DoseError
        If times are out of order or range, or the rule gives something else than doses, or a
        dose that starts before its check.
    ModelError
        If an input does not exist.
    SolverError
        If the equations cannot be solved.
    """
    times = _rising(times_h, "times_h")
    checks = _rising(check_times_h, "check_times_h")
    for check in checks:
        if not times[0] <= check <= times[-1]:
            raise DoseError(
                f"check_times_h: {check:g} h is outside the run, {times[0]:g} to {times[-1]:g} h; "
                "leave it out or lengthen times_h."
            )
    regimen = before
    ahead: list[Mapping[str, float]] = []
    for i, check in enumerate(checks.tolist()):
        if not ahead:
            ahead = _states(simulator, patient, regimen, float(times[0]), checks[i:], inputs)
        doses = _asked(rule, ahead.pop(0), check, regimen.doses)
        if doses:
            # What was read ahead did not know of these doses.
            ahead, regimen = [], regimen + Regimen(doses)
    return simulator.run(patient, regimen, times, inputs), regimen


def _rising(values: Sequence[float] | FloatArray, field: str) -> FloatArray:
    times = np.asarray(values, dtype=np.float64)
    if times.ndim != 1 or len(times) == 0 or not np.all(np.isfinite(times)):
        raise DoseError(f"{field}: give at least one time in h, in a plain row of finite numbers.")
    steps = np.diff(times)
    if np.any(steps <= 0.0):
        late = float(times[int(np.argmax(steps <= 0.0)) + 1])
        raise DoseError(f"{field}: {late:g} h is not after the time before it; put them in rising order.")
    return times


def _states(
    simulator: Simulator,
    patient: Patient,
    regimen: Regimen,
    start: float,
    checks: FloatArray,
    inputs: Mapping[str, InputPath] | None,
) -> list[Mapping[str, float]]:
    """Every quantity at each check, in its shown unit, if no further dose is given."""
    run = simulator.run(patient, regimen, np.unique(np.append(start, checks)), inputs)
    places = np.searchsorted(run.times_h, checks)
    return [
        MappingProxyType({name: float(course[place]) for name, course in run.quantities.items()})
        for place in places
    ]


def _asked(
    rule: DosingRule, state: Mapping[str, float], check: float, given: Sequence[Dose]
) -> tuple[Dose, ...]:
    """What the rule gives at a check, if it may."""
    doses = rule(state, check, given)
    if not isinstance(doses, Sequence) or not all(isinstance(dose, Dose) for dose in doses):
        raise DoseError(f"rule at {check:g} h: it gave {doses!r}, which is not a sequence of Dose.")
    for dose in doses:
        if dose.start_h < check:
            raise DoseError(
                f"rule at {check:g} h: its dose of {dose.amount:g} {dose.unit} {dose.drug} starts at "
                f"{dose.start_h:g} h, before the check; it must start at {check:g} h or later."
            )
    return tuple(doses)
