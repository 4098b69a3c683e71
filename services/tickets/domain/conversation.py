"""A conversation: it says in facts that it began and what was written in it; each fact is one version."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from contracts.base import Caller, Role, Subject
from contracts.refusals import Conflict, NotAllowed
from contracts.tickets import (
    Action,
    Author,
    AuthorKind,
    ConversationRef,
    ConversationStarted,
    MessagePosted,
)
from services.tickets.domain import policy
from services.tickets.domain.facts import By, of_record
from services.tickets.domain.policy import Standing
from services.tickets.domain.state import Contact

MOST_LINKS = 200
"""Tickets that a conversation may be linked to: a message of its customer is a fact on each of them."""

_AWAITS = {AuthorKind.VISITOR: True, AuthorKind.AGENT: False, AuthorKind.BOT: False}
"""Whether the customer waits after somebody of this kind wrote; the system's lines change nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What is known of a conversation at one version; its messages lie in the store."""

    id: UUID
    workspace_id: str
    assistant_id: UUID | None = None
    contact: Contact | None = None
    integration: str | None = None
    external_id: str | None = None
    url: str | None = None
    version: int
    message_count: int = 0
    awaits_reply: bool = False
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def ref(self) -> ConversationRef:
        """The conversation as tickets name it."""
        return ConversationRef(id=self.id, external_id=self.external_id, url=self.url)

    @property
    def subject(self) -> Subject:
        """The conversation as its own facts name it."""
        return Subject(kind="conversation", id=str(self.id), version=self.version)

    @classmethod
    def start(
        cls,
        *,
        id: UUID,
        workspace_id: str,
        by: By,
        assistant_id: UUID | None = None,
        contact: Contact | None = None,
        integration: str | None = None,
        external_id: str | None = None,
        url: str | None = None,
    ) -> tuple[Self, ConversationStarted]:
        """Begin; `integration` is the other system that owns it, if one does."""
        begun = cls(
            id=id,
            workspace_id=workspace_id,
            assistant_id=assistant_id,
            contact=contact,
            integration=integration,
            external_id=external_id,
            url=url,
            version=1,
            created_at=by.now,
            updated_at=by.now,
        )
        started = ConversationStarted(
            **of_record(ConversationStarted, workspace_id, begun.subject, by),
            new=begun.ref,
            assistant_id=assistant_id,
            contact=contact.ref if contact else None,
            integration=integration,
        )
        return begun, started

    def write(
        self,
        *,
        id: UUID,
        author: Author,
        body: str,
        by: By,
        written_at: dt.datetime | None = None,
        unverified_sender: str | None = None,
    ) -> tuple[Self, MessagePosted]:
        """Let somebody write; `written_at` is when, where another system says so."""
        then = replace(
            self,
            version=self.version + 1,
            message_count=self.message_count + 1,
            awaits_reply=_AWAITS.get(author.kind, self.awaits_reply),
            updated_at=by.now,
        )
        posted = MessagePosted(
            **of_record(MessagePosted, self.workspace_id, then.subject, by),
            conversation_id=self.id,
            message_id=id,
            seq=then.message_count,
            author=author,
            body=body,
            written_at=written_at,
            unverified_sender=unverified_sender,
        )
        return then, posted

    def require_own(self) -> None:
        """Raise Conflict, saying where, if it is another system that its agents answer in."""
        if self.integration is not None:
            raise Conflict("Another system owns this conversation; answer it there.", url=self.url)


def require_team(caller: Caller) -> None:
    """Raise NotAllowed for guests, who have no lists of contacts and conversations and change none."""
    if caller.role is Role.GUEST:
        raise NotAllowed


def require_reply(caller: Caller, linked: Sequence[Standing]) -> None:
    """Raise NotAllowed unless this caller may answer a conversation that these tickets are linked to."""
    require_team(caller)
    if linked and not any(Action.REPLY in policy.allowed(caller, ticket).actions for ticket in linked):
        raise NotAllowed


def reads_conversation(caller: Caller, linked: int) -> bool:
    """Tell whether the caller may read a conversation that so many tickets are linked to."""
    return caller.role is not Role.GUEST or linked > 0
