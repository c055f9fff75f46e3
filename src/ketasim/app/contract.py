"""What goes in and out: the shapes behind the OpenAPI document. Requests refuse unknown fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, JsonValue
from pydantic.json_schema import JsonSchemaValue

from ketasim.api.scenarios import Scenario
from ketasim.app.limits import limit

__all__ = [
    "Citation",
    "ClaimCard",
    "Claims",
    "DoseForm",
    "DoseIn",
    "DoseOut",
    "EvidencePage",
    "Meta",
    "ObservationList",
    "RegimenIn",
    "RegimenOut",
    "ScenarioData",
    "SimulateIn",
    "SimulateOut",
    "StageCard",
]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Short = Annotated[str, Field(max_length=200)]


def _most(name: str, word: str = "maximum") -> dict[str, JsonValue]:
    """Describe a limit; to ask for more is too large, and not invalid."""
    return {word: int(limit(name).value)}


class ScenarioShape:
    """Describes plain data as a scenario; the public API reads it, and says what is wrong at its field."""

    def __get_pydantic_json_schema__(self, _: Any, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the shape of a scenario."""
        return handler(Scenario.__pydantic_core_schema__)


#: A scenario as plain data.
ScenarioData = Annotated[dict[str, Any], ScenarioShape()]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Out(BaseModel):
    model_config = ConfigDict(extra="allow")


class DoseIn(_In):
    """One dose of a calendar; what is left out is as the first dose has it, or absent."""

    time_h: Annotated[float, Field(allow_inf_nan=False, ge=0.0, description="Hours from time zero.")]
    amount: Finite | None = None
    unit: Short | None = None
    drug: Short | None = None
    route: Short | None = None
    duration_h: Finite | None = None
    form: Short | None = None
    bioavailability: Finite | None = None
    absorption_rate: Finite | None = None
    steady_state_h: Finite | None = None


class DoseForm(_In):
    """A regimen of equal doses, as a form has it."""

    drug: Short
    route: Short
    amount: Annotated[Short | None, Field(description="With a unit, as '0.5 mg/kg'; none for a placebo.")] = (
        None
    )
    over: Annotated[Short | None, Field(description="Length of an infusion, as '40 min'.")] = None
    every: Annotated[Short, Field(description="One of /meta's schedules, or 'every 3 days'.")] = "once"
    times: Annotated[int | None, Field(ge=1, le=10_000, description="Number of doses.")] = None
    for_: Annotated[
        Short | None, Field(alias="for", description="Instead of times: how long, as '4 weeks'.")
    ] = None


class RegimenIn(_In):
    """A regimen in one of its three forms."""

    text: Annotated[str | None, Field(max_length=1_000_000)] = None
    events: Annotated[list[DoseIn] | None, Field(description="A calendar; may be empty.")] = None
    drug: Annotated[Short | None, Field(description="Drug of events that name none.")] = None
    form: DoseForm | None = None


class DoseOut(_Out):
    """One dose."""

    time_h: float
    amount: float
    unit: str
    drug: str
    route: str
    duration_h: float | None
    form: str
    bioavailability: float | None
    absorption_rate: float | None
    steady_state_h: float | None


class RegimenOut(_Out):
    """A regimen in all of its forms; ``form`` is null if no form can say it."""

    text: str
    drug: str | None
    route: str | None
    form: dict[str, Any] | None
    events: list[DoseOut]
    sentence: str
    warnings: list[str]


class AxisIn(_In):
    """The time axis: knots in hours from the chosen dose, and the share of the width between them."""

    kind: Short | None = None
    dose: Annotated[int, Field(ge=0, le=10_000)] = 1
    knots_h: Annotated[list[Finite], Field(min_length=2, max_length=64)]
    shares: Annotated[list[Finite], Field(min_length=1, max_length=63)]
    columns: Annotated[int, Field(ge=2, json_schema_extra=_most("columns"))] = 480


class SimulateIn(_In):
    """Scenarios to compute on one axis."""

    scenarios: Annotated[
        list[ScenarioData], Field(min_length=1, json_schema_extra=_most("scenarios", "maxItems"))
    ]
    axis: AxisIn | None = None
    variables: Annotated[list[Short] | None, Field(description="Rows of /meta; default: all.")] = None
    bands: Literal["none", "knowledge", "people", "both"] = "none"
    draws: Annotated[int, Field(ge=2, json_schema_extra=_most("draws"))] = 64
    people: Annotated[int, Field(ge=0, json_schema_extra=_most("people"))] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    reference: Annotated[bool, Field(description="Reference solver where the fast one fails.")] = False
    examples: Annotated[
        int, Field(ge=0, json_schema_extra=_most("examples"), description="Virtual people shown one by one.")
    ] = 0


class SimulateOut(_Out):
    """What was computed: arrays have one number a column of the axis."""

    hash: str
    model_hash: str
    elapsed_ms: float
    results: list[dict[str, Any]]


class StageCard(_Out):
    """A stage: equations, what it has, reads and gives, its numbers with their sources, and disputes."""

    id: str
    name: str
    section: str
    equations: list[dict[str, Any]]
    states: list[dict[str, Any]]
    reads: list[dict[str, Any]]
    provides: list[dict[str, Any]]
    parameters: list[dict[str, Any]]
    options: list[dict[str, Any]]
    disputes: list[dict[str, Any]]
    observations: dict[str, list[dict[str, Any]]]


class Meta(_Out):
    """What there is to choose from."""

    version: str
    model_hash: str
    parameter_hash: str
    disclaimer: str
    rows: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    presets: list[dict[str, Any]]
    wirings: list[dict[str, Any]]
    switches: list[dict[str, Any]]
    options: list[dict[str, Any]]
    drugs: list[dict[str, Any]]
    schedules: list[dict[str, Any]]
    controls: list[dict[str, Any]]
    expectancies: list[dict[str, Any]]
    contexts: list[dict[str, Any]]
    comedications: list[dict[str, Any]]
    person_fields: list[dict[str, Any]]
    populations: list[dict[str, Any]]
    studies: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    limits: list[dict[str, Any]]


class ObservationList(_Out):
    """Published results for a row."""

    observations: list[dict[str, Any]]


class Citation(_Out):
    """A publication."""

    key: str
    authors: str
    year: int | None
    title: str
    journal: str
    doi: str | None
    url: str | None


class ClaimCard(_Out):
    """A claim with its verdict."""

    id: str
    claim: str
    verdict: str
    reasons: list[str]
    citations: list[str]
    scenario: dict[str, Any] | None


class Claims(_Out):
    """Every claim, and whether the answers are those of this model."""

    claims: list[ClaimCard]
    out_of_date: bool
    made_with: dict[str, Any]


class EvidencePage(_Out):
    """A page of the scoreboard."""

    rows: list[dict[str, Any]]
    nearest: list[dict[str, Any]]
    page: int
    pages: int
    total: int
    out_of_date: bool
    made_with: dict[str, Any]
