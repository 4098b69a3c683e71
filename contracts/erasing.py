"""Erasing somebody's words: the order for it, what was erased of a record, and who has done it. No name is in it."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import SERVICES, Command, LookUp, Model, RecordEvent, Token

CONFIRMATION = "erase"
"""What whoever gives the order types."""


class PersonKind(StrEnum):
    """Whose words are erased."""

    CONTACT = "contact"
    MEMBER = "member"
    """One who left; what they wrote as a member stays, without their name."""


class PersonRef(Model):
    """Somebody, by id alone."""

    kind: PersonKind
    id: UUID


class Erasure(Model):
    """An order to erase somebody, and how far one service has come with the words of one owner."""

    id: UUID
    workspace_id: Token
    person: PersonRef
    owner: str
    """In whose record the words stand: copies of them are erased with them."""
    asked_at: AwareDatetime
    done_at: AwareDatetime | None
    """None: still to be done."""


class ErasurePage(Model):
    """One page of what a service was ordered to erase, by workspace and id."""

    items: tuple[Erasure, ...]
    more: bool


class ListErasures(LookUp[ErasurePage]):
    """Read which orders a service has: one whose store was put back to an older day learns from the others.

    With `workspace_id` those of one workspace.
    """

    PURPOSE: ClassVar[str] = "tell who was erased"
    ASKED_BY: ClassVar[tuple[str, ...]] = SERVICES

    workspace_id: Token | None = None
    after_workspace: str = ""
    after: UUID = UUID(int=0)
    after_owner: str = ""
    limit: Annotated[int, Field(ge=1, le=500)] = 200

    @classmethod
    def of(cls, service: str) -> type["ListErasures"]:
        """Return the request that this service answers."""
        return cls.of_kind(service)[0]


class ListTicketsErasures(ListErasures, subject="tickets.requests.v1.list_erasures"):
    """Read what tickets was ordered to erase."""


class ListActivityErasures(ListErasures, subject="activity.requests.v1.list_erasures"):
    """Read what activity was ordered to erase."""


class ListNotificationsErasures(ListErasures, subject="notifications.requests.v1.list_erasures"):
    """Read what notifications was ordered to erase."""


class ListGatewayErasures(ListErasures, subject="gateway.requests.v1.list_erasures"):
    """Read what gateway was ordered to erase."""


class ErasedWords(Model):
    """An entry of a book, and which of its texts were erased."""

    seq: int
    pointers: tuple[str, ...]
    """JSON pointers (RFC 6901)."""


class PersonErased(RecordEvent):
    """Sent when an owner erased somebody's words; `subject` is the order, its version the part of what it says.

    Every service that has copies erases them too.
    """

    person: PersonRef
    words: tuple[ErasedWords, ...]
    """In the owner's own book."""
    ticket_ids: tuple[UUID, ...] = ()
    """Tickets whose words were the person's."""
    more: bool
    """Whether another part follows."""


class ErasureOrdered(RecordEvent, subject="tickets.events.v1.erasure_ordered", heard_by=("activity",)):
    """Sent when an admin had a contact erased; `person_erased` follows when it is done."""

    person: PersonRef


class MemberErasureOrdered(RecordEvent, subject="gateway.events.v1.erasure_ordered", heard_by=("activity",)):
    """Sent when an admin had a member who left erased; `person_erased` follows when it is done."""

    person: PersonRef


class ContactErased(PersonErased, subject="tickets.events.v1.person_erased", heard_by=("activity", "notifications")):
    """Sent when tickets erased somebody's words."""


class MemberErased(
    PersonErased, subject="gateway.events.v1.person_erased", heard_by=("tickets", "activity", "notifications")
):
    """Sent when gateway erased the name and address of a member who left."""


class ErasedPart(Model):
    """A part of what an owner told when it was done."""

    person: PersonRef
    words: tuple[ErasedWords, ...]
    ticket_ids: tuple[UUID, ...]
    more: bool


class ErasedParts(Model):
    """The next parts; none: it is not done yet."""

    parts: tuple[ErasedPart, ...]


class ReadErasure(LookUp[ErasedParts]):
    """Read again what an owner erased: for a service that was away, or whose store was put back to an older day."""

    PURPOSE: ClassVar[str] = "tell what was erased"
    ASKED_BY: ClassVar[tuple[str, ...]] = ("activity", "notifications")

    workspace_id: Token
    id: UUID
    after: int = 0
    """The last part that is known: 1, 2, 3 …"""

    @classmethod
    def of_owner(cls, owner: str) -> type["ReadErasure"]:
        """Return the request that this owner answers."""
        return cls.of_kind(owner)[0]


class ReadTicketsErasure(ReadErasure, subject="tickets.requests.v1.read_erasure"):
    """Read again what tickets erased."""


class ReadGatewayErasure(ReadErasure, subject="gateway.requests.v1.read_erasure"):
    """Read again what gateway erased."""


class EraseContact(Command[Erasure], subject="tickets.requests.v1.erase_contact"):
    """Erase a contact: name, addresses, what they wrote, and what was written to them by name.

    It is done a moment later. Refused: not_found, not_allowed (admins only), invalid (confirm).
    """

    contact_id: UUID
    erasure_id: UUID
    confirm: str
