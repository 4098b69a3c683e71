"""A workspace as a file of JSON Lines."""

from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Model, now
from contracts.refusals import NotAllowed, NotFound, NotReached
from services.gateway.routes.downloads import Download
from services.gateway.routes.operations import LINES, W, operation
from services.gateway.routes.visitors import desk_of, inside


class ExportLine(Model):
    """A row of a store or an entry of a book; the first line and the last are about the whole."""

    kind: str
    row: dict[str, Any]


@operation(
    "GET",
    f"{W}/export",
    "export_workspace",
    scope="audit:read",
    tag="export",
    summary="Download the whole workspace, a line for each row, with both books, to be checked or imported elsewhere",
    answer=ExportLine,
    media=LINES,
    refusals=(NotFound, NotAllowed, NotReached),
)
async def export_workspace(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return everything; a file without its footer is not whole."""
    visitor = await inside(request, workspace)
    pieces = await desk_of(request).exports.begin(visitor)
    name = f"counterfoil-{visitor.here[0].slug}-{now():%Y-%m-%d}.jsonl"
    return Download(pieces, media=LINES, name=name)


HANDLERS = (export_workspace,)
