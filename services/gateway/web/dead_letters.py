"""What was sent and could not be applied, for those who run the desk."""

import base64
import binascii
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import DeadLetter
from contracts.letters import LetterGroup
from contracts.refusals import NotAllowed, NotFound, Refusal
from services.gateway.routes.bodies import path_id
from services.gateway.routes.dead_letters import LettersToDrop, LetterTerms, SomeLetters
from services.gateway.routes.workspaces import Cursor
from services.gateway.web.forms import Form, from_address
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/dead-letters"
_ONE = f"{_PAGE}/{{letter:str}}"
_MOST_SHOWN = 20_000
_ROUNDS = 4
_BY_MAIL = "mail"
"""Where letters come from that are answers by mail."""
_WANTED = {
    "ticket_requested": "to open a ticket",
    "ticket_updated": "to change a ticket",
    "message_received": "to add a message to a conversation",
}
_DONE = {
    "applied": "Applied. It is no dead letter any more.",
    "dropped": "Dropped. What it asked for is never done.",
    "none": "Nothing was selected.",
}


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
    wanted = from_address(request).read(_Listed)
    caller, letters = here.visitor.caller, here.desk.letters
    found = await letters.page(
        caller, wanted.cursor, wanted.limit, reason=wanted.reason, integration=wanted.integration
    )
    groups = found.groups if wanted.cursor is None else (await letters.page(caller, None, 1)).groups
    return await page(
        request,
        here,
        "dead_letters.html",
        found=found,
        groups=groups,
        wanted=wanted,
        meant=sum(each.count for each in groups if _is_meant(wanted, each)),
        source=source,
        done=_DONE.get(wanted.done),
        place="dead-letters",
    )


@post(_PAGE)
async def settle_some(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Retry or drop what is ticked, or what is of a reason or a system, some hundreds at most, and say what became."""
    here, form = await enter_by_form(request, workspace)
    _manager(here)
    drops, ticks = form.text("do") == "drop", form.text("which") == "ticked"
    wanted = form.read(LettersToDrop if drops else SomeLetters)
    kept: dict[str, str | None] = {"reason": wanted.reason, "integration": wanted.integration}
    if ticks:
        kept = {"reason": form.text("of_reason"), "integration": form.text("of_integration")}
    if ticks and not wanted.ids:
        return _back(here, done="none", **kept)
    which, settled, refused = wanted.which(), 0, 0
    settle_all = here.desk.letters.drop_all if drops else here.desk.letters.retry_all
    for _ in range(_ROUNDS):
        done = await settle_all(here.visitor, which)
        settled, refused = settled + done.done, refused + len(done.refused)
        which = replace(which, cursor=done.next_cursor)
        if which.cursor is None:
            break
    told = "all_dropped" if drops else "all"
    return _back(here, done=told, settled=settled, refused=refused, go_on=which.cursor, **kept)


def _back(here: Here, **said: str | int | None) -> ASGIResponse:
    asked = urlencode({name: value for name, value in said.items() if value not in (None, "")})
    return see(f"{here.base}/settings/dead-letters?{asked}")


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
    drops, key = form.text("do") == "drop", form.promise(request)
    try:
        if drops:
            await here.desk.letters.drop(here.visitor, id, key)
        else:
            await here.desk.letters.retry(here.visitor, id, key)
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


class _Listed(LetterTerms):
    """Which part of the list, and what was done before."""

    done: str = ""
    settled: int = Field(default=0, ge=0)
    refused: int = Field(default=0, ge=0)
    go_on: Cursor | None = None


def _is_meant(wanted: LetterTerms, group: LetterGroup) -> bool:
    return wanted.reason in (None, group.reason) and wanted.integration in (None, group.integration)


def _manager(here: Here) -> Here:
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


async def _show(request: Request[Any, Any, Any], here: Here, id: UUID, form: Form) -> ASGIResponse:
    try:
        letter = await here.desk.letters.one(here.visitor.caller, id)
    except NotFound as away:
        settled = await here.desk.letters.settled(here.visitor, id)
        if settled is None:
            raise form.refusal or away from None
        return await page(
            request, here, "dead_letter_over.html", status=away.status, settled=settled, place="dead-letters"
        )
    return await page(
        request,
        here,
        "dead_letter.html",
        status=form.status,
        letter=letter,
        source=source(letter),
        content=content(letter),
        trace=_trace(letter),
        form=form,
        place="dead-letters",
    )


def _trace(letter: DeadLetter) -> str:
    """Return the trace that the message belonged to; its logs are found by it."""
    parts = letter.headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) == 4 else ""  # noqa: PLR2004 - version, trace, span, flags


HANDLERS = (letters_page, settle_some, letter_page, settle)
