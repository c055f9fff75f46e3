"""What a baseline may know of a row: the design and the published number, and nothing of the model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.model.chain import Chain, build_chain
from ketasim.model.parameters import load_parameters
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study import Arm, Study
from ketasim.trials.study.rules import ACTIVE_DRUGS
from ketasim.trials.study.statistics import QUOTIENT_STATISTICS
from ketasim.validation.predict import stage_of
from ketasim.validation.predict.classes import row_class_of, to_class_scale

__all__ = [
    "QUOTIENTS",
    "ArmFacts",
    "RowFacts",
    "facts_of",
    "known_baseline",
    "to_madrs",
    "totals_from_madrs",
]

#: Statistics whose logarithms need no unit.
QUOTIENTS = ("ratio", "change_ratio", *QUOTIENT_STATISTICS)
#: Statistics that weigh one thing against another.
_CONTRASTS = ("difference", "change_difference", "relative_difference", "retained")


@dataclass(frozen=True)
class ArmFacts:
    """An arm as its design tells it.

    Parameters
    ----------
    regimen : str
        Dose text.
    active : bool
        Whether it holds ketamine or an enantiomer.
    baseline, baseline_sd : float
        Total at entry and its SD, in points of ``scale``; NaN without one.
    scale : str
        Of the baseline.
    inpatient, new_antidepressant, open_label : bool
        Setting.
    whole : bool
        Whether people enter the trial in this arm, so that its clock is the trial's.
    """

    regimen: str
    active: bool
    baseline: float = math.nan
    baseline_sd: float = math.nan
    scale: str = ""
    inpatient: bool = False
    new_antidepressant: bool = False
    open_label: bool = False
    whole: bool = True


@dataclass(frozen=True)
class RowFacts:
    """One published number with its design.

    Parameters
    ----------
    study, id, citation, domain, species, quantity, statistic, measure, arm, use, source_kind, unit : str
        As in its file.
    row_class : str
        See :data:`~ketasim.validation.predict.classes.ROW_CLASSES`.
    time_h, value, error, n : float
        Hours from the first dose, published number, its standard error and persons; NaN where
        there is none. ``error`` is in the unit of the row.
    arms, others : tuple of ArmFacts
        Arms that are counted together, and those compared with.
    threshold : float
        Largest total that counts as remission, points; NaN without one.
    trials : int
        Trials that the number pools.
    """

    study: str
    id: str
    citation: str
    domain: str
    species: str
    quantity: str
    statistic: str
    measure: str
    arm: str
    use: str
    source_kind: str
    row_class: str
    unit: str
    time_h: float
    value: float
    error: float
    n: float
    arms: tuple[ArmFacts, ...] = ()
    others: tuple[ArmFacts, ...] = ()
    origin: str = "entry"
    threshold: float = math.nan
    trials: int = 1

    @property
    def y(self) -> float:
        """The published number on the scale of its class."""
        return to_class_scale(self.row_class, self.value, self.n if math.isfinite(self.n) else None)

    @property
    def group(self) -> str:
        """Rows whose values can be averaged: those of a class, of one unit where the class has several."""
        if self.row_class == "absolute":
            return f"absolute, {self.unit}"
        if self.row_class != "log" or self.statistic in QUOTIENTS:
            return self.row_class
        return f"log, {'sd of ' if self.statistic == 'sd' else ''}{self.unit}"

    @property
    def side(self) -> str:
        """``contrast``, or whether people had ketamine: ``active`` or ``control``."""
        if self.others or self.statistic in _CONTRASTS:
            return "contrast"
        return "active" if any(arm.active for arm in self.arms) else "control"

    @property
    def is_calibration(self) -> bool:
        """Whether a baseline may be fitted to it: a measured row that the model is fitted to as well."""
        return self.use == "calibration" and self.source_kind == "measured"


def _is_active(work: Any, arm: Any) -> bool:
    """Whether an arm's regimen holds ketamine or one of its enantiomers."""
    from ketasim.dosing import parse_regimen

    if isinstance(work, Study):
        return bool(arm.active)
    return any(dose.drug in ACTIVE_DRUGS for dose in parse_regimen(arm.regimen).doses)


def to_madrs(scale: str, total: float) -> float:
    """Total of the MADRS that corresponds to a total of another depression scale; NaN if unknown."""
    if scale == "madrs":
        return total
    madrs, totals = _link(scale)
    return float(np.interp(total, totals, madrs)) if len(totals) else math.nan


