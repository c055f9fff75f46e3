"""The parts of a study file below its top level: setting, arms, visits, rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ketasim.dosing import Regimen, parse_regimen
from ketasim.errors import unknown_name
from ketasim.trials.study.base import Identifier, Lenient, Part, Quantity, Text, Time
from ketasim.trials.study.population import (
    ArmBaseline,
    Baseline,
    Correlation,
    Covariates,
    Distribution,
    Pain,
    Population,
)
from ketasim.trials.study.rules import (
    ACTIVE_DRUGS,
    OUTCOME_UNITS,
    SCALE_TOP,
    observation_fault,
    parse_rule,
    study_time,
)
from ketasim.trials.study.statistics import EndpointStatistic, RowStatistic, standard_error

__all__ = [
    "Arm",
    "ArmBaseline",
    "Assumption",
    "Baseline",
    "Correlation",
    "Covariates",
    "Distribution",
    "Endpoint",
    "Identifier",
    "Lenient",
    "Observation",
    "Pain",
    "Part",
    "Population",
    "Quantity",
    "Relapse",
    "Remission",
    "Setting",
    "Text",
    "Time",
    "Visit",
    "needs_visit",
]

#: Improvement that counts as response, as a share of the score at entry.
RESPONSE_SHARE = 0.5
#: The relapse rule that is not a score.
RESPONSE_LOST = "response lost"
Comedication = Literal[
    "continued_antidepressant",
    "new_antidepressant",
    "standard_of_care",
    "general_anaesthesia",
    "rapamycin",
    "naltrexone",
    "lamotrigine",
    "riluzole",
    "benzodiazepine",
    "mglu23_agonist",
    "nbqx",
]
Blinding = Literal["double_blind", "open_label"]


def _check_rated(name: str) -> str:
    if name not in SCALE_TOP:
        raise ValueError(unknown_name("scale", name, SCALE_TOP))
    return name


def _check_rule(text: str) -> str:
    parse_rule(text, "rule")
    return text


def _check_relapse_rule(text: str) -> str:
    return text if text == RESPONSE_LOST else _check_rule(text)


class Remission(Part):
    """Remission is a score at or below ``threshold`` (points) on ``scale``."""

    scale: Annotated[str, AfterValidator(_check_rated)]
    threshold: float = Field(ge=0)


class Relapse(Part):
    """When a responder or remitter counts as relapsed.

    Responders and remitters are those at time ``after``. They relapse at the first
    of ``consecutive`` visits in a row, all later than ``after``, that meet ``rule``:
    a score (``madrs >= 22``) or ``response lost`` (improvement under half of baseline).
    """

    after: Time
    rule: Annotated[str, AfterValidator(_check_relapse_rule)]
    consecutive: int = Field(default=1, ge=1)

    @property
    def after_h(self) -> float:
        """Time at which response is established, hours from the first dose."""
        return study_time(self.after, "setting.relapse.after")

    def limit(self, baseline: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Score (points) from which the rule is met, for each score at entry."""
        if self.rule == RESPONSE_LOST:
            return np.asarray(RESPONSE_SHARE * baseline, dtype=np.float64)
        return np.full(len(baseline), parse_rule(self.rule, "setting.relapse.rule").value)

    def met(self, score: float, baseline: float) -> bool:
        """Tell whether a score (points) meets the rule, given the score at entry."""
        if self.rule == RESPONSE_LOST:
            return score > RESPONSE_SHARE * baseline
        return parse_rule(self.rule, "setting.relapse.rule").holds(score)


class Setting(Part):
    """Where and how the trial was run: what shapes expectancy and the placebo response."""

    care: Literal["outpatient", "inpatient", "surgery"]
    control: Literal["saline", "midazolam", "placebo_spray", "none"]
    blinding: Blinding = "double_blind"
    new_antidepressant: bool = False
    remission: Remission | None = None
    relapse: Relapse | None = None


class Arm(Part):
    """A treatment with one regimen (dose text; ``none`` for no treatment).

    People are randomised to the arms with an ``n``; the others are reached by rules, and their
    doses count from there. ``masked`` means that the patient could not feel the drug
    (anaesthesia). ``phase`` labels the arms that belong to one phase. ``allocation`` is the belief
    of having the drug on entering (None: computed from the design). ``empirical`` names
    treatments that are known by their course only; the regimen then gives their sessions.
    """

    id: Identifier
    n: int | None = Field(default=None, gt=0)
    regimen: Text
    comedication: Annotated[tuple[Comedication, ...], Lenient] = ()
    empirical: Annotated[tuple[Literal["quetiapine", "ect", "morphine"], ...], Lenient] = ()
    masked: bool = False
    phase: str = ""
    blinding: Blinding | None = None
    allocation: float | None = Field(default=None, ge=0, le=1)
    baseline: ArmBaseline | None = None

    @field_validator("regimen")
    @classmethod
    def _regimen(cls, text: str) -> str:
        parse_regimen(text)
        return text

    @property
    def dosing(self) -> Regimen:
        """The parsed regimen."""
        return parse_regimen(self.regimen)

    @property
    def active(self) -> bool:
        """Whether the regimen holds ketamine or one of its enantiomers."""
        return any(dose.drug in ACTIVE_DRUGS for dose in self.dosing.doses)


