"""One ticket's page, gathered: what it is, what happened to it, and what its reader may do with it."""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.response.base import ASGIResponse

from contracts.base import Person, Role
from contracts.notifications import GetWatchers, MarkRead
from contracts.refusals import StaleVersion
from contracts.tickets import Action, GetTicket, ListNotes, NoteSnapshot, TicketSnapshot
from services.gateway.routes.tickets import ticket_reference
from services.gateway.usecases.briefly import Briefly
from services.gateway.usecases.settling import answers_go_by_mail
from services.gateway.web.forms import Form
from services.gateway.web.merging import Merged, merge
from services.gateway.web.shell import PATIENCE, Here, Shell, or_none, page, shell
from services.gateway.web.story import SHOWN, story, touched
from services.gateway.web.tickets import members

PAGE = "/w/{workspace:str}/tickets/{ticket:str}"
VERSION = re.compile(r"[1-9][0-9]{0,8}")
_MOST_PINNED = 20
_WATCHING = 2.0
"""Seconds that a page waits to be told who watches."""
_PINNED: Briefly[tuple[UUID, int], Sequence[NoteSnapshot]] = Briefly(seconds=2, most=256)
"""A note that is pinned or unpinned is a step of its ticket; one whose words are erased is not."""
_PEOPLE: Briefly[str, Sequence[Person]] = Briefly(seconds=3, most=64)
_LONG = ("description",)


@dataclass(frozen=True, slots=True)
class Clash:
    """A field that somebody else changed meanwhile."""

    name: str
    base: str
    theirs: str
    mine: str
    merged: Merged | None = None
    """Both in one, for a text of lines."""


@dataclass(frozen=True, slots=True)
class Stale:
    """A change that was not made, for others were quicker."""

    missed: list[dict[str, Any]]
    clashes: list[Clash]
    mine: dict[str, str]
    """Everything that the form said."""


async def find(here: Here, ticket: str, **then: Any) -> TicketSnapshot:
    """Return the ticket that an address names, as it is or as it was; raises NotFound."""
    return await here.desk.bus.ask(GetTicket(caller=here.visitor.caller, ticket=ticket_reference(ticket), **then))


@dataclass(frozen=True, slots=True)
class Mail:
    """What would become of an answer by mail."""

    answers: bool
    """Whether the workspace sends them."""
    leaves: bool
    """Whether there is a server that takes them."""


async def show(
    request: Request[Any, Any, Any],
    here: Here,
    ticket: TicketSnapshot,
    *,
    edit: Form | None = None,
    note: Form | None = None,
    answer: Form | None = None,
    done: tuple[str, str | None] | None = None,
    opened: bool = False,
    frame: Awaitable[Shell] | None = None,
) -> ASGIResponse:
    """Return the page of a ticket, with what was typed and what is wrong with it, or what was done and was before.

    `opened`: somebody comes to read it, so that what they were told of it is read.
    """
    may = set(ticket.allowed.actions)
    asked = request.query_params
    told, pinned, (watching, muted, mail), people, around, stale = await asyncio.gather(
        story(here, ticket, _one_of(asked.get("show")), version(asked.get("before"))),
        _pinned(here, ticket, may),
        _attention(here, ticket, may),
        _people(here),
        frame or shell(here),
        _stale(here, ticket, edit),
    )
    if opened and around.unread:
        left = await or_none(
            here.desk.bus.ask,
            MarkRead(caller=here.visitor.caller, via=here.visitor.via, ticket_id=ticket.id),
            within=PATIENCE,
        )
        around = replace(around, unread=left.unread if left else around.unread)
    names = {each.id: each.name for each in people}
    forms = {"edit": edit or Form(), "note": note or Form(), "answer": answer or Form()}
    return await page(
        request,
        here,
        "ticket.html",
        status=next((form.status for form in forms.values() if form.refusal), 200),
        ticket=ticket,
        may={action.value for action in may},
        told=told,
        assignable=[each for each in people if each.role is not Role.GUEST],
        stale=stale,
        done=done,
        address=f"{here.base}/tickets/{ticket.number}" if done else None,
        pinned=pinned,
        watchers=None if watching is None else [names[each] for each in watching if each in names],
        watching=watching is not None and here.visitor.user.id in watching,
        muted=muted,
        mail=mail,
        answering=asked.get("answer") if note is None else note.text("in_reply_to"),
        present=_present(here, ticket),
        place="tickets",
        frame=around,
        **forms,
    )


