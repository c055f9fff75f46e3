"""Rival mechanisms, with their figures and tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ketasim.api.options import Progress, silent
from ketasim.inference.rivals.comparison import Comparison
from ketasim.inference.rivals.comparison import compare as _compare

if TYPE_CHECKING:
    from ketasim.validation.between import Between

__all__ = ["Hypotheses", "compare_hypotheses"]


@dataclass(frozen=True, eq=False)
class Hypotheses(Comparison):
    """A comparison of rival mechanisms that can be written as tables and figures."""

    def markdown(self) -> str:
        """All tables as Markdown."""
        from ketasim.report.hypotheses_markdown import hypotheses_markdown

        return hypotheses_markdown(self)

    def write(self, folder: str | Path) -> list[Path]:
        """Write numbers, tables and figures into a folder, which is made.

        Returns
        -------
        list of Path
            The files.

        Raises
        ------
        OSError
            If one cannot be written.
        """
        from ketasim.report.hypotheses_figure import evidence_figure
        from ketasim.report.hypotheses_information_figure import information_figure
        from ketasim.report.style import figure_svg

        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        texts = {
            "hypotheses.json": json.dumps(_without_nan(self.to_dict()), indent=2, allow_nan=False) + "\n",
            "hypotheses.md": self.markdown() + "\n",
            "hypotheses_evidence.svg": figure_svg(evidence_figure(self)),
            "hypotheses_information.svg": figure_svg(information_figure(self)),
        }
        for name, text in texts.items():
            (place / name).write_text(text, encoding="utf-8")
        return [place / name for name in texts]


def _without_nan(value: Any) -> Any:
    """Copy plain data with null in place of numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compare_hypotheses(
    names: Sequence[str] = (),
    *,
    sets: int = 30,
    per_draw: int = 4,
    seed: int = 1,
    progress: Progress = silent,
    between: Between | None = None,
) -> Hypotheses:
    """Compare rival mechanisms; see :func:`ketasim.inference.rivals.comparison.compare`.

    Returns
    -------
    Hypotheses
        With ``standings``, ``evidence``, ``to_dict``, ``markdown`` and ``write``.
    """
    found = _compare(names, sets=sets, per_draw=per_draw, seed=seed, progress=progress, between=between)
    return Hypotheses(**{item.name: getattr(found, item.name) for item in fields(found)})
