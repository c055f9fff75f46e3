"""Who is in a study: baseline, entry rules, covariates and their correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ketasim.errors import unknown_name
from ketasim.population import COVARIATES, SCALE_MAXIMUM, table_names
from ketasim.trials.study.base import Lenient, Part, Scale
from ketasim.trials.study.conditions import BINARY_COVARIATES, COVARIATE_NAMES, Condition, parse_condition
from ketasim.trials.study.rules import Rule, unit_fault

__all__ = ["ArmBaseline", "Baseline", "Correlation", "Covariates", "Distribution", "Pain", "Population"]


def _check_entry(text: str) -> str:
    condition = parse_condition(text, "entry")
    if condition.form != "level" or not (condition.is_covariate or condition.subject in SCALE_MAXIMUM):
        known = ", ".join(sorted((*SCALE_MAXIMUM, *COVARIATE_NAMES)))
        raise ValueError(
            f"{text!r}: an entry rule bounds what is known at entry, as in 'madrs >= 28' or 'age <= 64'; "
            f"it may name {known}."
        )
    return text


EntryText = Annotated[str, AfterValidator(_check_entry)]


def _check_table(name: str) -> str:
    if name not in table_names():
        raise ValueError(unknown_name("baseline table", name, table_names()))
    return name


TableName = Annotated[str, AfterValidator(_check_table)]


class Baseline(Part):
    """Rated severity at entry: scale, mean and SD (points), and where they were read."""

    scale: Scale
    mean: float = Field(ge=0)
    sd: float = Field(gt=0)
    source: str | None = None


class ArmBaseline(Part):
    """An arm's own baseline mean and SD (points), on the scale of the population's."""

    mean: float = Field(ge=0)
    sd: float = Field(gt=0)
    source: str | None = None


class Distribution(Part):
    """Mean and SD of a covariate, with its unit."""

    mean: float = Field(gt=0)
    sd: float = Field(ge=0)
    unit: str


#: Covariates with a mean and SD.
_CONTINUOUS = ("weight", "height", "age", "failed_treatments", "crp")
Share = Annotated[float, Field(ge=0, le=1)]


class Covariates(Part):
    """Means and SDs, and shares, of covariates; what is left out takes the values of the table.

    ``fractions`` holds shares of people by name, such as ``hypertension: 0.2``.
    """

    weight: Distribution | None = None
    height: Distribution | None = None
    age: Distribution | None = None
    failed_treatments: Distribution | None = None
    crp: Distribution | None = None
    female_fraction: float | None = Field(default=None, ge=0, le=1)
    fractions: Mapping[str, Share] = {}

    @model_validator(mode="after")
    def _units(self) -> Self:
        for name, given in self.continuous.items():
            unit = COVARIATES[name].unit
            if given.unit != unit and (fault := unit_fault(given.unit, unit)):
                raise PydanticCustomError("study", "{text}", {"text": fault, "path": (name, "unit")})
        for name in self.fractions:
            if name not in BINARY_COVARIATES or name == "female":
                known = [item for item in BINARY_COVARIATES if item != "female"]
                text = unknown_name("covariate with a share", name, known)
                if name == "female":
                    text = "write the share of women as female_fraction, beside fractions."
                raise PydanticCustomError("study", "{text}", {"text": text, "path": ("fractions", name)})
        return self

    @property
    def continuous(self) -> dict[str, Distribution]:
        """The distributions that the file gives, by covariate."""
        return {name: given for name in _CONTINUOUS if (given := getattr(self, name)) is not None}


class Correlation(Part):
    """Correlation of two covariates (of the latent normals, if one of them is a share)."""

    between: Annotated[tuple[str, str], Lenient]
    value: float = Field(gt=-1, lt=1)

    @field_validator("between")
    @classmethod
    def _known(cls, pair: tuple[str, str]) -> tuple[str, str]:
        for name in pair:
            if name not in COVARIATE_NAMES:
                raise ValueError(unknown_name("covariate", name, COVARIATE_NAMES))
        if pair[0] == pair[1]:
            raise ValueError(f"{pair[0]!r} is named twice; a correlation is between two covariates.")
        return pair


class Pain(Part):
    """Pain of the people at entry (numeric rating, 0 to 10): mean, SD, and opioid use in mg/h.

    ``opioid`` is in oral morphine equivalents.
    """

    mean: float = Field(gt=0, le=10)
    sd: float = Field(ge=0)
    opioid: float = Field(default=0.0, ge=0)
    source: str | None = None


class Population(Part):
    """Who was studied: condition, baseline, entry rules such as ``madrs >= 28``, covariates.

    ``table`` names a shipped table of baseline characteristics, from which comes what the file
    does not give. ``pain`` makes them people in pain.
    """

    condition: Literal["healthy", "mdd", "trd", "bipolar_depression", "ptsd", "pain"]
    baseline: Baseline
    entry: Annotated[tuple[EntryText, ...], Lenient] = ()
    table: TableName | None = None
    covariates: Covariates = Covariates()
    correlations: Annotated[tuple[Correlation, ...], Lenient] = ()
    pain: Pain | None = None

    @property
    def entry_rules(self) -> tuple[Rule, ...]:
        """The entry rules on a scale, parsed."""
        return tuple(
            Rule(item.subject, item.operator, item.value)
            for item in self.entry_conditions
            if not item.is_covariate
        )

    @property
    def entry_conditions(self) -> tuple[Condition, ...]:
        """All entry rules, parsed."""
        return tuple(parse_condition(text, "population.entry") for text in self.entry)

    @property
    def covariate_rules(self) -> tuple[tuple[str, str, float], ...]:
        """The entry rules on covariates: name, operator and value."""
        return tuple(
            (item.subject, item.operator, item.value) for item in self.entry_conditions if item.is_covariate
        )
