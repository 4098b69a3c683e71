"""A support desk for stories: asks the use cases as the bus would, each in a transaction of its own."""

import datetime as dt
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text

from chassis.bus import Origin
from chassis.database import Database, Transaction
from contracts.base import Actor, ActorKind, Caller, Command, Intake, Query, Request, Role, TicketEvent, Via, now, uuid7
from contracts.gateway import WorkspaceCreated, WorkspaceDeleted
from contracts.tickets import (
    AddNote,
    Author,
    AuthorKind,
    BulkSnapshot,
    ChangeAssistant,
    ChangeContact,
    ChangeSettings,
    ChangeTicket,
    ChangeTickets,
    ConversationRef,
    ConversationSnapshot,
    CountTickets,
    CreateAssistant,
    CreateContact,
    CreateTicket,
    DeleteAssistant,
    DeleteContact,
    DeleteTicket,
    GetAssistant,
    GetBulk,
    GetContact,
    GetConversation,
    GetCorrespondence,
    GetDeadLetter,
    GetIdentitySecret,
    GetSettings,
    GetTicket,
    LinkConversation,
    LinkMade,
    ListAssistants,
    ListContacts,
    ListConversations,
    ListDeadLetters,
    ListNotes,
    ListTags,
    ListTickets,
    MakeTicket,
    MarkNotSpam,
    MessageReceived,
    MessageSnapshot,
    OpenVisitorTicket,
    PinNote,
    PostMessage,
    PostVisitorMessage,
    ReadVisitorConversation,
    ReplyOnTicket,
    RestoreTicket,
    RotateIdentitySecret,
    SettingsChange,
    SettingsSnapshot,
    StartConversation,
    Status,
    TakeReply,
    TicketChange,
    TicketPage,
    TicketRequested,
    TicketSnapshot,
    TicketUpdated,
    UnlinkConversation,
)
from services.tickets import store, usecases
from services.tickets.domain import By, Contact
from services.tickets.usecases import talk
from services.tickets.usecases.meeting import meet
from tests.contracts.test_samples import SAMPLES
from tests.tickets.builders import by, caller

ASSISTANTS: dict[type[Request[Any]], Callable[[Any, Transaction], Awaitable[BaseModel]]] = {
    CreateAssistant: usecases.create_assistant,
    ChangeAssistant: usecases.change_assistant,
    DeleteAssistant: usecases.delete_assistant,
    GetAssistant: usecases.get_assistant,
    ListAssistants: usecases.list_assistants,
    GetIdentitySecret: usecases.get_identity_secret,
    RotateIdentitySecret: usecases.rotate_identity_secret,
    StartConversation: usecases.start_conversation,
    PostVisitorMessage: usecases.post_visitor_message,
    OpenVisitorTicket: usecases.open_visitor_ticket,
    ReadVisitorConversation: usecases.read_visitor_conversation,
}
USECASES: dict[type[Request[Any]], Callable[[Any, Transaction], Awaitable[BaseModel]]] = {
    CreateTicket: usecases.create_ticket,
    GetCorrespondence: usecases.get_correspondence,
    GetTicket: usecases.get_ticket,
    ListTickets: usecases.list_tickets,
    CountTickets: usecases.count_tickets,
    ChangeTicket: usecases.change_ticket,
    DeleteTicket: usecases.delete_ticket,
    RestoreTicket: usecases.restore_ticket,
    MarkNotSpam: usecases.mark_not_spam,
    ChangeTickets: usecases.change_tickets,
    ListTags: usecases.list_tags,
    GetBulk: usecases.get_bulk,
    GetSettings: usecases.get_settings,
    ChangeSettings: usecases.change_settings,
    AddNote: usecases.add_note,
    ListNotes: usecases.list_notes,
    PinNote: usecases.pin_note,
    ListDeadLetters: usecases.list_dead_letters,
    GetDeadLetter: usecases.get_dead_letter,
    **ASSISTANTS,
    CreateContact: usecases.create_contact,
    ChangeContact: usecases.change_contact,
    DeleteContact: usecases.delete_contact,
    GetContact: usecases.get_contact,
    ListContacts: usecases.list_contacts,
    ListConversations: usecases.list_conversations,
    GetConversation: usecases.get_conversation,
    PostMessage: usecases.post_message,
    ReplyOnTicket: usecases.reply_on_ticket,
    MakeTicket: usecases.make_ticket,
    LinkConversation: usecases.link_conversation,
    UnlinkConversation: usecases.unlink_conversation,
    TakeReply: usecases.take_reply,
}


