"""A scenario as data: drug and schedule, person, setting and mechanism.

The page, its links, the server and the Python API all hold this one form. Names, units and ranges are
looked at when a scenario is made ready (:mod:`ketasim.api.scenarios.plans`), so that each fault can say
where it is and what comes nearest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ketasim.api.scenarios.faults import Fault, ScenarioError, unknown_choice

__all__ = [
    "Amount",
    "Measure",
    "Mechanism",
    "Person",
    "Scenario",
    "Setting",
    "as_text",
    "read_scenario",
    "scenario_hash",
]

_LONGEST = 4000


class _Part(BaseModel):
    """Closed and immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)


class Measure(_Part):
    """A number with its unit."""

    value: float
    unit: Annotated[str, Field(max_length=40)]

    @property
    def text(self) -> str:
        """As it would be written."""
        return f"{self.value!r} {self.unit}"


Short = Annotated[str, Field(max_length=80)]
#: Text with a unit, or a number and its unit.
Amount = Short | Measure


def as_text(given: Amount | float) -> str:
    """An amount as it would be written."""
    if isinstance(given, Measure):
        return given.text
    return given if isinstance(given, str) else f"{given:g}"


class Person(_Part):
    """Who: only what changes something in this model.

    ``age`` in years, ``severity`` in MADRS points, ``pain`` on the numeric rating scale.
    """

    weight: Amount = "70 kg"
    height: Amount = "170 cm"
    age: float = 45.0
    sex: Literal["female", "male"] = "female"
    ancestry: Literal["white", "black", "asian", "japanese", "other"] = "white"
    illness: Literal["depressed", "healthy"] = "depressed"
    severity: float = 33.0
    failed_treatments: int = 2
    bdnf: Literal["val/val", "val/met", "met/met"] = "val/val"
    cyp2b6: Literal["*1/*1", "*1/*6", "*6/*6"] = "*1/*1"
    pain: float = 0.0
    opioid: Amount = "0 mg/h"


class Setting(_Part):
    """Against what, with how much hope, with what beside it, and where."""

    control: Literal["none", "saline", "midazolam"] = "midazolam"
    expectancy: Literal["none", "low", "middle", "high"] = "middle"
    comedication: Annotated[tuple[Short, ...], Field(max_length=8)] = ()
    context: Literal["outpatient", "inpatient", "anaesthesia"] = "outpatient"


class Mechanism(_Part):
    """Which wiring, what is switched off, how disputes are settled, and changed parameters.

    A switch at 1 leaves its stage as it is and at 0 holds it at the person's own rest; between, the
    stage keeps that share of its distance from rest.
    """

    wiring: Short = "default"
    switches: Annotated[Mapping[Short, Annotated[float, Field(ge=0.0, le=1.0)]], Field(max_length=32)] = {}
    options: Annotated[Mapping[Short, Short], Field(max_length=64)] = {}
    parameters: Annotated[Mapping[Short, Amount], Field(max_length=64)] = {}


class Scenario(_Part):
    """A regimen given to a person in a setting, by a mechanism.

    ``regimen`` is the text of doses, which names drug and route, or ``none``. ``population`` names a
    shipped baseline table, whose typical person and whose people are then shown; without one, people
    are like this person.
    """

    schema_version: Literal[1] = Field(default=1, alias="schema")
    regimen: Annotated[str, Field(max_length=_LONGEST)] = "0.5 mg/kg ketamine iv over 40 min"
    person: Person = Person()
    population: Short | None = None
    setting: Setting = Setting()
    mechanism: Mechanism = Mechanism()

    def to_data(self) -> dict[str, Any]:
        """As plain data, every field written out."""
        return self.model_dump(mode="json", by_alias=True)


def read_scenario(data: Scenario | Mapping[str, Any] | str) -> Scenario:
    """Read a scenario from plain data or JSON text.

    Parameters
    ----------
    data : Scenario, mapping or str
        A scenario comes back as it is; text is JSON, or else a regimen.

    Returns
    -------
    Scenario

    Raises
    ------
    ScenarioError
        With every fault: an unknown field, a wrong kind of value, a name that does not exist.
    """
    if isinstance(data, Scenario):
        return data
    if isinstance(data, str):
        if not data.lstrip().startswith("{"):
            return Scenario(regimen=data[:_LONGEST])
        try:
            data = json.loads(data)
        except (json.JSONDecodeError, RecursionError) as error:
            hint = "Copy the scenario again; it must be JSON."
            raise ScenarioError([Fault("", f"the text is not a scenario: {error}.", hint=hint)]) from error
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError([_fault(item) for item in error.errors(include_url=False)]) from error


def scenario_hash(scenario: Scenario) -> str:
    """Sixteen hexadecimal digits that stand for a scenario, whatever its defaults are written as."""
    text = json.dumps(scenario.to_data(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fault(error: Mapping[str, Any]) -> Fault:
    """What pydantic found, in the words of a scenario."""
    place: Sequence[Any] = [part for part in error["loc"] if part not in ("Measure", "constrained-str")]
    path, kind, value = ".".join(map(str, place)), error["type"], error.get("input")
    if kind == "extra_forbidden" and place:
        return unknown_choice(path, "field", str(place[-1]), _fields_at(place[:-1]))
    if kind == "literal_error":
        allowed = _literals(place)
        if allowed:
            return unknown_choice(path, str(place[-1]).replace("_", " "), str(value), allowed)
    shown = value if isinstance(value, (str, int, float, bool)) else type(value).__name__
    hint = "Compare with the scenario of a preset."
    if kind in ("less_than_equal", "greater_than_equal") and "switches" in place:
        return Fault(path, f"{shown!r} is no share.", shown, "0 (off) to 1 (on)", None, "Give 0 to 1.")
    return Fault(path, f"{shown!r} cannot be used: {error['msg']}.", shown, str(error["msg"]), None, hint)


def _model_at(place: Sequence[Any]) -> type[BaseModel] | None:
    model: type[BaseModel] = Scenario
    for part in place:
        field = {item.alias or name: item for name, item in model.model_fields.items()}.get(str(part))
        kind = None if field is None else field.annotation
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return None
        model = kind
    return model


def _fields_at(place: Sequence[Any]) -> list[str]:
    model = _model_at(place)
    return [] if model is None else [item.alias or name for name, item in model.model_fields.items()]


def _literals(place: Sequence[Any]) -> list[str]:
    model = _model_at(place[:-1])
    if model is None:
        return []
    fields = {item.alias or name: item for name, item in model.model_fields.items()}
    kind = fields[str(place[-1])].annotation if str(place[-1]) in fields else None
    return [str(name) for name in get_args(kind)] if get_origin(kind) is Literal else []
