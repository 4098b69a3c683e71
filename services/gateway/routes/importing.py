"""A workspace out of a file of JSON Lines."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.refusals import Conflict, Invalid, Malformed, NotAllowed, NotFound, WrongMediaType
from services.gateway.routes.bodies import Flag, Given, query
from services.gateway.routes.operations import LINES, W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.usecases.imports import ImportReport, ImportStates
from services.gateway.usecases.lines import LONGEST_LINE

_SILENCE = 60.0
"""Seconds that the next part of a file may take to arrive."""


class ImportTerms(Given):
    """Whether it is meant."""

    dry_run: Flag = Field(default=False, description="`true`: only say what would come, and what is wrong.")


@operation(
    "POST",
    f"{W}/import",
    "import_workspace",
    scope="audit:write",
    tag="export",
    summary="Put the file of a workspace into a new one; sent again, it goes on where it ended",
    query=ImportTerms,
    takes=LINES,
    answer=ImportReport,
    refusals=(NotFound, NotAllowed, Conflict, WrongMediaType),
)
async def import_workspace(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Read a file as it arrives, however long it is."""
    visitor = await inside(request, workspace)
    terms = query(request, ImportTerms)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != LINES:
        raise WrongMediaType(f"Send the file as {LINES}.")
    report = await desk_of(request).imports.take(visitor, lines_of(pieces(request)), dry_run=terms.dry_run)
    if report.finished or terms.dry_run:
        return reply(report)
    errors = [{"field": f"line {each.line}", "code": "malformed", "detail": each.detail} for each in report.faults]
    raise Invalid(
        "The import ended at a fault; the same file, mended, goes on there.",
        errors=errors,
        **report.model_dump(mode="json"),
    )


@operation(
    "GET",
    f"{W}/imports",
    "list_imports",
    scope="audit:read",
    tag="export",
    summary="Read how far the import of a file has come",
    answer=ImportStates,
    refusals=(NotFound, NotAllowed),
)
async def list_imports(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the import into this workspace, if there is one."""
    visitor = await inside(request, workspace)
    return reply(await desk_of(request).imports.state(visitor))


async def pieces(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """Yield a body as it arrives; raises Malformed where it ends early, or falls silent."""
    more = True
    while more:
        try:
            async with asyncio.timeout(_SILENCE):
                message = await request.receive()
        except TimeoutError:
            raise Malformed("The file took too long to arrive.") from None
        if message["type"] != "http.request":
            raise Malformed("The file ended early.")
        more = message["more_body"]
        if message["body"]:
            yield message["body"]


async def lines_of(file: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the lines of a file, each with its end; of one that is too long its beginning, and nothing behind it."""
    rest = b""
    async for piece in file:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
        if len(rest) > LONGEST_LINE:
            yield rest
            return
    if rest:
        yield rest


HANDLERS = (import_workspace, list_imports)
