"""What can be taken away, under ``/api/v1/export``."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ketasim.app.compute import computed
from ketasim.app.exports.files import MEDIA, File
from ketasim.app.exports.request import ExportRequest
from ketasim.app.jobs.record import JobRecord
from ketasim.app.jobs_routes import record_of, result_of
from ketasim.app.warming import Warming

__all__ = ["router"]

router = APIRouter(tags=["export"])
_BINARY = {"type": "string", "format": "binary"}
_CONTENT = {media.split(";")[0]: {"schema": _BINARY} for media in MEDIA.values()}


@router.post(
    "/export",
    summary="Scenarios or a long run as a file",
    response_class=Response,
    responses={200: {"content": _CONTENT, "description": "The file"}},
)
async def post_export(request: Request, asked: ExportRequest) -> Response:
    """A table, a figure, a study file, a program with the public API, or a report."""
    if asked.job is not None:
        found = await computed(request, _of_job, asked, record_of(request, asked.job))
    else:
        warming: Warming = request.app.state.warming
        await warming.require()
        found = await computed(request, _of_scenarios, asked)
    headers = {"Content-Disposition": f'attachment; filename="{found.name}"', "Cache-Control": "no-store"}
    return Response(found.content, headers=headers, media_type=found.media)


def _of_scenarios(asked: ExportRequest) -> File:
    # Late: what draws takes long to load, and the page must not wait for it.
    from ketasim.app.exports.scenario_files import scenario_file

    return scenario_file(asked)


def _of_job(asked: ExportRequest, record: JobRecord) -> File:
    from ketasim.app.exports.job_files import job_file

    return job_file(asked.format, record.folder.read("request") or {}, result_of(record))
