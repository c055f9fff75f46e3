"""How people move through a trial: enrolment, randomisation, decision rules, drop-out, adherence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ketasim.trials.study.conditions import Condition, parse_condition
from ketasim.trials.study.parts import Identifier, Lenient, Part, Text, Time
from ketasim.trials.study.rules import study_time

__all__ = [
    "Action",
    "Adherence",
    "ConditionText",
    "DecisionRule",
    "DropOut",
    "Enrolment",
    "Randomisation",
    "Stage",
    "fault_at",
]


def fault_at(text: str, *path: str | int) -> PydanticCustomError:
    """Make the error of one field, which the reader of the file turns into a sentence."""
    return PydanticCustomError("study", "{text}", {"text": text, "path": path})


def _check_condition(text: str, info: ValidationInfo) -> str:
    known: Any = (info.context or {}).get("known_quantities", ())
    parse_condition(text, "condition", tuple(known))
    return text


ConditionText = Annotated[str, AfterValidator(_check_condition)]
Weight = Annotated[float, Field(gt=0)]


def _conditions(texts: tuple[str, ...], field: str) -> tuple[Condition, ...]:
    return tuple(parse_condition(text, field, None) for text in texts)


class Enrolment(Part):
    """How fast people enter: ``rate`` of them a week, one after another."""

    rate: float = Field(gt=0)


class Stage(Part):
    """A stretch of enrolment with its own ratio: the next ``first`` people, shared out by ``arms``."""

    first: int = Field(gt=0)
    arms: Mapping[str, Weight] = Field(min_length=1)


class Randomisation(Part):
    """How people are shared out among the arms that have an ``n``; the ratio is that of the n.

    ``block``: size of the permuted blocks; None is one block of exactly the n of the arms.
    ``strata``: conditions on the entry score and on covariates; each combination of what they
    say is a stratum with blocks of its own. ``stages``: ratios that change with the order of
    enrolment, as after an amendment of the protocol.
    """

    block: int | None = Field(default=None, gt=0)
    strata: Annotated[tuple[ConditionText, ...], Lenient] = ()
    stages: Annotated[tuple[Stage, ...], Lenient] = ()

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The strata, parsed."""
        return _conditions(self.strata, "randomisation.strata")


_KINDS = ("switch", "randomise", "stop", "withdraw", "rescue")


