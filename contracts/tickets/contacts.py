"""The people who ask: what tickets answers and announces about contacts."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Audience, Change, Command, Model, Query, RecordEvent
from contracts.texts import Email, ExternalId, Name, PersonName, Sealed, SearchText, formed
from contracts.tickets.shapes import Limit

Source = Annotated[str, formed(r"^[a-z0-9_-]{1,64}$", "must be 1 to 64 lower-case letters, digits, _ and -")]
"""The system that an external id belongs to: an integration's name, `widget` for the site's own, or any you choose."""


class ExternalRef(Model):
    """What another system calls a contact; a pair names one contact of a workspace."""

    source: Source
    id: Annotated[ExternalId, Sealed()]
    """Often an address or a login, so it is kept as a person's name is."""


ExternalRefs = Annotated[tuple[ExternalRef, ...], Field(max_length=20)]


class ContactSnapshot(Model):
    """A contact as it is. To a guest only id and name are shown."""

    id: UUID
    name: PersonName
    email: PersonName | None = None
    external_ids: tuple[ExternalRef, ...] = ()
    verified: bool = False
    """Whether the site's signature or an agent vouches for who this is."""
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ContactPage(Model):
    """One page of contacts, by name."""

    items: tuple[ContactSnapshot, ...]
    next_cursor: str | None


class CreateContact(Command[ContactSnapshot], subject="tickets.requests.v1.create_contact"):
    """Add a contact. Refused: not_allowed (guests), taken (the address or an external id is another's)."""

    contact_id: UUID
    name: Name
    email: Email | None = None
    external_ids: ExternalRefs = ()


class ContactChange(Change):
    """Which fields of a contact get another value; the list of external ids is whole."""

    name: Name | None = None
    email: Email | None = None
    external_ids: ExternalRefs | None = None


class ChangeContact(Command[ContactSnapshot], subject="tickets.requests.v1.change_contact"):
    """Edit a contact. Refused: not_found, not_allowed (guests), taken, stale_version, invalid."""

    contact_id: UUID
    expected_version: int | None = None
    change: ContactChange


class DeleteContact(Command[ContactSnapshot], subject="tickets.requests.v1.delete_contact"):
    """Forget a contact whom no ticket and no conversation names. Refused: not_found, not_allowed, conflict."""

    contact_id: UUID
    expected_version: int | None = None


class GetContact(Query[ContactSnapshot], subject="tickets.requests.v1.get_contact"):
    """Read a contact; a guest may read those of tickets, by name only. Refused: not_found."""

    contact_id: UUID


class ListContacts(Query[ContactPage], subject="tickets.requests.v1.list_contacts"):
    """Find contacts by parts of name or address, or the one that a source calls so. Refused: not_allowed (guests)."""

    q: SearchText = ""
    email: str | None = None
    """The whole address, in any case."""
    source: Source | None = None
    external_id: ExternalId | None = None
    cursor: str | None = None
    limit: Limit = 50


class ContactFields(Model):
    """What can be edited of a contact."""

    name: PersonName
    email: PersonName | None
    external_ids: tuple[ExternalRef, ...]


class ContactCreated(RecordEvent, subject="tickets.events.v1.contact_created", heard_by=("activity",)):
    """Sent when a contact came to be, by an agent's hand, a ticket, the widget or another system."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    contact_id: UUID
    new: ContactFields


class ContactChanged(RecordEvent, subject="tickets.events.v1.contact_changed", heard_by=("activity",)):
    """Sent when a contact was edited; both values are whole."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    contact_id: UUID
    old: ContactFields
    new: ContactFields


class ContactDeleted(RecordEvent, subject="tickets.events.v1.contact_deleted", heard_by=("activity",)):
    """Sent when a contact was forgotten."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    contact_id: UUID
