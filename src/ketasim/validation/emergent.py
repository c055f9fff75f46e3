"""Emergent items: what must come out of the chain without being put in.

Each item computes a few numbers in the typical person and says whether they lie
where published work puts them. Misses are printed as plainly as hits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ketasim.errors import KetasimError, ModelError, unknown_name
from ketasim.validation import (
    items_biology,
    items_brain,
    items_clinic,
    items_drug,
    items_harms,
    items_illness,
)
from ketasim.validation.bench import Bench, Item, Verdict, later

__all__ = ["ITEMS", "check_items", "markdown", "tally"]

#: Every item, in the order of the model's description.
ITEMS: tuple[Item, ...] = (
    *items_illness.ITEMS,
    *items_drug.ITEMS,
    *items_biology.ITEMS,
    *items_brain.ITEMS,
    *items_clinic.ITEMS,
    *items_harms.ITEMS,
    later(
        "rival_wirings",
        "15",
        "Rival mechanisms must disagree with one another on their own intervention tests",
        "each wiring is calibrated first: `ketasim hypotheses` tells what it disagrees on",
    ),
)

_PHASE = "emergent items"


def _silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def check_items(
    bench: Bench | None = None,
    names: Sequence[str] | None = None,
    progress: Callable[[str, int, int], None] = _silent,
) -> list[Verdict]:
    """Compute items.

    Parameters
    ----------
    bench : Bench, optional
        The typical person and his parameters; default: the shipped values.
    names : sequence of str, optional
        Names of the items wanted; default: all. The order is always that of :data:`ITEMS`.
    progress : callable
        Told a phase, how many items are done, and how many there are.

    Returns
    -------
    list of Verdict
        One an item. An item whose equations cannot be solved is a miss, with the reason.

    Raises
    ------
    ModelError
        If a name is unknown.
    """
    known = {item.name: item for item in ITEMS}
    for name in names or ():
        if name not in known:
            raise ModelError(f"emergent: {unknown_name('item', name, known)}")
    wanted = [item for item in ITEMS if not names or item.name in names]
    bench = Bench() if bench is None else bench
    verdicts = []
    progress(_PHASE, 0, len(wanted))
    for done, item in enumerate(wanted, start=1):
        verdicts.append(_judged(item, bench))
        progress(_PHASE, done, len(wanted))
    return verdicts


def _judged(item: Item, bench: Bench) -> Verdict:
    try:
        found, holds = item.check(bench)
    except KetasimError as error:
        found, holds = str(error), False
    outcome = "not computed" if holds is None else "pass" if holds else "miss"
    return Verdict(item.name, item.section, item.text, found, outcome)


def tally(verdicts: Sequence[Verdict]) -> str:
    """Count outcomes in one line, as ``40 pass, 9 miss, 8 not computed``."""
    outcomes = [verdict.outcome for verdict in verdicts]
    return ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in ("pass", "miss", "not computed"))


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Write a table for the documentation, with the tally as its last line.

    Parameters
    ----------
    verdicts : sequence of Verdict
        One a row.

    Returns
    -------
    str
        Markdown without a final line break.
    """
    lines = ["| section | item | what must emerge | found | outcome |", "|---|---|---|---|---|"]
    for verdict in verdicts:
        cells = (verdict.section, verdict.item, verdict.text, verdict.found, verdict.outcome)
        # A bar or a line break in a cell would end it.
        lines.append("| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |")
    return "\n".join([*lines, "", tally(verdicts)])