def totals_from_madrs(scale: str, madrs: float) -> float:
    """Total of a depression scale that corresponds to a total of the MADRS; NaN if there is no link.

    The HAM-D of 17 items is in proportion, as in the model's table (``hamd17_per_madrs``).
    """
    if scale == "madrs":
        return madrs
    grid, totals = _link(scale)
    return float(np.interp(madrs, grid, totals)) if len(totals) else math.nan


@cache
def _link(scale: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corresponding totals of the MADRS and of another scale; empty without a link."""
    madrs = np.linspace(0.0, 60.0, 241)
    if scale == "hamd17":
        return madrs, madrs * load_parameters()["hamd17_per_madrs"].value
    base = SCALES[scale].base if scale in SCALES else ""
    if base not in ("madrs", "hamd17"):
        return np.zeros(0), np.zeros(0)
    between = madrs if base == "madrs" else _link(base)[1]
    return madrs, SCALES[scale].linked(between)


def facts_of(work: Any) -> list[RowFacts]:
    """Facts of every row of a study or an experiment.

    Parameters
    ----------
    work : Study or Experiment
        Not simulated.

    Returns
    -------
    list of RowFacts
        In the order of the file.
    """
    arms = {arm.id: _arm_facts(work, arm) for arm in work.arms}
    return [_row_facts(work, row, arms) for row in work.observations]


def _row_facts(work: Any, row: Any, arms: dict[str, ArmFacts]) -> RowFacts:
    own = getattr(row, "arms", None) or tuple(part.strip() for part in row.arm.split("+"))
    comparator = row.comparator or ""
    time_h = getattr(row, "time_h", None)
    error = getattr(row, "standard_error", None)
    return RowFacts(
        study=work.id,
        id=row.id,
        citation=row.citation,
        domain=getattr(work, "domain", None) or _domain(row.quantity),
        species=work.species,
        quantity=row.quantity,
        statistic=row.statistic,
        measure=_measure(row),
        arm=row.arm,
        use=row.use,
        source_kind=row.source_kind,
        row_class=row_class_of(row),
        unit=row.unit,
        time_h=math.nan if time_h is None else float(time_h),
        value=float(row.value),
        error=math.nan if error is None else float(error),
        n=math.nan if row.n is None else float(row.n),
        arms=_known(own, arms),
        others=_known([part.strip() for part in comparator.split("+")] if comparator else (), arms),
        origin=getattr(row, "origin", "entry"),
        threshold=_threshold(work, row.quantity),
        trials=getattr(work, "pooled_trials", 1),
    )


@lru_cache(maxsize=1024)
def _domain(quantity: str) -> str:
    """Domain of a row of a trial: harms are apart from the clinic."""
    return "safety" if stage_of(quantity, _chain()) == "safety" else "clinical"


@cache
def _chain() -> Chain:
    return build_chain()


def _measure(row: Any) -> str:
    """What is read of a course, and of whom, if not of all."""
    measure = getattr(row, "measure", None) or "at"
    among = getattr(row, "among", None)
    return f"{measure}, among {among}" if among else measure


def _known(names: Iterable[str], arms: dict[str, ArmFacts]) -> tuple[ArmFacts, ...]:
    return tuple(arms[name] for name in names if name in arms)


def _threshold(work: Any, quantity: str) -> float:
    from ketasim.trials.endpoints import remission_threshold

    if isinstance(work, Study) and quantity in SCALES:
        return remission_threshold(work, quantity)
    return math.nan


def _arm_facts(work: Any, arm: Any) -> ArmFacts:
    active = _is_active(work, arm)
    if not isinstance(work, Study):
        return ArmFacts(arm.regimen, active)
    trial_arm: Arm = arm
    baseline = trial_arm.baseline or work.population.baseline
    setting = work.setting
    blinding = trial_arm.blinding or setting.blinding
    return ArmFacts(
        regimen=trial_arm.regimen,
        active=active,
        baseline=baseline.mean,
        baseline_sd=baseline.sd,
        scale=work.population.baseline.scale,
        inpatient=setting.care != "outpatient",
        new_antidepressant=setting.new_antidepressant or "new_antidepressant" in trial_arm.comedication,
        open_label=blinding == "open_label",
        whole=trial_arm in work.first_arms,
    )


def known_baseline(arms: Sequence[ArmFacts], scale: str) -> float:
    """Mean total at entry of arms counted together, in points of a scale; NaN if it is not known."""
    found = [
        arm.baseline if arm.scale == scale else totals_from_madrs(scale, to_madrs(arm.scale, arm.baseline))
        for arm in arms
    ]
    found = [value for value in found if math.isfinite(value)]
    return sum(found) / len(found) if found else math.nan
