"""From persons to groups: means, changes, response and remission by arm and visit."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.errors import StudyError
from ketasim.trials.runs.columns import CONTRASTS, ENDPOINTS
from ketasim.trials.runs.outcomes import Outcomes, statistic_of
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study import Arm, Study
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = ["baselines", "compared_with", "contrasts", "control_of", "remission_threshold", "summarise"]

FloatArray = npt.NDArray[np.float64]


def remission_threshold(study: Study, scale: str) -> float:
    """Largest total that counts as remission on a scale: the study's own, the usual one, or NaN."""
    own = study.setting.remission
    if own is not None and own.scale == scale:
        return own.threshold
    usual = SCALES[scale].remission
    return math.nan if usual is None else usual


def baselines(outcomes: pd.DataFrame, quantity: str) -> pd.Series:
    """Each person's value at entry (time 0); indexed by replicate, arm and subject."""
    rows = outcomes[(outcomes["quantity"] == quantity) & (outcomes["time_h"] == 0.0)]
    rows = rows[rows["statistic"] == statistic_of(quantity)]
    return rows.set_index(["replicate", "arm", "subject"])["value"]


def summarise(outcomes: Outcomes, study: Study) -> pd.DataFrame:
    """Summarise outcomes by arm, visit and quantity.

    Parameters
    ----------
    outcomes : Outcomes
        What was seen of patients.
    study : Study
        The design; gives the remission threshold.

    Returns
    -------
    DataFrame
        The columns of :data:`~ketasim.trials.runs.columns.ENDPOINTS`, by the arm to which patients were
        randomised. ``change_*``, ``response`` and ``remission`` are empty where they have no meaning.
    """
    rows = []
    units = outcomes.units()
    for quantity in sorted({name for name, kind in outcomes.kinds() if kind == statistic_of(name)}):
        table = outcomes.matrix(quantity)
        for replicate in np.unique(table.replicate).tolist():
            for arm in study.first_arms:
                members = (table.replicate == replicate) & (table.arm == arm.id)
                if not members.any():
                    continue
                for place, time_h in enumerate(table.times_h.tolist()):
                    about = {
                        "study": study.id,
                        "replicate": replicate,
                        "arm": arm.id,
                        "quantity": quantity,
                        "time_h": time_h,
                        "unit": units[quantity],
                    }
                    found = _summary(
                        table.values[members, place],
                        table.entry[members],
                        remission_threshold(study, quantity) if quantity in SCALES else None,
                    )
                    rows.append(about | found)
    frame = pd.DataFrame(rows, columns=list(ENDPOINTS))
    frame["_order"] = frame["arm"].map({arm.id: position for position, arm in enumerate(study.arms)})
    frame = frame.sort_values(["replicate", "quantity", "_order", "time_h"], kind="stable")
    return frame.drop(columns="_order").reset_index(drop=True)


def _summary(values: FloatArray, start: FloatArray, remission: float | None) -> dict[str, float]:
    """Mean, spread, change and rates of one arm at one visit."""
    known = ~np.isnan(values)
    values, start = values[known], start[known]
    change = (values - start)[~np.isnan(start)]
    n = len(values)
    found = {
        "n": n,
        "mean": values.mean() if n else np.nan,
        "sd": values.std(ddof=1) if n > 1 else np.nan,
        "change_mean": change.mean() if len(change) else np.nan,
        "change_sd": change.std(ddof=1) if len(change) > 1 else np.nan,
        "response": np.nan,
        "remission": np.nan,
    }
    found["se"] = found["sd"] / np.sqrt(n) if n > 1 else np.nan
    if remission is not None and len(change):
        both = ~np.isnan(start)
        found["response"] = (values <= (1 - RESPONSE_SHARE) * start)[both].mean()
        if not math.isnan(remission):
            found["remission"] = (values <= remission).mean()
    return found


def contrasts(outcomes: Outcomes, study: Study) -> pd.DataFrame:
    """Split each contrast of an active arm against its control.

    The drug part is severity minus the same persons' with dose zero and the same stress path,
    in the arm less that in its control, which may have a drug of its own. The expectancy part is the
    difference in the points that placebo and belief take.
    Chance is what is left: who was drawn into which arm, life stress, the raters.

    Returns
    -------
    DataFrame
        The columns of :data:`~ketasim.trials.runs.columns.CONTRASTS`; empty without a control, or where
        patients with dose zero were not simulated.
    """
    scale = study.population.baseline.scale
    first = study.first_arms
    known = {name for name, _ in outcomes.kinds()}
    if all(arm.active for arm in first) or scale != "madrs" or "severity_without_drug" not in known:
        return pd.DataFrame(columns=list(CONTRASTS))
    score, placebo = outcomes.matrix(scale), outcomes.matrix("placebo")
    change = score.values - score.entry[:, None]
    drug = outcomes.matrix("severity").values - outcomes.matrix("severity_without_drug").values
    rows = []
    for replicate in np.unique(score.replicate).tolist():
        for arm in first:
            if not arm.active:
                continue
            control = control_of(study, arm)
            one, other = ((score.replicate == replicate) & (score.arm == item.id) for item in (arm, control))
            for place, time_h in enumerate(score.times_h.tolist()):
                if time_h <= 0.0:
                    continue
                contrast = _mean(change[one, place]) - _mean(change[other, place])
                drug_part = _mean(drug[one, place]) - _mean(drug[other, place])
                expectancy = _mean(placebo.values[other, place]) - _mean(placebo.values[one, place])
                rows.append(
                    (study.id, replicate, arm.id, control.id, scale, time_h, "points", contrast, drug_part,
                     expectancy, contrast - drug_part - expectancy)
                )  # fmt: skip
    return pd.DataFrame(rows, columns=list(CONTRASTS))


def _mean(values: FloatArray) -> float:
    """Mean of those that are there; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def control_of(study: Study, arm: Arm) -> Arm:
    """The control of an active arm: the one treated at the same times, or else the first one.

    Raises
    ------
    StudyError
        If every arm of the study is active.
    """
    controls = [other for other in study.first_arms if not other.active]
    if not controls:
        raise StudyError(f"{study.id}: no arm goes without ketamine, so arm {arm.id!r} has no control.")
    times = [dose.start_h for dose in arm.dosing.doses]
    same = [other for other in controls if [dose.start_h for dose in other.dosing.doses] == times]
    return (same or controls)[0]


def compared_with(study: Study) -> str | None:
    """The arm with which all are compared: the control of the first active arm; None without a control."""
    active = [arm for arm in study.first_arms if arm.active]
    if not active or len(active) == len(study.first_arms):
        return None
    return control_of(study, active[0]).id
