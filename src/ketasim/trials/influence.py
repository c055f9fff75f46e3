"""Which parameters matter most for the drug's effect in the typical patient."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ketasim.dosing import Regimen
from ketasim.errors import KetasimError, StudyError
from ketasim.model.chain import build_chain
from ketasim.model.parameters import Parameter, ParameterSet
from ketasim.model.simulator import Simulator

__all__ = ["INFLUENCE_COLUMNS", "influence"]

INFLUENCE_COLUMNS = (
    "name",
    "stage",
    "value",
    "unit",
    "low",
    "high",
    "grade",
    "source",
    "effect",
    "effect_low",
    "effect_high",
    "span",
)

#: Stages that cannot change mood, by the declared mediators: they need not be tried.
_ASIDE = ("networks", "pain", "safety", "scoring", "comparators")

_NOT_VARIED = ("illness_load", "weight", "pain_intensity", "opioid_dose")


def influence(
    parameters: ParameterSet, regimen: Regimen, severity: float, at_h: float, workers: int = 1
) -> pd.DataFrame:
    """Move each uncertain parameter to both ends of its range, one at a time.

    Parameters
    ----------
    parameters : ParameterSet
        Typical values with their ranges.
    regimen : Regimen
        The doses.
    severity : float
        Severity at rest, in points.
    at_h : float
        Time of the effect, in hours.
    workers : int
        Number of processes.

    Returns
    -------
    DataFrame
        One row a parameter, largest span first: the drug-specific effect in points at the
        typical value and at both ends. An end at which the model cannot be solved is empty.

    Raises
    ------
    StudyError
        If the number of workers is not positive.
    """
    if workers < 1:
        raise StudyError(f"workers: {workers} is not a number of processes; give 1 or more.")
    varied = [item for item in parameters.values() if _is_varied(item)]
    cases: list[Change] = [("", 0.0)]
    cases += [(item.name, value) for item in varied for value in (item.low, item.high)]
    task = _Task(parameters, regimen, severity, at_h)
    if workers == 1:
        effects = [task.effect(case) for case in cases]
    else:
        with ProcessPoolExecutor(workers, initializer=_start, initargs=(task,)) as pool:
            effects = list(pool.map(_effect, cases, chunksize=8))
    rows = []
    for number, item in enumerate(varied):
        low, high = effects[1 + 2 * number], effects[2 + 2 * number]
        ends = np.array([low, high, effects[0]])
        rows.append(
            (
                item.name,
                item.stage,
                item.value,
                item.unit,
                item.low,
                item.high,
                item.grade,
                item.source,
                effects[0],
                low,
                high,
                float(np.nanmax(ends) - np.nanmin(ends)) if np.isfinite(ends).any() else np.nan,
            )
        )
    frame = pd.DataFrame(rows, columns=list(INFLUENCE_COLUMNS))
    return frame.sort_values("span", ascending=False, kind="stable").reset_index(drop=True)


def _is_varied(item: Parameter) -> bool:
    return item.low < item.high and item.stage not in _ASIDE and item.name not in _NOT_VARIED


#: Name and value of the one parameter that is changed; no name for the typical patient.
Change = tuple[str, float]


@dataclass(frozen=True)
class _Task:
    """What stays the same from case to case."""

    parameters: ParameterSet
    regimen: Regimen
    severity: float
    at_h: float

    @cached_property
    def simulator(self) -> Simulator:
        return Simulator(build_chain(parameters=self.parameters))

    def effect(self, change: Change) -> float:
        name, value = change
        own = self.parameters.with_values({name: value}) if name else self.parameters
        try:
            patient = self.simulator.depressed(own, self.severity)
            run = self.simulator.run(patient, self.regimen, np.array([0.0, self.at_h]))
        except KetasimError:
            return float("nan")
        # Without drug and stress noise the patient stays where he is.
        return float(run.quantities["severity"][-1] - run.quantities["severity"][0])


_tasks: dict[str, _Task] = {}


def _start(task: _Task) -> None:
    """Take the task once a process; each builds its own model."""
    # As in the trial itself: only the parent answers Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tasks["here"] = task


def _effect(change: Change) -> float:
    return _tasks["here"].effect(change)
