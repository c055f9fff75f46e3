"""The comparison of rival mechanisms as tables in Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from ketasim.inference.rivals.comparison import Comparison, Standing
from ketasim.inference.rivals.interventions import Intervention
from ketasim.model.hypotheses import WIRINGS
from ketasim.report.hypotheses_figure import evidence_label

__all__ = [
    "STANDING_HEADS",
    "hypotheses_markdown",
    "information_lines",
    "intervention_lines",
    "outcome_text",
    "standing_lines",
    "verdict",
]

DOMAINS = {"": "All held-back rows", "clinical": "Clinical rows", "mechanism": "Mechanism rows"}
STANDING_HEADS = (
    "wiring",
    "mean log score",
    "behind the best (nats)",
    "interval score, relative",
    "less the best's",
    "inside 95 %",
    "signs met",
)
#: A margin below this many standard errors decides nothing.
_DECIDED = 2.0
_SIGNS = {-1.0: "falls", 0.0: "no change", 1.0: "rises"}


def verdict(found: Comparison) -> str:
    """The best wiring with its margin, in a sentence that does not say more than the margin bears."""
    standings = found.standings()
    first, second = standings[0], standings[1]
    margin = f"{second.behind:.1f} ± {second.error:.1f} nats over {first.rows} rows"
    close = [item.wiring for item in standings[1:] if not item.behind > _DECIDED * item.error]
    if not close:
        return f"Best on held-back rows: {first.wiring}, ahead of {second.wiring} by {margin}."
    return (
        f"No wiring is best beyond chance. First is {first.wiring}, ahead of {second.wiring} by {margin}; "
        f"within {_DECIDED:g} standard errors of it: {', '.join(close)}."
    )


def standing_lines(standings: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Cells of the table of standings, without heads."""
    return [
        (
            item.wiring,
            f"{item.log_score:.3f}",
            "best" if item.behind == 0.0 else _with_error(item.behind, item.error, ".1f"),
            _number(item.interval_score, ".3f"),
            "best" if item.behind == 0.0 else _with_error(item.interval_behind, item.interval_error, "+.3f"),
            _number(100.0 * item.inside, ".0f") + " %",
            _number(100.0 * item.signs, ".0f") + " %",
        )
        for item in standings
    ]


def intervention_lines(found: Comparison) -> list[tuple[str, ...]]:
    """Cells of the table of intervention tests: published outcome, and that of each wiring."""
    lines = []
    for place, test in enumerate(found.tests.tests):
        cells = [
            outcome_text(test, value) + ("" if met else " ✗")
            for value, met in zip(
                found.tests.predicted[place].tolist(), found.tests.met[place].tolist(), strict=True
            )
        ]
        lines.append((test.id, test.predicts, test.citation, outcome_text(test, test.outcome), *cells))
    return lines


def outcome_text(test: Intervention, value: float) -> str:
    """An outcome in words: a direction, kept or lost, or a number."""
    if math.isnan(value):
        return "-"
    if test.statistic == "retained":
        return "kept" if value >= 0.5 else "lost"
    return _SIGNS.get(value, f"{value:+.2f}") if test.statistic == "direction" else f"{value:+.2f}"


def information_lines(found: Comparison) -> list[tuple[str, ...]]:
    """Cells of the table of experiments that could be done: bits, and the outcome under each rival."""
    lines = []
    for item in found.information:
        pairs = zip(item.mean.tolist(), item.sd.tolist(), strict=True)
        outcomes = (f"{mean:.2f} ± {sd:.2f}" for mean, sd in pairs)
        about = (item.candidate.title, item.candidate.outcome, str(item.candidate.n))
        lines.append((*about, f"{item.bits:.2f}", *outcomes))
    return lines


def hypotheses_markdown(found: Comparison) -> str:
    """All tables, as the documentation has them.

    Parameters
    ----------
    found : Comparison
        The comparison.
    """
    parts = ["## Wirings", _table(("wiring", "says", "does without"), _wirings(found)), "## Held-back rows"]
    parts.append(verdict(found))
    for domain, title in DOMAINS.items():
        standings = found.standings(domain)
        if standings:
            parts += [f"### {title} ({standings[0].rows})", _table(STANDING_HEADS, standing_lines(standings))]
    met = found.tests.met.sum(axis=0).tolist()
    count = len(found.tests.tests)
    totals = ", ".join(f"{name} {number}" for name, number in zip(found.wirings, met, strict=True))
    parts += [
        "## Interventions whose outcome is published",
        f"Met, of {count}: {totals}. ✗ marks what a wiring gets wrong.",
        _table(("test", "foretold", "source", "published", *found.wirings), intervention_lines(found)),
        "## Which evidence tells which apart",
        "Sums of log scores less the mean of all wirings, in nats.",
        _table(("evidence", *found.wirings), _evidence(found)),
        "## What tells two wirings apart best",
        _table(("wirings", "evidence, and nats in favour of the first"), _pairs(found)),
        "## Experiments that would decide",
        "Expected information about which wiring is right, in bits, each as likely before as another: at "
        f"most {math.log2(len(found.rivals)):.2f}. Outcomes are mean ± predictive SD.",
        _table(("experiment", "outcome", "n an arm", "bits", *found.rivals), information_lines(found)),
    ]
    failed = {**found.held.failed, **found.tests.failed}
    if failed:
        parts += ["## Not simulated", *(f"- {name}: {reason}" for name, reason in failed.items())]
    return "\n\n".join(parts)


def _wirings(found: Comparison) -> list[tuple[str, ...]]:
    return [(name, WIRINGS[name].text, WIRINGS[name].cuts) for name in found.wirings]


def _evidence(found: Comparison) -> list[tuple[str, ...]]:
    return [
        (evidence_label(item, found), *(f"{value:+.1f}" for value in item.against_mean.tolist()))
        for item in found.evidence()
    ]


def _pairs(found: Comparison) -> list[tuple[str, str]]:
    lines = []
    for first, second in combinations(found.wirings, 2):
        told = "; ".join(f"{name} ({value:+.1f})" for name, value in found.telling(first, second))
        lines.append((f"{first}, {second}", told))
    return lines


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _with_error(value: float, error: float, form: str) -> str:
    return f"{_number(value, form)} ± {_number(error, form.replace('+', ''))}"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [heads, ["---"] * len(heads), *lines]
    return "\n".join("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows)
