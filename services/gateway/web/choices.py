"""One of many, to be chosen: what a search found, and what was chosen already."""

from dataclasses import dataclass
from uuid import UUID

from contracts.refusals import Refusal
from contracts.texts import SearchText
from contracts.tickets import ContactSnapshot, GetContact, ListContacts, TicketRow
from services.gateway.routes.bodies import Given
from services.gateway.web.forms import Form
from services.gateway.web.shell import Here, or_none

AT_ONCE = 8
"""How many a search shows."""


class Sought(Given):
    """Whom somebody looks for."""

    contact_q: SearchText = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """One that may be chosen."""

    value: str
    words: str
    more: str = ""


def id_in(form: Form, name: str) -> UUID | None:
    """Return the id that a field holds, if it is one."""
    try:
        return UUID(form.text(name))
    except ValueError:
        return None


async def contacts_for(here: Here, form: Form) -> list[Choice]:
    """Return who was chosen, and whom a search found."""
    found: list[ContactSnapshot] = []
    caller = here.visitor.caller
    chosen = id_in(form, "contact_id")
    if chosen and (known := await or_none(here.desk.bus.ask, GetContact(caller=caller, contact_id=chosen))):
        found.append(known)
    try:
        sought = form.read(Sought).contact_q
    except Refusal:
        sought = ""
    if sought.strip():
        page = await here.desk.bus.ask(ListContacts(caller=caller, q=sought, limit=AT_ONCE))
        found += [each for each in page.items if each.id != chosen]
    return [Choice(str(each.id), each.name, each.email or "") for each in found]


def choice_of(ticket: TicketRow) -> Choice:
    """Return a ticket as one that may be chosen."""
    return Choice(str(ticket.id), f"#{ticket.number} {ticket.subject}", ticket.status.label)
