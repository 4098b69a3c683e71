"""What leaves the desk: everything as one file."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import NotAllowed
from services.gateway.web.shell import enter, page

_PAGE = "/w/{workspace:str}/settings/export"


@get(_PAGE)
async def export_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what can be carried out."""
    here = await enter(request, workspace)
    if not here.role.runs_the_desk:
        raise NotAllowed
    return await page(request, here, "export.html", place="export")


HANDLERS = (export_page,)
