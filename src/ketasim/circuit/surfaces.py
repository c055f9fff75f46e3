"""Fit the circuit surfaces to the network runs, and show how well they hold.

``python -m ketasim.circuit.surfaces`` prints fit against network, run by run;
``--write PATH`` writes the coefficients as rows of a parameter table.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from ketasim.circuit.formulas import CLASSES, LOG_LIMIT, OUTPUTS, coefficient_names, drive, log_ratio
from ketasim.circuit.runs import NetworkRun, load_network_runs
from ketasim.errors import KetasimError, ModelError

__all__ = ["Coefficient", "Quality", "Surfaces", "fit_surfaces", "write_parameters"]

_Floats = NDArray[np.float64]

# A class that all but stops firing has no meaningful logarithm: a smaller share of baseline counts as this.
_SILENT = 0.02
# Relative spread of a row in the fit. Only one class blocked is far from any drug, so such rows only
# anchor the shape; the rerun settings count a little less than the table that the surfaces stand for.
_SPREAD_TABLE = 1.0
_SPREAD_RERUN = 1.5
_SPREAD_SINGLE = 4.0
_COMPLEX_STEP = 1e-30

_PARAMETER_COLUMNS = (
    "name",
    "value",
    "unit",
    "low",
    "high",
    "distribution",
    "iiv",
    "iiv_source",
    "source",
    "grade",
    "note",
)
_FITTED_NOTE = (
    "fitted to network runs; range is two standard errors; errors within an output are correlated, "
    "so change one at a time"
)
_ASSUMED = (
    (
        "circuit_log_limit",
        f"{LOG_LIMIT:g}",
        "4.5",
        "4.5",
        "largest log ratio; the coefficients are fitted with it",
    ),
    ("gaba_gain_exponent", "1", "0.5", "2", "scales disinhibition with GABA-A tone"),
    ("density_rate_exponent", "0.2", "0.05", "0.5", "pyramidal rate against synaptic density"),
)


@dataclass(frozen=True)
class Coefficient:
    """A fitted coefficient (a ratio, positive) with its range of plus or minus two standard errors.

    The errors are those of the logarithm, so that the range stays positive.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Quality:
    """Root mean square error in the natural log of one output.

    Parameters
    ----------
    table : float
        In-sample, over the rows of the feasibility table.
    table_left_out : float
        The same rows, each predicted by a fit without it and its repeats.
    mixed, mixed_left_out : float
        The same for the rerun rows with several classes blocked.
    single : float
        In-sample, over the rows with only one class blocked (weak weight).
    check : float
        Over the rows with random half-blocking concentrations, which no fit has seen.
    """

    table: float
    table_left_out: float
    mixed: float
    mixed_left_out: float
    single: float
    check: float


@dataclass(frozen=True)
class Surfaces:
    """Fitted surfaces of all outputs.

    Parameters
    ----------
    coefficients : mapping of str to Coefficient
        By name, such as ``pyramidal_rate_sst``.
    quality : mapping of str to Quality
        By output.
    valid_range : mapping of str to tuple of float
        Smallest and largest block of each class in the fitted runs with several classes blocked.
        No block at all is exact by construction, so each range starts at 0.
    """

    coefficients: Mapping[str, Coefficient]
    quality: Mapping[str, Quality]
    valid_range: Mapping[str, tuple[float, float]]

    def log_ratio(self, output: str, block: ArrayLike) -> _Floats:
        """Natural log of an output relative to no drug; see :func:`ketasim.circuit.log_ratio`."""
        values = {name: entry.value for name, entry in self.coefficients.items()}
        return log_ratio(output, values, block)


def _is_single(run: NetworkRun) -> bool:
    return sum(value > 0.0 for value in run.block) == 1


def _blocks(runs: Sequence[NetworkRun]) -> _Floats:
    return np.array([run.block for run in runs], dtype=np.float64).reshape(-1, len(CLASSES))


def _logs(output: str, runs: Sequence[NetworkRun]) -> _Floats:
    return np.log(np.maximum([run.ratios[output] for run in runs], _SILENT))


