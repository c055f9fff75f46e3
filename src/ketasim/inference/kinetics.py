"""Calibration of the pharmacokinetics to published concentrations and exposures.

Each free parameter has a prior from a source (``pk_priors.csv``), normal on the log
scale, or on the logit scale for shares. Rows are compared on the log scale with a
robust loss, so that rows that contradict each other cannot rule. The fit is the
maximum a posteriori by Gauss-Newton steps; it starts from the priors and holds no
random number. A parameter counts as calibrated only if the rows narrowed it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import least_squares
from scipy.special import expit, logit

from ketasim.errors import ModelError
from ketasim.evidence.readings import load_readings
from ketasim.inference.calibration import INFORMED, shrinkage, write_values
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.readouts import predict_readings

__all__ = ["KineticFit", "calibrate_kinetics", "load_pk_priors", "write_kinetics"]

FloatArray = npt.NDArray[np.float64]

#: How far studies differ beyond their standard errors, on the log scale; by statistic where it is more.
_BETWEEN = 0.15
_BETWEEN_BY_STATISTIC = {
    "tmax": 0.25,
    "half_life": 0.20,
    "vss": 0.30,
    "auc_ratio": 0.25,
    "bioavailability": 0.25,
    "auc_modifier_ratio": 0.15,
}
#: The same for what a fitted model predicts, and for curves drawn from published constants.
_BETWEEN_MODELS, _BETWEEN_CURVES = 0.12, 0.30
#: Share of the weight of a full row that a point of such a curve has.
_CURVE_SHARE = 0.25

#: Misses beyond so many standard deviations count linearly.
_HUBER = 1.5
#: Sources contradict each other seven-fold on the size of HNK: each has the weight of so many rows.
_HNK_SHARE = 2.0

_Z95 = 1.96
#: Prior standard deviations beyond which a value is no longer that of its prior's source.
_MOVED = 0.5

#: People in a study that does not say how many.
_USUAL_N = 10.0

#: Step of the differences, in prior standard deviations.
_STEP = 0.02


@dataclass(frozen=True)
class KineticFit:
    """What a fit gives.

    Parameters
    ----------
    names : tuple of str
        Free parameters.
    values, shrinkage : array
        Fitted values in the units of their tables, and posterior over prior SD.
    cost : float
        Half the robust sum of squares, priors included.
    readings : pandas.DataFrame
        Every row with ``predicted`` beside its value.
    choices : dict of (str, str) to float
        ``hnk_clearance`` of choices of options that follow from the fit.
    """

    names: tuple[str, ...]
    values: FloatArray
    shrinkage: FloatArray
    cost: float
    readings: pd.DataFrame
    choices: dict[tuple[str, str], float]

    def errors(self, column: str) -> list[tuple[str, str, int, float]]:
        """Name, kind, number of rows and median absolute error of each group of a column."""
        off = (self.readings["predicted"] / self.readings["value"] - 1.0).abs()
        groups = off.groupby([self.readings[column], self.readings["kind"]])
        return [(str(name), str(kind), len(own), float(own.median())) for (name, kind), own in groups]


@dataclass(frozen=True)
class _Prior:
    """Where a parameter may lie: normal around ``centre`` on its scale."""

    name: str
    centre: float
    sd: float
    is_share: bool
    source: str

    def value(self, z: float) -> float:
        """Value so many prior standard deviations away."""
        moved = self.centre + self.sd * z
        return float(expit(moved) if self.is_share else np.exp(moved))


@cache
def load_pk_priors() -> tuple[_Prior, ...]:
    """Load the priors of the free parameters."""
    text = (resources.files(__package__) / "pk_priors.csv").read_text(encoding="utf-8")
    table = load_parameters()
    found = []
    for row in csv.DictReader(text.splitlines()):
        is_share = table[row["parameter"]].distribution == "logitnormal"
        value = float(row["prior"])
        centre = float(logit(value)) if is_share else float(np.log(value))
        found.append(_Prior(row["parameter"], centre, float(row["prior_sd"]), is_share, row["source"]))
    return tuple(found)


def calibrate_kinetics(
    base: ParameterSet | None = None,
    *,
    max_steps: int = 25,
    workers: int = 1,
    progress: Callable[[int], None] | None = None,
    without: str = "",
) -> KineticFit:
    """Fit the free parameters.

    Parameters
    ----------
    base : ParameterSet, optional
        Values of all other parameters. Default: the shipped ones.
    max_steps : int
        Gauss-Newton steps at most.
    workers : int
        Threads.
    progress : callable, optional
        Called with the number of steps.
    without : str
        Citation or route whose rows are left out of the fit, to see how they are foretold.

    Returns
    -------
    KineticFit
    """
    own = load_parameters() if base is None else base
    priors = load_pk_priors()
    readings = load_readings(use=("fit", "check"))
    targets = _targets(readings)
    if without:
        kept = (targets["citation"] != without) & (targets["route"] != without)
        targets = targets[kept].reset_index(drop=True)
    scale, log_values = _weights(targets), np.log(targets["value"].to_numpy())

    def sets_at(points: FloatArray) -> list[ParameterSet]:
        return [
            own.with_values({p.name: p.value(z) for p, z in zip(priors, point, strict=True)})
            for point in points
        ]

    def misses(points: FloatArray) -> FloatArray:
        predicted = predict_readings(targets, sets_at(points), workers)
        raw = (np.log(predicted) - log_values) * scale
        return _robust(np.where(np.isfinite(raw), raw, 50.0))

    def residuals(z: FloatArray) -> FloatArray:
        return np.concatenate([misses(z[None])[0], z])

    steps = 0

    def jacobian(z: FloatArray) -> FloatArray:
        nonlocal steps
        steps += 1
        if progress is not None:
            progress(steps)
        moves = _STEP * np.eye(len(z))
        around = misses(np.concatenate([z + moves, z - moves]))
        columns = (around[: len(z)] - around[len(z) :]).T / (2.0 * _STEP)
        return np.vstack([columns, np.eye(len(z))])

    start = np.zeros(len(priors))
    fit = least_squares(residuals, start, jac=jacobian, max_nfev=max_steps, xtol=1e-4, ftol=1e-5)
    (best,) = sets_at(fit.x[None])
    predicted = predict_readings(readings, [best], workers)[0]
    return KineticFit(
        names=tuple(p.name for p in priors),
        values=np.array([p.value(z) for p, z in zip(priors, fit.x, strict=True)]),
        shrinkage=shrinkage(fit.jac),
        cost=float(fit.cost),
        readings=readings.assign(predicted=predicted),
        choices=_choices(best, readings, predicted),
    )


def write_kinetics(fit: KineticFit, folder: Path) -> None:
    """Put fitted values into the parameter tables and the options beside them.

    A value gets the range that the fit leaves it. One that the rows narrowed is called
    ``calibrated``; of the others, one that stayed within half a prior SD keeps the source of its
    prior, and one that was moved further is an assumption of this fit.

    Raises
    ------
    ModelError
        If a name stands in no table; nothing is written then.
    """
    described: dict[str, dict[str, str]] = {}
    for prior, value, share in zip(
        load_pk_priors(), fit.values.tolist(), fit.shrinkage.tolist(), strict=True
    ):
        spread = _Z95 * share * prior.sd
        centre = float(logit(value) if prior.is_share else np.log(value))
        low, high = (
            float(expit(centre + side) if prior.is_share else np.exp(centre + side))
            for side in (-spread, spread)
        )
        # What was moved is no longer its source's, even where the rows did not narrow it.
        own = share <= INFORMED or abs(centre - prior.centre) > _MOVED * prior.sd
        described[prior.name] = {
            "low": f"{low:.3g}",
            "high": f"{high:.3g}",
            "source": "pk_calibration" if own else prior.source,
            "grade": "assumed" if own or prior.source == "assumed" else "derived",
        }
    path = folder.parent / "options.csv"
    if not path.is_file():
        raise ModelError(f"{path}: the options belong beside the folder of tables; copy them too.")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    write_values(fit, folder, described)
    for row in rows:
        value = fit.choices.get((row["option"], row["choice"]))
        if value is not None:
            row["value"] = f"{value:.4g}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _targets(readings: pd.DataFrame) -> pd.DataFrame:
    """Rows to fit, and points of curves from published constants."""
    text = resources.files(__package__) / "pk_curves.csv"
    with resources.as_file(text) as path:
        curves = pd.read_csv(path)
    points = curves.assign(
        row="curve",
        weight_kg=70.0,
        age_y=40.0,
        ancestry="none",
        modifier="none",
        statistic="value_at",
        reference="",
        time_h=curves["time_min"] / 60.0,
        until_h=np.nan,
        value=curves["value_ng_mL"],
        route="iv",
        kind="curve",
        weight_share=_CURVE_SHARE,
        spread_kind="none",
    )
    return pd.concat([readings[readings["use"] == "fit"], points], ignore_index=True)


def _weights(targets: pd.DataFrame) -> FloatArray:
    """One over the standard deviation of each row on the log scale, times the root of its share."""
    statistic = targets["statistic"].map(_BETWEEN_BY_STATISTIC).fillna(_BETWEEN).to_numpy(dtype=np.float64)
    between = np.where(targets["kind"] == "model_output", _BETWEEN_MODELS, statistic)
    between = np.where(targets["kind"] == "curve", _BETWEEN_CURVES, between)
    parts = targets[["value", "spread_kind", "spread_low", "spread_high", "n"]]
    error = np.array([_standard_error(*row) for row in parts.itertuples(index=False)])
    share = targets["weight_share"].to_numpy(dtype=np.float64).copy()
    is_hnk = targets["quantity"].str.endswith("hnk") & ~targets["quantity"].str.endswith("dhnk")
    for _, rows in targets[is_hnk].groupby("citation"):
        share[rows.index] *= _HNK_SHARE / share[rows.index].sum()
    return np.asarray(np.sqrt(share) / np.hypot(between, error))


def _standard_error(value: float, kind: str, low: float, high: float, n: float) -> float:
    """Standard error of a mean over the mean; none if it was not reported."""
    if not np.isfinite(low):
        return 0.0
    if kind == "sd":
        return float(low / value / np.sqrt(n if n > 0 else _USUAL_N))
    if kind == "se":
        return low / value
    return (high - low) / (2.0 * _Z95) / value if kind == "ci95" else 0.0


def _robust(raw: FloatArray) -> FloatArray:
    """Pseudo-Huber: the square is what a miss costs."""
    cost = 2.0 * _HUBER**2 * (np.sqrt(1.0 + (raw / _HUBER) ** 2) - 1.0)
    return np.asarray(np.sign(raw) * np.sqrt(cost))


def _choices(
    best: ParameterSet, readings: pd.DataFrame, predicted: FloatArray
) -> dict[tuple[str, str], float]:
    """Values of options that follow from the fitted values."""
    # The size of HNK is that of its formation over its clearance, and a share cannot pass 1.
    found = {}
    is_hnk = readings["quantity"].isin(["hnk", "s_hnk", "r_hnk"]) & (readings["statistic"] != "tmax")
    off = np.log(readings["value"].to_numpy() / predicted)
    for source in ("hasan2021", "simons2022a", "kamp2020bja", "weiss_abstract"):
        own = (is_hnk & (readings["citation"] == source)).to_numpy()
        found["hnk_scale", source] = float(best["hnk_clearance"].value * np.exp(-np.median(off[own])))
    return found
