"""Help that several readers in this package give for a wrong word."""

from __future__ import annotations

from collections.abc import Iterable

from ketasim.errors import unknown_name


def unknown_word(kind: str, word: str, allowed: Iterable[str], shown: Iterable[str] | None = None) -> str:
    """Describe an unknown word, its nearest valid one if there is one, and those allowed (or shown)."""
    options = tuple(allowed)
    message = unknown_name(kind, word, options)
    head = message if "; the nearest valid name is " in message else f"unknown {kind} {word!r}."
    return f"{head} Allowed: {'; '.join(options if shown is None else shown)}."
