"""Erases the copies of somebody's words that inboxes and mail hold."""

from uuid import UUID

from chassis import erasing
from chassis.bus import Bus
from chassis.database import Database, Transaction
from contracts.erasing import ContactErased, ErasedPart, Erasure, MemberErased
from contracts.notifications import NOTIFICATIONS
from services.notifications.store import erasing as places

OWNERS = {kind: (*owners, "notifications") for kind, owners in erasing.OWNERS.items()}
"""In whose records the words stand that are erased here: our own facts name who did something."""


async def erase(tx: Transaction, _: str, part: ErasedPart) -> None:
    """Erase what a part of an order is about."""
    needles = await places.erase(tx, part.person, part.ticket_ids)
    await erasing.blank_answers(tx, needles)
    await erasing.drop_letters(tx, needles)


async def person_erased(event: ContactErased | MemberErased, tx: Transaction) -> None:
    """Do it as soon as it is heard."""
    part = ErasedPart(person=event.person, words=event.words, ticket_ids=event.ticket_ids, more=event.more)
    await erasing.take_part(tx, UUID(event.subject.id), event.OWNER, part, erase)
    await erasing.order(
        tx,
        Erasure(
            id=UUID(event.subject.id),
            workspace_id=tx.workspace_id,
            person=event.person,
            owner="notifications",
            asked_at=event.at,
            done_at=None,
        ),
    )


class Eraser:
    """Does the orders of this service."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Erase in `database`, and in the stream behind `bus`."""
        self._bus, self._database = bus, database
        self._copies = erasing.copies(bus, database, erase)

    async def do(self, order: Erasure) -> None:
        """Erase copies as their owner says, and our own words by whose they are."""
        if order.owner != self._bus.service:
            await self._copies(order)
            return
        person = str(order.person.id)
        async with self._database.transaction(order.workspace_id) as tx:
            await places.erase_own_record(tx, order.person.id)
            if await erasing.is_unsent(tx):
                return
        await self._bus.purge(
            NOTIFICATIONS,
            f"{NOTIFICATIONS.subjects[0][:-1]}*.*.{order.workspace_id}",
            lambda _, data: erasing.mentions(data, [person]),
        )
        async with self._database.transaction(order.workspace_id) as tx:
            await erasing.settle(tx, order)
