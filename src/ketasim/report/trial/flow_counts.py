"""Who went where in a trial: the counts behind its flow of participants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketasim.report.trial.tables import Trial, column_at, event_words, first_arms, rated_times, scores
from ketasim.trials.study import Study

__all__ = ["ArmFlow", "TrialFlow", "trial_flow"]

_KEYS = ["replicate", "arm", "subject"]
_DROPOUTS = {"lack_of_efficacy": "lack of efficacy", "adverse_event": "adverse event"}
_FAILURE = "screen_failures: "


@dataclass(frozen=True)
class ArmFlow:
    """What happened to the people while they were in one arm.

    Parameters
    ----------
    entered : int
        People who ever entered it.
    sources, targets : mapping of str to int
        Moves from and to other arms; who comes twice is counted twice.
    rescued : mapping of str to int
        Those of ``targets`` that were rescue treatment.
    withdrawn, stopped : mapping of str to int
        People who left the trial, and whose treatment ended, by reason.
    missing : int
        People who could not be simulated.
    stayed : int
        People who were in this arm at the end of the trial.
    """

    entered: int
    sources: Mapping[str, int]
    targets: Mapping[str, int]
    rescued: Mapping[str, int]
    withdrawn: Mapping[str, int]
    stopped: Mapping[str, int]
    missing: int
    stayed: int


@dataclass(frozen=True)
class TrialFlow:
    """The flow of a whole trial.

    Parameters
    ----------
    screened : int or None
        Candidates seen; None if the table does not say.
    refused : mapping of str to int
        Candidates who did not meet a criterion, by criterion; one candidate may count for several.
    randomised : mapping of str to int
        People by first arm.
    arms : mapping of str to ArmFlow
        All arms.
    time_h : float or None
        The last visit with a rating, hours.
    analysed : mapping of str to int
        People rated then, by first arm.
    """

    screened: int | None
    refused: Mapping[str, int]
    randomised: Mapping[str, int]
    arms: Mapping[str, ArmFlow]
    time_h: float | None
    analysed: Mapping[str, int]


def trial_flow(trial: Trial, study: Study, *, time_h: float | None = None) -> TrialFlow:
    """Count the flow of the people of one trial.

    Parameters
    ----------
    trial : Trial
        One replicate.
    study : Study
        The design.
    time_h : float, optional
        The visit of the analysis, hours; without it, the last one with a rating.
    """
    people = trial.patients
    screened = None
    if "screened" in people.columns and len(people):
        screened = int(people["screened"].sum())
    refused = {
        column.removeprefix(_FAILURE): int(people[column].sum())
        for column in people.columns
        if str(column).startswith(_FAILURE)
    }
    ids = first_arms(study)
    scale = study.population.baseline.scale
    times = rated_times(trial.outcomes, scale)
    when = time_h if time_h is not None else (times[-1] if times else None)
    analysed = dict.fromkeys(ids, 0)
    if when is not None:
        wide = scores(trial.outcomes, scale)
        arm = wide.index.get_level_values("arm").to_numpy()
        rated = np.isfinite(column_at(wide, when))
        analysed = {name: int((rated & (arm == name)).sum()) for name in ids}
    return TrialFlow(
        screened,
        {reason: count for reason, count in refused.items() if count},
        {arm: int((people["arm"] == arm).sum()) for arm in ids},
        _arm_flows(trial, study),
        when,
        analysed,
    )


def _arm_flows(trial: Trial, study: Study) -> dict[str, ArmFlow]:
    moves = _moves(trial)
    people = trial.patients
    ends = moves.drop_duplicates(_KEYS, keep="last").set_index(_KEYS)["treatment"]
    keys = pd.MultiIndex.from_frame(people[_KEYS])
    last = ends.reindex(keys).fillna(pd.Series(people["arm"].to_numpy(), index=keys)).to_numpy()
    status = people["status"].to_numpy()
    found = {}
    for arm in (item.id for item in study.arms):
        into, out = moves[moves["treatment"] == arm], moves[moves["source"] == arm]
        first = people.loc[people["arm"] == arm, _KEYS]
        came = pd.concat([first, into[_KEYS]]).drop_duplicates()
        found[arm] = ArmFlow(
            len(came),
            _tally(into["source"]),
            _tally(out["treatment"]),
            _tally(out.loc[out["kind"] == "rescue", "treatment"]),
            _reasons(trial, study, arm, "withdrawn"),
            _reasons(trial, study, arm, "stopped"),
            int(((last == arm) & (status == "not simulated")).sum()),
            int(((last == arm) & (status == "completed")).sum()),
        )
    return found


def _moves(trial: Trial) -> pd.DataFrame:
    """Switches and rescues in order, with the arm from which a person came.

    The ``treatment`` of a move is the arm that was entered.
    """
    rows = trial.events[trial.events["kind"].isin(["switch", "rescue"])]
    rows = rows.sort_values([*_KEYS, "time_h"], kind="stable")
    before = rows.groupby(_KEYS, observed=True)["treatment"].shift()
    return rows.assign(source=before.fillna(rows["arm"]).astype(str))


def _reasons(trial: Trial, study: Study, arm: str, kind: str) -> dict[str, int]:
    rows = trial.events[(trial.events["kind"] == kind) & (trial.events["treatment"] == arm)]
    # A rule gives its reason in words; a drop-out is known by its id.
    words = {item.id: _DROPOUTS.get(item.kind, "dropped out") for item in study.dropout}
    return _tally(rows.drop_duplicates(_KEYS)["detail"].map(lambda text: words.get(text, event_words(text))))


def _tally(values: pd.Series) -> dict[str, int]:
    counts = values.value_counts()
    ordered = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return {str(name): int(count) for name, count in ordered}
