"""A trial seen from the entry into one of its phases: who entered which arm, and what came after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from ketasim.report.trial.tables import Tables, Trial, first_arms, one_trial
from ketasim.trials.study import Study

__all__ = ["phase_entries", "trial_from"]

_KEYS = ["replicate", "arm", "subject"]
_SAME_TIME_H = 1e-6


def phase_entries(trial: Trial, study: Study, origin: str) -> tuple[pd.Series, pd.Series]:
    """Find who entered which arm of a phase first, and when.

    Parameters
    ----------
    trial : Trial
        One replicate, from entry.
    study : Study
        The design.
    origin : str
        ``entry``, or the label of a phase.

    Returns
    -------
    arm, entered_h : Series
        The arm and the time (hours from the first dose); indexed by replicate, randomised arm and
        subject. People who never entered the phase are left out.

    Raises
    ------
    StudyError
        If no arm has that phase.
    """
    keys = pd.MultiIndex.from_frame(trial.patients[_KEYS])
    arm = pd.Series(trial.patients["arm"].astype(object).to_numpy(), index=keys)
    if origin == "entry":
        return arm, pd.Series(0.0, index=keys)
    inside = first_arms(study, origin)
    moves = trial.events[trial.events["kind"].isin(["switch", "rescue"])]
    moves = moves[moves["treatment"].isin(inside)].sort_values("time_h", kind="stable")
    first = moves.drop_duplicates(_KEYS).set_index(_KEYS)
    started = arm[arm.isin([item for item in inside if study.arm(item).n is not None])]
    group = pd.concat([started, first["treatment"].astype(object)])
    when = pd.concat([pd.Series(0.0, index=started.index), first["time_h"].astype(float)])
    keep = ~group.index.duplicated()
    return group[keep].sort_index(), when[keep].sort_index()


def trial_from(tables: Tables, study: Study, replicate: int | None = None, origin: str = "entry") -> Trial:
    """Take one replicate, and let its times and changes count from entering a phase.

    Parameters
    ----------
    tables : Tables
        Of one study.
    study : Study
        The design.
    replicate : int, optional
        Its number; without one, the first.
    origin : str
        ``entry``, or the label of a phase: ``arm`` is then the arm of it that a person entered
        first, times count from there, and the score at entry is the last one up to then. People
        who never entered the phase are left out.

    Returns
    -------
    Trial

    Raises
    ------
    StudyError
        If there is no such replicate, or no arm has that phase.
    """
    trial = one_trial(tables, replicate)
    if origin == "entry":
        return trial
    group, entered = phase_entries(trial, study, origin)

    def shifted(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        keys = pd.MultiIndex.from_frame(frame[_KEYS].assign(arm=frame["arm"].astype(str)))
        arm, start = group.reindex(keys).to_numpy(), entered.reindex(keys).to_numpy(dtype=np.float64)
        inside = np.isfinite(start)
        return frame.assign(arm=arm)[inside], start[inside]

    patients, start = shifted(trial.patients)
    left = pd.to_numeric(patients["left_h"], errors="coerce").to_numpy(dtype=np.float64) - start
    events, start = shifted(trial.events)
    events = events.assign(time_h=events["time_h"].to_numpy(dtype=np.float64) - start)
    outcomes, start = shifted(trial.outcomes)
    outcomes = outcomes.assign(time_h=outcomes["time_h"].to_numpy(dtype=np.float64) - start)
    # The move into the phase itself is no event of it.
    moved = events["kind"].isin(["switch", "rescue"]) & (events["time_h"] < _SAME_TIME_H)
    return replace(
        trial,
        patients=patients.assign(left_h=left),
        outcomes=_with_entry(outcomes),
        events=events[(events["time_h"] > -_SAME_TIME_H) & ~moved],
        origin=origin,
    )


def _with_entry(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Keep what comes after time 0, and the last score up to then as the score at entry."""
    later = outcomes[outcomes["time_h"] > _SAME_TIME_H]
    before = outcomes[(outcomes["time_h"] <= _SAME_TIME_H) & outcomes["value"].notna()]
    before = before[before["statistic"] == "score"].sort_values("time_h", kind="stable")
    last = before.drop_duplicates([*_KEYS, "quantity"], keep="last")
    return pd.concat([last.assign(time_h=0.0), later])
