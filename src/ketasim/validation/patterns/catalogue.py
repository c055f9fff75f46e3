"""All patterns, computed and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ketasim.errors import ModelError, unknown_name
from ketasim.validation.bench import Bench
from ketasim.validation.patterns import first, scored, series, stages
from ketasim.validation.patterns.pattern import Pattern, Shown, outcome_of
from ketasim.validation.patterns.tried import load_tried

__all__ = ["PATTERNS", "count_outcomes", "patterns_markdown", "show_patterns"]

#: Every pattern, in the order of the documentation.
PATTERNS: tuple[Pattern, ...] = (*first.PATTERNS, *series.PATTERNS, *scored.PATTERNS, *stages.PATTERNS)

_PHASE = "patterns"
_WORDS = {True: "met", False: "missed", None: "reported"}


def _silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def show_patterns(
    names: Sequence[str] | None = None,
    bench: Bench | None = None,
    progress: Callable[[str, int, int], None] = _silent,
) -> list[Shown]:
    """Compute patterns.

    Parameters
    ----------
    names : sequence of str, optional
        Which; default: all. The order is always that of :data:`PATTERNS`.
    bench : Bench, optional
        Its parameters; default: the shipped values.
    progress : callable
        Told a phase, how many patterns are done, and how many there are.

    Returns
    -------
    list of Shown
        One a pattern. A pattern is missed if any of its criteria is.

    Raises
    ------
    ModelError
        If a name is unknown.
    SolverError
        If the equations cannot be solved.
    """
    known = {item.name: item for item in PATTERNS}
    for name in names or ():
        if name not in known:
            raise ModelError(f"patterns: {unknown_name('pattern', name, known)}")
    wanted = [item for item in PATTERNS if not names or item.name in names]
    bench = Bench() if bench is None else bench
    tried = load_tried(known)
    shown = []
    progress(_PHASE, 0, len(wanted))
    for done, item in enumerate(wanted, start=1):
        found = item.compute(bench)
        outcome = outcome_of(found)
        said = tried.get(item.name, ()) if outcome == "miss" else ()
        shown.append(Shown(item.name, item.section, item.text, outcome, found.checks, found.picture, said))
        progress(_PHASE, done, len(wanted))
    return shown


def count_outcomes(shown: Sequence[Shown]) -> str:
    """Count outcomes in one line, as ``9 pass, 4 miss, 1 reported``."""
    outcomes = [item.outcome for item in shown]
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in ("pass", "miss", "reported"))


def patterns_markdown(shown: Sequence[Shown], figures: Mapping[str, str] | None = None) -> str:
    """Write a section a pattern: outcome, criteria, what was tried, and its figure.

    Parameters
    ----------
    shown : sequence of Shown
        What was computed.
    figures : mapping of str to str, optional
        Address of each pattern's figure.

    Returns
    -------
    str
        Markdown without a final line break.
    """
    lines = ["| pattern | section | outcome | criteria met |", "|---|---|---|---|"]
    for item in shown:
        asked = [check.passed for check in item.checks if check.passed is not None]
        met = f"{sum(asked)} of {len(asked)}" if asked else "none asked"
        lines.append(f"| [{item.name}](#{item.name}) | {item.section} | {item.outcome} | {met} |")
    lines += ["", count_outcomes(shown)]
    for item in shown:
        lines += ["", f"## {item.name}", "", f"{item.text}: **{item.outcome}**.", ""]
        if figures and item.name in figures:
            lines += [f"![{item.text}]({figures[item.name]})", ""]
        lines += ["| what | model | criterion | outcome | note |", "|---|---|---|---|---|"]
        for check in item.checks:
            cells = (check.name, check.in_words, check.criterion, _WORDS[check.passed], check.note)
            lines.append("| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |")
        if item.tried:
            lines += ["", "Tried:", "", *(f"- {words}" for words in item.tried)]
        elif item.outcome == "miss":
            lines += ["", "Tried: nothing is on record."]
    return "\n".join(lines)
