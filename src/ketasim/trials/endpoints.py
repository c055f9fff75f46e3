"""From persons to groups: means, changes, response and remission by arm and visit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ketasim.errors import StudyError
from ketasim.population import SCALE_MAXIMUM
from ketasim.trials.columns import CONTRASTS, ENDPOINTS
from ketasim.trials.study import Arm, Study
from ketasim.trials.study_parts import RESPONSE_SHARE

__all__ = ["baselines", "contrasts", "control_of", "remission_threshold", "summarise"]

_DEFAULT_REMISSION = {"madrs": 10.0, "hamd17": 7.0}


def remission_threshold(study: Study, scale: str) -> float:
    """Largest total that counts as remission on a scale: the study's own, or the usual one."""
    own = study.setting.remission
    if own is not None and own.scale == scale:
        return own.threshold
    return _DEFAULT_REMISSION[scale]


def baselines(outcomes: pd.DataFrame, quantity: str) -> pd.Series:
    """Each person's value at entry (time 0); indexed by replicate, arm and subject."""
    rows = outcomes[(outcomes["quantity"] == quantity) & (outcomes["time_h"] == 0.0)]
    rows = rows[rows["statistic"] == ("score" if quantity in SCALE_MAXIMUM else "value")]
    return rows.set_index(["replicate", "arm", "subject"])["value"]


def summarise(outcomes: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Summarise outcomes by arm, visit and quantity.

    Parameters
    ----------
    outcomes : DataFrame
        A row a person, visit and quantity.
    study : Study
        The design; gives the remission threshold.

    Returns
    -------
    DataFrame
        The columns of :data:`~ketasim.trials.columns.ENDPOINTS`. ``change_*``, ``response``
        and ``remission`` are empty where they have no meaning.
    """
    order = {arm.id: position for position, arm in enumerate(study.arms)}
    at_entry = {str(name): baselines(outcomes, str(name)) for name in outcomes["quantity"].unique()}
    rows = []
    keys = ["replicate", "arm", "quantity", "time_h"]
    for (replicate, arm, quantity, time_h), group in outcomes.groupby(keys, sort=True, observed=True):
        values = group.set_index(["replicate", "arm", "subject"])["value"]
        values = values.dropna()
        start = at_entry[str(quantity)].reindex(values.index)
        change = (values - start).dropna()
        row = {
            "study": study.id,
            "replicate": replicate,
            "arm": arm,
            "quantity": quantity,
            "time_h": time_h,
            "unit": group["unit"].iloc[0],
            "n": len(values),
            "mean": values.mean(),
            "sd": values.std(ddof=1) if len(values) > 1 else np.nan,
            "change_mean": change.mean() if len(change) else np.nan,
            "change_sd": change.std(ddof=1) if len(change) > 1 else np.nan,
            "response": np.nan,
            "remission": np.nan,
        }
        row["se"] = row["sd"] / np.sqrt(row["n"]) if len(values) > 1 else np.nan
        if quantity in SCALE_MAXIMUM and len(change):
            row["response"] = float((values <= (1 - RESPONSE_SHARE) * start)[change.index].mean())
            row["remission"] = float((values <= remission_threshold(study, str(quantity))).mean())
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(ENDPOINTS))
    frame["_order"] = frame["arm"].map(order)
    frame = frame.sort_values(["replicate", "quantity", "_order", "time_h"], kind="stable")
    return frame.drop(columns="_order").reset_index(drop=True)


def contrasts(outcomes: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Split each contrast of an active arm against its control.

    The drug part is severity minus the same persons' with dose zero and the same stress
    path. The expectancy part is the difference in the points that placebo and belief take.
    Chance is what is left: who was drawn into which arm, life stress, the raters.

    Returns
    -------
    DataFrame
        The columns of :data:`~ketasim.trials.columns.CONTRASTS`; empty without a control.
    """
    scale = study.population.baseline.scale
    if all(arm.active for arm in study.arms) or scale != "madrs":
        return pd.DataFrame(columns=list(CONTRASTS))
    start = baselines(outcomes, scale)
    index = ["replicate", "arm", "subject", "time_h"]
    wide = outcomes.pivot_table(index=index, columns="quantity", values="value", observed=True).reset_index()
    wide = wide[wide["time_h"] > 0.0]
    people = pd.MultiIndex.from_frame(wide[["replicate", "arm", "subject"]])
    wide["change"] = wide[scale] - start.reindex(people).to_numpy()
    wide["drug"] = wide["severity"] - wide["severity_without_drug"]
    keys = ["replicate", "arm", "time_h"]
    mean = wide.groupby(keys, observed=True)[["change", "drug", "placebo"]].mean().reset_index()
    controls = {arm.id: control_of(study, arm).id for arm in study.arms if arm.active}
    active = mean[mean["arm"].isin(controls)].assign(comparator=lambda rows: rows["arm"].map(controls))
    other = mean.rename(columns={"arm": "comparator"})
    frame = active.merge(other, on=["replicate", "comparator", "time_h"], suffixes=("", "_control"))
    frame["contrast"] = frame["change"] - frame["change_control"]
    frame["drug_part"] = frame["drug"]
    frame["expectancy_part"] = frame["placebo_control"] - frame["placebo"]
    frame["chance"] = frame["contrast"] - frame["drug_part"] - frame["expectancy_part"]
    frame["study"], frame["quantity"], frame["unit"] = study.id, scale, "points"
    frame["_order"] = frame["arm"].map({arm.id: position for position, arm in enumerate(study.arms)})
    frame = frame.sort_values(["replicate", "_order", "time_h"], kind="stable")
    return frame[list(CONTRASTS)].reset_index(drop=True)


def control_of(study: Study, arm: Arm) -> Arm:
    """The control of an active arm: the one treated at the same times, or else the first one.

    Raises
    ------
    StudyError
        If every arm of the study is active.
    """
    controls = [other for other in study.arms if not other.active]
    if not controls:
        raise StudyError(f"{study.id}: no arm goes without ketamine, so arm {arm.id!r} has no control.")
    times = [dose.start_h for dose in arm.dosing.doses]
    same = [other for other in controls if [dose.start_h for dose in other.dosing.doses] == times]
    return (same or controls)[0]