INTAKE: dict[type[Intake], Callable[[Any, Origin, Transaction], Awaitable[None]]] = {
    TicketRequested: usecases.request_ticket,
    TicketUpdated: usecases.update_ticket,
    MessageReceived: usecases.receive_message,
}


def a_workspace() -> str:
    return f"ws-{secrets.token_hex(5)}"


@dataclass
class Desk:
    """One workspace; `olivia` owns it."""

    database: Database
    workspace: str = field(default_factory=a_workspace)

    def who(self, name: str = "Olivia", role: Role = Role.OWNER) -> Caller:
        return caller(name, role, self.workspace)

    async def ask[R: BaseModel](self, request: Request[R]) -> R:
        """Ask as the bus does: through JSON, in a transaction, a command once per key."""
        reply = request.reply()
        sent = type(request).model_validate_json(request.model_dump_json())
        assert isinstance(sent, Command | Query)
        who: Caller = sent.caller
        async with self.database.transaction(who.workspace_id) as tx:

            async def act() -> R:
                answer = await USECASES[type(sent)](sent, tx)
                assert isinstance(answer, reply)
                return answer

            if isinstance(sent, Query):
                return await act()
            return await tx.once(f"{who.kind}:{who.id}", sent.key, reply, act)

    async def create(
        self, subject: str = "Printer on fire", *, who: Caller | None = None, **fields: Any
    ) -> TicketSnapshot:
        given: dict[str, Any] = {"caller": who or self.who(), "ticket_id": uuid7(), "subject": subject}
        return await self.ask(CreateTicket(**given | fields))

    async def change(
        self, ticket: TicketSnapshot | str, *, who: Caller | None = None, expected: int | None = None, **change: Any
    ) -> TicketSnapshot:
        return await self.ask(
            ChangeTicket(
                caller=who or self.who(),
                ticket=ticket if isinstance(ticket, str) else str(ticket.id),
                expected_version=expected,
                change=TicketChange.model_validate(change),
            )
        )

    async def get(self, ticket: TicketSnapshot | str, *, who: Caller | None = None, **as_of: Any) -> TicketSnapshot:
        ref = ticket if isinstance(ticket, str) else str(ticket.id)
        return await self.ask(GetTicket(caller=who or self.who(), ticket=ref, **as_of))

    async def delete(
        self, ticket: TicketSnapshot | str, *, who: Caller | None = None, expected: int | None = None
    ) -> TicketSnapshot:
        ref = ticket if isinstance(ticket, str) else str(ticket.id)
        return await self.ask(DeleteTicket(caller=who or self.who(), ticket=ref, expected_version=expected))

    async def restore(self, ticket: TicketSnapshot | str, *, who: Caller | None = None) -> TicketSnapshot:
        ref = ticket if isinstance(ticket, str) else str(ticket.id)
        return await self.ask(RestoreTicket(caller=who or self.who(), ticket=ref))

    async def settle(
        self, *, who: Caller | None = None, expected: int | None = None, **change: Any
    ) -> SettingsSnapshot:
        """Change the settings."""
        return await self.ask(
            ChangeSettings(
                caller=who or self.who(), expected_version=expected, change=SettingsChange.model_validate(change)
            )
        )

    async def bulk(self, *, who: Caller | None = None, **fields: Any) -> BulkSnapshot:
        given: dict[str, Any] = {"caller": who or self.who(), "bulk_id": uuid7(), "change": {}}
        return await self.ask(ChangeTickets.model_validate(given | fields))

    async def find(self, *, who: Caller | None = None, **filters: Any) -> TicketPage:
        return await self.ask(ListTickets(caller=who or self.who(), **filters))

    async def found(self, **filters: Any) -> list[str]:
        """The subjects of what is found, on as many pages as it takes."""
        everything = {"statuses": tuple(Status), "sort": "number"}
        page = await self.find(**everything | filters)
        subjects = [item.subject for item in page.items]
        while page.next_cursor:
            page = await self.find(**everything | filters, cursor=page.next_cursor)
            subjects += [item.subject for item in page.items]
        return subjects

    async def opens(self) -> None:
        """Let the workspace be known."""
        sample = next(path for path in SAMPLES if path.stem == WorkspaceCreated.SUBJECT)
        event = WorkspaceCreated.model_validate_json(sample.read_bytes())
        async with self.database.transaction(self.workspace) as tx:
            await usecases.remember_workspace(event.model_copy(update={"workspace_id": self.workspace}), tx)

    async def ends(self) -> None:
        """Hear that the workspace ended."""
        sample = next(path for path in SAMPLES if path.stem == WorkspaceDeleted.SUBJECT)
        event = WorkspaceDeleted.model_validate_json(sample.read_bytes())
        async with self.database.transaction(self.workspace) as tx:
            await usecases.forget_workspace(event.model_copy(update={"workspace_id": self.workspace}), tx)

    async def hears(self, message: Intake, integration: str = "status-page", id: str = "") -> None:
        async with self.database.transaction(self.workspace) as tx:
            await INTAKE[type(message)](message, Origin(self.workspace, integration, id), tx)

    async def chat(self, *, name: str = "Kim", email: str | None = "kim@example.com") -> UUID:
        """A conversation with a visitor, who is known where they have an address."""
        visitor = by(caller(workspace=self.workspace))
        async with self.database.transaction(self.workspace) as tx:
            contact = await meet(tx, visitor, name=name, email=email) if email else None
            begun = await talk.begin_conversation(tx, visitor, id=uuid7(), contact=contact)
        assert begun is not None
        return begun.id

    async def says(self, chat: UUID, body: str = "Any news?", *, at: dt.datetime | None = None) -> MessageSnapshot:
        """The visitor writes."""
        actor = Actor(kind=ActorKind.CONTACT, id=str(chat), name="Kim")
        step = By(actor=actor, via=Via.WIDGET, cause=str(uuid7()), now=at or now())
        words = talk.Words(id=uuid7(), author=Author(kind=AuthorKind.VISITOR, name="Kim"), body=body)
        async with self.database.transaction(self.workspace) as tx:
            held = await store.hold_conversation(tx, chat)
            assert held is not None
            return await talk.customer_wrote(tx, held, words, step)

    async def answers(
        self, chat: UUID, body: str = "Soon.", *, who: Caller | None = None, **more: Any
    ) -> MessageSnapshot:
        """An agent writes."""
        return await self.ask(
            PostMessage(caller=who or self.who(), conversation_id=chat, message_id=uuid7(), body=body, **more)
        )

    async def links(self, ticket: TicketSnapshot | str, chat: UUID, *, who: Caller | None = None) -> LinkMade:
        ref = ticket if isinstance(ticket, str) else str(ticket.id)
        return await self.ask(LinkConversation(caller=who or self.who(), ticket=ref, conversation_id=chat))

    async def reads(self, chat: UUID, *, who: Caller | None = None, **more: Any) -> ConversationSnapshot:
        return await self.ask(GetConversation(caller=who or self.who(), conversation_id=chat, **more))

    async def told(self, ticket: TicketSnapshot) -> list[dict[str, Any]]:
        """What the log says of the ticket, oldest first; words are sealed."""
        return await self.told_of(ticket.id)

    async def told_of(self, id: UUID) -> list[dict[str, Any]]:
        """What the log says of a record, oldest first; words are sealed."""
        async with self.database.transaction(self.workspace) as tx:
            rows = await tx.all(
                text("select type, version, body from event_log where about_id = :id order by version"),
                {"id": str(id)},
            )
        return [{"type": row["type"].rpartition(".")[2], **row["body"]} for row in rows]

    async def count(self, table: str) -> int:
        async with self.database.transaction(self.workspace) as tx:
            return int(await tx.scalar(text(f"select count(*) from {table}")))


def types_of(facts: list[dict[str, Any]] | list[TicketEvent]) -> list[str]:
    return [fact["type"] if isinstance(fact, dict) else fact.TYPE for fact in facts]


async def a_kim(tx: Transaction, name: str = "Kim", email: str | None = "kim@example.com") -> Contact:
    """A contact, met."""
    return await meet(tx, by(caller(workspace=tx.workspace_id)), name=name, email=email)


async def a_chat(tx: Transaction, integration: str, external_id: str, url: str | None) -> ConversationRef:
    """A conversation of another system, begun."""
    me = by(caller(workspace=tx.workspace_id))
    begun = await talk.begin_conversation(tx, me, id=uuid7(), integration=integration, external_id=external_id, url=url)
    known = begun or await store.hold_external(tx, integration, external_id)
    assert known is not None
    return known.ref