def _spread(run: NetworkRun) -> float:
    if _is_single(run):
        return _SPREAD_SINGLE
    return _SPREAD_TABLE if run.origin == "table" else _SPREAD_RERUN


def _fit(output: str, runs: Sequence[NetworkRun]) -> tuple[_Floats, _Floats]:
    """Log coefficients of one output and their standard errors."""
    runs = [run for run in runs if not math.isnan(run.ratios[output])]
    names = coefficient_names(output)
    if len(runs) <= len(names):
        raise ModelError(
            f"{output}: {len(runs)} network runs cannot fix {len(names)} coefficients; give more rows."
        )
    block, target = _blocks(runs), _logs(output, runs)
    spread = np.array([_spread(run) for run in runs])

    def residuals(theta: _Floats) -> _Floats:
        return np.asarray(
            (drive(output, list(np.exp(theta)), list(block.T)) - target) / spread, dtype=np.float64
        )

    def jacobian(theta: _Floats) -> _Floats:
        columns: list[Any] = []
        for index in range(len(theta)):
            shifted = theta.astype(np.complex128)
            shifted[index] += 1j * _COMPLEX_STEP
            columns.append(drive(output, list(np.exp(shifted)), list(block.T)).imag / _COMPLEX_STEP / spread)
        return np.stack(columns, axis=1)

    found = least_squares(
        residuals, np.zeros(len(names)), jac=jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15
    )
    theta = np.asarray(found.x, dtype=np.float64)
    if not (found.success and np.isfinite(theta).all()):
        raise ModelError(f"{output}: the fit to the network runs did not end ({found.message})")
    slope = jacobian(theta)
    variance = 2.0 * float(found.cost) / (len(runs) - len(names))
    return theta, np.sqrt(variance * np.diag(np.linalg.pinv(slope.T @ slope)))


def _errors(output: str, theta: _Floats, runs: Sequence[NetworkRun]) -> _Floats:
    return np.asarray(
        drive(output, list(np.exp(theta)), list(_blocks(runs).T)) - _logs(output, runs), dtype=np.float64
    )


def _left_out_errors(output: str, runs: Sequence[NetworkRun], wanted: Sequence[NetworkRun]) -> _Floats:
    """Errors of rows, each predicted without any row of the same block (a rerun would give it away)."""
    errors = [
        _errors(output, _fit(output, [other for other in runs if other.block != run.block])[0], [run])
        for run in wanted
    ]
    return np.concatenate(errors) if errors else np.empty(0)


def _rms(errors: _Floats) -> float:
    known = errors[~np.isnan(errors)]
    return float(np.sqrt(np.mean(known**2))) if known.size else math.nan


def _quality(
    output: str, theta: _Floats, fitted: Sequence[NetworkRun], check: Sequence[NetworkRun]
) -> Quality:
    table = [run for run in fitted if run.origin == "table"]
    mixed = [run for run in fitted if run.origin == "rerun" and not _is_single(run)]
    single = [run for run in fitted if _is_single(run)]
    return Quality(
        table=_rms(_errors(output, theta, table)),
        table_left_out=_rms(_left_out_errors(output, fitted, table)),
        mixed=_rms(_errors(output, theta, mixed)),
        mixed_left_out=_rms(_left_out_errors(output, fitted, mixed)),
        single=_rms(_errors(output, theta, single)),
        check=_rms(_errors(output, theta, check)),
    )


