"""What all parts of a study file share: the strict base class, and the kinds of text they hold."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, ValidationInfo

from ketasim.errors import unknown_name
from ketasim.trials.study.rules import OUTCOME_UNITS, study_time

__all__ = ["Identifier", "Lenient", "Part", "Quantity", "Scale", "Text", "Time"]

Scale = Literal["madrs", "hamd17"]


def _check_time(text: str) -> str:
    study_time(text, "time")
    return text


def _check_quantity(name: str, info: ValidationInfo) -> str:
    context = info.context or {}
    known = {*OUTCOME_UNITS, *context.get("known_quantities", ())}
    if name not in known:
        raise ValueError(unknown_name("quantity", name, known))
    return name


Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Text = Annotated[str, Field(min_length=1)]
Time = Annotated[str, AfterValidator(_check_time)]
Quantity = Annotated[str, AfterValidator(_check_quantity)]
# Only the container is lenient (a YAML list becomes a tuple); what is inside stays strict.
Lenient = Strict(strict=False)


class Part(BaseModel):
    """What all parts of a study file share: strict, closed and immutable."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, populate_by_name=True
    )

    def __hash__(self) -> int:
        """Hash of what the part says; mappings in it have no hash of their own."""
        return hash((type(self).__name__, json.dumps(self.model_dump(mode="json"), sort_keys=True)))
