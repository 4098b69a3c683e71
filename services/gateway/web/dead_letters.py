"""What was sent and could not be applied, for those who run the desk."""

import base64
import binascii
import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import DeadLetter
from contracts.refusals import NotAllowed, NotFound, Refusal
from contracts.tickets import DropDeadLetter, RetryDeadLetter
from services.gateway.routes.bodies import path_id, query
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import letters
from services.gateway.web.forms import Form
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/dead-letters"
_ONE = f"{_PAGE}/{{letter:str}}"
_MOST_SHOWN = 20_000
_BY_MAIL = "mail"
"""Where letters come from that are answers by mail."""
_WANTED = {
    "ticket_requested": "to open a ticket",
    "ticket_updated": "to change a ticket",
    "message_received": "to add a message to a conversation",
}
_DONE = {"applied": "Applied. It is no dead letter any more.", "dropped": "Dropped. What it asked for is never done."}


@dataclass(frozen=True, slots=True)
class Content:
    """What a message said, as far as it is shown."""

    text: str
    kind: str
    """`json`, `text` or `bytes`."""
    cut: bool


@get(_PAGE)
async def letters_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what could not be applied, newest first."""
    here = _manager(await enter(request, workspace))
    done = request.query_params.get("done", "")
    wanted = query(request, _Listed)
    found = await letters.letters(here.desk.bus, here.visitor.caller, wanted.cursor, wanted.limit)
    return await page(
        request, here, "dead_letters.html", found=found, source=source, done=_DONE.get(done), place="dead-letters"
    )


@get(_ONE)
async def letter_page(request: Request[Any, Any, Any], workspace: FromPath[str], letter: FromPath[str]) -> ASGIResponse:
    """Show one of them whole."""
    here = _manager(await enter(request, workspace))
    return await _show(request, here, path_id(letter), Form())


@post(_ONE)
async def settle(request: Request[Any, Any, Any], workspace: FromPath[str], letter: FromPath[str]) -> ASGIResponse:
    """Try one again, or forget it."""
    here, form = await enter_by_form(request, workspace)
    _manager(here)
    id = path_id(letter)
    caller, via, key = here.visitor.caller, here.visitor.via, form.promise(request)
    drops = form.text("do") == "drop"
    try:
        if drops:
            await here.desk.bus.ask(DropDeadLetter(caller=caller, via=via, idempotency=key, id=id))
        else:
            await here.desk.bus.ask(RetryDeadLetter(caller=caller, via=via, idempotency=key, id=id))
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, id, form)
    return see(f"{here.base}/settings/dead-letters?done={'dropped' if drops else 'applied'}")


def source(letter: DeadLetter) -> tuple[str, str]:
    """Return who sent it and what they wanted, by its subject."""
    parts = letter.subject.split(".")
    kind = parts[3] if len(parts) > 3 else letter.subject  # noqa: PLR2004 - owner, kind and version come before it
    words = f"“{kind.replace('_', ' ')}”"
    if letter.stream == _BY_MAIL:
        return "A mail", "to be a customer's message"
    if parts[1:2] == ["intake"]:
        return parts[-1], _WANTED.get(kind, words)
    return parts[0], f"to tell {letter.service} {words}"


def content(letter: DeadLetter) -> Content:
    """Return what it said: JSON in its usual form, other text as it is, bytes as digits."""
    try:
        raw = base64.b64decode(letter.body, validate=True)
    except (binascii.Error, ValueError):
        raw = letter.body.encode()
    cut = len(raw) < letter.size
    try:
        text, kind = raw.decode(), "text"
    except UnicodeDecodeError:
        text, kind = raw.hex(" "), "bytes"
    else:
        with suppress(ValueError, RecursionError):
            text, kind = json.dumps(json.loads(text), indent=2, ensure_ascii=False), "json"
    return Content(text[:_MOST_SHOWN], kind, cut or len(text) > _MOST_SHOWN)


class _Listed(Page):
    """Which part of the list, and what was done before."""

    done: str = ""


def _manager(here: Here) -> Here:
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


async def _show(request: Request[Any, Any, Any], here: Here, id: UUID, form: Form) -> ASGIResponse:
    try:
        letter = await letters.letter(here.desk.bus, here.visitor.caller, id)
    except NotFound:
        if form.refusal is None:
            raise
        raise form.refusal from None
    return await page(
        request,
        here,
        "dead_letter.html",
        status=form.status,
        letter=letter,
        source=source(letter),
        content=content(letter),
        settles=letter.service == letters.SETTLES,
        form=form,
        place="dead-letters",
    )


HANDLERS = (letters_page, letter_page, settle)
