"""The result of a trial as the page reads it, from what its trials came to so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.app.jobs.effect import effect_of
from ketasim.app.jobs.groups import group_rows
from ketasim.app.jobs.numbers import plain_json, range_of
from ketasim.app.jobs.rates import Rate, benefit_rates, harm_rates, listed_harms, needed, per_100
from ketasim.app.jobs.staying import curves, staying_words
from ketasim.app.jobs.tally import Tally
from ketasim.report.purpose import PURPOSE
from ketasim.report.words import SCALE_WORDS, number, unit_words
from ketasim.trials.study.statistics import Z95

__all__ = ["About", "trial_result"]

FloatArray = npt.NDArray[np.float64]

_HIT = 2.0
#: Points of a curve of staying well, and people who could not be simulated, that are sent at most.
_POINTS, _FAILURES = 120, 50


@dataclass(frozen=True)
class About:
    """What a run is, beside its numbers.

    Parameters
    ----------
    name : str
        What it is called in the list of runs.
    seed, replicates : int
        Seed, and trials that were asked for.
    command : str
        The call on the command line that gives the same.
    hashes : mapping of str to str
        ``model_hash``, ``parameter_hash`` and ``version``.
    notes : tuple of str
        What a reader must know, in sentences.
    """

    name: str
    seed: int
    replicates: int
    command: str
    hashes: Mapping[str, str]
    notes: tuple[str, ...] = ()


def trial_result(tally: Tally, about: About, *, preliminary: bool, stopped: bool = False) -> dict[str, Any]:
    """Lay the result of a trial out.

    Parameters
    ----------
    tally : Tally
        What the trials came to; at least one.
    about : About
        What the run is.
    preliminary : bool
        Whether more trials are coming.
    stopped : bool
        Whether it was ended before all trials were simulated.

    Returns
    -------
    dict
        Plain data, without a number that is not finite.
    """
    question = tally.question
    benefits, harms = benefit_rates(tally), harm_rates(tally)
    effect = effect_of(tally)
    content: dict[str, Any] = {
        "kind": "trial",
        "name": about.name,
        "preliminary": preliminary,
        "stopped": stopped,
        "seed": about.seed,
        "replicates": tally.trials,
        "replicates_asked": about.replicates,
        "people": tally.people,
        "headline": _headline(tally, benefits),
        "support": "" if effect is None else effect.sentence,
        "uncertainty": "range over trials, 5 % to 95 %" if tally.trials > 1 else "95 % interval of one trial",
        "study": {
            "id": question.study.id,
            "title": question.study.title,
            "citation": question.study.citation,
            "scale": question.scale,
            "scale_label": question.scale_words,
            "horizon_h": question.horizon_h,
            "horizon": question.horizon_words,
            "primary": None if question.planned is None else question.planned.analysis.id,
        },
        "arms": _arms(tally),
        "endpoints": _endpoints(tally),
        "per_100": per_100(question, benefits, harms),
        "nnt": needed(question, benefits),
        "survival": _survival(tally),
        "groups": _groups(tally),
        "harms": listed_harms(question, harms),
        "completers": _completers(tally),
        "power": None if effect is None else effect.power,
        "distribution": None if effect is None else effect.distribution,
        "published": _published(tally),
        **_failures(tally),
        "notes": list(about.notes),
        "command": about.command,
        **about.hashes,
        "disclaimer": PURPOSE,
    }
    found: dict[str, Any] = plain_json(content)
    return found


def _arms(tally: Tally) -> list[dict[str, Any]]:
    question = tally.question
    people = tally.table("flow").groupby("arm")["randomised"].sum() / max(tally.trials, 1)
    return [
        {
            "id": arm.id,
            "name": question.name(arm.id),
            "n": round(float(people.get(arm.id, 0.0)), 1),
            "control": not arm.active,
            "regimen": arm.regimen,
        }
        for arm in question.study.first_arms
    ]


def _headline(tally: Tally, benefits: list[Rate]) -> str:
    question = tally.question
    rate = next((rate for rate in benefits if rate.id == "response"), None)
    treated, control = question.sides
    if rate is None:
        lost = "could not be simulated" if not benefits else f"were rated by {question.horizon_words}"
        return f"Nobody's response is known: too few people {lost}."

    def of_100(arms: tuple[str, ...]) -> tuple[str, str]:
        return question.plain_name(" + ".join(arms)), number(round(_mean(rate.of_100(arms))))

    name, people = of_100(treated)
    told = f"Of 100 people given {name}, {people} respond by {question.horizon_words}"
    if not control:
        return f"{told}."
    other, others = of_100(control)
    return f"{told}; of 100 given {other}, {others}."


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _endpoints(tally: Tally) -> list[dict[str, Any]]:
    rows = tally.table("endpoints")
    found = []
    order = {arm: place for place, arm in enumerate(tally.question.arms)}
    if not len(rows):
        return []
    for (quantity, arm, time_h), own in rows.groupby(["quantity", "arm", "time_h"], sort=True):
        values = own["mean"].to_numpy(dtype=np.float64)
        middle = _mean(values)
        if len(values) > 1:
            low, high = range_of(values)
        else:
            half = Z95 * float(own["se"].iloc[0])
            low, high = middle - half, middle + half
        found.append(
            {
                "name": quantity,
                "label": SCALE_WORDS.get(str(quantity), str(quantity).upper()),
                "visit_h": time_h,
                "arm": arm,
                "estimate": middle,
                "low": low,
                "high": high,
                "unit": unit_words(str(own["unit"].iloc[0])),
                "change": _mean(own["change_mean"].to_numpy(dtype=np.float64)),
                "n": float(own["n"].mean()),
            }
        )
    return sorted(found, key=lambda row: (str(row["name"]), order.get(str(row["arm"]), 99), row["visit_h"]))


def _survival(tally: Tally) -> dict[str, Any] | None:
    rows = tally.table("staying")
    found = curves(rows, tally.question.arms, tally.trials)
    if all(len(curve.time_h) < 2 for curve in found):
        return None
    about, event, since = staying_words(tally.question)
    return {
        "title": "Staying well",
        "about": about,
        "event": event,
        "from": since,
        "curves": [
            {
                "arm": curve.arm,
                "time_h": curve.time_h[shown],
                "s": curve.share[shown],
                "low": curve.low[shown],
                "high": curve.high[shown],
                "at_risk": [
                    {"time_h": float(time), "n": float(n)}
                    for time, n in zip(curve.time_h[shown], curve.at_risk[shown], strict=True)
                ],
            }
            for curve in found
            for shown in (_even(len(curve.time_h)),)
        ],
    }


def _even(count: int) -> npt.NDArray[np.int64]:
    """Places of so many points as are sent, first and last among them."""
    if count <= _POINTS:
        return np.arange(count)
    return np.linspace(0, count - 1, _POINTS).round().astype(np.int64)


def _groups(tally: Tally) -> list[dict[str, Any]]:
    sums = tally.table("groups")
    rows = tally.single
    if tally.trials > 1 and "side" in sums:
        rows = group_rows(sums)
    return [
        {
            "group": row.covariate,
            "level": row.name,
            "n": row.treated,
            "n_comparator": row.control,
            "estimate": row.value,
            "low": row.low,
            "high": row.high,
            "unit": "points",
        }
        for row in rows
    ]


def _completers(tally: Tally) -> list[dict[str, Any]]:
    flow, reasons = tally.table("flow"), tally.table("reasons")
    trials = max(tally.trials, 1)
    found = []
    for arm in tally.question.arms:
        own = flow[flow["arm"] == arm]
        why: pd.Series = pd.Series(dtype=float)
        if len(reasons):
            why = reasons[reasons["arm"] == arm].groupby("reason")["n"].sum() / trials
        found.append(
            {
                "arm": arm,
                **{
                    name: float(own[name].sum()) / trials
                    for name in ("randomised", "completed", "not_simulated")
                },
                "reasons": [
                    {"reason": str(reason), "n": float(n)}
                    for reason, n in why.sort_values(ascending=False, kind="stable").items()
                ],
            }
        )
    return found


def _published(tally: Tally) -> list[dict[str, Any]]:
    rows = tally.table("published")
    if not len(rows):
        return []
    found = []
    for _, own in rows.groupby("id", sort=False):
        first = own.iloc[0]
        values = own["predicted"].to_numpy(dtype=np.float64)
        middle = _mean(values)
        several = int(np.isfinite(values).sum()) > 1
        error = float(np.nanstd(values, ddof=1)) if several else float(first["predicted_se"])
        low, high = range_of(values) if several else (middle - Z95 * error, middle + Z95 * error)
        known = float(first["observed_se"])
        spread = math.hypot(known, error)
        z = (float(first["observed"]) - middle) / spread if spread > 0.0 else math.nan
        found.append(
            {
                **{name: first[name] for name in ("id", "arm", "comparator", "quantity", "statistic")},
                "time_h": float(first["time_h"]),
                "unit": unit_words(str(first["unit"])),
                "observed": float(first["observed"]),
                "low": float(first["observed"]) - Z95 * known,
                "high": float(first["observed"]) + Z95 * known,
                "predicted": middle,
                "predicted_low": low,
                "predicted_high": high,
                "z": z,
                "hit": abs(z) <= _HIT if math.isfinite(z) else None,
                "use": first["use"],
                "citation": first["citation"],
            }
        )
    return found


def _failures(tally: Tally) -> dict[str, Any]:
    rows = tally.table("failures")
    return {
        "failures": [
            {"replicate": int(row["replicate"]), "subject": int(row["subject"]), "reason": str(row["reason"])}
            for row in rows.head(_FAILURES).to_dict("records")
        ],
        "failures_total": len(rows),
    }
