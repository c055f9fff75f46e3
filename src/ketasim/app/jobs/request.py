"""What a long run is asked for, as a page sends it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ketasim.api.scenarios import Scenario

__all__ = ["Design", "JobRequest", "PopulationRequest", "Primary", "StopRequest", "TrialRequest"]

_LARGEST_SEED = 2**53 - 1
#: Looser than the table of limits, whose messages name the command without a limit; against nonsense.
_LARGEST = 10**9

ShortText = Annotated[str, Field(min_length=1, max_length=60)]
Count = Annotated[int, Field(ge=1, le=_LARGEST)]
Name = Annotated[str, Field(min_length=1, max_length=120)]


class _Part(BaseModel):
    """Closed, and without numbers that JSON does not have."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Primary(_Part):
    """The main analysis of a trial of scenarios."""

    method: Literal["mmrm", "ancova", "responder", "remission"] = "mmrm"
    quantity: Literal["madrs"] = "madrs"
    time: ShortText | None = None


class Design(_Part):
    """How a trial of scenarios is run.

    ``n`` is people an arm, or a number for each arm; ``control`` adds the control of the scenarios'
    setting as the last arm; ``drop_out`` is the share of people who leave by the last visit; without
    ``visits`` they follow from the regimens, and the primary analysis is at the last one.
    """

    n: Count | Annotated[list[Count], Field(min_length=1, max_length=16)] = 100
    control: bool = True
    visits: Annotated[list[ShortText], Field(min_length=1, max_length=400)] | None = None
    drop_out: ShortText = "0 %"
    blinding: Literal["double_blind", "open_label"] = "double_blind"
    primary: Primary = Primary()
    alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05


class TrialRequest(_Part):
    """Many simulated trials: of scenarios as arms, of a shipped study, or of the text of a study file."""

    kind: Literal["trial"]
    name: Name | None = None
    scenarios: Annotated[list[Scenario], Field(min_length=1, max_length=16)] | None = None
    design: Design | None = None
    study: ShortText | None = None
    study_text: Annotated[str, Field(min_length=1, max_length=2_000_000)] | None = None
    n: Count | None = None
    replicates: Count = 1000
    seed: Annotated[int, Field(ge=0, le=_LARGEST_SEED)] = 1

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("scenarios", "study", "study_text") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"give exactly one of scenarios, study and study_text; given: {found}")
        if self.scenarios is None and self.design is not None:
            raise ValueError("design belongs to scenarios; a study has its own")
        if self.scenarios is not None and self.n is not None:
            raise ValueError("n belongs to a study; people of a trial of scenarios are in design.n")
        return self


class PopulationRequest(_Part):
    """Many virtual people who are given what a scenario says."""

    kind: Literal["population"]
    name: Name | None = None
    scenario: Scenario
    n: Count = 10_000
    seed: Annotated[int, Field(ge=0, le=_LARGEST_SEED)] = 1


#: Any long run.
JobRequest = Annotated[TrialRequest | PopulationRequest, Field(discriminator="kind")]


class StopRequest(_Part):
    """Whether what is finished is kept."""

    keep: bool = True


def request_data(request: TrialRequest | PopulationRequest) -> dict[str, Any]:
    """As plain data that the same request is read from."""
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)
