"""How much people differ: spreads of a few parameters, fitted to published standard deviations of change.

What trials report is the spread of change, or of scores, within an arm. Three numbers are fitted to it: a
factor on the spreads of the parameters that make the drug act more or less in a person, one on the spread of
placebo, and the error of one occasion. They act upstream: nobody is labelled a responder.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from ketasim.errors import ModelError
from ketasim.inference.calibration.prior import shrinkage
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.trials import Study, Trial, shipped_studies
from ketasim.trials.row_people import RowTables
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.runs.workers import chunk_size, chunks_of, run_chunk
from ketasim.trials.study import Observation

__all__ = ["DRUG", "PLACEBO", "SpreadFit", "calibrate_spread", "write_spread"]

FloatArray = npt.NDArray[np.float64]

#: Parameters whose spreads make the drug act more or less in a person, and the spreads that were assumed
#: before anything was fitted: factors are on these, so that a fit can be repeated.
DRUG = {"plasticity_half": 0.12, "fast_arm_rate": 0.4, "bdnf_activity_gain": 0.3, "evoked_gain": 0.2}
#: Parameter whose spread makes placebo act more or less.
PLACEBO = {"placebo_gain": 0.9}
#: The error of one occasion, and what was assumed of it, in points.
_ERROR, _ERROR_POINTS = "occasion_error", 1.5
_NAMES = ("drug", "placebo", _ERROR)
#: SD of the logarithm of each factor before anything is known, and of the error about its table's value.
_PRIOR = 0.7
#: By how much the spread differs between trials beyond chance, as a logarithm.
_BETWEEN = 0.15
#: Largest logarithm of a factor on a spread.
_SPAN = 1.2
_PEOPLE, _SEED, _RTOL = 48, 20_262, 1e-4
_LONGEST_H = 24.0 * 60.0


@dataclass(frozen=True, eq=False)
class SpreadFit:
    """Spreads that were fitted.

    Parameters
    ----------
    factors : dict of str to float
        On the spreads of ``drug`` and ``placebo``, and on the error of one occasion.
    shrinkage : dict of str to float
        Posterior over prior SD.
    spreads : dict of str to float
        New spread of each parameter.
    error : float
        New error of one occasion, in points.
    rows : tuple of (str, str, float, float, float)
        Study, arm and time of each target, its SD, and what the fit gives.
    """

    factors: dict[str, float]
    shrinkage: dict[str, float]
    spreads: dict[str, float]
    error: float
    rows: tuple[tuple[str, str, float, float, float], ...]


def published_sd(row: Observation) -> float | None:
    """SD of change, or of scores, within an arm that a row tells of; None if it tells of none."""
    if row.quantity != "madrs" or row.comparator is not None or row.n is None or row.n < 8:
        return None
    if (
        row.origin != "entry"
        or row.statistic not in ("change", "mean")
        or row.source_kind != "measured"
        or row.use != "calibration"
    ):
        return None
    if row.spread_kind == "sd":
        return row.spread_low
    if row.spread_kind == "se" and row.spread_low is not None:
        return row.spread_low * math.sqrt(row.n)
    return None


def _targets() -> dict[str, tuple[Study, tuple[Observation, ...]]]:
    found = {}
    for name in shipped_studies():
        study = Study.load(name)
        rows = tuple(
            row
            for row in study.observations
            if published_sd(row) is not None and 0.0 < row.time_h <= _LONGEST_H
        )
        if rows:
            kept = {"observations": rows, "endpoints": (), "analyses": ()}
            found[name] = (study.model_copy(update=kept), rows)
    return found


def _changed(base: ParameterSet, logs: FloatArray) -> ParameterSet:
    """The tables with other spreads and another error of one occasion."""
    drug, placebo, error = np.exp(logs).tolist()
    new = {name: replace(base[name], iiv=spread * drug) for name, spread in DRUG.items()}
    new |= {name: replace(base[name], iiv=spread * placebo) for name, spread in PLACEBO.items()}
    new[_ERROR] = replace(base[_ERROR], value=_ERROR_POINTS * error)
    return ParameterSet({**base, **new}, base.correlations)


def _spreads(
    simulator: Simulator, parameters: ParameterSet, study: Study, rows: tuple[Observation, ...]
) -> list[float]:
    """SD of change, or of scores, of each row's arm."""
    end = max(row.time_h for row in rows)
    trial = Trial(study, simulator, parameters, _SEED, _PEOPLE, end, with_twin=False, keep="scores")
    chunks = chunks_of(trial.count, chunk_size(trial, 1, lively=False))
    tables = RowTables(study, Outcomes([run_chunk(trial, chunk).outcomes for chunk in chunks]))
    found = []
    for row in rows:
        people = tables.people(row.arms, row)
        values = people.change if row.statistic == "change" else people.values
        found.append(math.sqrt(float(people.moments(values).variance[0])))
    return found


