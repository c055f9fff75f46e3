"""The third baseline: a clinical K-PD model, from plasma over an effect site to the MADRS, without biology.

With S- and R-ketamine in venous plasma ``C`` (ng/mL) and the number ``k`` of the session::

    A' = k^accumulation · C − offset · A          what is left of the exposure, ng·h/mL
    X' = onset · (A − X)                           at the effect site
    drug = effect_largest · X / (area_half + X)
    placebo = early · exp(−rate · t) + late · (1 − exp(−rate · t))
              + care + new antidepressant · (1 − exp(−t / 14 d))
    raw = (drug + placebo) · (B / 33)^exponent     points, B the total at entry
    change = −B · (1 − exp(−raw / B))

Response and remission follow from a normal distribution of the change. Both stages are linear, so that
``X`` is a sum over the plasma curve and nothing has to be integrated.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError
from ketasim.model.kinetics import simulate_kinetics
from ketasim.model.times import output_times
from ketasim.validation.baselines.facts import ArmFacts, RowFacts, known_baseline, to_madrs, totals_from_madrs
from ketasim.validation.baselines.normal import Normal
from ketasim.validation.between import pooled

__all__ = ["KPD_FILE", "Exposure", "Kpd", "KpdParameter", "exposure_of", "load_kpd"]

FloatArray = npt.NDArray[np.float64]

KPD_FILE = "kpd.csv"
#: Total at entry to which sizes refer, points; and the time constant of a new antidepressant, hours.
_REFERENCE, _ANTIDEPRESSANT_H = 33.0, 336.0
#: Doses less far apart are one session, hours.
_SESSION_H = 6.0
_SCALES = ("madrs", "hamd17")
_STATISTICS = ("mean", "change", "median_change", "difference", "response", "remission")
#: Two rates nearer than this are taken apart by it: their difference is divided by.
_APART = 1e-9


@dataclass(frozen=True)
class KpdParameter:
    """A parameter of the K-PD model: value and range in a unit, with its origin."""

    name: str
    value: float
    unit: str
    low: float
    high: float
    distribution: str
    source: str
    grade: str
    note: str


@dataclass(frozen=True)
class Exposure:
    """Plasma of the typical person in steps.

    Parameters
    ----------
    times_h : array, shape (steps,)
        Middle of each step.
    areas : array, shape (steps,)
        Area under S- plus R-ketamine in venous plasma in it, ng·h/mL.
    sessions : array, shape (steps,)
        Number of the session it belongs to, from 1.
    """

    times_h: FloatArray
    areas: FloatArray
    sessions: FloatArray


@lru_cache(maxsize=512)
def exposure_of(regimen: str, end_h: float) -> Exposure:
    """Plasma of the typical person up to a time.

    Parameters
    ----------
    regimen : str
        Dose text.
    end_h : float
        Hours from the first dose.

    Returns
    -------
    Exposure
        Empty for a regimen without a drug.
    """
    doses = parse_regimen(regimen)
    if not doses.is_active or end_h <= 0.0:
        return Exposure(np.zeros(0), np.zeros(0), np.zeros(0))
    times = output_times(doses, end_h, fine=False)
    run = simulate_kinetics(doses, times)
    plasma = run.quantities["s_ketamine_venous"] + run.quantities["r_ketamine_venous"]
    starts = sorted({dose.start_h for dose in doses.doses})
    first = [t for i, t in enumerate(starts) if i == 0 or t - starts[i - 1] >= _SESSION_H]
    middle = 0.5 * (times[1:] + times[:-1])
    areas = 0.5 * (plasma[1:] + plasma[:-1]) * np.diff(times)
    sessions = np.maximum(np.searchsorted(np.array(first), middle, side="right"), 1).astype(np.float64)
    keep = areas > 1e-6 * max(float(areas.max()), 1e-12)
    return Exposure(middle[keep], areas[keep], sessions[keep])


@dataclass(frozen=True)
class Kpd:
    """The K-PD model with its values.

    Parameters
    ----------
    values : mapping of str to float
        In the units of ``kpd.csv``.
    """

    values: Mapping[str, float]
    name: str = "kpd"

    def covers(self, row: RowFacts) -> bool:
        """Whether it predicts a row: MADRS or HAM-D 17 of an arm that begins with its first dose."""
        if row.quantity not in _SCALES or row.statistic not in _STATISTICS or not row.arms:
            return False
        if row.measure != "at" or row.origin not in ("entry", "arm") or not math.isfinite(row.time_h):
            return False
        every = (*row.arms, *row.others)
        if row.origin == "entry" and not all(arm.whole for arm in every):
            return False
        if row.statistic == "difference" and not row.others:
            return False
        return all(math.isfinite(_entry(arm)) for arm in every)

    def predict(self, row: RowFacts) -> Normal | None:
        """Predict a row on its class's scale; None where the model does not apply."""
        if not self.covers(row):
            return None
        change = self._mean_change(row.arms, row.time_h)
        scale = _slope(row.quantity)
        n = row.n if math.isfinite(row.n) else 50.0
        within = self.values["person_sd"] ** 2
        between = (self.values["trial_sd"] * pooled(row.trials)) ** 2
        if row.statistic in ("response", "remission"):
            return self._rate(row, change, n, within, between)
        if row.statistic == "difference":
            change -= self._mean_change(row.others, row.time_h)
            # Half of the persons in each arm.
            within, between = 4.0 * within, 2.0 * between
        sampling = within / n
        if math.isfinite(row.error) and not math.isfinite(row.n):
            sampling = (row.error / scale) ** 2
        sd = scale * math.sqrt(sampling + between)
        start = known_baseline(row.arms, row.quantity) if row.statistic == "mean" else 0.0
        return Normal(start + scale * change, sd)

    def sign(self, row: RowFacts) -> int | None:  # noqa: ARG002 - one signature for all baselines
        """Nothing: sign rows are not what it is for."""
        return None

    def _rate(self, row: RowFacts, change: float, n: float, within: float, between: float) -> Normal:
        """Logit of the share whose change passes the threshold, with sampling and between-trial variance."""
        start = sum(_entry(arm) for arm in row.arms) / len(row.arms)
        wanted = 0.5 * start if row.statistic == "response" else to_madrs(row.quantity, row.threshold)
        limit = wanted - start
        sd = math.sqrt(within)
        at = (limit - change) / sd
        share = min(max(0.5 * math.erfc(-at / math.sqrt(2.0)), 1e-4), 1.0 - 1e-4)
        density = math.exp(-0.5 * at * at) / math.sqrt(2.0 * math.pi) / sd
        odds = share * (1.0 - share)
        # Half a person on each side, as in the rows, keeps the sampling variance of a rare event finite.
        smooth = (share * n + 0.5) / (n + 1.0)
        sampling = 1.0 / ((n + 1.0) * smooth * (1.0 - smooth))
        middle = math.log(smooth / (1.0 - smooth))
        return Normal(middle, math.sqrt(sampling + between * (density / odds) ** 2))

    def _mean_change(self, arms: tuple[ArmFacts, ...], time_h: float) -> float:
        return sum(self.change(arm, time_h) for arm in arms) / len(arms)

    def change(self, arm: ArmFacts, time_h: float) -> float:
        """Mean change of the MADRS from entry, points.

        Parameters
        ----------
        arm : ArmFacts
            Its regimen, total at entry and setting.
        time_h : float
            Hours from the first dose.
        """
        own = self.values
        start = _entry(arm)
        site = self.site(exposure_of(arm.regimen, time_h), time_h) if arm.active else 0.0
        drug = own["effect_largest"] * site / (own["area_half"] + site)
        gone = math.exp(-own["placebo_rate"] * time_h)
        placebo = own["placebo_early"] * gone + own["placebo_late"] * (1.0 - gone)
        placebo += own["care_inpatient"] * arm.inpatient
        taken = 1.0 - math.exp(-time_h / _ANTIDEPRESSANT_H)
        placebo += own["new_antidepressant"] * taken * arm.new_antidepressant
        raw = (drug + placebo) * (start / _REFERENCE) ** own["baseline_exponent"]
        return -start * (1.0 - math.exp(-raw / start))

    def site(self, exposure: Exposure, time_h: float) -> float:
        """Exposure at the effect site at a time, ng·h/mL."""
        past = exposure.times_h < time_h
        since = time_h - exposure.times_h[past]
        given = exposure.areas[past] * exposure.sessions[past] ** self.values["accumulation"]
        onset, offset = self.values["onset_rate"], self.values["offset_rate"]
        if abs(onset - offset) < _APART:
            offset += _APART
        kernel = onset / (onset - offset) * (np.exp(-offset * since) - np.exp(-onset * since))
        return float(given @ kernel)


