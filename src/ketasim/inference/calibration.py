"""Calibration of the chain's biology to the named targets.

Each free parameter has a prior from the range in its table: log-normal with 95 %
between low and high. The fit is the maximum a posteriori by Gauss-Newton steps; the
posterior SD comes from the Jacobian there. A parameter counts as calibrated only if
the targets narrowed it: posterior SD at most 0.7 of the prior's.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from ketasim.errors import KetasimError, ModelError
from ketasim.inference.targets import Bench, Target, load_targets
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.trials.study.rules import Z95

__all__ = [
    "FREE",
    "INFORMED",
    "UNSOLVED",
    "Calibration",
    "calibrate",
    "prepare",
    "prior",
    "residuals_at",
    "shrinkage",
    "slopes",
    "write_values",
]

FloatArray = npt.NDArray[np.float64]

#: Posterior over prior SD up to which a parameter counts as informed.
INFORMED = 0.7

#: What the targets may move; everything else keeps its table's value.
FREE = (
    "glutamate_uptake_rate",
    "autoreceptor_exponent",
    "autoreceptor_time",
    "ampa_exponent",
    "plasticity_half",
    "plasticity_exponent",
    "plasticity_stress_shift",
    "fast_arm_rate",
    "fast_arm_time",
    "fast_arm_ceiling",
    "deep_block_half",
    "bdnf_time",
    "bdnf_half_drive",
    "bdnf_activity_gain",
    "bdnf_antidepressant_gain",
    "mtorc1_half_trkb",
    "mtorc1_exponent",
    "rheb_time",
    "rheb_exponent",
    "translation_time",
    "translation_exponent",
    "protein_time",
    "glua1_exponent",
    "glua1_gaba_exponent",
    "spine_birth_lag",
    "nascent_life",
    "spinogenesis_exponent",
    "nascent_room",
    "evoked_gain",
    "evoked_half",
    "evoked_exponent",
    "stress_formation_loss",
    "stress_elimination_gain",
    "spine_formation_shift",
    "stress_shift",
    "stress_feedback",
    "life_stress_size",
    "mood_time",
    "mood_stress_weight",
    "mood_fast_arm_weight",
    "mood_spine_weight",
    "mood_consolidation_weight",
)

#: Width of a 95 % range in standard deviations.
_WIDTH = 2.0 * Z95
_STEP = 1e-2
#: A slope beyond this is no slope.
_STEEPEST = 1e4
#: Accuracy of the runs; their noise must stay far below what a step changes.
_RTOL = 1e-4
#: Each residual where the model cannot be solved.
UNSOLVED = 30.0
#: What an earlier fit has left at the end of a note.
_FIT_NOTE = re.compile(r"(?:^|\s*\|\s*)fit: posterior SD .*$")


@dataclass(frozen=True)
class Calibration:
    """The outcome of a calibration.

    Parameters
    ----------
    names : tuple of str
        Free parameters.
    values : array, shape (n_parameters,)
        Best values, in the units of their tables.
    shrinkage : array, shape (n_parameters,)
        Posterior over prior SD, on the log scale.
    targets : tuple of Target
        What was aimed at.
    reached : array, shape (n_targets,)
        What was reached.
    cost : float
        Half the sum of squares, prior included.
    """

    names: tuple[str, ...]
    values: FloatArray
    shrinkage: FloatArray
    targets: tuple[Target, ...]
    reached: FloatArray
    cost: float

    @property
    def z(self) -> FloatArray:
        """Miss of each target in its standard deviations."""
        return np.array(
            [(r - t.value) / t.sd for r, t in zip(self.reached, self.targets, strict=True)], dtype=np.float64
        )


Progress = Callable[[int, float, dict[str, float]], None]


def _silent(step: int, cost: float, values: dict[str, float]) -> None:
    """Progress that nobody watches."""


def prior(parameters: ParameterSet, names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Centre and SD of each parameter's logarithm, from the range in its table.

    Raises
    ------
    ModelError
        If a name is unknown, or its range is not positive or has no width.
    """
    for name in names:
        item = parameters[name]
        if not 0.0 < item.low < item.high:
            raise ModelError(
                f"parameter {name!r}: its range {item.low:g} to {item.high:g} {item.unit} cannot be a prior; "
                "both ends must be above 0 and differ."
            )
    low = np.log([parameters[name].low for name in names])
    high = np.log([parameters[name].high for name in names])
    return (low + high) / 2.0, (high - low) / _WIDTH


