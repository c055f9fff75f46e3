"""What the model gives for published read-outs: the same regimen, person, sample and statistic.

See :mod:`ketasim.evidence.readings` for the table and what each statistic is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing import DRUGS, Regimen, parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError, ModelError
from ketasim.model.kinetics import simulate_kinetics_many, untreated
from ketasim.model.parameters import ParameterSet
from ketasim.model.pharmacokinetics import COMEDICATIONS
from ketasim.model.simulator import Case
from ketasim.nca import METHODS, segment_areas, segment_moments

__all__ = ["person_parameters", "predict_readings"]

FloatArray = npt.NDArray[np.float64]

#: Modifiers of a reading that are properties of the person; the others are taken beside ketamine.
_PERSONAL: Mapping[str, Mapping[str, float]] = {
    "female": {"female": 1.0},
    "cyp2b6_6_6": {"cyp2b6_star6": 2.0},
}

_HORIZON_H = 240.0
#: Hours after a dose begins or ends at which curves are looked at, and those far away.
_NEAR = np.concatenate([np.arange(0, 90) / 60.0, np.arange(15, 60) / 10.0, np.arange(12, 50) / 2.0])
_FAR = np.concatenate([np.arange(0.0, 24.0, 0.5), np.geomspace(24.0, _HORIZON_H, 40)])


@dataclass(frozen=True)
class _Scenario:
    """One curve set: who, what is given, and what is taken beside it."""

    regimen: str
    weight: float
    age: float
    ancestry: str
    modifier: str = "none"

    def case(self, parameters: ParameterSet, times: FloatArray) -> Case:
        """The run."""
        own = person_parameters(parameters, self.weight, self.age, self.ancestry)
        inputs = {}
        if self.modifier in _PERSONAL:
            own = own.with_values(_PERSONAL[self.modifier])
        elif self.modifier in COMEDICATIONS:
            inputs = {self.modifier: InputPath((0.0,), (1.0,))}
        return Case(untreated(own), parse_regimen(self.regimen), times, inputs)


def person_parameters(
    parameters: ParameterSet, weight: float, age: float = 40.0, ancestry: str = "none"
) -> ParameterSet:
    """Parameters of a person with these covariates.

    Parameters
    ----------
    parameters : ParameterSet
        Typical values.
    weight, age : float
        In kg and years.
    ancestry : str
        ``none`` (no known effect), ``asian`` or ``japanese``, which is Asian too.

    Returns
    -------
    ParameterSet
    """
    asian = float(ancestry in ("asian", "japanese"))
    values = {"weight": weight, "age": age, "asian": asian, "japanese": float(ancestry == "japanese")}
    return parameters.with_values(values)


def predict_readings(
    readings: pd.DataFrame, parameters: Sequence[ParameterSet], workers: int = 1
) -> FloatArray:
    """Predict published read-outs.

    Parameters
    ----------
    readings : pandas.DataFrame
        Rows of :func:`ketasim.evidence.load_readings` that are tied to a regimen.
    parameters : sequence of ParameterSet
        Typical values, one set a prediction.
    workers : int
        Threads.

    Returns
    -------
    array, shape (sets, readings)
        In the unit of each reading; NaN where a set cannot be solved.

    Raises
    ------
    ModelError
        If a statistic is not known.
    """
    rows: list[dict[str, Any]] = [
        dict(zip(readings.columns, row, strict=True)) for row in readings.itertuples(index=False)
    ]
    needed = [_needed(row) for row in rows]
    scenarios = list(dict.fromkeys(scenario for own in needed for scenario in own))
    wanted: dict[_Scenario, list[float]] = {scenario: [] for scenario in scenarios}
    for row, own in zip(rows, needed, strict=True):
        for scenario in own:
            wanted[scenario] += [t for t in (row["time_h"], row["until_h"]) if not np.isnan(t)]
    times = {scenario: _times(parse_regimen(scenario.regimen), wanted[scenario]) for scenario in scenarios}
    names = sorted({_quantity(row) for row in rows} | {_reference(row) for row in rows} - {""})
    found = np.full((len(parameters), len(rows)), np.nan)
    for place, own_set in enumerate(parameters):
        try:
            cases = [scenario.case(own_set, times[scenario]) for scenario in scenarios]
            runs = simulate_kinetics_many(cases, names, workers)
        except KetasimError:
            continue
        curves = {
            scenario: _Curves(times[scenario], run.quantities, parse_regimen(scenario.regimen))
            for scenario, run in zip(scenarios, runs, strict=True)
            if not isinstance(run, KetasimError)
        }
        for column, (row, own) in enumerate(zip(rows, needed, strict=True)):
            if all(scenario in curves for scenario in own):
                found[place, column] = _read(row, [curves[scenario] for scenario in own])
    return found


def _needed(row: Mapping[str, Any]) -> tuple[_Scenario, ...]:
    """Scenarios that a reading is computed from; the one it is about comes first."""
    person = (float(row["weight_kg"]), float(row["age_y"]), str(row["ancestry"]))
    own = _Scenario(str(row["regimen"]), *person, str(row["modifier"]))
    statistic = row["statistic"]
    if statistic in ("auc_modifier_ratio", "clearance_modifier_ratio"):
        return own, _Scenario(own.regimen, *person)
    if statistic == "bioavailability":
        drug = parse_regimen(own.regimen).doses[0].drug
        return own, _Scenario(f"10 mg {drug} iv over 30 min", *person)
    return (own,)


def _quantity(row: Mapping[str, Any]) -> str:
    return f"{row['quantity']}_{row['site']}"


def _reference(row: Mapping[str, Any]) -> str:
    return f"{row['reference']}_{row['site']}" if row["statistic"] == "auc_ratio" else ""


def _times(regimen: Regimen, extra: Sequence[float]) -> FloatArray:
    parts = [_FAR, np.array(extra, dtype=np.float64)]
    for dose in regimen.doses:
        parts += [dose.start_h + _NEAR, dose.end_h + _NEAR]
    found = np.unique(np.concatenate(parts))
    found = found[found <= _HORIZON_H]
    return np.asarray(found[np.concatenate([[True], np.diff(found) > 1e-6])])


@dataclass(frozen=True)
class _Curves:
    """Courses of one scenario."""

    times: FloatArray
    values: Mapping[str, FloatArray]
    regimen: Regimen

    def at(self, name: str, time: float) -> float:
        """Value at a time that is among the times."""
        return float(self.values[name][np.argmin(np.abs(self.times - time))])

    def area(self, name: str, until: float = np.inf, moment: bool = False) -> float:
        """Area under a course, or under time times the course."""
        inside = self.times <= until + 1e-9
        rule = segment_moments if moment else segment_areas
        return float(rule(self.times[inside], np.maximum(self.values[name][inside], 0.0), METHODS[0]).sum())

    def dose_mg(self, name: str, weight: float) -> float:
        """Mass of what a quantity measures, of the doses in all."""
        share = 1.0
        if name.startswith(("s_", "r_")):
            species = f"{name[0]}_ketamine"
            share = DRUGS[self.regimen.doses[0].drug].moieties.get(species, 0.0)
        return self.regimen.mass_mg(weight) * share


def _read(row: Mapping[str, Any], curves: Sequence[_Curves]) -> float:
    """The statistic of a reading."""
    own, name, statistic = curves[0], _quantity(row), str(row["statistic"])
    start, end = float(row["time_h"]), float(row["until_h"])
    if statistic == "value_at":
        return own.at(name, start)
    if statistic in ("cmax", "tmax"):
        return _peak(own, name, start, end)[statistic == "tmax"]
    if statistic.startswith("auc_") and statistic[4:5] in "0i":
        return own.area(name, {"auc_0_6h": 6.0, "auc_0_24h": 24.0, "auc_inf": np.inf}[statistic])
    if statistic == "half_life":
        inside = (own.times >= start - 1e-9) & (own.times <= end + 1e-9)
        slope = np.polyfit(own.times[inside], np.log(own.values[name][inside]), 1)[0]
        return float(np.log(2.0) / -slope)
    weight = float(row["weight_kg"])
    if statistic in ("clearance", "vss"):
        clearance = 1000.0 * own.dose_mg(name, weight) / own.area(name)
        if statistic == "clearance":
            return clearance
        length = own.regimen.doses[0].duration_h or 0.0
        return clearance * (own.area(name, moment=True) / own.area(name) - length / 2.0)
    if statistic == "auc_ratio":
        return own.area(name) / own.area(_reference(row))
    areas = [curve.area(name) for curve in curves]
    if statistic == "bioavailability":
        per_dose = [area / curve.dose_mg(name, weight) for area, curve in zip(areas, curves, strict=True)]
        return per_dose[0] / per_dose[1]
    if statistic == "auc_modifier_ratio":
        return areas[0] / areas[1]
    if statistic == "clearance_modifier_ratio":
        return areas[1] / areas[0]
    raise ModelError(f"reading {row['row']!r}: the statistic {statistic!r} is not known here.")


def _peak(curves: _Curves, name: str, start: float, end: float) -> tuple[float, float]:
    """Highest value of a stretch, and its time from the start of the stretch."""
    low = 0.0 if np.isnan(start) else start
    high = np.inf if np.isnan(end) else end
    inside = np.flatnonzero((curves.times >= low - 1e-9) & (curves.times <= high + 1e-9))
    top = inside[np.argmax(curves.values[name][inside])]
    return float(curves.values[name][top]), float(curves.times[top] - low)
