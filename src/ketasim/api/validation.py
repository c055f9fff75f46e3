"""The scoreboard with its page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from ketasim.validation.scoreboard import Scoreboard
from ketasim.validation.scoreboard import validate as _validate

if TYPE_CHECKING:
    from ketasim.validation.between import Between

__all__ = ["ScoreboardResult", "validate"]


def _silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class ScoreboardResult(Scoreboard):
    """A :class:`~ketasim.validation.Scoreboard` that can be written as a page."""

    def write_html(self, path: str | Path) -> Path:
        """Write tables and figures as one HTML file that asks nothing of the network.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        from ketasim.report.scoreboard_page import scoreboard_page

        place = Path(path)
        place.write_text(scoreboard_page(self), encoding="utf-8")
        return place


def validate(
    paths: Sequence[str | Path] | None = None,
    draws: int = 200,
    per_draw: int = 8,
    seed: int = 1,
    workers: int = 2,
    progress: Callable[[str, int, int], None] = _silent,
    *,
    only: str = "",
    between: Between | None = None,
) -> ScoreboardResult:
    """Score published rows; see :func:`ketasim.validation.validate`, whose arguments these are.

    Returns
    -------
    ScoreboardResult
        With ``rows``, ``summary``, ``misses``, ``to_json`` and ``write_html``.
    """
    board = _validate(paths, draws, per_draw, seed, workers, progress, only=only, between=between)
    return ScoreboardResult(**{item.name: getattr(board, item.name) for item in fields(board)})