def _present(here: Here, ticket: TicketSnapshot) -> list[tuple[str, bool]] | None:
    """Return who else is at the ticket and whether they write; None for a guest, who is not told."""
    if here.role is Role.GUEST:
        return None
    there = here.desk.presence
    return [
        (each.name, there.writing(each))
        for each in there.at(here.workspace.id, ticket.id)
        if each.id != here.visitor.user.id
    ]


def version(said: str | None) -> int | None:
    """Return the version that an address names, if it names one."""
    return int(said) if said and VERSION.fullmatch(said) else None


def _one_of(said: str | None) -> str:
    return said if said and said in SHOWN else "all"


async def _pinned(here: Here, ticket: TicketSnapshot, may: set[Action]) -> Sequence[NoteSnapshot]:
    """Return the notes that stand above everything."""
    if Action.READ_NOTES not in may:
        return ()
    key = (ticket.id, ticket.version)
    if (kept := _PINNED.of(key)) is not None:
        return kept
    asked = ListNotes(caller=here.visitor.caller, ticket=str(ticket.id), pinned=True, limit=_MOST_PINNED)
    return _PINNED.keep(key, (await here.desk.bus.ask(asked)).items)


async def _people(here: Here) -> Sequence[Person]:
    """Return who is here, by name."""
    if (kept := _PEOPLE.of(here.workspace.id)) is not None:
        return kept
    found = tuple(Person(id=each.id, name=each.name, role=each.role) for each in await members(here))
    return _PEOPLE.keep(here.workspace.id, found)


async def _attention(
    here: Here, ticket: TicketSnapshot, may: set[Action]
) -> tuple[list[Any] | None, bool | None, Mail]:
    """Return who watches, whether the visitor has muted it, and what becomes of mail; None for what can't be told."""
    asked = GetWatchers(caller=here.visitor.caller, ticket_id=ticket.id)
    found, answers = await asyncio.gather(
        or_none(here.desk.bus.ask, asked, within=_WATCHING), _answers_go_by_mail(here, ticket, may)
    )
    if found is None:
        return None, None, Mail(answers=answers, leaves=True)
    return [each.id for each in found.items], found.muted, Mail(answers=answers, leaves=found.mails)


async def _answers_go_by_mail(here: Here, ticket: TicketSnapshot, may: set[Action]) -> bool:
    """Tell whether the workspace lets answers go by mail, where this one would have to."""
    if Action.REPLY not in may or ticket.conversations or ticket.contact is None:
        return True
    return await or_none(answers_go_by_mail, here.desk.bus, here.visitor.caller, _WATCHING) is not False


async def _stale(here: Here, ticket: TicketSnapshot, edit: Form | None) -> Stale | None:
    """Put side by side what a form was made of, what others made of it, and what it says."""
    if edit is None or not isinstance(edit.refusal, StaleVersion):
        return None
    missed = edit.refusal.facts["missed"]
    began = version(edit.text("version"))
    base = await or_none(find, here, str(ticket.id), as_of_version=began) if began else None
    mine = {name: edit.text(name) for name in edit.fields if name not in ("csrf", "key", "version", "seen")}
    people = await _people(here) if "assignee" in mine else ()
    clashes = []
    changed = touched(missed)
    for name, typed in mine.items():
        if name not in changed:
            continue
        was, now = ("" if each is None else said(each, name) for each in (base, ticket))
        shown = next((each.name for each in people if str(each.id) == typed), typed)
        both = merge(was, typed, now) if name in _LONG else None
        clashes.append(Clash(name, was, now, shown, both))
    return Stale(missed, clashes, mine)


def said(ticket: TicketSnapshot, name: str) -> str:
    """Return a field of a ticket as a form says it, people by their names."""
    if name.startswith("fields."):
        return ticket.fields.get(name.removeprefix("fields."), "")
    value: Any = getattr(ticket, "contact" if name == "contact_id" else name)
    if name == "tags":
        return ", ".join(value)
    if name in ("assignee", "contact_id"):
        return value.name if value else ""
    return str(value)