def fit_surfaces(runs: Sequence[NetworkRun] | None = None) -> Surfaces:
    """Fit the surfaces of the four rates and of gamma power to network runs.

    Weighted least squares in the log of the ratio, over the logarithms of the coefficients, from a
    fixed start. Of twenty random starts an output, most ended in the same minimum and none in a better one.

    Parameters
    ----------
    runs : sequence of NetworkRun, optional
        Default: the shipped ones. Rows with ``use`` other than ``fit`` are not fitted.

    Returns
    -------
    Surfaces
        Coefficients, errors in and out of sample, and the range of block they were fitted in.

    Raises
    ------
    ModelError
        If there are too few rows for an output or its fit does not end.
    """
    every = load_network_runs() if runs is None else tuple(runs)
    fitted = [run for run in every if run.use == "fit"]
    check = [run for run in every if run.use == "check"]
    coefficients: dict[str, Coefficient] = {}
    quality: dict[str, Quality] = {}
    for output in OUTPUTS:
        theta, error = _fit(output, fitted)
        for name, middle, width in zip(coefficient_names(output), theta, 2.0 * error, strict=True):
            low, value, high = (float(np.exp(middle + shift)) for shift in (-width, 0.0, width))
            coefficients[name] = Coefficient(value, low, high)
        quality[output] = _quality(output, theta, fitted, check)
    deepest = _blocks([run for run in fitted if not _is_single(run)]).max(axis=0)
    valid_range = {name: (0.0, float(value)) for name, value in zip(CLASSES, deepest, strict=True)}
    return Surfaces(coefficients, quality, valid_range)


def write_parameters(surfaces: Surfaces, path: str | Path) -> None:
    """Write the circuit's parameter table: fitted coefficients, then what is assumed.

    Parameters
    ----------
    surfaces : Surfaces
        As :func:`fit_surfaces` returns them.
    path : str or Path
        The CSV file to write; an existing one is replaced.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(_PARAMETER_COLUMNS)
            for name, entry in surfaces.coefficients.items():
                numbers = (f"{entry.value:.10g}", "ratio", f"{entry.low:.4g}", f"{entry.high:.4g}")
                writer.writerow(
                    [name, *numbers, "lognormal", "", "", "circuit_network_runs", "derived", _FITTED_NOTE]
                )
            for name, value, low, high, note in _ASSUMED:
                shape = "fixed" if low == high else "lognormal"
                writer.writerow([name, value, "ratio", low, high, shape, "", "", "assumed", "assumed", note])
    except OSError as error:
        raise ModelError(
            f"--write {path}: cannot be written ({error.strerror}); choose another path."
        ) from error


def _describe(surfaces: Surfaces, runs: Sequence[NetworkRun]) -> str:
    lines = ["fit / network, ratio to no drug", f"{'origin':7}{'rule':18}{'use':7}{'C uM':>7}  block"]
    lines[1] += " " * 20 + "".join(f"{output:>18}" for output in OUTPUTS)
    for run in runs:
        block = " ".join(f"{value:.2f}" for value in run.block)
        line = f"{run.origin:7}{run.rule:18}{run.use:7}{run.concentration:7.3g}  {block:25}"
        for output in OUTPUTS:
            value = math.exp(float(surfaces.log_ratio(output, run.block)))
            line += f"{value:9.2f} /{run.ratios[output]:7.2f}"
        lines.append(line)
    lines += ["", "rms error in the natural log"]
    parts = ("table", "table_left_out", "mixed", "mixed_left_out", "single", "check")
    lines.append(f"{'':16}" + "".join(f"{part:>16}" for part in parts))
    for output, quality in surfaces.quality.items():
        lines.append(f"{output:16}" + "".join(f"{getattr(quality, part):16.3f}" for part in parts))
    lines += ["", "coefficients (low to high: two standard errors)"]
    for name, entry in surfaces.coefficients.items():
        lines.append(f"{name:28}{entry.value:10.4f}   {entry.low:.4g} to {entry.high:.4g}")
    ranges = ", ".join(f"{name} 0 to {high:.3f}" for name, (_, high) in surfaces.valid_range.items())
    return "\n".join([*lines, "", f"valid range of block: {ranges}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print fit against network and, on request, write the parameter table.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: the command line.

    Returns
    -------
    int
        Exit code: 0, or 2 for bad input.
    """
    parser = argparse.ArgumentParser(prog="python -m ketasim.circuit.surfaces", description=__doc__)
    parser.add_argument("--runs", metavar="PATH", help="a table of network runs in place of the shipped one")
    parser.add_argument("--write", metavar="PATH", help="write the circuit's parameter table there")
    options = parser.parse_args(arguments)
    try:
        runs = load_network_runs(options.runs)
        surfaces = fit_surfaces(runs)
        print(_describe(surfaces, runs))
        if options.write is not None:
            write_parameters(surfaces, options.write)
    except KetasimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
