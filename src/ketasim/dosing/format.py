"""Doses as text: the canonical form that reads back exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from ketasim.dosing.dose import Dose
from ketasim.dosing.routes import ROUTES
from ketasim.dosing.schedule import schedule_text, steady_text, time_text

__all__ = ["regimen_text"]


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def _uptake_text(dose: Dose) -> str:
    """Write the uptake that a dose states itself; empty if it states none."""
    words = [] if dose.bioavailability is None else [f"F {_number(dose.bioavailability)}"]
    words += [] if dose.absorption_rate is None else [f"ka {_number(dose.absorption_rate)} /h"]
    return f"({', '.join(words)})" if words else ""


def _dose_text(dose: Dose) -> str:
    words = [dose.drug, ROUTES[dose.route].text]
    if dose.is_active:
        words[:0] = [_number(dose.amount), dose.unit]
    if dose.form != "base":
        words.insert(-1, dose.form)
    uptake = _uptake_text(dose)
    words += [uptake] if uptake else []
    if dose.duration_h is not None:
        words += ["over", time_text(dose.duration_h)]
    return " ".join(words)


@dataclass
class _Part:
    """Doses that differ only in time; a course at steady state has its schedule already."""

    text: str
    starts: list[float] = field(default_factory=list)
    when: str = ""


def _followers(text: str, dose: Dose, step_h: float, single: Counter[tuple[str, float]]) -> int:
    """Take the single doses that go on with a course at steady state, and count them."""
    count = 0
    while single[text, following := dose.start_h + (count + 1) * step_h]:
        single[text, following] -= 1
        count += 1
    return count


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
    ordered = [(_dose_text(dose), dose) for dose in sorted(doses, key=lambda dose: dose.start_h)]
    single = Counter((text, dose.start_h) for text, dose in ordered if dose.steady_state_h is None)
    parts: list[_Part] = []
    for text, dose in ordered:
        if dose.steady_state_h is not None:
            count = 1 + _followers(text, dose, dose.steady_state_h, single)
            parts.append(_Part(text, when=steady_text(dose.start_h, dose.steady_state_h, count)))
    for text, dose in ordered:
        if dose.steady_state_h is not None or not single[text, dose.start_h]:
            continue
        single[text, dose.start_h] -= 1
        # The same dose twice at one time must stay two: a part names each time once.
        for known in parts:
            if known.text == text and known.starts and known.starts[-1] < dose.start_h:
                known.starts.append(dose.start_h)
                break
        else:
            parts.append(_Part(text, [dose.start_h]))
    written = ((part.text, part.when or schedule_text(part.starts)) for part in parts)
    return "; ".join(f"{text}, {when}" if when else text for text, when in written) or "none"
