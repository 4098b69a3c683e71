"""Who did what to people, rights and settings; and whether both books are whole, read from their beginnings."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.activity import Book, Place, ReadAudit, ReadHeads, TypeName
from contracts.base import Audience, RecordEvent, now
from contracts.refusals import NotAllowed
from services.gateway.routes.bodies import Flag, Given
from services.gateway.web.forms import from_address
from services.gateway.web.rendering import html
from services.gateway.web.shell import Here, enter, page
from services.gateway.web.ticket_settings import LABELS, said
from services.gateway.web.tickets import members

_PAGE = "/w/{workspace:str}/settings/audit"
_AT_ONCE = 50
_BOOKS = {"people": "gateway", "tickets": "tickets"}
"""Whose facts about the workspace itself each book holds."""


class Looked(Given):
    """Which part of the record."""

    book: Book = Book.PEOPLE
    type: TypeName | None = None
    person: UUID | None = None
    before: Place | None = None
    verify: Flag = Field(default=False)


@get(_PAGE)
async def audit_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what was done, newest first, and verify the record where that is asked for."""
    here = await _manager(request, workspace)
    wanted = from_address(request).read(Looked)
    caller = here.visitor.caller
    found = await here.desk.bus.ask(
        ReadAudit(
            caller=caller,
            book=wanted.book,
            types=(wanted.type,) if wanted.type else (),
            person=wanted.person,
            before=wanted.before,
            limit=_AT_ONCE,
        )
    )
    verdict, verified_at = await here.desk.seals.verify(caller) if wanted.verify else (None, now())
    heads = await here.desk.bus.ask(ReadHeads(caller=caller))
    return await page(
        request,
        here,
        "audit.html",
        wanted=wanted,
        found=found,
        heads=heads.items,
        verdict=verdict,
        verified_at=verified_at,
        people=await members(here),
        types=sorted(
            kind.TYPE for kind in RecordEvent.of_kind(_BOOKS[wanted.book]) if kind.AUDIENCE is Audience.ADMINS
        ),
        changes=changes,
        place="audit",
    )


@get(f"{_PAGE}/seal")
async def seal(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show a seal: when the record was verified last, within five minutes, and what was found."""
    here = await _manager(request, workspace)
    verdict, at = await here.desk.seals.of(here.visitor.caller)
    return html(request, "seal.html", {"verdict": verdict, "verified_at": at, "base": here.base})


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return what has another value now: its name, the old value and the new one."""
    return [
        (LABELS.get(name, name.replace("_", " ").capitalize()), _short(old.get(name)), _short(value))
        for name, value in new.items()
        if old.get(name) != value
    ]


def _short(value: Any) -> str:  # noqa: ANN401 - a setting's value, of whichever type it is
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return said(value) or "nothing"


async def _manager(request: Request[Any, Any, Any], workspace: str) -> Here:
    here = await enter(request, workspace)
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


HANDLERS = (audit_page, seal)
