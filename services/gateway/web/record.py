"""Whether the record is whole: each hash and each text of both books, read from their beginnings."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.activity import ReadHeads, Verify
from contracts.refusals import NotAllowed
from services.gateway.web.rendering import html
from services.gateway.web.shell import Here, enter, page

_VERIFYING = 60.0


@get("/w/{workspace:str}/record")
async def record_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Verify the record and show what was found."""
    here = await _manager(request, workspace)
    verdict = await here.desk.bus.ask(Verify(caller=here.visitor.caller), within=_VERIFYING, patience=_VERIFYING)
    heads = await here.desk.bus.ask(ReadHeads(caller=here.visitor.caller))
    return await page(request, here, "record.html", verdict=verdict, heads=heads.items, place="record")


@get("/w/{workspace:str}/record/seal")
async def seal(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Verify the record and show a seal."""
    here = await _manager(request, workspace)
    verdict = await here.desk.bus.ask(Verify(caller=here.visitor.caller), within=_VERIFYING, patience=_VERIFYING)
    return html(request, "seal.html", {"verdict": verdict, "base": here.base})


async def _manager(request: Request[Any, Any, Any], workspace: str) -> Here:
    here = await enter(request, workspace)
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


HANDLERS = (record_page, seal)
