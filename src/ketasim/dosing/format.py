"""Doses as text: the canonical form that reads back exactly."""

from __future__ import annotations

from collections.abc import Iterable

from ketasim.dosing.dose import Dose
from ketasim.dosing.routes import ROUTES
from ketasim.dosing.schedule import schedule_text, time_text

__all__ = ["regimen_text"]


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _dose_text(dose: Dose) -> str:
    words = [dose.drug, ROUTES[dose.route].text]
    if dose.is_active:
        words[:0] = [_number(dose.amount), dose.unit]
    if dose.duration_h is not None:
        words += ["over", time_text(dose.duration_h)]
    return " ".join(words)


def regimen_text(doses: Iterable[Dose]) -> str:
    """Write doses in the words that `parse_regimen` reads back as the same doses.

    Parameters
    ----------
    doses : iterable of Dose
        In any order. Doses that differ only in time share one part.

    Returns
    -------
    str
        For example ``"84 mg esketamine intranasal, twice weekly x 4 weeks"``; ``"none"`` if
        there is no dose.
    """
    parts: list[tuple[str, list[float]]] = []
    for dose in sorted(doses, key=lambda dose: dose.start_h):
        text = _dose_text(dose)
        # The same dose twice at one time must stay two: a part names each time once.
        for known, starts in parts:
            if known == text and starts[-1] < dose.start_h:
                starts.append(dose.start_h)
                break
        else:
            parts.append((text, [dose.start_h]))
    written = ((text, schedule_text(starts)) for text, starts in parts)
    return "; ".join(f"{text}, {when}" if when else text for text, when in written) or "none"
