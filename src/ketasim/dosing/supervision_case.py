"""A regimen and a person as the rules of supervision read them, and answers that several rules share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ketasim.dosing.dose import Dose
from ketasim.dosing.regimen import Regimen
from ketasim.dosing.supervision import ARRANGEMENTS, HISTORY, PURPOSES, PersonFacts, Rule, Verdict

__all__ = ["SLACK", "Answer", "Case", "Session", "arranged", "contraindicated", "per_kg_dose", "same"]

_KETAMINES = ("ketamine", "esketamine", "arketamine")
#: Nasal doses within this time are one session.
_SESSION_H: Final = 6.0
#: Differences that rounding can leave.
SLACK: Final = 1e-6

Answer = tuple[Verdict, str]


@dataclass(frozen=True)
class Session:
    """Nasal esketamine of one sitting."""

    start_h: float
    mass_mg: float
    starts_h: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A regimen and a person, with what several rules read of them."""

    regimen: Regimen
    facts: PersonFacts
    rules: Mapping[str, Rule]

    @property
    def doses(self) -> tuple[Dose, ...]:
        """Return the doses that hold ketamine or one of its enantiomers."""
        return tuple(dose for dose in self.regimen.doses if dose.drug in _KETAMINES)

    @property
    def nasal(self) -> tuple[Dose, ...]:
        """Return those that the label of nasal esketamine is about."""
        return tuple(dose for dose in self.doses if dose.drug == "esketamine" and dose.route == "intranasal")

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Return these by sitting."""
        found: list[list[Dose]] = []
        for dose in self.nasal:
            if found and dose.start_h - found[-1][0].start_h < _SESSION_H:
                found[-1].append(dose)
            else:
                found.append([dose])
        return tuple(
            Session(
                own[0].start_h,
                # Label doses are in mg; the weight matters to a dose per kg only, which the caller checks.
                math.fsum(dose.mass_mg(self.facts.weight_kg or 70.0, self.facts.height_m) for dose in own),
                tuple(dose.start_h for dose in own),
            )
            for own in found
        )

    def by_vein(self, route: str) -> tuple[Dose, ...]:
        """Return the doses of a route into a vein."""
        return tuple(dose for dose in self.doses if dose.route == route)

    def limit(self, name: str) -> float:
        """Return the limit that a rule gives, in its unit."""
        return self.rules[name].value


def contraindicated(
    stops: Sequence[str], cautions: Sequence[str] = (), *purposes: str
) -> Callable[[Case], Answer]:
    """Make a rule of what must not be, and of what calls for caution; written for some purposes, or all."""

    def answer(case: Case) -> Answer:
        if purposes and case.facts.purpose not in purposes:
            return "not applicable", f"written for {_written(purposes)}"
        history = case.facts.history
        if history is None:
            return "cannot tell", "history is missing: name what there is, or none"
        stopped = [HISTORY[name] for name in stops if name in history]
        if stopped:
            return "fail", "contraindicated: " + ", ".join(stopped)
        if purposes and case.facts.hepatic == "C":
            return "fail", "contraindicated: severe liver disease (Child-Pugh C)"
        careful = [HISTORY[name] for name in cautions if name in history]
        if careful:
            return "warn", "caution: " + ", ".join(careful)
        if purposes and case.facts.hepatic is None:
            return "cannot tell", "Child-Pugh class is missing: severe liver disease is a contraindication"
        return "pass", "none of those named"

    return answer


def arranged(name: str) -> Callable[[Case], Answer]:
    """Make a rule of what a clinic must have arranged."""

    def answer(case: Case) -> Answer:
        if name in case.facts.arranged:
            return "pass", f"arranged: {ARRANGEMENTS[name]}"
        return "cannot tell", f"say whether it is arranged ({name}): {ARRANGEMENTS[name]}"

    return answer


def per_kg_dose(dose: Dose, facts: PersonFacts) -> float | None:
    """Free base in mg/kg; None if it needs a weight that is not known."""
    if facts.weight_kg is not None:
        return dose.mass_mg(facts.weight_kg, facts.height_m) / facts.weight_kg
    # Per kg it is the same at any weight; any other dose differs.
    light, heavy = (dose.mass_mg(weight, facts.height_m or 1.7) / weight for weight in (50.0, 100.0))
    return light if same(light, heavy) else None


def same(value: float, other: float) -> bool:
    """Whether two numbers agree to a tenth of a percent, as those of a prescription do."""
    return math.isclose(value, other, rel_tol=1e-3, abs_tol=1e-9)


def _written(purposes: Sequence[str]) -> str:
    return " or ".join(PURPOSES[purpose] for purpose in purposes)