def _entry(arm: ArmFacts) -> float:
    """Total at entry as MADRS points."""
    return to_madrs(arm.scale, arm.baseline) if arm.scale else math.nan


def _slope(scale: str) -> float:
    """Points of a scale for a point of the MADRS."""
    return totals_from_madrs(scale, 30.0) / 30.0


def load_kpd(path: Path | None = None) -> tuple[KpdParameter, ...]:
    """Read the parameters of the K-PD model.

    Parameters
    ----------
    path : Path, optional
        A table like the shipped one. Default: the shipped one, fitted to calibration rows.

    Raises
    ------
    ModelError
        If a value is no number or outside its range.
    """
    source = resources.files(__package__) / KPD_FILE if path is None else path
    found = []
    for row in csv.DictReader(source.read_text(encoding="utf-8").splitlines()):
        try:
            value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        except ValueError as error:
            raise ModelError(f"{source}: parameter {row['name']!r}: {error}; give numbers.") from error
        if not low <= value <= high:
            raise ModelError(
                f"{source}: parameter {row['name']!r}: {value:g} is outside {low:g} to {high:g}."
            )
        about = (row["distribution"], row["source"], row["grade"], row["note"])
        found.append(KpdParameter(row["name"], value, row["unit"], low, high, *about))
    return tuple(found)
