"""What visitors do through the widget: found by the assistant's id, let in by origin and token, counted by address."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from chassis.bus import Bus
from chassis.database import Database
from contracts.base import IdempotencyKey, Via, now, uuid7
from contracts.refusals import AlreadyAnswered, AssistantNotFound, OriginNotAllowed, Unauthenticated
from contracts.tickets import (
    Author,
    AuthorKind,
    FindAssistant,
    FoundAssistant,
    Identity,
    MessageSnapshot,
    OpenVisitorTicket,
    PostVisitorMessage,
    ReadVisitorConversation,
    StartConversation,
    VisitorContact,
    VisitorConversation,
    VisitorTicket,
    VisitorTranscript,
)
from services.gateway import domain, store
from services.gateway.domain import NOBODY_YET, VISIT_LIFE, VisitorToken
from services.gateway.usecases.answers import ConversationBegun
from services.gateway.usecases.limits import Limiter

# Why a transaction may see every workspace.
VISITOR_LOOK_UP = "visitor look-up"
VISITORS_PURGE = "purge of what is over"


@dataclass(frozen=True, slots=True)
class Words:
    """What a visitor begins with."""

    body: str | None
    contact: VisitorContact | None
    identity: Identity | None
    website: str
    """A field that no person sees; a program that fills in every form tells of itself here."""


class Widget:
    """Everything that visitors may do, which is to talk in their own conversation and make a ticket of it."""

    def __init__(self, database: Database, bus: Bus, limiter: Limiter, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep tokens in `database`, and ask the owner of the rest."""
        self._database = database
        self._bus = bus
        self._limiter = limiter
        self._clock = clock

    async def counted(self, rule: str, address: str) -> None:
        """Count a try from this address; raises RateLimited."""
        await self._limiter.hit(rule, address)

    async def assistant(self, id: UUID, origin: str | None) -> FoundAssistant:
        """Return an assistant for a page of this origin. Raises AssistantNotFound or OriginNotAllowed."""
        found = await self._bus.ask(FindAssistant(assistant_id=id))
        # The service that was asked hears of a workspace's end a moment later, and keeps what was in it.
        async with self._database.transaction(found.workspace_id) as tx:
            if not await store.is_open(tx, found.workspace_id):
                raise AssistantNotFound
        if not found.assistant.widget.admits(origin):
            raise OriginNotAllowed
        return found

    async def start(
        self, found: FoundAssistant, words: Words, address: str, key: IdempotencyKey | None
    ) -> ConversationBegun:
        """Begin a conversation, and give its visitor the token to it, once."""
        await self._limiter.hit("conversations_by_address", address)
        at = self._clock()
        token = secrets.token_urlsafe(32)
        opens = VisitorToken(
            id=uuid7(),
            workspace_id=found.workspace_id,
            assistant_id=found.assistant.id,
            conversation_id=uuid7(),
            expires_at=at + VISIT_LIFE,
        )
        if words.website:
            return _begun(_pretended(opens.conversation_id, words, at), token, opens)
        started = await self._bus.ask(
            StartConversation(
                caller=domain.visitor(found.workspace_id, found.assistant.id),
                via=Via.WIDGET,
                idempotency=key,
                assistant_id=found.assistant.id,
                conversation_id=opens.conversation_id,
                message_id=uuid7(),
                body=words.body,
                contact=words.contact,
                identity=words.identity,
            )
        )
        if started.conversation_id != opens.conversation_id:
            # The first answer held the token; whoever knows the key of another must not be given theirs.
            raise AlreadyAnswered(id=str(started.conversation_id))
        async with self._database.transaction(found.workspace_id) as tx:
            await store.add_visitor_token(tx, opens, domain.token_hash(token))
        return _begun(started, token, opens)

    async def visitor(self, found: FoundAssistant, token: str, conversation_id: UUID | None) -> VisitorToken:
        """Return what the token opens. Raises Unauthenticated, and NotFound for another's conversation."""
        if not domain.looks_like_a_token(token):
            raise Unauthenticated
        async with self._database.glance(VISITOR_LOOK_UP) as tx:
            opens = await store.visitor_token(tx, domain.token_hash(token))
        if opens is None:
            raise Unauthenticated
        opens.check_open(self._clock())
        opens.check_opens(found.assistant.id, conversation_id)
        return opens

    async def post(self, opens: VisitorToken, body: str, key: IdempotencyKey | None) -> MessageSnapshot:
        """Write in the visitor's conversation."""
        await self._limiter.hit("messages_by_visitor", str(opens.id))
        return await self._bus.ask(
            PostVisitorMessage(
                caller=opens.caller,
                via=Via.WIDGET,
                idempotency=key,
                conversation_id=opens.conversation_id,
                message_id=uuid7(),
                body=body,
            )
        )

    async def open_ticket(
        self,
        opens: VisitorToken,
        subject: str | None,
        contact: VisitorContact | None,
        address: str,
        key: IdempotencyKey | None,
    ) -> VisitorTicket:
        """Make a ticket of the visitor's conversation. Only tickets that it makes are counted."""
        wish = OpenVisitorTicket(
            caller=opens.caller,
            via=Via.WIDGET,
            idempotency=key,
            conversation_id=opens.conversation_id,
            ticket_id=uuid7(),
            subject=subject,
            contact=contact,
        )
        counted: list[tuple[str, str]] = []
        made = None
        try:
            for limit in (
                ("tickets_by_address", address),
                ("tickets_by_address_hourly", address),
                ("tickets_by_assistant", str(opens.assistant_id)),
            ):
                await self._limiter.hit(*limit)
                counted.append(limit)
            made = await self._bus.ask(wish)
            return made
        finally:
            # Refused, or the answer to a repetition. A visitor who is asked for their address first has made nothing.
            if made is None or made.id != wish.ticket_id:
                for limit in counted:
                    await self._limiter.take_back(*limit)

    async def transcript(self, opens: VisitorToken, after: int, limit: int) -> VisitorTranscript:
        """Return what the visitor has not seen yet."""
        return await self._bus.ask(
            ReadVisitorConversation(
                caller=opens.caller, conversation_id=opens.conversation_id, after=after, limit=limit
            )
        )

    def check_open(self, opens: VisitorToken) -> None:
        """Raise Unauthenticated for a token that is over by now."""
        opens.check_open(self._clock())

    async def purge(self) -> dict[str, int]:
        """Forget tokens that are over; returns how many."""
        async with self._database.every_workspace(VISITORS_PURGE) as tx:
            return {"visitor_tokens": await store.purge_visitor_tokens(tx, self._clock())}


def _begun(started: VisitorConversation, token: str, opens: VisitorToken) -> ConversationBegun:
    return ConversationBegun(**dict(started), visitor_token=token, expires_at=opens.expires_at)


def _pretended(conversation_id: UUID, words: Words, at: dt.datetime) -> VisitorConversation:
    """Return what a program is told that gave itself away: as if all had gone well; nothing is kept of it."""
    contact = words.contact
    name = (contact.name if contact else None) or NOBODY_YET
    message = MessageSnapshot(
        id=uuid7(),
        conversation_id=conversation_id,
        seq=1,
        author=Author(kind=AuthorKind.VISITOR, name=name),
        body=words.body or "",
        at=at,
    )
    return VisitorConversation(
        conversation_id=conversation_id,
        identified=False,
        known=contact is not None and None not in (contact.name, contact.email),
        messages=(message,) if words.body else (),
    )
