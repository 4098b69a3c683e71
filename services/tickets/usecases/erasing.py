"""Erases somebody: from streams, from the record and from what it is made of; the record stays provable."""

from uuid import UUID

from chassis import erasing
from chassis.bus import Bus
from chassis.database import Database, Transaction
from contracts.base import Actor, ActorKind, Audience, DeadLetter, Intake, Subject, Via, now
from contracts.erasing import (
    CONFIRMATION,
    ContactErased,
    EraseContact,
    ErasedWords,
    Erasure,
    ErasureOrdered,
    MemberErased,
    PersonKind,
    PersonRef,
)
from contracts.refusals import Invalid, NotFound
from contracts.streams import DEADLETTERS
from contracts.tickets import INTAKE, TICKETS
from services.tickets import domain, store
from services.tickets.domain.facts import of_record
from services.tickets.store import erasing as places
from services.tickets.usecases.shown import by

_OURSELVES = Actor(kind=ActorKind.SYSTEM, id="tickets", name="Tickets")


async def erase_contact(command: EraseContact, tx: Transaction) -> Erasure:
    """Order it; one order for a contact at a time."""
    domain.require_desk(command.caller)
    if await store.known_contact(tx, command.contact_id) is None and not await store.contact_since(
        tx, command.contact_id, 0
    ):
        raise NotFound
    if command.confirm != CONFIRMATION:
        raise Invalid.field("confirm", "not_the_word", f"must be the word {CONFIRMATION}")
    person = PersonRef(kind=PersonKind.CONTACT, id=command.contact_id)
    if known := await erasing.underway(tx, "tickets", person):
        return known
    said = by(command)
    order = Erasure(
        id=command.erasure_id,
        workspace_id=tx.workspace_id,
        person=person,
        owner="tickets",
        asked_at=said.now,
        done_at=None,
    )
    await erasing.order(tx, order)
    tx.announce(
        ErasureOrdered(
            **of_record(
                ErasureOrdered, tx.workspace_id, Subject(kind="erasure_order", id=str(order.id), version=1), said
            ),
            person=person,
        )
    )
    return order


async def member_erased(event: MemberErased, tx: Transaction) -> None:
    """Take up the order that gateway has done; the words in our own record are still there."""
    await erasing.order(
        tx,
        Erasure(
            id=UUID(event.subject.id),
            workspace_id=tx.workspace_id,
            person=event.person,
            owner="tickets",
            asked_at=event.at,
            done_at=None,
        ),
    )


class Eraser:
    """Does the orders of this service."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Erase in `database`, and in the streams behind `bus`."""
        self._bus, self._database = bus, database

    async def do(self, order: Erasure) -> None:
        """Erase somebody, or go on where it was broken off."""
        ws = order.workspace_id
        async with self._database.transaction(ws) as tx:
            known = await places.trace(tx, order.person.id)
        if order.person.kind is PersonKind.CONTACT:
            # Before their words are gone from here: afterwards nobody knows what to look for.
            await self._purge_what_others_sent(ws, known)
        async with self._database.transaction(ws) as tx:
            if await erasing.is_unnumbered(tx):
                return
            held = await erasing.hold(tx, order)
            if held is None:
                return
            if held["told_at"] is None:
                await self._erase(tx, order, known)
                await erasing.told(tx, order)
        async with self._database.transaction(ws) as tx:
            if await erasing.is_unsent(tx):
                return
            seqs = set(await places.erased_seqs(tx, order.id))
        await self._bus.purge(
            TICKETS, f"{TICKETS.subjects[0][:-1]}*.*.{ws}", lambda headers, _: headers.get("ce-position") in seqs
        )
        async with self._database.transaction(ws) as tx:
            # Other systems read this stream, each in its own time.
            await erasing.tell_anew(tx, TICKETS, seqs)
            await erasing.settle(tx, order)

    async def _purge_what_others_sent(self, ws: str, known: places.Trace) -> None:
        needles = known.needles
        for intake in Intake.of_kind("tickets"):
            await self._bus.purge(INTAKE, f"{intake.SUBJECT}.{ws}.*", lambda _, data: erasing.mentions(data, needles))
        for letter in DeadLetter.of_kind():
            await self._bus.purge(
                DEADLETTERS, f"{letter.SUBJECT}.{ws}", lambda _, data: erasing.letter_mentions(data, needles)
            )

    async def _erase(self, tx: Transaction, order: Erasure, known: places.Trace) -> None:
        words: list[ErasedWords]
        if order.person.kind is PersonKind.CONTACT:
            words = await places.erase_contact_record(tx, known)
            await places.erase_contact_state(tx, known)
            await erasing.blank_answers(tx, known.needles)
            await erasing.drop_letters(tx, known.needles)
            tickets = known.tickets
        else:
            words = await places.erase_member_record(tx, order.person.id)
            await places.erase_member_state(tx, order.person.id)
            await erasing.blank_answers(tx, [str(order.person.id)])
            tickets = ()
        for nth, part in enumerate(erasing.parts_of(order.person, words, tickets), 1):
            tx.announce(
                ContactErased(
                    workspace_id=tx.workspace_id,
                    at=now(),
                    actor=_OURSELVES,
                    via=Via.RULE,
                    cause=str(order.id),
                    audience=Audience.ADMINS,
                    subject=Subject(kind=erasing.RECORD, id=str(order.id), version=nth),
                    **dict(part),
                )
            )
