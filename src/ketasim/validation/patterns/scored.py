"""Patterns of what is scored: placebo by setting, masking, the spread between patients, and null trials."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ketasim.trials.analysis.ancova import ancova_many
from ketasim.trials.analysis.dunnett import dunnett_p
from ketasim.trials.study import Study
from ketasim.validation.bench import Bench
from ketasim.validation.patterns.first import one_infusion
from ketasim.validation.patterns.pattern import (
    Found,
    Pattern,
    at_least,
    at_most,
    between,
    pattern,
    told,
)
from ketasim.validation.patterns.picture import Band, Bars, Curve, Panel, Picture
from ketasim.validation.patterns.virtual import Arm, trial

__all__ = ["PATTERNS", "null_share", "skewness", "two_humps"]

FloatArray = npt.NDArray[np.float64]

_DAY = 24.0
_PEOPLE = 300
#: Simulated trials of the published size: the standard error of a share of one half is 0.06.
_TRIALS = 60
_ALPHA = 0.05
#: Arms, comparator first, with the hour of the outcome that each trial was judged by.
_JUDGED = {
    "takahashi2021": (("placebo", "esketamine_28", "esketamine_56", "esketamine_84"), 27.0 * _DAY),
    "lii2023": (("saline", "ketamine"), _DAY),
    "murrough2013": (("midazolam", "ketamine"), _DAY),
}


def _new_drug(bench: Bench) -> float:
    """Change over four weeks with a new oral drug and placebo spray, from the start of the induction."""
    sizes = {"lead_in": 2 * _PEOPLE}
    since = trial(bench, "popova2019", sizes).matrix("madrs").since(("placebo", "placebo_more"), 27.0 * _DAY)
    moved = since.values - since.start
    return float(np.nanmean(moved)) if np.isfinite(moved).any() else math.nan


@pattern("placebo", "11b", "Placebo follows the setting, and is larger at 2 h than at 24 h")
def _placebo(bench: Bench) -> Found:
    spray = Arm(trial(bench, "daly2018", {"placebo": _PEOPLE}), "placebo")
    at_2h, at_24h = (float(spray.change(hours).mean()) for hours in (2.0, _DAY))
    saline = float(one_infusion(bench, "saline").change(_DAY).mean())
    course = trial(bench, "singh2016", _PEOPLE, twin=True)
    late = float(Arm(course, "saline_2x + saline_3x").change(14.0 * _DAY).mean())
    care = float(Arm(trial(bench, "fu2020", {"placebo": _PEOPLE}), "placebo").change(_DAY).mean())
    oral = _new_drug(bench)
    checks = (
        between("TRD, saline, at 24 h", saline, -6.0, -3.0, "points", "the model's description: -3 to -6"),
        between(
            "TRD, saline two or three times a week, at day 15",
            late,
            -7.3,
            -1.5,
            "points",
            "published -5.7 and -3.1 (singh2016freq): their mean with its 95 % interval",
        ),
        between(
            "care in hospital, at 24 h", care, -16.0, -8.0, "points", "published -12.8 (fu2020), about -12"
        ),
        between(
            "new oral drug, at day 28",
            oral,
            -20.0,
            -12.0,
            "points",
            "published -17.0 (popova2019), about -16",
        ),
        at_least(
            "fall at 2 h over that at 24 h, placebo spray",
            at_2h / at_24h,
            1.1,
            note="published 9.7 over 5.7 (daly2018)",
        ),
    )
    names = (
        "saline, 24 h",
        "saline, 2 or 3 a week, day 15",
        "in hospital, 24 h",
        "new oral drug, day 28",
        "placebo spray, 2 h",
        "placebo spray, 24 h",
    )
    bars = Bars(names, (saline, late, care, oral, at_2h, at_24h), (math.nan, -4.4, -12.8, -17.0, -9.7, -5.7))
    panel = Panel("Change in arms without ketamine", "", "MADRS, points", bars=bars)
    return Found(checks, Picture((panel,)))


def _unmasked(study: Study) -> Study:
    arms = tuple(arm.model_copy(update={"masked": False}) for arm in study.arms)
    return study.model_copy(update={"arms": arms})


def _contrast(outcomes: tuple[Arm, Arm], time_h: float) -> float:
    return float(outcomes[0].change(time_h).mean() - outcomes[1].change(time_h).mean())


@pattern("masking", "11b", "Masking acts on what is felt, never on biology: a masked trial shows little")
def _masking(bench: Bench) -> Found:
    days = (1.0, 2.0, 3.0, 5.0, 7.0, 14.0)
    found = {}
    for words, edit in (("masked", None), ("not masked", _unmasked)):
        seen = trial(bench, "lii2023", _PEOPLE, twin=True, edit=edit, edited="" if edit is None else words)
        found[words] = (Arm(seen, "ketamine"), Arm(seen, "saline"))
    own = {words: float(arms[0].effect(_DAY).mean()) for words, arms in found.items()}
    contrasts = {words: [_contrast(arms, day * _DAY) for day in days] for words, arms in found.items()}
    moved, low, high, null = _trials_of(bench, "lii2023")
    # Changes from entry: 25.1 to 12.7 with ketamine, 29.9 to 16.4 with saline (CLIN0070, 71, 77, 78).
    published = (12.7 - 25.1) - (16.4 - 29.9)
    checks = (
        at_most(
            "what masking does to the drug's own effect at day 1",
            abs(own["masked"] - own["not masked"]),
            0.01,
            "points",
        ),
        at_least(
            "ketamine minus saline at day 1, masked less not masked",
            contrasts["masked"][0] - contrasts["not masked"][0],
            0.5,
            "points",
            "masking takes away what belief adds",
        ),
        between(
            "published contrast at day 1 in the middle 95 % of trials of its size (0 to 1)",
            float(np.mean(moved <= published)),
            0.025,
            0.975,
            "",
            f"published {published:+.1f} points; simulated trials {low:+.1f} to {high:+.1f}",
        ),
        at_least(
            "share of trials of its size without a difference at day 1", null, 0.2, note="the trial was null"
        ),
    )
    panel = Panel(
        f"lii2023, {_PEOPLE} an arm",
        "time from the infusion, d",
        "ketamine minus saline, MADRS points",
        tuple(Curve.of(words, days, values, quiet=words != "masked") for words, values in contrasts.items()),
        bands=(Band("trials of 20 an arm, day 1, middle 95 %", low, high),),
    )
    return Found(checks, Picture((panel,)))


def _table(bench: Bench, name: str) -> tuple[FloatArray, npt.NDArray[np.int64], FloatArray, int]:
    """Changes, codes of arms and totals at entry, shape (trials, persons); and the number of doses."""
    arms, hours = _JUDGED[name]
    found = trial(bench, name, None, replicates=_TRIALS, between=True).matrix("madrs")
    place = int(np.argmin(np.abs(found.times_h - hours)))
    codes = np.array([arms.index(str(word)) if word in arms else -1 for word in found.words])[found.arm_code]
    shape = (_TRIALS, len(codes) // _TRIALS)
    change = (found.values[:, place] - found.entry).reshape(shape)
    return change, codes.reshape(shape), found.entry.reshape(shape), len(arms) - 1


def null_share(bench: Bench, name: str) -> float:
    """Share of simulated trials of the published size without a significant difference from control.

    Analysis of covariance with the total at entry; several doses are adjusted by Dunnett's procedure. Trials
    differ by their people and by an effect of the study.
    """
    change, codes, entry, doses = _table(bench, name)
    result = ancova_many(change, codes, entry[..., None])
    if doses == 1:
        return float(np.mean(result.p[:, 0] > _ALPHA))
    null = []
    for row in range(len(result.p)):
        sizes = result.n[row]
        adjusted = dunnett_p(result.statistic[row], sizes[1:], float(sizes[0]), float(result.df[row]))
        null.append(bool((adjusted > _ALPHA).all()))
    return float(np.mean(null))


def _trials_of(bench: Bench, name: str) -> tuple[FloatArray, float, float, float]:
    """Raw contrasts of simulated trials, their middle 95 %, and the share that is null."""
    change, codes, _, _ = _table(bench, name)
    moved = np.array(
        [
            np.nanmean(row[code == 1]) - np.nanmean(row[code == 0])
            for row, code in zip(change, codes, strict=True)
        ]
    )
    low, high = np.quantile(moved, (0.025, 0.975))
    return moved, float(low), float(high), null_share(bench, name)


@pattern("nulls", "11b", "Some trials of a drug that works are null, as the Japanese trial was")
def _nulls(bench: Bench) -> Found:
    shares = {name: null_share(bench, name) for name in _JUDGED}
    change, codes, _, doses = _table(bench, "takahashi2021")
    means = [float(np.nanmean(change[codes == code])) for code in range(doses + 1)]
    checks = (
        between(
            "share of Japanese trials (takahashi2021) in which no dose differs",
            shares["takahashi2021"],
            0.05,
            0.95,
            "",
            f"the trial was null; {_TRIALS} trials of its size, ANCOVA with Dunnett's adjustment",
        ),
        between("share of trials under anaesthesia (lii2023) that are null", shares["lii2023"], 0.05, 0.95),
        between(
            "share of trials against midazolam (murrough2013) that are null",
            shares["murrough2013"],
            0.01,
            0.5,
            "",
            "the trial found a difference",
        ),
        told("mean change on placebo spray, Japanese trials", means[0], "points", "published -15.3"),
        told("mean change on 56 mg, Japanese trials", means[2], "points", "published -14.5"),
        told("mean change on 84 mg, Japanese trials", means[3], "points", "published -15.1"),
    )
    names = ("takahashi2021 (null)", "lii2023 (null)", "murrough2013 (found one)")
    bars = Bars(names, tuple(100.0 * share for share in shares.values()))
    panel = Panel(f"Null among {_TRIALS} simulated trials of the published size", "", "%", bars=bars)
    return Found(checks, Picture((panel,)))


def skewness(values: FloatArray) -> float:
    """Third standardised moment."""
    centred = values - values.mean()
    return float((centred**3).mean() / (centred**2).mean() ** 1.5)


def two_humps(values: FloatArray) -> float:
    """Sarle's coefficient of bimodality: 1/3 for a normal, 5/9 for a uniform, 1 for two points."""
    centred = values - values.mean()
    count = len(values)
    kurtosis = float((centred**4).mean() / (centred**2).mean() ** 2) - 3.0
    correction = 3.0 * (count - 1.0) ** 2 / ((count - 2.0) * (count - 3.0))
    return (skewness(values) ** 2 + 1.0) / (kurtosis + correction)


