"""The people who ask: a list to find them in, a page for each, and what can be changed of them."""

import asyncio
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role, uuid7
from contracts.refusals import NotAllowed, Refusal, StaleVersion
from contracts.texts import Email, ExternalId, Name, SearchText
from contracts.tickets import (
    ChangeContact,
    ContactChange,
    ContactSnapshot,
    CreateContact,
    DeleteContact,
    ExternalRef,
    GetContact,
    ListContacts,
    ListConversations,
    ListTickets,
    Source,
    Status,
)
from services.gateway.routes.bodies import Given, path_id
from services.gateway.web.forms import Form, Seen, from_address, wrong
from services.gateway.web.rendering import html, see
from services.gateway.web.shell import Here, enter, enter_by_form, page, shell

_PAGE = "/w/{workspace:str}/contacts"
_ONE = f"{_PAGE}/{{contact:str}}"
_AT_ONCE = 20
"""How many tickets and conversations a contact's page shows of each."""


class Wanted(Given):
    """Which contacts."""

    q: SearchText = ""
    cursor: str | None = None


class Places(Given):
    """Which part of somebody's tickets, and of their conversations."""

    tickets: str | None = None
    conversations: str | None = None


class NewContact(Given):
    """Somebody to be known."""

    name: Name
    email: Email | None = None
    source: Source | None = None
    external_id: ExternalId | None = None


class Edit(Given):
    """The fields that a form may change; those that it does not have stay as they are."""

    name: Name | None = None
    email: Email | None = None


class NameElsewhere(Given):
    """What another system calls somebody."""

    source: Source
    external_id: ExternalId


@get(_PAGE)
async def contacts_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show contacts by name; to htmx, the part that changes as one types."""
    here = await _enter(await enter(request, workspace))
    wanted = from_address(request).read(Wanted)
    found = await here.desk.bus.ask(ListContacts(caller=here.visitor.caller, **dict(wanted)))
    shown: dict[str, Any] = {"found": found, "wanted": wanted, "place": "contacts"}
    if request.headers.get("hx-target") == "results":
        return html(request, "contacts_results.html", {"here": here, "base": here.base, **shown})
    return await page(request, here, "contacts.html", **shown)


@get(f"{_PAGE}/new")
async def new_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the form of a new contact."""
    here = await _enter(await enter(request, workspace))
    return await page(request, here, "contact_new.html", form=Form(), place="contacts")


@post(f"{_PAGE}/new")
async def create(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Get to know somebody."""
    came, form = await enter_by_form(request, workspace)
    here = await _enter(came)
    try:
        new = form.read(NewContact)
        made = await here.desk.bus.ask(
            CreateContact(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                contact_id=uuid7(),
                name=new.name,
                email=new.email,
                external_ids=_elsewhere(new.source, new.external_id),
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await page(request, here, "contact_new.html", status=form.status, form=form, place="contacts")
    return see(f"{here.base}/contacts/{made.id}")


@get(_ONE)
async def contact_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Show somebody: who they are, what they asked, and where they wrote."""
    return await _show(request, await _enter(await enter(request, workspace)), path_id(contact))


@post(_ONE)
async def change(request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]) -> ASGIResponse:
    """Change what is known of somebody: name, address, or what another system calls them."""
    came, form = await enter_by_form(request, workspace)
    here, id = await _enter(came), path_id(contact)
    with form.tried():
        known = await _contact(here, id)
        await here.desk.bus.ask(
            ChangeContact(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                contact_id=id,
                expected_version=form.read(Seen).version,
                change=_changed(form, known),
            )
        )
    if form.refusal:
        return await _show(request, here, id, form)
    return see(f"{here.base}/contacts/{id}")


@post(f"{_ONE}/delete")
async def delete(request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]) -> ASGIResponse:
    """Forget somebody whom nothing names."""
    came, form = await enter_by_form(request, workspace)
    here, id = await _enter(came), path_id(contact)
    with form.tried():
        await here.desk.bus.ask(
            DeleteContact(
                caller=here.visitor.caller, via=here.visitor.via, idempotency=form.promise(request), contact_id=id
            )
        )
    if form.refusal:
        return await _show(request, here, id, form)
    return see(f"{here.base}/contacts")


@post(f"{_ONE}/erase")
async def erase(request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]) -> ASGIResponse:
    """Have somebody erased, for good."""
    came, form = await enter_by_form(request, workspace)
    here, id = await _enter(came), path_id(contact)
    with form.tried():
        await here.desk.erasures.contact(here.visitor, id, form.text("confirm").strip(), form.promise(request))
    if form.refusal:
        return await _show(request, here, id, form)
    return see(f"{here.base}/settings/export")


async def _enter(here: Here) -> Here:
    if here.role is Role.GUEST:
        raise NotAllowed("Guests read who asked on a ticket, and no list of contacts.")
    return here


async def _contact(here: Here, id: UUID) -> ContactSnapshot:
    return await here.desk.bus.ask(GetContact(caller=here.visitor.caller, contact_id=id))


async def _show(request: Request[Any, Any, Any], here: Here, id: UUID, form: Form | None = None) -> ASGIResponse:
    form = form or Form()
    where = from_address(request).read(Places) if request.method == "GET" else Places()
    caller = here.visitor.caller
    known, tickets, talks, frame = await asyncio.gather(
        _contact(here, id),
        here.desk.bus.ask(
            ListTickets(caller=caller, contact=id, statuses=tuple(Status), cursor=where.tickets, limit=_AT_ONCE)
        ),
        here.desk.bus.ask(ListConversations(caller=caller, contact=id, cursor=where.conversations, limit=_AT_ONCE)),
        shell(here),
    )
    return await page(
        request,
        here,
        "contact.html",
        status=form.status,
        known=known,
        tickets=tickets,
        talks=talks,
        where=where,
        form=form,
        stale=isinstance(form.refusal, StaleVersion),
        place="contacts",
        frame=frame,
    )


def _changed(form: Form, known: ContactSnapshot) -> ContactChange:
    """Return what a form changes of somebody."""
    if form.text("do") == "call":
        name = form.read(NameElsewhere)
        return ContactChange(external_ids=(*known.external_ids, *_elsewhere(name.source, name.external_id)))
    if form.text("do") == "uncall":
        gone = (form.text("source"), form.text("external_id"))
        return ContactChange(external_ids=tuple(each for each in known.external_ids if (each.source, each.id) != gone))
    given = form.read(Edit)
    fields = {name: getattr(given, name) for name in Edit.model_fields if name in form.fields}
    if fields.get("name", known.name) is None:
        raise wrong("name", "missing", "must not be empty")
    return ContactChange(**fields)


def _elsewhere(source: str | None, id: str | None) -> tuple[ExternalRef, ...]:
    """Return what another system calls somebody; raises Invalid for half of it."""
    if source and not id:
        raise wrong("external_id", "missing", "enter the ID")
    if id and not source:
        raise wrong("source", "missing", "enter the system")
    return (ExternalRef(source=source, id=id),) if source and id else ()


HANDLERS = (contacts_page, new_page, create, contact_page, change, delete, erase)
