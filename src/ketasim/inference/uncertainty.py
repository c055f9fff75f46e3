"""How far the targets leave the fitted biology open: a normal posterior around the shipped values.

The residuals of a calibration hold the prior too, so that the inverse of the Jacobian's square at the
fitted values is the covariance of a posterior that is normal on the log scale (Laplace).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.inference.calibration import FREE, UNSOLVED, prepare, prior, residuals_at, slopes
from ketasim.model.parameters import ParameterSet, load_parameters

__all__ = ["COVARIANCE_FILE", "FitCovariance", "fit_covariance", "write_covariance"]

FloatArray = npt.NDArray[np.float64]

#: What the population reads.
COVARIANCE_FILE = "fit_covariance.csv"


@dataclass(frozen=True)
class FitCovariance:
    """A normal posterior of the logarithms of fitted parameters, around the values of the tables.

    Parameters
    ----------
    names : tuple of str
        The parameters.
    covariance : array, shape (parameters, parameters)
        Of their natural logarithms.
    shrinkage : array, shape (parameters,)
        Posterior over prior SD.
    """

    names: tuple[str, ...]
    covariance: FloatArray
    shrinkage: FloatArray


def fit_covariance(
    parameters: ParameterSet | None = None,
    *,
    names: Sequence[str] = FREE,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> FitCovariance:
    """Compute the posterior's covariance at the values of the tables.

    Parameters
    ----------
    parameters : ParameterSet, optional
        Values and ranges; default: the shipped human tables.
    names : sequence of str
        Free parameters of the biology's calibration.
    workers : int
        Processes.
    progress : callable, optional
        Called with the number of parameters that are done, and their number in all.

    Returns
    -------
    FitCovariance

    Raises
    ------
    ModelError
        If the model cannot be solved at the values of the tables.
    """
    base = load_parameters() if parameters is None else parameters
    names = tuple(names)
    centre, sd = prior(base, names)
    here = (np.log([base[name].value for name in names]) - centre) / sd
    with ProcessPoolExecutor(workers, initializer=prepare, initargs=(base, names)) as pool:
        start = np.asarray(pool.submit(residuals_at, here).result())
        if (start >= UNSOLVED).all():
            raise ModelError("uncertainty: the model has no solution at the values of the tables.")
        columns = slopes(pool, here, start, progress)
    whole = np.vstack([columns, np.eye(len(names))])
    inverse = np.linalg.inv(whole.T @ whole)
    inverse = 0.5 * (inverse + inverse.T)
    return FitCovariance(names, inverse * np.outer(sd, sd), np.sqrt(np.diag(inverse)))


def write_covariance(found: FitCovariance, folder: Path) -> Path:
    """Write the lower triangle as ``first, second, covariance``.

    Returns
    -------
    Path
        The file.
    """
    path = folder / COVARIANCE_FILE
    draft = path.with_suffix(".part")
    with draft.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("first", "second", "covariance"))
        for i, first in enumerate(found.names):
            for j, second in enumerate(found.names[: i + 1]):
                rows.writerow((first, second, f"{found.covariance[i, j]:.6g}"))
    draft.replace(path)
    return path