def _explained(effect: FloatArray, parts: FloatArray) -> float:
    """Share of the variance of an effect that a line through some quantities explains."""
    design = np.column_stack([np.ones(len(effect)), parts])
    fitted = design @ np.linalg.lstsq(design, effect, rcond=None)[0]
    return float(1.0 - ((effect - fitted) ** 2).sum() / ((effect - effect.mean()) ** 2).sum())


@pattern(
    "spread", "11", "Between patients changes have an SD of 10 to 15, skewed or two-humped, arising upstream"
)
def _spread(bench: Bench) -> Found:
    arm = one_infusion(bench, "ketamine")
    change, effect = arm.change(_DAY), arm.effect(_DAY)
    entry = float(np.nanstd(arm.at(0.0), ddof=1))
    skew, humps = abs(skewness(effect)), two_humps(effect)
    parts = np.stack([arm.at(_DAY, name) for name in ("fast_arm", "spine_density")], axis=1)
    whole = arm.at(_DAY, "severity") - arm.at(_DAY, "severity_without_drug")
    known = np.isfinite(whole) & np.isfinite(parts).all(axis=1)
    checks = (
        between("SD of the change at 24 h", float(change.std(ddof=1)), 10.0, 15.0, "points"),
        between("SD at entry", entry, 5.0, 6.0, "points", "an input"),
        at_least(
            "skewness of the drug's own effect, either way, or two humps",
            max(skew / 0.3, humps / 0.555),
            1.0,
            "",
            f"the larger of skewness ({skew:.2f}) over 0.3 and Sarle's coefficient ({humps:.2f}) over 5/9",
        ),
        at_least(
            "share of that effect's variance that the person's own fast arm and spines explain",
            _explained(whole[known], parts[known]),
            0.5,
            "",
            "the spread arises upstream, not on the score",
        ),
        told("SD of the drug's own effect", float(effect.std(ddof=1)), "points"),
        told("responders at 24 h", arm.response(_DAY)),
    )
    edges = np.arange(-52.0, 21.0, 4.0)
    middle = 0.5 * (edges[1:] + edges[:-1])
    curves = tuple(
        Curve(name, middle, 100.0 * np.histogram(values, edges)[0] / len(values), quiet, True)
        for name, values, quiet in (
            ("scored change, ketamine", change, False),
            ("the drug itself", effect, False),
            ("scored change, midazolam", one_infusion(bench, "midazolam").change(_DAY), True),
        )
    )
    panel = Panel("At 24 h, in steps of 4 points", "change, points", "patients, %", curves)
    return Found(checks, Picture((panel,)))


PATTERNS: tuple[Pattern, ...] = (_spread, _placebo, _masking, _nulls)
