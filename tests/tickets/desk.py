"""A support desk for stories: asks the use cases as the bus would, each in a transaction of its own."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text

from chassis.bus import Origin
from chassis.database import Database, Transaction
from contracts.base import Caller, Command, Query, Request, Role, TicketEvent, uuid7
from contracts.gateway import WorkspaceCreated, WorkspaceDeleted
from contracts.tickets import (
    AddNote,
    BulkSnapshot,
    ChangeSettings,
    ChangeTicket,
    ChangeTickets,
    CountTickets,
    CreateTicket,
    DeleteTicket,
    GetBulk,
    GetDeadLetter,
    GetSettings,
    GetTicket,
    ListDeadLetters,
    ListNotes,
    ListTickets,
    MarkNotSpam,
    RestoreTicket,
    SettingsChange,
    SettingsSnapshot,
    Status,
    TicketChange,
    TicketPage,
    TicketRequested,
    TicketSnapshot,
)
from services.tickets import usecases
from tests.contracts.test_samples import SAMPLES
from tests.tickets.builders import caller

USECASES: dict[type[Request[Any]], Callable[[Any, Transaction], Awaitable[BaseModel]]] = {
    CreateTicket: usecases.create_ticket,
    GetTicket: usecases.get_ticket,
    ListTickets: usecases.list_tickets,
    CountTickets: usecases.count_tickets,
    ChangeTicket: usecases.change_ticket,
    DeleteTicket: usecases.delete_ticket,
    RestoreTicket: usecases.restore_ticket,
    MarkNotSpam: usecases.mark_not_spam,
    ChangeTickets: usecases.change_tickets,
    GetBulk: usecases.get_bulk,
    GetSettings: usecases.get_settings,
    ChangeSettings: usecases.change_settings,
    AddNote: usecases.add_note,
    ListNotes: usecases.list_notes,
    ListDeadLetters: usecases.list_dead_letters,
    GetDeadLetter: usecases.get_dead_letter,
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

    async def hears(self, message: TicketRequested, integration: str = "status-page", id: str = "") -> None:
        async with self.database.transaction(self.workspace) as tx:
            await usecases.request_ticket(message, Origin(self.workspace, integration, id), tx)

    async def told(self, ticket: TicketSnapshot) -> list[dict[str, Any]]:
        """What the log says of the ticket, oldest first; words are sealed."""
        async with self.database.transaction(self.workspace) as tx:
            rows = await tx.all(
                text("select type, version, body from event_log where about_id = :id order by version"),
                {"id": str(ticket.id)},
            )
        return [{"type": row["type"].rpartition(".")[2], **row["body"]} for row in rows]

    async def count(self, table: str) -> int:
        async with self.database.transaction(self.workspace) as tx:
            return int(await tx.scalar(text(f"select count(*) from {table}")))


def types_of(facts: list[dict[str, Any]] | list[TicketEvent]) -> list[str]:
    return [fact["type"] if isinstance(fact, dict) else fact.TYPE for fact in facts]
