"""The table of :mod:`benchmarks.robustness` in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["markdown"]

_WANTED_LOSS, _WANTED_ERRORS, _WANTED_FLAGS = 0.15, 2.0, 0.8
_WANTED_COVERAGE = (0.85, 0.95)


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}g}"


def _share(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{100.0 * value:.1f} %"


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
        *("| " + " | ".join(line) + " |" for line in lines),
    ]


def markdown(found: Mapping[str, Any]) -> str:
    """Write all pieces that there are.

    Parameters
    ----------
    found : mapping
        What the script has found, by piece.

    Returns
    -------
    str
        Markdown without a final line break.
    """
    own = found["settings"]
    parts = [
        "# Robustness",
        "",
        "Written by `python -m benchmarks.robustness`; what each piece does is told in "
        "[Robustness](../docs/robustness.md).",
        "",
        f"{own['draws']} parameter draws by {own['per_draw']} persons an arm, seed {own['seed']}.",
    ]
    for name, write in _WRITERS.items():
        if name in found:
            parts += ["", *write(found[name]), "", _how(name, found[name])]
    if found.get("failed"):
        parts += ["", "## Not simulated", "", *(f"- {text}" for text in found["failed"])]
    return "\n".join(parts)


def _how(name: str, own: Mapping[str, Any]) -> str:
    """From which draws a piece was made, and how long it took."""
    time = f"Processor time: {own['cpu_s']} s."
    if name == "synthetic":
        return time
    drawn = "drawn for it around the tables, by targets about the typical patient"
    return f"Posterior draws: {drawn if own['own_draws'] else 'as shipped'}. {time}"


def _padding(own: Mapping[str, Any]) -> list[str]:
    lines = own["lines"]
    by = {(line["use"], line["factor"]): line for line in lines}
    said = []
    for use in dict.fromkeys(line["use"] for line in lines):
        lost = by[use, "1"]["inside_95"] - by[use, "0.5"]["inside_95"]
        worse = by[use, "2"]["interval_score"] - by[use, "1"]["interval_score"]
        said.append(
            f"- Rows of {use}: halving loses {100.0 * lost:.1f} points of coverage (wanted at least "
            f"{100.0 * _WANTED_LOSS:.0f}): {_verdict(lost >= _WANTED_LOSS)}; doubling changes the interval "
            f"score by {worse:+.3g} (wanted: worse, above 0): {_verdict(worse > 0.0)}."
        )
    return [
        "## Predictive SDs halved and doubled",
        "",
        *_table(
            ("rows of", "factor on all SDs", "numbers", "inside 95 %", "interval score"),
            [
                (
                    str(line["use"]),
                    str(line["factor"]),
                    f"{line['rows']:.0f}",
                    _share(line["inside_95"]),
                    _number(line["interval_score"]),
                )
                for line in lines
            ],
        ),
        "",
        *said,
    ]


def _ablation(own: Mapping[str, Any]) -> list[str]:
    lines = own["lines"]
    said = []
    for name, words in (("check", "kept to check"), ("unfitted", "that no fit has used")):
        whole = next(line for line in lines if line["rows_of"] == name and line["group"] == "all four")
        errors = whole["in_errors"]
        met = errors is not None and math.isfinite(errors) and errors >= _WANTED_ERRORS
        ahead = "the chain is" if errors is None or not errors < 0.0 else "the filter is"
        size = None if errors is None else abs(errors)
        said.append(
            f"- On rows {words} {ahead} ahead by {_number(size)} standard errors (wanted: the chain by at "
            f"least {_WANTED_ERRORS:.0f}): {_verdict(met)}."
        )
    return [
        "## Stages 3 to 9 replaced by one delayed filter",
        "",
        "Mean log score of the chain less that of the filter, in nats a row; above 0 the chain is better.",
        "",
        *_table(
            ("rows", "group", "rows", "studies", "difference", "standard error", "in errors"),
            [
                (
                    str(line["rows_of"]),
                    str(line["group"]),
                    str(line["rows"]),
                    str(line["studies"]),
                    _number(line["mean"]),
                    _number(line["standard_error"]),
                    _number(line["in_errors"]),
                )
                for line in lines
            ],
        ),
        "",
        *said,
        "",
        f"Loss of the filter on targets about the typical patient {_number(own['filter_cost_typical'])}, "
        f"with rows of trials {_number(own['filter_cost'])}.",
    ]


def _permutation(own: Mapping[str, Any]) -> list[str]:
    return [
        "## Posterior draws permuted between stages",
        "",
        "Mean log score on check rows, in nats a row, of the posterior less that of the permuted one.",
        "",
        *_table(
            ("permutation", "rows", "studies", "difference", "standard error", "in errors"),
            [
                (
                    str(line["permutation"]),
                    str(line["rows"]),
                    str(line["studies"]),
                    _number(line["mean"]),
                    _number(line["standard_error"]),
                    _number(line["in_errors"]),
                )
                for line in own["lines"]
            ],
        ),
    ]


def _corruption(own: Mapping[str, Any]) -> list[str]:
    robust, plain = own["robust"], own["plain"]
    counts = (
        ("corrupted, all repeats", "corrupted"),
        ("whose value leaves the clean fit's 99 % interval", "outside"),
        ("impossible numbers among them", "impossible"),
    )
    shares = (
        ("flagged of those that leave the interval", "share_found"),
        ("SD of that share between repeats", "share_found_sd"),
        ("flagged of those that are possible numbers", "share_found_possible"),
        ("false alarms among rows that were left alone", "false_alarm_share"),
        ("flagged when nothing is corrupted", "flagged_without_corruption"),
    )
    met = robust["share_found"] >= _WANTED_FLAGS
    met_possible = robust["share_found_possible"] >= _WANTED_FLAGS
    return [
        "## A fifth of the observations corrupted",
        "",
        f"{own['rows']} rows, {own['repeats']} repeats.",
        "",
        *_table(
            ("what", "robust fit", "plain fit"),
            [
                *((words, f"{robust[name]:.0f}", f"{plain[name]:.0f}") for words, name in counts),
                *((words, _share(robust[name]), _share(plain[name])) for words, name in shares),
            ],
        ),
        "",
        f"Wanted of the robust fit: at least {100.0 * _WANTED_FLAGS:.0f} % flagged: {_verdict(met)}; of "
        f"possible numbers alone: {_verdict(met_possible)}.",
    ]


def _synthetic(own: Mapping[str, Any]) -> list[str]:
    names = (
        ("by_ensemble", "ensemble, all parameters"),
        ("by_ensemble_informed", "ensemble, parameters that the data narrow"),
        ("by_slopes", "normal approximation, all parameters"),
        ("by_slopes_informed", "normal approximation, parameters that the data narrow"),
    )
    low, high = _WANTED_COVERAGE
    lines = []
    for name, words in names:
        item = own[name]
        met = low <= item["share"] <= high
        lines.append(
            (words, str(item["count"]), _share(item["share"]), _share(item["standard_error"]), _verdict(met))
        )
    return [
        "## Calibration on synthetic data",
        "",
        f"{own['datasets']} data sets of known parameters; 90 % intervals should hold the truth in "
        f"{100.0 * low:.0f} to {100.0 * high:.0f} %.",
        "",
        *_table(("90 % intervals", "intervals", "hold the truth", "error", ""), lines),
        "",
        f"{own['fits_not_worse_than_truth']} of {own['datasets']} fits are at least as good as the truth.",
    ]


_WRITERS = {
    "padding": _padding,
    "ablation": _ablation,
    "permutation": _permutation,
    "corruption": _corruption,
    "synthetic": _synthetic,
}
