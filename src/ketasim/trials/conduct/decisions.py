"""What rules do with the persons of a trial at a visit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ketasim.population import uniforms
from ketasim.trials.conduct.allocation import block_labels
from ketasim.trials.study.conditions import Condition
from ketasim.trials.study.flow import Action, DecisionRule

__all__ = ["Seen", "Who", "assigned", "due", "holds", "strata_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Times closer than this, in h, are one.
_SAME_TIME_H = 1e-6


@dataclass(frozen=True)
class Who:
    """Names the random numbers of persons.

    Parameters
    ----------
    seed : int
        Of the run.
    study : str
        Id of the study.
    replicate, subject : array of int, shape (persons,)
        Which trial, and which person in it.
    """

    seed: int
    study: str
    replicate: IntArray
    subject: IntArray
    _drawn: dict[tuple[str | int, ...], FloatArray] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.subject)

    def uniforms(self, *purpose: str | int) -> FloatArray:
        """One number in (0, 1) for each person and purpose."""
        if purpose not in self._drawn:
            found = uniforms(self.seed, self.study, self.replicate, self.subject, *purpose)
            self._drawn[purpose] = found
        return self._drawn[purpose]


@dataclass(frozen=True)
class Seen:
    """What is known of persons at a visit.

    Parameters
    ----------
    time_h : float
        The visit.
    values, peaks : mapping of str to array, shape (persons,)
        Rated scales and measured quantities now, and the largest since the visit before.
    covariates : mapping of str to array
        As at entry.
    entry, arm_entry : mapping of str to array
        Each rated scale at entry, and on entering the current arm.
    remission : mapping of str to float
        Largest total that counts as remission.
    scale : str
        The study's own scale.
    doses : array of int
        Treatment visits in the current arm.
    """

    time_h: float
    values: Mapping[str, FloatArray]
    peaks: Mapping[str, FloatArray]
    covariates: Mapping[str, FloatArray]
    entry: Mapping[str, FloatArray]
    arm_entry: Mapping[str, FloatArray]
    remission: Mapping[str, float]
    scale: str
    doses: IntArray


def _compared(values: FloatArray, condition: Condition) -> BoolArray:
    """Compare numbers with a condition's value; a missing one meets nothing."""
    with np.errstate(invalid="ignore"):
        found = {
            ">=": values >= condition.value,
            "<=": values <= condition.value,
            ">": values > condition.value,
            "<": values < condition.value,
        }[condition.operator]
    return np.asarray(found, dtype=bool)


def holds(condition: Condition, seen: Seen, who: Who, purpose: str) -> BoolArray:
    """Tell for each person whether a condition holds.

    Parameters
    ----------
    condition : Condition
        The condition.
    seen : Seen
        What is known.
    who : Who
        For conditions of chance.
    purpose : str
        Names the chance, so that two rules draw apart.

    Returns
    -------
    array of bool
        Nothing holds, and no negation of it, where the score is missing.
    """
    subject = condition.subject or seen.scale
    reference = seen.arm_entry if condition.since == "arm" else seen.entry
    if condition.form == "chance":
        return who.uniforms("chance", purpose, f"{seen.time_h:.6g}") < condition.value
    if condition.form == "doses":
        return _compared(seen.doses.astype(np.float64), condition)
    if condition.is_covariate:
        return _compared(seen.covariates[subject], condition)
    if condition.form == "peak":
        return _compared(seen.peaks[subject], condition)
    values = seen.values[subject]
    if condition.form == "remission":
        found = values <= seen.remission[subject]
    elif condition.form == "change":
        found = _compared(values - reference[subject], condition)
    elif condition.form in ("improvement", "response"):
        start = reference[subject]
        share = np.divide(start - values, start, out=np.zeros_like(values), where=start > 0.0)
        found = _compared(np.where(np.isnan(values), np.nan, share), condition)
    else:
        found = _compared(values, condition)
    known = ~np.isnan(values)
    return np.asarray((~found if condition.negated else found) & known, dtype=bool)


def due(rule: DecisionRule, time_h: float, entered_h: FloatArray) -> BoolArray:
    """Tell for each person whether a rule is checked at a visit."""
    later = time_h > entered_h + _SAME_TIME_H
    if not rule.at:
        return later
    if rule.clock == "study":
        hit = any(abs(time_h - at) < _SAME_TIME_H for at in rule.at_h)
        return later & hit
    since = (time_h - entered_h)[:, None] - np.array(rule.at_h)[None, :]
    return np.asarray(later & (np.abs(since) < _SAME_TIME_H).any(axis=1), dtype=bool)


def strata_of(conditions: Sequence[Condition], seen: Seen, who: Who, purpose: str) -> npt.NDArray[np.str_]:
    """Label of each person's stratum: which of the conditions hold, as ``"10"``."""
    labels = np.full(len(who), "", dtype=object)
    for place, condition in enumerate(conditions):
        met = holds(condition, seen, who, f"{purpose} stratum {place}")
        labels = labels + np.where(met, "1", "0").astype(object)
    return labels.astype(np.str_)


def assigned(action: Action, seen: Seen, who: Who, purpose: str) -> npt.NDArray[np.str_]:
    """Arm that each person is led to by an action that leads to one.

    With blocks, each person's place on the list of his stratum is his number in the trial: the
    list is drawn before the trial begins, as a sealed list is, so that nobody's arm depends on
    who else came so far.
    """
    targets = action.targets
    if action.kind != "randomise":
        return np.full(len(who), targets[0])
    weights = action.weights
    if action.block is None:
        names = sorted(weights)
        edges = np.cumsum([weights[name] for name in names])[:-1]
        places = np.searchsorted(edges, who.uniforms("randomise", purpose), side="right")
        return np.array(names, dtype=np.str_)[places]
    strata = strata_of(action.conditions, seen, who, purpose)
    found = np.empty(len(who), dtype=object)
    for replicate in np.unique(who.replicate).tolist():
        for stratum in np.unique(strata).tolist():
            members = np.flatnonzero((who.replicate == replicate) & (strata == stratum))
            if len(members):
                key = (who.study, replicate, "randomise", purpose, stratum)
                last = int(who.subject[members].max())
                ratio = action.randomise or weights
                labels = block_labels(ratio, action.block, last, key, who.seed)
                found[members] = [labels[subject - 1] for subject in who.subject[members].tolist()]
    return found.astype(np.str_)
