"""Of 100 people in each arm: response, remission and harms, with numbers needed to treat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.app.jobs.numbers import range_of, wilson_100
from ketasim.app.jobs.question import TrialQuestion
from ketasim.app.jobs.tally import Tally
from ketasim.trials.analysis.binary import risk_difference
from ketasim.trials.harms.events import load_harms

__all__ = ["Rate", "benefit_rates", "harm_rates", "listed_harms", "needed", "per_100"]

FloatArray = npt.NDArray[np.float64]

#: Harms that stand beside the benefit: id on the page, words, and the harm of the trial.
_BESIDE = (
    ("dissociation", "Dissociation", "dissociation"),
    ("nausea", "Nausea", "nausea"),
    ("severe_blood_pressure", "Severe rise of blood pressure", "systolic_rise_40"),
    ("sedation", "Sedation", "sedation"),
)
#: Harms of fewer people in every arm are not listed, of 100.
_LISTED = 0.5


@dataclass(frozen=True)
class Rate:
    """How many people of each trial something happened to, by arm.

    Parameters
    ----------
    id, label : str
        Name, and words.
    benefit : bool
        Whether it is wished for.
    people, n : DataFrame
        Index replicate, columns arms: people with it, and people in all.
    """

    id: str
    label: str
    benefit: bool
    people: pd.DataFrame
    n: pd.DataFrame

    def of_100(self, arms: Sequence[str]) -> FloatArray:
        """People of 100 in some arms together, in each trial."""
        known = [arm for arm in arms if arm in self.n]
        people = self.people.reindex(columns=known, index=self.n.index).fillna(0.0).sum(axis=1)
        n = self.n[known].sum(axis=1).to_numpy(dtype=np.float64)
        share = people.to_numpy(dtype=np.float64) / np.where(n > 0.0, n, np.nan)
        return np.asarray(100.0 * share, dtype=np.float64)

    def limits(self, arms: Sequence[str]) -> tuple[float, float]:
        """Range of :meth:`of_100` over trials, or the interval of 95 % of a single one."""
        if len(self.n) > 1:
            return range_of(self.of_100(arms))
        return wilson_100(*self._counts(arms))

    def _counts(self, arms: Sequence[str]) -> tuple[float, float]:
        known = [arm for arm in arms if arm in self.n]
        people = self.people.reindex(columns=known).fillna(0.0).to_numpy(dtype=np.float64).sum()
        return float(people), float(self.n[known].to_numpy(dtype=np.float64).sum())

    def difference(self, arms: Sequence[str], others: Sequence[str]) -> tuple[float, float, float]:
        """Difference in people of 100 between arms, with its range or interval."""
        each = self.of_100(arms) - self.of_100(others)
        known = each[np.isfinite(each)]
        if not len(known):
            return math.nan, math.nan, math.nan
        if len(self.n) > 1:
            return float(known.mean()), *range_of(known)
        one, other = self._counts(arms), self._counts(others)
        found = risk_difference(round(one[0]), round(one[1]), round(other[0]), round(other[1]))
        return 100.0 * found.value, 100.0 * found.low, 100.0 * found.high


def benefit_rates(tally: Tally) -> list[Rate]:
    """Response and remission at the horizon, among the people who were rated then."""
    question = tally.question
    rows = tally.table("endpoints")
    if not len(rows):
        return []
    at = np.isclose(rows["time_h"].to_numpy(dtype=np.float64), question.horizon_h)
    own = rows[at & (rows["quantity"] == question.scale).to_numpy()]
    found = []
    for name, label in (("response", "Response"), ("remission", "Remission")):
        n = own.pivot(index="replicate", columns="arm", values="n").astype(float)
        share = own.pivot(index="replicate", columns="arm", values=name).astype(float)
        if share.notna().to_numpy().any():
            found.append(Rate(name, label, True, share.fillna(0.0) * n, n))
    return found


def harm_rates(tally: Tally) -> list[Rate]:
    """Every adverse event that somebody had, by the share of people in the arm that has most."""
    flow, rows = tally.table("flow"), tally.table("harms")
    if not len(rows):
        return []
    n = flow.pivot(index="replicate", columns="arm", values="randomised").astype(float)
    found = []
    for harm, own in rows.groupby("harm", sort=True):
        people = own.pivot(index="replicate", columns="arm", values="persons").astype(float)
        people = people.reindex(index=n.index, columns=n.columns).fillna(0.0)
        known = load_harms().get(str(harm))
        label = str(harm).replace("_", " ").capitalize() if known is None else known.term
        found.append(Rate(str(harm), label, False, people, n))
    return sorted(found, key=_most, reverse=True)


def _most(rate: Rate) -> float:
    return max(float(np.nanmean(rate.of_100([arm]))) for arm in rate.n.columns)


def per_100(question: TrialQuestion, benefits: Sequence[Rate], harms: Sequence[Rate]) -> list[dict[str, Any]]:
    """Benefit beside harm, a row a rate with each arm's people of 100."""
    rows = [(rate.id, rate.label, rate) for rate in benefits]
    known = {rate.id: rate for rate in harms}
    rows += [(name, label, known[harm]) for name, label, harm in _BESIDE if harm in known]
    return [
        {
            "id": name,
            "label": label,
            "benefit": rate.benefit,
            "horizon_h": question.horizon_h if rate.benefit else max(question.study.times_h),
            "arms": [_of_arm(rate, arm) for arm in question.arms if arm in rate.n],
        }
        for name, label, rate in rows
    ]


