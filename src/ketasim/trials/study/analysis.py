"""How a trial is analysed: estimands, methods, multiplicity and looks before the end."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ketasim.trials.study.conditions import Condition, parse_condition
from ketasim.trials.study.flow import ConditionText, fault_at
from ketasim.trials.study.parts import Identifier, Lenient, Part, Quantity, Text, Time
from ketasim.trials.study.rules import study_time

__all__ = ["EVENT_METHODS", "TWO_PHASES", "Analysis", "Monitoring", "Multiplicity"]

Method = Literal[
    "ancova",
    "rank_ancova",
    "mmrm",
    "responder",
    "remission",
    "logrank",
    "cox",
    "crossover",
    "sequential_parallel",
    "non_inferiority",
    "trend",
    "change",
]
#: Methods about the time to an event.
EVENT_METHODS = ("logrank", "cox")
#: Methods that put two phases together.
TWO_PHASES = ("crossover", "sequential_parallel")
_ALONE = ("change", "responder", "remission", "logrank")


class Analysis(Part):
    """One planned comparison: what is estimated, in whom, when, and by which method.

    ``arm`` may pool arms (``a + b``); for ``trend`` it lists them in the order of their doses,
    for ``crossover`` and ``sequential_parallel`` it joins the arm of the first phase and that of the
    second, and baseline and time count from entering each. For the others they count from the
    ``origin``: ``entry``, or entering an arm of the phase with that label; then only those who
    entered one are counted. ``event`` holds the conditions
    any of which is the event of ``logrank`` and ``cox``, at ``consecutive`` visits in a row; without a
    comparator, ``logrank`` is the curve of one group.
    ``weight`` is the weight of the first phase of a sequential parallel design.
    """

    id: Identifier
    method: Method
    quantity: Quantity
    time: Time
    arm: Text
    comparator: str | None = None
    covariates: Annotated[tuple[Text, ...], Lenient] = ("baseline",)
    strata: bool = False
    estimand: Literal["treatment_policy", "hypothetical", "composite", "while_on_treatment"] = (
        "treatment_policy"
    )
    intercurrent: Annotated[tuple[Literal["stopped", "rescue", "switch", "withdrawn"], ...], Lenient] = (
        "stopped",
        "rescue",
        "withdrawn",
    )
    origin: Text = "entry"
    imputation: Literal["none", "jump_to_reference", "copy_reference", "copy_increments"] = "none"
    margin: float | None = Field(default=None, gt=0)
    family: str | None = None
    event: Annotated[tuple[ConditionText, ...], Lenient] = ()
    consecutive: int = Field(default=1, ge=1)
    weight: float | None = Field(default=None, gt=0, lt=1)
    alpha: float = Field(default=0.05, gt=0, lt=0.5)

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.comparator is None and self.method not in _ALONE:
            text = f"{self.method} compares arms, so it needs a comparator arm."
            raise fault_at(text, "comparator")
        if len(set(self.arms)) < len(self.arms):
            raise fault_at(f"{self.arm!r} names an arm twice.", "arm")
        both = set(self.arms) & set(self.comparators)
        if both:
            text = f"{', '.join(sorted(both))} stands on both sides; an arm cannot be compared with itself."
            raise fault_at(text, "comparator")
        if self.method in TWO_PHASES:
            if self.origin != "entry":
                raise fault_at(f"{self.method} counts from entering each arm; leave this out.", "origin")
            if len(self.arms) != 2 or len(self.comparators) != 2:
                which = "arm" if len(self.arms) != 2 else "comparator"
                text = f"{self.method} needs an arm of the first phase and one of the second: 'one + two'."
                raise fault_at(text, which)
        if self.method == "trend" and len(self.arms) < 2:
            raise fault_at("a trend needs two arms or more, joined by ' + ' in the order of dose.", "arm")
        wanted = (
            ("margin", self.margin is not None, ("non_inferiority",), True),
            ("event", bool(self.event), EVENT_METHODS, True),
            ("weight", self.weight is not None, ("sequential_parallel",), False),
            ("consecutive", self.consecutive > 1, EVENT_METHODS, False),
        )
        for name, given, methods, needed in wanted:
            if given and self.method not in methods:
                raise fault_at(f"only {' and '.join(methods)} have this; leave it out.", name)
            if needed and not given and self.method in methods:
                raise fault_at(f"{self.method} needs this; give it.", name)
        if self.imputation != "none" and self.method not in ("ancova", "mmrm"):
            raise fault_at(
                f"{self.imputation} goes with ancova or mmrm, not with {self.method}.", "imputation"
            )
        return self

    @property
    def time_h(self) -> float:
        """Time from the origin, hours."""
        return study_time(self.time, "analyses")

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms on the first side."""
        return _names(self.arm)

    @property
    def comparators(self) -> tuple[str, ...]:
        """The arms on the other side; empty if there is none."""
        return () if self.comparator is None else _names(self.comparator)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions any of which is the event, parsed."""
        return tuple(parse_condition(text, "analyses.event", None) for text in self.event)


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("+"))


class Multiplicity(Part):
    """How the analyses of one family share their error; ``fixed_sequence`` goes in file order."""

    family: Identifier
    method: Literal["hochberg", "dunnett", "fixed_sequence", "bonferroni", "holm"]


class Monitoring(Part):
    """A look at the data before the end.

    ``at`` counts patients with a result of the analysis, or events if the analysis is about the time
    to one; ``events`` ends the trial when so many have happened. ``sample_size_reestimation``
    raises the total number of patients up to ``maximum`` until the conditional power reaches
    ``power``; ``efficacy`` stops at a boundary that spends error by ``spending``; ``futility``
    stops if the conditional power is below ``power``.
    """

    id: Identifier
    analysis: str
    kind: Literal["sample_size_reestimation", "efficacy", "futility", "events"]
    at: int = Field(gt=0)
    maximum: int | None = Field(default=None, gt=0)
    power: float | None = Field(default=None, gt=0, lt=1)
    spending: Literal["obrien_fleming", "pocock"] | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        needs = {
            "sample_size_reestimation": ("maximum", "power"),
            "efficacy": ("spending",),
            "futility": ("power",),
            "events": (),
        }[self.kind]
        for name in ("maximum", "power", "spending"):
            given = getattr(self, name) is not None
            if given and name not in needs:
                raise fault_at(f"{self.kind} has no {name}; leave it out.", name)
            if name in needs and not given:
                raise fault_at(f"{self.kind} needs {name}; give it.", name)
        if self.maximum is not None and self.maximum < self.at:
            raise fault_at(f"{self.maximum} is fewer than the {self.at} of the look itself.", "maximum")
        return self
