"""What is answered under ``/api/v1``, apart from long work and exports."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from ketasim.app.catalogue import etag, meta_body
from ketasim.app.citations import citation_reply
from ketasim.app.claim_list import claims_reply
from ketasim.app.compute import computed_while_wanted
from ketasim.app.contract import (
    Citation,
    Claims,
    EvidencePage,
    Meta,
    ObservationList,
    RegimenIn,
    RegimenOut,
    SimulateIn,
    SimulateOut,
    StageCard,
)
from ketasim.app.observations import Asked, observations_reply
from ketasim.app.regimens import regimen_reply
from ketasim.app.scoreboard import evidence_reply
from ketasim.app.simulating import check_size, simulated
from ketasim.app.stages import stage_body
from ketasim.app.warming import Warming

__all__ = ["router"]

router = APIRouter()
_JSON = "application/json"
Name = Annotated[str, Path(max_length=200)]
Words = Annotated[str, Query(max_length=200)]


@router.get("/meta", response_model=Meta, summary="What there is to choose from")
def get_meta(request: Request) -> Response:
    """Rows, drugs, presets, switches, wirings and limits. Has a tag, so that it is sent once."""
    body = meta_body()
    tag = etag(body)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=_JSON, headers=headers)


@router.get("/stages/{stage}", response_model=StageCard, summary="A stage with its equations and numbers")
def get_stage(stage: Name) -> Response:
    """Equations as MathML and LaTeX, states, parameters with grade and source, disputes, observations."""
    return Response(stage_body(stage), media_type=_JSON)


@router.post("/regimen", response_model=RegimenOut, summary="A regimen in words, as a form and as a calendar")
def post_regimen(regimen: RegimenIn) -> dict[str, Any]:
    """Read one of the three forms and return all."""
    return regimen_reply(regimen)


@router.post("/simulate", response_model=SimulateOut, summary="Curves of one to four scenarios")
async def post_simulate(request: Request, asked: SimulateIn) -> Response:
    """Simulate scenarios on one time axis."""
    warming: Warming = request.app.state.warming
    check_size(asked)
    await warming.require()
    # The reference solver takes long, so that one at a time is enough, and does not keep curves waiting.
    desk = request.app.state.patient_desk if asked.reference else request.app.state.desk
    return Response(await computed_while_wanted(request, desk, simulated, asked), media_type=_JSON)


@router.get("/observations", response_model=ObservationList, summary="Published values for rows")
def get_observations(
    variable: Annotated[list[Words], Query(min_length=1, max_length=40)],
    drug: Words,
    route: Words,
    dose: Words = "",
    schedule: Words = "",
    weight: Words = "70 kg",
    looser: bool = False,
) -> dict[str, Any]:
    """Return values of rows matched on drug, route, dose and schedule; with ``looser``, similar ones too."""
    asked = [Asked.read(name, drug, route, dose, schedule, weight) for name in dict.fromkeys(variable)]
    return observations_reply(asked, looser=looser)


@router.get("/citations/{key}", response_model=Citation, summary="A publication")
def get_citation(key: Name) -> dict[str, Any]:
    """Return authors, year, title, journal and identifier."""
    return citation_reply(key)


@router.get("/claims", response_model=Claims, summary="What is said about ketamine, with verdicts")
def get_claims() -> dict[str, Any]:
    """Return every claim with its verdict and the scenario that shows it."""
    return claims_reply()


@router.get("/evidence", response_model=EvidencePage, summary="Published rows beside predictions")
def get_evidence(
    query: Words = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    verdict: Literal["hit", "miss"] | None = None,
    use: Literal["calibration", "check"] | None = None,
) -> dict[str, Any]:
    """Search the scoreboard."""
    return evidence_reply(query, page, verdict, use)
