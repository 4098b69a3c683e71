"""A ledger for stories: facts as their owners would tell them, and every way to look at what was written of them."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text

from chassis.bus import Told
from chassis.connection import connect
from chassis.database import Database, Transaction
from contracts.activity import Book, BookHead, EntryPage, Feed, History, ReadHeads, Report, Verdict, Verify
from contracts.base import Actor, ActorKind, Caller, Event, Request, Role, Subject, Via, now, uuid7
from contracts.envelope import event_headers
from contracts.gateway import RoleChanged
from contracts.texts import sealed_texts
from contracts.tickets import NoteAdded, StatusChanged, TicketDeleted, TicketRestored
from contracts.tickets.shapes import Status
from services.activity import usecases
from tests.support.infra import PostgresServer, Urls

ADA = Actor(kind=ActorKind.USER, id="7", name="Ada Lindqvist")
USECASES: dict[type[Request[Any]], Any] = {
    History: usecases.history,
    Feed: usecases.feed,
    ReadHeads: usecases.read_heads,
    Verify: usecases.verify,
    Report: usecases.report,
}


def a_workspace() -> str:
    return f"ws-{secrets.token_hex(5)}"


def a_caller(workspace: str, role: Role = Role.OWNER) -> Caller:
    return Caller(workspace_id=workspace, kind=ActorKind.USER, id="7", name="Ada Lindqvist", role=role)


def body_of(event: Event) -> dict[str, Any]:
    """The body of an event as it travels."""
    salts = {pointer: secrets.token_hex(16) for pointer, _ in sealed_texts(event)}
    return event.model_dump(mode="json") | {"salts": salts}


@dataclass
class Fact:
    """A fact and its place."""

    type: str
    position: int
    body: dict[str, Any]

    @property
    def told(self) -> Told:
        return Told(id=self.body["id"], type=self.type, position=self.position, body=self.body)


@dataclass
class Owner:
    """Tells facts of one workspace, one position after the other."""

    workspace: str = field(default_factory=a_workspace)
    ticket: UUID = field(default_factory=uuid7)
    _positions: dict[str, int] = field(default_factory=dict)
    _versions: dict[UUID, int] = field(default_factory=dict)

    def _common(self, kind: type[Event]) -> dict[str, Any]:
        return {
            "workspace_id": self.workspace,
            "actor": ADA,
            "via": Via.WEB,
            "cause": "a command",
            "audience": kind.AUDIENCE,
        }

    def fact(self, event: Event, type: str | None = None) -> Fact:
        place = self._positions[event.OWNER] = self._positions.get(event.OWNER, 0) + 1
        return Fact(type or event.SUBJECT, place, body_of(event))

    def _step(self, ticket: UUID | None) -> dict[str, Any]:
        ticket = ticket or self.ticket
        version = self._versions[ticket] = self._versions.get(ticket, 0) + 1
        return {"ticket_id": ticket, "version": version}

    def moved(self, *, ticket: UUID | None = None, type: str | None = None) -> Fact:
        event = StatusChanged(**self._common(StatusChanged), **self._step(ticket), old=Status.OPEN, new=Status.RESOLVED)
        return self.fact(event, type)

    def noted(self, body: str = "The fuse is blown.", *, ticket: UUID | None = None) -> Fact:
        return self.fact(
            NoteAdded(**self._common(NoteAdded), **self._step(ticket), note_id=uuid7(), body=body, pinned=False)
        )

    def deleted(self, *, ticket: UUID | None = None) -> Fact:
        return self.fact(TicketDeleted(**self._common(TicketDeleted), **self._step(ticket)))

    def restored(self, *, ticket: UUID | None = None) -> Fact:
        return self.fact(TicketRestored(**self._common(TicketRestored), **self._step(ticket)))

    def promoted(self) -> Fact:
        version = self._positions.get("gateway", 0) + 1
        about = Subject(kind="member", id="8", version=version)
        return self.fact(
            RoleChanged(
                **self._common(RoleChanged), subject=about, user_id=uuid7(), name="Ben", old=Role.GUEST, new=Role.ADMIN
            )
        )

    def story(self, steps: int) -> list[Fact]:
        """Notes and moves by turns."""
        return [self.noted(f"Step {n}.") if n % 2 else self.moved() for n in range(1, steps + 1)]


@dataclass
class Ledger:
    """The books as the use cases see them; every test works in a workspace of its own."""

    database: Database
    owner_url: str = ""

    async def record(self, *facts: Fact) -> None:
        """Record as the consumer does."""
        async with self.database.transaction(facts[0].body["workspace_id"]) as tx:
            for fact in facts:
                book = Book.PEOPLE if fact.type.startswith("gateway") else Book.TICKETS
                await usecases.record(book, fact.told, tx)

    async def ask[R: BaseModel](self, request: Request[R]) -> R:
        sent: Any = type(request).model_validate_json(request.model_dump_json())
        async with self.database.transaction(sent.caller.workspace_id) as tx:
            answer = await USECASES[type(sent)](sent, tx)
        assert isinstance(answer, request.reply())
        return answer

    async def history(self, owner: Owner, role: Role = Role.OWNER, **asked: Any) -> EntryPage:
        given = {"ticket_id": owner.ticket} | asked
        return await self.ask(History(caller=a_caller(owner.workspace, role), **given))

    async def feed(self, owner: Owner, role: Role = Role.OWNER, **asked: Any) -> EntryPage:
        return await self.ask(Feed(caller=a_caller(owner.workspace, role), **asked))

    async def verify(self, owner: Owner, *heads: BookHead) -> Verdict:
        return await self.ask(Verify(caller=a_caller(owner.workspace), heads=heads))

    async def head(self, owner: Owner, book: Book = Book.TICKETS) -> BookHead:
        heads = await self.ask(ReadHeads(caller=a_caller(owner.workspace)))
        return next(head for head in heads.items if head.book is book)

    async def rows(self, workspace: str | None = None) -> list[Mapping[str, Any]]:
        """What lies in the books, of one workspace or of all."""
        sql = "select workspace_id, book, seq, entry, prev_hash, hash from entries order by workspace_id, book, seq"
        async with self.database.transaction(workspace) if workspace else self.database.every_workspace("test") as tx:
            return [dict(row) for row in await tx.all(text(sql))]


async def a_database(server: PostgresServer) -> Urls:
    """An empty ledger."""
    return await server.migrated_database("activity")


async def run(tx: Transaction, *statements: str) -> None:
    for statement in statements:
        await tx.execute(text(statement))


async def publish(url: str, facts: Sequence[Fact]) -> None:
    """Say facts on the stream as their owner's relay would, in the order given, and as often as given."""
    owner = facts[0].type.partition(".")[0]
    nats = await connect(url, owner, closing=lambda: True)
    try:
        for fact in facts:
            body = fact.body
            headers = event_headers(
                id=body["id"],
                owner=owner,
                type=fact.type,
                about=body.get("ticket_id") or "",
                at=now(),
                position=fact.position,
            )
            subject = f"{fact.type}.{body['workspace_id']}"
            await nats.jetstream().publish(subject, json.dumps(body).encode(), headers=headers)
    finally:
        await nats.close()