def _of_arm(rate: Rate, arm: str) -> dict[str, Any]:
    low, high = rate.limits([arm])
    return {"arm": arm, "value": float(np.nanmean(rate.of_100([arm]))), "low": low, "high": high}


def listed_harms(question: TrialQuestion, harms: Sequence[Rate]) -> list[dict[str, Any]]:
    """The table of harms: each arm's people of 100, and the difference from the control."""
    control = "+".join(question.sides[1])
    rows = []
    for rate in harms:
        if _most(rate) < _LISTED:
            continue
        arms = []
        for arm in question.arms:
            if arm not in rate.n:
                continue
            compared = bool(control) and arm not in question.sides[1]
            gap = rate.difference([arm], question.sides[1])[0] if compared else math.nan
            nnh = 100.0 / gap if math.isfinite(gap) and abs(gap) > 1e-9 else math.nan
            shown = _of_arm(rate, arm)
            shown["per_100"] = shown.pop("value")
            arms.append({**shown, "difference": gap, "nnh": nnh})
        rows.append({"id": rate.id, "label": rate.label, "comparator": control or None, "arms": arms})
    return rows


def needed(question: TrialQuestion, benefits: Sequence[Rate]) -> dict[str, Any] | None:
    """Number needed to treat for one more response; None without a control or such a rate."""
    treated, control = question.sides
    rate = next((rate for rate in benefits if rate.id == "response"), None)
    if rate is None or not control:
        return None
    gap, low, high = rate.difference(treated, control)
    if not math.isfinite(gap) or abs(gap) < 1e-9:
        return None
    direction = "benefit" if gap > 0.0 else "harm"
    sure = math.isfinite(low) and math.isfinite(high) and low * high > 0.0
    limits = sorted((100.0 / abs(low), 100.0 / abs(high))) if sure else [math.nan, math.nan]
    value = 100.0 / abs(gap)
    more = "more" if gap > 0.0 else "fewer"
    ranged = (
        f"range {limits[0]:.3g} to {limits[1]:.3g}" if sure else "the range runs through no difference at all"
    )
    return {
        "value": value,
        "low": limits[0],
        "high": limits[1],
        "horizon_h": question.horizon_h,
        "event": rate.id,
        "arm": "+".join(treated),
        "comparator": "+".join(control),
        "direction": direction,
        "sentence": f"For one {more} response by {question.horizon_words}, {value:.3g} people are treated "
        f"({ranged}).",
    }
