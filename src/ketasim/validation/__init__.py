"""How far the model shows what it must, and predicts what was published.

Emergent items are computed in the typical person, pass or miss. The scoreboard simulates every study and
experiment and lays each published number beside its predictive distribution, and beside three baselines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader
from ketasim.validation.bench import Bench, Item, Verdict
from ketasim.validation.emergent import ITEMS, check_items, markdown, tally

if TYPE_CHECKING:
    from ketasim.validation.between import Between, fit_between, load_between, write_between
    from ketasim.validation.scoreboard import Scoreboard, board_markdown, validate

__all__ = [
    "ITEMS",
    "Bench",
    "Between",
    "Item",
    "Scoreboard",
    "Verdict",
    "board_markdown",
    "check_items",
    "fit_between",
    "load_between",
    "markdown",
    "tally",
    "validate",
    "write_between",
]

# What the emergent items do not need. Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.validation.between": ("Between", "fit_between", "load_between", "write_between"),
            "ketasim.validation.scoreboard": ("Scoreboard", "board_markdown", "validate"),
        },
    )