def _visit_schema(schema: dict[str, Any]) -> None:
    """Say in the JSON schema that a visit may also be a plain time."""
    full = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "description": "Time of the visit, for example '24 h'"}, full]


class Visit(Part):
    """A time at which outcomes are rated; ``quantities`` empty means all that are asked for.

    With a ``window`` people are rated evenly within that length of time before and after.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_visit_schema)

    time: Time
    quantities: Annotated[tuple[Quantity, ...], Lenient] = ()
    window: Time | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_time(cls, data: Any) -> Any:
        return data if isinstance(data, (Mapping, cls)) else {"time": data}

    @property
    def time_h(self) -> float:
        """Time from the first dose, hours."""
        return study_time(self.time, "visits")

    @property
    def window_h(self) -> float:
        """Half width of the window, hours; 0 without one."""
        return 0.0 if self.window is None else study_time(self.window, "visits.window")


class Endpoint(Part):
    """What is estimated in each arm (or against ``comparator``) at one time.

    Baseline and time count from the ``origin``: ``entry`` into the trial, entering an arm of the
    phase with that label, or, with ``arm``, entering the arm itself.
    """

    quantity: Quantity
    statistic: EndpointStatistic
    time: Time
    comparator: str | None = None
    origin: Text = "entry"

    @property
    def time_h(self) -> float:
        """Time from the first dose, hours."""
        return study_time(self.time, "endpoints")


class Observation(Part):
    """One published number, to be laid beside its simulated counterpart.

    ``arm`` and ``comparator`` may pool arms, joined by `` + ``. ``among`` names the group that a relapse
    fraction is about, or, told apart at ``among_time``, a response or remission. Rates are fractions.
    ``threshold`` is in the unit of the quantity. A correlation is with ``with_quantity`` at ``with_time``.
    ``spread_low`` holds a SD or SE; an interval uses ``spread_low`` and ``spread_high``. Baseline and time
    count from the ``origin``: ``entry`` into the trial; the label of a phase, for those who entered its
    arms, from there; or ``arm``, for those who entered the row's own arms, whichever their phase.
    """

    id: Identifier
    arm: Text
    comparator: str | None = None
    among: Literal["responders", "non_responders", "remitters"] | None = None
    among_time: Time | None = None
    quantity: Quantity
    statistic: RowStatistic
    threshold: float | None = None
    with_quantity: Quantity | None = None
    with_time: Time | None = None
    with_statistic: Literal["value", "change"] = "value"
    time: Time
    value: float
    unit: str
    spread_kind: Literal["none", "sd", "se", "ci95", "iqr", "range"] = "none"
    spread_low: float | None = None
    spread_high: float | None = None
    n: int | None = Field(default=None, gt=0)
    source_kind: Literal["measured", "model_output"]
    use: Literal["calibration", "check", "heldout"]
    citation: Text
    origin: Text = "entry"

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        known = (info.context or {}).get("known_quantities", {})
        units = {**OUTCOME_UNITS, **(known if isinstance(known, Mapping) else {})}
        fault = observation_fault(self, units.get(self.quantity))
        if fault is not None:
            raise PydanticCustomError("study", "{text}", {"text": fault[1], "path": (fault[0],)})
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms whose patients are counted together."""
        return tuple(part.strip() for part in self.arm.split("+"))

    @property
    def comparators(self) -> tuple[str, ...]:
        """The arms whose patients are counted together as the comparator; empty without one."""
        return () if self.comparator is None else tuple(part.strip() for part in self.comparator.split("+"))

    @property
    def time_h(self) -> float:
        """Time from the first dose, hours."""
        return study_time(self.time, "observations")

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``value``, see :func:`~ketasim.trials.study.statistics.standard_error`."""
        return standard_error(self)

    @property
    def with_time_h(self) -> float | None:
        """Time of the other value of a correlation or of a ratio of changes, hours from the origin."""
        return None if self.with_time is None else study_time(self.with_time, "observations.with_time")

    @property
    def among_time_h(self) -> float | None:
        """Time at which the group of ``among`` is told apart, hours from the origin."""
        return None if self.among_time is None else study_time(self.among_time, "observations.among_time")


class Assumption(Part):
    """A field of the file whose value no source gives, and why that value was taken."""

    field: Text
    reason: Text


def needs_visit(part: Visit | Endpoint | Observation) -> bool:
    """Tell whether patients must be rated at the time of this part of a study.

    A relapse counts the visits up to its time, and a time that counts from a phase differs
    between people; neither adds a visit.
    """
    return isinstance(part, Visit) or (part.statistic != "relapse" and part.origin == "entry")
