"""The section of the report about the planned analyses."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from ketasim.report.markup import Cell, bullets, paragraph, table
from ketasim.report.words import SCALE_WORDS, arm_label, number, time_text, unit_words
from ketasim.trials.study import Study
from ketasim.trials.study.analysis import Analysis, Monitoring

__all__ = ["analyses_section"]

Row = Mapping[Hashable, Any]

_METHODS = {
    "ancova": "ANCOVA",
    "rank_ancova": "ANCOVA on ranks",
    "mmrm": "MMRM",
    "responder": "responders",
    "remission": "remitters",
    "logrank": "log-rank",
    "cox": "Cox regression",
    "crossover": "crossover",
    "sequential_parallel": "sequential parallel",
    "non_inferiority": "non-inferiority",
    "trend": "dose trend",
    "change": "mean change",
}
_HAPPENINGS = {
    "stopped": "end of treatment",
    "rescue": "rescue treatment",
    "switch": "switch of treatment",
    "withdrawn": "withdrawal",
}
_IMPUTED = {
    "jump_to_reference": "what is missing after it is imputed as if they had gone over to the comparator",
    "copy_reference": "what is missing after it is imputed as if they had always had the comparator",
    "copy_increments": "what is missing after it is imputed with the comparator's changes since",
}
_PLANS = {
    "hochberg": "Hochberg's procedure",
    "dunnett": "Dunnett's test",
    "fixed_sequence": "a fixed sequence, in the order of the table",
    "bonferroni": "Bonferroni's correction",
    "holm": "Holm's procedure",
}
_RATES = ("responder", "remission")
_TIMES = ("logrank", "cox")


def analyses_section(study: Study, analyses: pd.DataFrame) -> str:
    """Write what the planned analyses found, as HTML.

    Parameters
    ----------
    study : Study
        The design and its plan.
    analyses : DataFrame
        Rows of :func:`ketasim.trials.planned.analyse.analyse`; of several replicates, the first is shown.

    Returns
    -------
    str
        A table, a plain line an analysis, and how the analyses share their error; a sentence if none is
        planned.
    """
    if analyses.empty:
        return paragraph("The study file plans no analyses; its endpoints stand above.")
    first = analyses[analyses["replicate"] == analyses["replicate"].min()]
    rows: list[Row] = first.to_dict("records")
    plans = {plan.id: plan for plan in study.analyses}
    heads: list[Cell] = [
        "analysis",
        "method",
        "time",
        *((name, "n") for name in ("n", "estimate", "95 % interval", "p", "adjusted p")),
    ]
    return "\n".join(
        [
            table(heads, [_cells(row, plans) for row in rows], "Planned analyses"),
            bullets(_line(plans[str(row["analysis"])], row) for row in rows if row["analysis"] in plans),
            bullets([*_families(study), *(_look(study, look) for look in study.monitoring)])
            if study.multiplicity or study.monitoring
            else "",
        ]
    )


def _cells(row: Row, plans: Mapping[str, Analysis]) -> list[Cell]:
    sizes = number(row["n"]) + (f" : {number(row['n_comparator'])}" if row["comparator"] else "")
    level = plans[str(row["analysis"]).split("/")[0]].alpha
    limits = f"{number(row['low'])} to {number(row['high'])}" if math.isfinite(row["low"]) else "–"
    if level != 0.05 and limits != "–":
        limits += f" ({100.0 * (1.0 - level):g} %)"
    return [
        (str(row["analysis"]).replace("_", " "), "keep"),
        _METHODS.get(str(row["method"]), str(row["method"])),
        time_text(float(row["time_h"])),
        (sizes, "n"),
        (number(row["estimate"]), "n"),
        (limits, "n"),
        (_p(row["p"]), "n"),
        (_p(row["p_adjusted"]), "n"),
    ]


def _p(value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _line(plan: Analysis, row: Row) -> str:
    """Say in words what an analysis found."""
    name = str(row["analysis"]).replace("_", " ")
    who = " and ".join(arm_label(arm) for arm in plan.arms)
    against = " and ".join(arm_label(arm) for arm in plan.comparators)
    compared = f"{who} against {against}" if against else who
    estimate = float(row["estimate"])
    if not math.isfinite(estimate) and not math.isfinite(float(row["p"])):
        return f"{name}: {compared}: {_sentence(str(row['note']).removeprefix('not analysed: '))} No result."
    factor, unit = _shown(str(row["unit"]), bool(plan.comparators))
    found = f"{row['effect_measure']} {number(factor * estimate)} {unit}".strip()
    if math.isfinite(float(row["low"])):
        found += f" ({number(factor * row['low'])} to {number(factor * row['high'])})"
    scale = SCALE_WORDS.get(plan.quantity, plan.quantity.replace("_", " "))
    since = "" if plan.origin == "entry" else f" from entering {plan.origin.replace('_', ' ')}"
    note = f" {_sentence(str(row['note']))}" if row["note"] else ""
    return (
        f"{name}: {compared}, {scale} at {time_text(plan.time_h)}{since}: {found}. {_verdict(plan, row)} "
        f"{_estimand(plan)}{note}"
    )


def _shown(unit: str, difference: bool) -> tuple[float, str]:
    """Factor and words with which a number of this unit is printed."""
    if unit == "share":
        return 100.0, "percentage points" if difference else "%"
    return 1.0, unit_words(unit)


def _verdict(plan: Analysis, row: Row) -> str:
    p = float(row["p_adjusted"])
    if not plan.comparators:
        return "There is no comparator."
    shown = "p " + (_p(p) if p < 0.001 else f"= {_p(p)}")
    if plan.method == "non_inferiority":
        word = "Non-inferiority is shown" if row["rejected"] else "Non-inferiority is not shown"
        return f"{word} at a margin of {number(plan.margin or 0.0)} (one-sided {shown})."
    if row["rejected"]:
        return f"The difference is significant ({shown})."
    return f"The difference is not significant ({shown})."


def _estimand(plan: Analysis) -> str:
    """Say what is done about intercurrent events."""
    kinds = [_HAPPENINGS[kind] for kind in plan.intercurrent]
    named = " or ".join(filter(None, [", ".join(kinds[:-1]), kinds[-1]])) if kinds else ""
    if not named:
        return "No intercurrent events are named."
    if plan.method in _TIMES:
        words = {
            "treatment_policy": "does not end observation as long as people are rated",
            "hypothetical": "ends observation",
            "composite": "counts as the event",
            "while_on_treatment": "ends observation",
        }[plan.estimand]
    elif plan.method in _RATES or (plan.method == "non_inferiority" and (plan.margin or 0.0) < 1.0):
        words = {
            "treatment_policy": "is not looked at: all that was seen counts",
            "hypothetical": "makes what is seen after it count as missing",
            "composite": "counts as failure, and so does a missing score",
            "while_on_treatment": "ends what counts: the last score before it is taken",
        }[plan.estimand]
    else:
        word = "counts as missing at random" if plan.method == "mmrm" else "is left out"
        missing = "" if plan.imputation in _IMPUTED else f"; what is missing at that time {word}"
        worst = "the worst rank" if plan.method == "rank_ancova" else "the score at the start"
        words = {
            "treatment_policy": f"is not looked at: all that was seen counts{missing}",
            "hypothetical": f"makes what is seen after it count as missing{missing}",
            "composite": f"gives {worst} from then on",
            "while_on_treatment": "ends what counts: the last score before it is taken",
        }[plan.estimand]
    strategy = plan.estimand.replace("_", " ")
    imputed = f"; {_IMPUTED[plan.imputation]}" if plan.imputation in _IMPUTED else ""
    return f"Estimand ({strategy}): {named} {words}{imputed}."


def _families(study: Study) -> list[str]:
    found = []
    for plan in study.multiplicity:
        members = [item.id.replace("_", " ") for item in study.analyses if item.family == plan.family]
        found.append(
            f"The analyses {', '.join(members)} share their error by {_PLANS[plan.method]}: the adjusted p "
            "values count."
        )
    return found


def _look(study: Study, look: Monitoring) -> str:
    timed = any(item.id == look.analysis and item.method in _TIMES for item in study.analyses)
    unit = "events" if timed else "results"
    what = {
        "efficacy": "may stop the trial for efficacy",
        "futility": f"stops the trial if the conditional power is below {number(look.power or 0.0)}",
        "sample_size_reestimation": f"may raise the number of persons to {look.maximum}",
        "events": "ends the trial",
    }[look.kind]
    name, whole = look.id.replace("_", " "), look.analysis.replace("_", " ")
    return f"Look {name} at {whole}, after {look.at} {unit}: it {what}."


def _sentence(note: str) -> str:
    """A note with a capital letter and a full stop."""
    return note[:1].upper() + note[1:].rstrip(".") + "."