def calibrate_spread(
    parameters: ParameterSet | None = None, *, progress: Callable[[str, int, int], None] = lambda *_: None
) -> SpreadFit:
    """Fit spreads between people to published SDs of change.

    Parameters
    ----------
    parameters : ParameterSet, optional
        Typical values, and all spreads but those that are fitted; default: the shipped human tables.
    progress : callable
        Told what is done, how much of it, and how much in all.

    Returns
    -------
    SpreadFit
    """
    base = load_parameters() if parameters is None else parameters
    simulator = Simulator(build_chain(parameters=base), _RTOL)
    works = _targets()
    if not works:
        raise ModelError("spread: no calibration row of a trial tells a standard deviation of change.")
    aims = np.array([math.log(published_sd(row) or 1.0) for _, rows in works.values() for row in rows])
    errors = np.array(
        [
            math.hypot(1.0 / math.sqrt(2.0 * ((row.n or 2) - 1)), _BETWEEN)
            for _, rows in works.values()
            for row in rows
        ]
    )
    count = [0]

    def reached(logs: FloatArray) -> FloatArray:
        changed = _changed(base, logs)
        found = [
            value for study, rows in works.values() for value in _spreads(simulator, changed, study, rows)
        ]
        count[0] += 1
        progress("spreads that were tried", count[0], 40)
        return np.asarray(np.log(found), dtype=np.float64)

    # One is added, so that a step is a share of something.
    def residuals(x: FloatArray) -> FloatArray:
        return np.concatenate([(reached(x - 1.0) - aims) / errors, (x - 1.0) / _PRIOR])

    # An error of a rating stays in the range of its table: what is more comes from people.
    ends = np.log([base[_ERROR].low / _ERROR_POINTS, base[_ERROR].high / _ERROR_POINTS])
    bounds = (1.0 + np.array([-_SPAN, -_SPAN, ends[0]]), 1.0 + np.array([_SPAN, _SPAN, ends[1]]))
    fit = least_squares(residuals, np.ones(3), diff_step=(0.06,), bounds=bounds, max_nfev=12, xtol=1e-2)
    logs = fit.x - 1.0
    final = _changed(base, logs)
    # The prior's rows are in units of its SD: what is left of it is the inverse of the whole.
    sds = shrinkage(np.asarray(fit.jac) * _PRIOR)
    values = np.exp(reached(logs))
    rows = [
        (name, row.arm, row.time_h, published_sd(row) or math.nan)
        for name, (_, own) in works.items()
        for row in own
    ]
    return SpreadFit(
        dict(zip(_NAMES, np.exp(logs).tolist(), strict=True)),
        dict(zip(_NAMES, sds.tolist(), strict=True)),
        {name: final[name].iiv for name in (*DRUG, *PLACEBO)},
        final[_ERROR].value,
        tuple((*row, float(value)) for row, value in zip(rows, values, strict=True)),
    )


def write_spread(found: SpreadFit, folder: Path) -> None:
    """Put fitted spreads into the tables of a folder."""
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        touched = [row for row in rows if row["name"] in {*found.spreads, _ERROR}]
        if not touched:
            continue
        for row in touched:
            _update(row, found.spreads, found.error)
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _update(row: dict[str, str], spreads: Mapping[str, float], error: float) -> None:
    if row["name"] == _ERROR:
        row["value"] = f"{error:.4g}"
    else:
        row["iiv"] = f"{spreads[row['name']]:.4g}"
        row["iiv_source"] = "spread_calibration"