def calibrate(
    parameters: ParameterSet | None = None,
    *,
    names: Sequence[str] = FREE,
    workers: int = 1,
    max_steps: int = 30,
    progress: Progress = _silent,
) -> Calibration:
    """Fit the free parameters to the targets.

    Parameters
    ----------
    parameters : ParameterSet, optional
        Start values and ranges; default: the shipped human tables.
    names : sequence of str
        Free parameters; each needs a positive range.
    workers : int
        Processes for the derivatives.
    max_steps : int
        Most Gauss-Newton steps.
    progress : callable
        Told the number of the step, its cost and the values it starts from.

    Returns
    -------
    Calibration
    """
    base = load_parameters() if parameters is None else parameters
    names = tuple(names)
    centre, sd = prior(base, names)
    start = (np.log([base[name].value for name in names]) - centre) / sd
    with ProcessPoolExecutor(workers, initializer=prepare, initargs=(base, names)) as pool:
        count = [0]

        def residuals(z: FloatArray) -> FloatArray:
            found = np.concatenate([pool.submit(residuals_at, z).result(), z])
            return np.asarray(found, dtype=np.float64)

        def jacobian(z: FloatArray) -> FloatArray:
            here = np.asarray(pool.submit(residuals_at, z).result())
            columns = slopes(pool, z, here)
            count[0] += 1
            values = dict(zip(names, np.exp(centre + sd * z).tolist(), strict=True))
            progress(count[0], 0.5 * float(here @ here + z @ z), values)
            return np.vstack([columns, np.eye(len(z))])

        fit = least_squares(residuals, start, jac=jacobian, max_nfev=max_steps, xtol=1e-3, ftol=1e-3)
        posterior = shrinkage(fit.jac)
        targets = load_targets()
        misses = residuals(fit.x)[: len(targets)]
    reached = np.array([t.value + m * t.sd for t, m in zip(targets, misses, strict=True)])
    return Calibration(names, np.exp(centre + sd * fit.x), posterior, targets, reached, float(fit.cost))


def slopes(
    pool: Executor, z: FloatArray, here: FloatArray, progress: Callable[[int, int], None] | None = None
) -> FloatArray:
    """Derivatives of the residuals by each standardised log value, shape (targets, parameters).

    Where the model cannot be solved a little aside, the slope counts as none.
    """
    points = [z + _STEP * unit for unit in np.eye(len(z))]
    columns = []
    for done, row in enumerate(pool.map(residuals_at, points), start=1):
        columns.append((np.asarray(row) - here) / _STEP)
        if progress is not None:
            progress(done, len(points))
    found = np.array(columns).T
    found[~np.isfinite(found) | (np.abs(found) > _STEEPEST)] = 0.0
    return found


def shrinkage(jacobian: object) -> FloatArray:
    """Posterior over prior SD of each parameter, from the Jacobian with the prior's rows in it."""
    matrix = np.asarray(jacobian, dtype=np.float64)
    return np.asarray(np.sqrt(np.diag(np.linalg.inv(matrix.T @ matrix))), dtype=np.float64)


@dataclass
class _Prepared:
    """What a worker process keeps between evaluations."""

    base: ParameterSet
    names: tuple[str, ...]
    simulator: Simulator


_here: list[_Prepared] = []


def prepare(base: ParameterSet, names: tuple[str, ...]) -> None:
    """Build the model once a process."""
    _here[:] = [_Prepared(base, names, Simulator(build_chain(parameters=base), _RTOL))]


def residuals_at(z: FloatArray) -> FloatArray:
    """Residuals of all targets at standardised log values; large where the model cannot be solved."""
    here, targets = _here[0], load_targets()
    centre, sd = prior(here.base, here.names)
    values = dict(zip(here.names, np.exp(centre + sd * z).tolist(), strict=True))
    try:
        bench = Bench(here.simulator, here.base.with_values(values))
        return np.array([(bench.value(target) - target.value) / target.sd for target in targets])
    except KetasimError:
        return np.full(len(targets), UNSOLVED)


class Fitted(Protocol):
    """What a fit has found."""

    @property
    def names(self) -> tuple[str, ...]:
        """Free parameters."""

    @property
    def values(self) -> FloatArray:
        """Their values, in the units of their tables."""

    @property
    def shrinkage(self) -> FloatArray:
        """Posterior over prior SD."""


def write_values(
    result: Fitted, folder: Path, described: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Put calibrated values into the parameter tables.

    A parameter that the targets narrowed gets the grade ``calibrated``; one that they
    did not keeps its grade, unless that was ``calibrated``: then it is ``assumed``. Both
    say how far they were narrowed. ``described`` has more to write of a parameter, by column.

    Raises
    ------
    ModelError
        If a value lies outside its range, with which the tables could not be read again,
        or a name stands in no table; nothing is written then.
    """
    fitted = zip(result.values.tolist(), result.shrinkage.tolist(), strict=True)
    new = dict(zip(result.names, fitted, strict=True))
    tables = {path: _rows(path) for path in sorted(folder.glob("*.csv"))}
    tables = {path: rows for path, rows in tables.items() if any(row["name"] in new for row in rows)}
    found = [row for rows in tables.values() for row in rows if row["name"] in new]
    missing = sorted(set(new) - {row["name"] for row in found})
    if missing:
        raise ModelError(
            f"{folder}: no table has the parameter {missing[0]!r}; choose the folder of its species."
        )
    for row in found:
        value, shrink = new[row["name"]]
        row.update((described or {}).get(row["name"], {}))
        row["value"] = f"{value:.6g}"
        if not float(row["low"]) <= float(row["value"]) <= float(row["high"]):
            raise ModelError(
                f"parameter {row['name']!r}: the fitted value {value:.6g} is outside its range "
                f"{row['low']} to {row['high']} {row['unit']}; reconsider the range or the targets."
            )
        if shrink <= INFORMED:
            row["grade"] = "calibrated"
        elif row["grade"] == "calibrated":
            row["grade"] = "assumed"
        note = _FIT_NOTE.sub("", row["note"])
        row["note"] = f"{note} | fit: posterior SD {shrink:.2f} of the prior SD".removeprefix(" | ")
    for path, rows in tables.items():
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
