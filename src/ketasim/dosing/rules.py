"""Rules that give doses by what is seen at a check: patient control, titration, stopping.

A rule is a function of the state, the time and the doses so far. It remembers nothing else, so
the same course of checks always gives the same doses.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, Protocol

from ketasim.dosing.dose import Dose
from ketasim.dosing.regimen import Regimen
from ketasim.dosing.units_of_dose import checked_number
from ketasim.errors import DoseError, unknown_name

__all__ = ["DosingRule", "Fixed", "PatientControlled", "StopWhen", "Titration"]

#: Two times closer than this (h) are one: check times carry the rounding of their sums.
_SAME_TIME_H: Final = 1e-9


class DosingRule(Protocol):
    """Decides at a check which doses are given from then on."""

    def __call__(self, state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:
        """Return new doses.

        Parameters
        ----------
        state : mapping of str to float
            Quantities at the check in their shown units, just before any dose at that time.
        time_h : float
            Time of the check in h.
        given : sequence of Dose
            All doses so far, also those that are planned but still to come.

        Returns
        -------
        sequence of Dose
            Starting at the check or later; empty for none.
        """
        ...  # pragma: no cover


def _positive(value: object, field: str) -> None:
    number = checked_number(value, field)
    if number <= 0.0:
        raise DoseError(f"{field}: {number:g} is out of range; it must be above 0.")


def _check_own(dose: object, gap_h: float, gap: str) -> None:
    """Refuse a dose that a rule cannot give again and again."""
    if not isinstance(dose, Dose):
        raise DoseError(f"dose: {dose!r} is not a Dose; make one, for example with iv_bolus.")
    if dose.steady_state_h is not None:
        raise DoseError(
            "dose: a rule gives each dose when it is due, so none can stand for an endless course; "
            "leave out steady_state_h, and put such a dose into the regimen before the rule."
        )
    if (dose.duration_h or 0.0) > gap_h + _SAME_TIME_H:
        raise DoseError(
            f"{gap}: {gap_h:g} h is shorter than the dose itself, which lasts {dose.duration_h:g} h; "
            "make it at least as long."
        )


def _seen(state: Mapping[str, float], quantity: str, rule: str) -> float:
    """Value of a quantity at a check."""
    if quantity not in state:
        raise DoseError(f"{rule}: {unknown_name('quantity', quantity, state)}")
    value = float(state[quantity])
    if not math.isfinite(value):
        raise DoseError(f"{rule}: {quantity} is {value} at the check; a rule needs a finite number.")
    return value


def _reached(value: float, threshold: float, below: bool) -> bool:
    return value <= threshold if below else value >= threshold


def _alike(dose: Dose, other: Dose, apart_from: tuple[str, ...]) -> bool:
    """Whether two doses agree in every field but some."""
    names = (field.name for field in fields(Dose) if field.name not in apart_from)
    return all(getattr(dose, name) == getattr(other, name) for name in names)


@dataclass(frozen=True)
class Fixed:
    """Gives a regimen as written; a dose whose time has passed is missed, not given late.

    Parameters
    ----------
    regimen : Regimen
        The doses.
    ahead_h : float or None, default None
        A check gives the doses that start on [check, check + ahead_h), so another rule around
        this one can still stop the later ones; set it to the time between checks. None: all the rest.

    Raises
    ------
    DoseError
        If ``ahead_h`` is not above 0, or something else than a regimen is given.
    """

    regimen: Regimen
    ahead_h: float | None = None

    def __post_init__(self) -> None:
        """Check the settings."""
        if not isinstance(self.regimen, Regimen):
            raise DoseError(f"regimen: {self.regimen!r} is not a Regimen; use parse_regimen for text.")
        if self.ahead_h is not None:
            _positive(self.ahead_h, "ahead_h")

    def __call__(self, state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:  # noqa: ARG002
        """Return the doses that are due and not given yet; see :class:`DosingRule`."""
        until = math.inf if self.ahead_h is None else time_h + self.ahead_h - _SAME_TIME_H
        due = Counter(dose for dose in self.regimen.doses if time_h <= dose.start_h < until)
        return tuple((due - Counter(given)).elements())


@dataclass(frozen=True)
class PatientControlled:
    """A patient presses a button when a quantity reaches a threshold; a pump limits what he gets.

    He presses at checks only, so the time between checks is part of the setting. Lock-out and
    limits count the doses so far that equal this one but for their time.

    Parameters
    ----------
    dose : Dose
        What a press gives; its own start does not matter.
    lock_out_h : float
        Hours from the start of a dose in which a press gives nothing; above 0.
    quantity : str
        What makes him press, for example ``"pain_nrs"``.
    threshold : float
        He presses at or above it, in the quantity's shown unit.
    most_per_h : int or None, default None
        Most doses within any hour.
    most_in_total : int or None, default None
        Most doses ever.
    below : bool, default False
        He presses at or below the threshold instead.

    Raises
    ------
    DoseError
        If a number is out of its range, or the dose lasts longer than its lock-out.
    """

    dose: Dose
    lock_out_h: float
    quantity: str
    threshold: float
    most_per_h: int | None = None
    most_in_total: int | None = None
    below: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        _positive(self.lock_out_h, "lock_out_h")
        _check_own(self.dose, self.lock_out_h, "lock_out_h")
        checked_number(self.threshold, "threshold")
        for field in ("most_per_h", "most_in_total"):
            most = getattr(self, field)
            if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
                raise DoseError(
                    f"{field}: {most!r} is not a number of doses; it must be a whole number above 0."
                )

    def __call__(self, state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:
        """Return a dose at the check if he presses and the pump allows it; see :class:`DosingRule`."""
        if not _reached(_seen(state, self.quantity, "patient control"), self.threshold, self.below):
            return ()
        starts = [dose.start_h for dose in given if _alike(dose, self.dose, ("start_h",))]
        if any(start > time_h - self.lock_out_h + _SAME_TIME_H for start in starts):
            return ()
        recent = sum(start > time_h - 1.0 + _SAME_TIME_H for start in starts)
        if self.most_per_h is not None and recent >= self.most_per_h:
            return ()
        if self.most_in_total is not None and len(starts) >= self.most_in_total:
            return ()
        return (self.dose.at(time_h),)


@dataclass(frozen=True)
class Titration:
    """Repeats a dose and moves its amount until a quantity lies in a target range.

    The first check gives the dose as it is. Later ones move the amount of the last dose one step
    towards the range, or keep it within the range. The rule never withholds a dose; put
    :class:`StopWhen` around it for that. Doses count as its own that agree in all but amount and time.

    Parameters
    ----------
    dose : Dose
        The first dose; its own start does not matter.
    step : float
        How far the amount moves at a time, in the dose's unit; above 0.
    quantity : str
        What is watched, for example ``"dissociation"``.
    low, high : float
        Target range in the quantity's shown unit, both ends in it.
    lowest, highest : float
        Limits of the amount, in the dose's unit.
    every_h : float
        Hours from one dose to the next, at least; above 0.
    rises_with_dose : bool, default True
        Whether more drug raises the quantity. False (as for pain): more is given above the range.

    Raises
    ------
    DoseError
        If a number is out of its range, a range is upside down, the dose holds no drug or is
        outside the limits, or lasts longer than ``every_h``.
    """

    dose: Dose
    step: float
    quantity: str
    low: float
    high: float
    lowest: float
    highest: float
    every_h: float
    rises_with_dose: bool = True

    def __post_init__(self) -> None:
        """Check the settings."""
        for field in ("step", "lowest", "highest", "every_h"):
            _positive(getattr(self, field), field)
        _check_own(self.dose, self.every_h, "every_h")
        for bottom, top in (("low", "high"), ("lowest", "highest")):
            least, most = (checked_number(getattr(self, field), field) for field in (bottom, top))
            if least > most:
                raise DoseError(f"{bottom}: {least:g} is above {top} ({most:g}); exchange the two.")
        if not self.dose.is_active:
            raise DoseError(f"dose: {self.dose.drug} holds no drug, so there is no amount to titrate.")
        if not self.lowest <= self.dose.amount <= self.highest:
            raise DoseError(
                f"dose: its amount of {self.dose.amount:g} {self.dose.unit} is outside the limits, "
                f"{self.lowest:g} to {self.highest:g}; start within them."
            )

    def __call__(self, state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:
        """Return the next dose if it is due; see :class:`DosingRule`."""
        value = _seen(state, self.quantity, "titration")
        own = [dose for dose in given if _alike(dose, self.dose, ("start_h", "amount"))]
        if not own:
            return (self.dose.at(time_h),)
        last = max(own, key=lambda dose: dose.start_h)
        if last.start_h + self.every_h > time_h + _SAME_TIME_H:
            return ()
        towards = (value < self.low) - (value > self.high)
        moved = last.amount + self.step * (towards if self.rises_with_dose else -towards)
        # What rounding leaves of many steps is none of the prescription.
        amount = min(max(float(f"{moved:.12g}"), self.lowest), self.highest)
        return (replace(self.dose, amount=amount, start_h=time_h),)


@dataclass(frozen=True)
class StopWhen:
    """Follows another rule, but gives nothing at a check at which a quantity reaches a threshold.

    Nothing is remembered: when the quantity has come back, the other rule goes on. What an
    earlier check has given stays given, also if it is still to come.

    Parameters
    ----------
    rule : DosingRule
        The rule to follow.
    quantity : str
        What is watched.
    threshold : float
        It stops at or above it, in the quantity's shown unit.
    below : bool, default False
        It stops at or below the threshold instead, for example at remission.

    Raises
    ------
    DoseError
        If the threshold is no finite number, or the rule cannot be called.
    """

    rule: DosingRule
    quantity: str
    threshold: float
    below: bool = False

    def __post_init__(self) -> None:
        """Check the settings."""
        checked_number(self.threshold, "threshold")
        if not callable(self.rule):
            raise DoseError(f"rule: {self.rule!r} is not a rule; give one, such as Fixed(regimen).")

    def __call__(self, state: Mapping[str, float], time_h: float, given: Sequence[Dose]) -> Sequence[Dose]:
        """Return what the other rule gives, or nothing; see :class:`DosingRule`."""
        if _reached(_seen(state, self.quantity, "stopping"), self.threshold, self.below):
            return ()
        return self.rule(state, time_h, given)
