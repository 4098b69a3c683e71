"""Lists of tickets that are kept under a name: saved, renamed, shared and forgotten."""

from typing import Any, Literal
from urllib.parse import urlsplit

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Refusal
from services.gateway.routes.bodies import Flag, Given, path_id
from services.gateway.routes.filters import query_of
from services.gateway.routes.views import ViewName
from services.gateway.web.forms import Form, from_query
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter_by_form
from services.gateway.web.tickets import Wanted, back_to, show


class Naming(Given):
    """What a view is called, and who sees it."""

    name: ViewName
    shared: Flag = False


class What(Given):
    """What is done with a view."""

    do: Literal["rename", "delete"] = "rename"


@post("/w/{workspace:str}/views")
async def save(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Keep a list under a name."""
    here, form = await enter_by_form(request, workspace)
    wanted = _wanted(here, form)
    try:
        given = form.read(Naming)
        view = await here.desk.views.save(
            here.visitor, name=given.name, query=_query(wanted), shared=given.shared, key=form.promise(request)
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await show(request, here, wanted, naming=form)
    return see(_address(here, view.query))


@post("/w/{workspace:str}/views/{view:str}")
async def change(request: Request[Any, Any, Any], workspace: FromPath[str], view: FromPath[str]) -> ASGIResponse:
    """Rename a view, share it or keep it to oneself, or forget it."""
    here, form = await enter_by_form(request, workspace)
    wanted = _wanted(here, form)
    id, key = path_id(view), form.promise(request)
    with form.tried():
        if form.read(What).do == "delete":
            await here.desk.views.delete(here.visitor, id, (), key)
            return see(_address(here, _query(wanted)))
        given = form.read(Naming)
        changed = await here.desk.views.change(
            here.visitor, id, (), name=given.name, query=None, shared=given.shared, key=key
        )
    if form.refusal:
        return await show(request, here, wanted, naming=form)
    return see(_address(here, changed.query))


def _wanted(here: Here, form: Form) -> Wanted:
    """Return what the list looks for that the form stood on."""
    return from_query(urlsplit(back_to(here, form.text("back"))).query).read(Wanted)


def _query(wanted: Wanted) -> str:
    return query_of(wanted, who=None, take=None)


def _address(here: Here, query: str) -> str:
    return f"{here.base}/tickets?{query}" if query else f"{here.base}/tickets"


HANDLERS = (save, change)