class Action(Part):
    """What a rule does with a person: exactly one of its keys.

    ``switch``: enter that arm. ``randomise``: enter one of these arms, by weight (with
    ``strata`` and ``block`` as for the first randomisation). ``stop``: treatment ends, for this
    reason, and the person stays in the trial. ``withdraw``: the person leaves the trial.
    ``rescue``: enter that arm, counted as rescue treatment.
    """

    switch: str | None = None
    randomise: Mapping[str, Weight] | None = Field(default=None, min_length=1)
    strata: Annotated[tuple[ConditionText, ...], Lenient] = ()
    block: int | None = Field(default=None, gt=0)
    stop: Text | None = None
    withdraw: Text | None = None
    rescue: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "nothing"
            raise fault_at(f"{found}: an action is exactly one of {', '.join(_KINDS)}.")
        if self.randomise is None and (self.strata or self.block is not None):
            name = "strata" if self.strata else "block"
            raise fault_at(f"{name} belongs to 'randomise'; leave it out of '{given[0]}'.", name)
        return self

    @property
    def kind(self) -> Literal["switch", "randomise", "stop", "withdraw", "rescue"]:
        """Which of its keys the action has."""
        for name in ("switch", "randomise", "stop", "withdraw"):
            if getattr(self, name) is not None:
                return name
        return "rescue"

    @property
    def targets(self) -> tuple[str, ...]:
        """Arms that the action can lead to, in file order."""
        if self.randomise is not None:
            return tuple(self.randomise)
        arm = self.switch if self.switch is not None else self.rescue
        return () if arm is None else (arm,)

    @property
    def weights(self) -> Mapping[str, float]:
        """Share of the people that each target gets; adds up to 1, empty without a target."""
        if self.randomise is None:
            return dict.fromkeys(self.targets, 1.0)
        total = sum(self.randomise.values())
        return {arm: weight / total for arm, weight in self.randomise.items()}

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The strata of a randomisation, parsed."""
        return _conditions(self.strata, "rules.then.strata")


class DecisionRule(Part):
    """What happens to people who meet some conditions at a visit.

    ``at``: times of the checks (empty: every visit later than the entry into the arm), counted
    from the first dose (``clock: study``) or from the entry into the current arm (``clock:
    arm``). ``arms``: whom it is about, by their current arm (empty: everybody, except those who
    are in an arm that the rule leads to). ``when``: conditions that must all hold (empty: always).
    ``consecutive``: at so many checks of this rule in a row. ``then``, ``otherwise``: what is
    done if they hold, and if they do not.
    """

    id: Identifier
    at: Annotated[tuple[Time, ...], Lenient] = ()
    clock: Literal["study", "arm"] = "study"
    arms: Annotated[tuple[str, ...], Lenient] = ()
    when: Annotated[tuple[ConditionText, ...], Lenient] = ()
    consecutive: int = Field(default=1, ge=1)
    then: Action
    otherwise: Action | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        for index, time in enumerate(self.at_h):
            if time <= 0.0:
                since = "the entry into the arm" if self.clock == "arm" else "the first dose"
                raise fault_at(f"{self.at[index]!r}: a rule acts later than {since}.", "at", index)
        if len(set(self.at_h)) < len(self.at):
            raise fault_at("a time is given twice; keep one.", "at")
        if self.otherwise is not None and not self.when:
            raise fault_at("a rule without conditions always acts, so this is never done.", "otherwise")
        if self.otherwise is not None and self.consecutive > 1:
            text = "a rule that waits for several checks has no 'otherwise'; write a second rule after it."
            raise fault_at(text, "otherwise")
        if self.at and self.consecutive > len(self.at):
            text = f"{self.consecutive} checks in a row are asked for, but 'at' has {len(self.at)}."
            raise fault_at(text, "consecutive")
        return self

    @property
    def at_h(self) -> tuple[float, ...]:
        """Times of the checks, hours since the first dose or since entering the arm; may be empty."""
        return tuple(study_time(time, "rules.at") for time in self.at)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What must hold, parsed."""
        return _conditions(self.when, "rules.when")

    @property
    def actions(self) -> tuple[Action, ...]:
        """``then``, and ``otherwise`` if there is one."""
        return (self.then,) if self.otherwise is None else (self.then, self.otherwise)

    @property
    def targets(self) -> tuple[str, ...]:
        """Arms that the rule can lead to, each once."""
        return tuple(dict.fromkeys(arm for action in self.actions for arm in action.targets))

    def concerns(self, arm: str) -> bool:
        """Tell whether the rule is about people who are in this arm."""
        return arm in self.arms if self.arms else arm not in self.targets


class DropOut(Part):
    """People who leave, at a rate (per week) that may depend on how they are.

    ``effect`` is the log hazard ratio per 10 points of score above that at entry: the last rated
    score for ``at_random``, the score of the visit itself, which is then not seen, for
    ``not_at_random``. ``lack_of_efficacy`` concerns those whose improvement is below
    ``improvement_below`` (share). Nobody leaves before ``after``. ``leaves``: the trial, or only
    its treatment.
    """

    id: Identifier
    kind: Literal["completely_at_random", "at_random", "not_at_random", "lack_of_efficacy", "adverse_event"]
    rate_per_week: float = Field(ge=0)
    arms: Annotated[tuple[str, ...], Lenient] = ()
    effect: float = 0.0
    improvement_below: float | None = Field(default=None, le=1)
    after: Time = "0 h"
    leaves: Literal["trial", "treatment"] = "trial"

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.kind == "completely_at_random" and self.effect != 0.0:
            text = (
                f"{self.effect:g}: who leaves completely at random leaves whatever the score; use at_random."
            )
            raise fault_at(text, "effect")
        if self.kind == "lack_of_efficacy" and self.improvement_below is None:
            text = "lack_of_efficacy needs improvement_below, as a share: 0.25 for those under 25 %."
            raise fault_at(text, "improvement_below")
        if self.kind != "lack_of_efficacy" and self.improvement_below is not None:
            raise fault_at(f"only lack_of_efficacy has this; {self.kind} has not.", "improvement_below")
        return self

    @property
    def after_h(self) -> float:
        """Time before which nobody leaves, hours from the first dose."""
        return study_time(self.after, "dropout.after")

    def concerns(self, arm: str) -> bool:
        """Tell whether people in this arm may leave this way."""
        return not self.arms or arm in self.arms


class Adherence(Part):
    """Share of treatment visits, from the second on, that are missed; ``person_sd`` on the logit scale."""

    missed: float = Field(ge=0, lt=1)
    person_sd: float = Field(default=0.0, ge=0)
