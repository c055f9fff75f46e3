"""What an export is asked for, as a page sends it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ketasim.app.contract import AxisIn, SimulateIn

__all__ = ["ExportRequest", "Format"]

#: Kinds of file.
Format = Literal["csv", "parquet", "svg", "png", "pdf", "study", "python", "html"]
Short = Annotated[str, Field(max_length=200)]


class ExportRequest(BaseModel):
    """Scenarios as the page shows them, or a long run, as a file."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, populate_by_name=True)

    format: Format = Field(alias="as")
    scenarios: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    job: Annotated[str, Field(pattern=r"^j[0-9a-f]{16}$")] | None = None
    axis: AxisIn | None = None
    variables: list[Short] | None = None
    bands: Literal["none", "knowledge", "people", "both"] = "none"
    draws: Annotated[int, Field(ge=2)] = 64
    people: Annotated[int, Field(ge=0)] = 0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 1
    theme: Literal["light", "dark"] = "light"

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.scenarios is None) == (self.job is None):
            raise ValueError("give either scenarios or job")
        return self

    def simulation(self) -> SimulateIn:
        """The same as a request for curves."""
        names = ("axis", "variables", "bands", "draws", "people", "seed")
        return SimulateIn(
            scenarios=list(self.scenarios or ()), **{name: getattr(self, name) for name in names}
        )
