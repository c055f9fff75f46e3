"""The parts of an experiment file: who took part, and what they were given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ketasim.dosing import Regimen, parse_regimen
from ketasim.errors import KetasimError
from ketasim.model.options import chosen_settings
from ketasim.population import COVARIATES
from ketasim.trials.causes import Cause, find_cause
from ketasim.trials.experiment.measures import relative_time
from ketasim.trials.study.base import Identifier, Lenient, Part, Text
from ketasim.trials.study.population import Covariates, TableName
from ketasim.units import parse_quantity

__all__ = ["CauseUse", "ExperimentArm", "State", "Subjects"]

#: ``stressed`` is what depressed animals are.
State = Literal["healthy", "depressed", "stressed", "remitted"]
Ancestry = Literal["white", "black", "asian", "japanese", "other"]


def _check_relative(text: str) -> str:
    relative_time(text, "time")
    return text


RelativeTime = Annotated[str, AfterValidator(_check_relative)]


class Subjects(Covariates):
    """Who takes part: state, severity, and covariates as in a study.

    ``severity`` is the latent severity at rest of those who are not healthy, in MADRS points. ``pain`` is
    an intensity from 0 to 10, ``opioid`` a use in oral morphine equivalents with its unit.
    """

    state: State
    severity: float | None = Field(default=None, gt=0, lt=60)
    severity_sd: float | None = Field(default=None, gt=0)
    ancestry: Ancestry | None = None
    table: TableName | None = None
    pain: float | None = Field(default=None, ge=0, le=10)
    opioid: Text | None = None

    @field_validator("opioid")
    @classmethod
    def _opioid(cls, text: str | None) -> str | None:
        if text is not None and parse_quantity(text, "mg/h", "opioid") < 0.0:
            raise ValueError(f"{text!r} is negative; give a use of 0 mg/h or more.")
        return text

    @model_validator(mode="after")
    def _one_ancestry(self) -> Self:
        twice = self.ancestry is not None and any(name.startswith("ancestry_") for name in self.fractions)
        if twice:
            text = "all have one ancestry, and fractions give shares of others; keep one of the two."
            raise PydanticCustomError("study", "{text}", {"text": text, "path": ("ancestry",)})
        return self

    @property
    def opioid_mg_h(self) -> float | None:
        """Opioid use in mg/h of oral morphine; None if it is left out."""
        return None if self.opioid is None else parse_quantity(self.opioid, "mg/h", "opioid")

    @property
    def shares(self) -> dict[str, float]:
        """Shares of people by covariate."""
        found = dict(self.fractions)
        if self.female_fraction is not None:
            found["female"] = self.female_fraction
        if self.ancestry is not None:
            found |= {name: 0.0 for name in COVARIATES if name.startswith("ancestry_")}
            found[f"ancestry_{self.ancestry}"] = 1.0
        return found


def _cause_schema(schema: dict[str, Any]) -> None:
    """Say in the JSON schema that a cause may also be a plain name."""
    full = dict(schema)
    schema.clear()
    schema["anyOf"] = [{"type": "string", "description": "Name of a cause, for example 'rapamycin'"}, full]


class CauseUse(Part):
    """A cause of the table in an arm: when, in time from the first dose, and how strong.

    What is left out is as in the table.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(json_schema_extra=_cause_schema)

    cause: Text
    starts: RelativeTime | None = Field(default=None, alias="from")
    ends: RelativeTime | None = Field(default=None, alias="to")
    amount: float | None = Field(default=None, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _plain_name(cls, data: Any) -> Any:
        return data if isinstance(data, (Mapping, cls)) else {"cause": data}

    @field_validator("cause")
    @classmethod
    def _known(cls, name: str) -> str:
        find_cause(name)
        return name

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for cause in find_cause(self.cause):
            starts, ends = self.span_h(cause)
            if cause.kind == "parameter" and (self.starts, self.ends) != (None, None):
                text = (
                    f"{self.cause} changes the parameter {cause.target}, which holds for good; leave it out."
                )
                path = "from" if self.starts is not None else "to"
                raise PydanticCustomError("study", "{text}", {"text": text, "path": (path,)})
            if not starts < ends:
                text = f"{self.cause} ends at {ends:g} h and begins at {starts:g} h; let it end later."
                raise PydanticCustomError("study", "{text}", {"text": text, "path": ("to",)})
        return self

    def span_h(self, cause: Cause) -> tuple[float, float]:
        """From when to when it acts, in h after the first dose."""
        starts = cause.starts_h if self.starts is None else relative_time(self.starts, "from")
        ends = cause.ends_h if self.ends is None else relative_time(self.ends, "to")
        return starts, ends

    def value(self, cause: Cause) -> float:
        """What the target is put at, in the unit of the table."""
        return cause.value if self.amount is None else self.amount


class ExperimentArm(Part):
    """What some of the subjects are given: doses, causes, other parameters and inputs.

    ``options`` are choices of disputed options by name; ``set`` are parameters and ``inputs`` outside
    inputs by name, as text with a unit.
    """

    id: Identifier
    n: int | None = Field(default=None, gt=0)
    regimen: Text
    causes: Annotated[tuple[CauseUse, ...], Lenient] = ()
    state: State | None = None
    options: Mapping[str, str] = {}
    set: Mapping[str, str] = {}
    inputs: Mapping[str, str] = {}

    @field_validator("regimen")
    @classmethod
    def _regimen(cls, text: str) -> str:
        parse_regimen(text)
        return text

    @field_validator("options")
    @classmethod
    def _options(cls, choices: Mapping[str, str]) -> Mapping[str, str]:
        try:
            chosen_settings(choices)
        except KetasimError as error:
            raise ValueError(str(error)) from error
        return choices

    @property
    def dosing(self) -> Regimen:
        """The parsed regimen."""
        return parse_regimen(self.regimen)
