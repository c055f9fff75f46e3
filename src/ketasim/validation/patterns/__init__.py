"""Patterns of mood and of stages 6 to 8: numbers with stated criteria, and what their figures show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.validation.patterns.catalogue import (
        PATTERNS,
        count_outcomes,
        patterns_markdown,
        show_patterns,
    )
    from ketasim.validation.patterns.pattern import Check, Pattern, Shown

__all__ = ["PATTERNS", "Check", "Pattern", "Shown", "count_outcomes", "patterns_markdown", "show_patterns"]

# Emergent items need some parts alone. Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(
        __name__,
        {
            "ketasim.validation.patterns.catalogue": (
                "PATTERNS",
                "count_outcomes",
                "patterns_markdown",
                "show_patterns",
            ),
            "ketasim.validation.patterns.pattern": ("Check", "Pattern", "Shown"),
        },
    )
