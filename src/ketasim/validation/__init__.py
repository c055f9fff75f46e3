"""Does the model show what it must? Emergent items, each computed, pass or miss."""

from __future__ import annotations

from ketasim.validation.bench import Bench, Item, Verdict
from ketasim.validation.emergent import ITEMS, check_items, markdown, tally

__all__ = ["ITEMS", "Bench", "Item", "Verdict", "check_items", "markdown", "tally"]
