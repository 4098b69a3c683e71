"""Has people erased: orders it, does our own part of it, and tells how far everybody has come."""

import datetime as dt
from collections.abc import Callable, Sequence
from urllib.parse import quote_plus
from uuid import UUID

from pydantic import AwareDatetime

from chassis import erasing
from chassis.bus import Bus
from chassis.database import Database, Transaction
from contracts.base import SERVICES, Actor, ActorKind, Audience, IdempotencyKey, Model, Subject, Via, now, uuid7
from contracts.erasing import (
    CONFIRMATION,
    EraseContact,
    Erasure,
    ListErasures,
    MemberErased,
    MemberErasureOrdered,
    PersonKind,
    PersonRef,
)
from contracts.gateway import GATEWAY
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal
from contracts.tickets import GetContact
from services.gateway import store
from services.gateway.domain import Cause, Visitor
from services.gateway.domain.people import told
from services.gateway.store import erasing as places
from services.gateway.usecases.acting import acting, once

_SHORTEST = 3
"""Letters of a name that say whose it is."""
_OURSELVES = Actor(kind=ActorKind.SYSTEM, id="gateway", name="Gateway")


class ErasureState(Model):
    """An order to erase somebody, and who has done it."""

    id: UUID
    person: PersonRef
    asked_at: AwareDatetime
    done: bool
    """Whether every service has."""
    waiting_for: tuple[str, ...]
    """Services that have not, or can't be asked now."""


class FormerMember(Model):
    """A member who left."""

    id: UUID
    name: str


class ErasureList(Model):
    """Who was erased here, newest first."""

    items: tuple[ErasureState, ...]


class FormerMembers(Model):
    """Members who left and are not erased, the last first."""

    items: tuple[FormerMember, ...]


class Erasures:
    """Orders, and our own part of them."""

    def __init__(self, database: Database, bus: Bus, clock: Callable[[], dt.datetime] = now) -> None:
        """Erase in `database`, and in the stream behind `bus`."""
        self._database, self._bus, self._clock = database, bus, clock

    async def contact(
        self, visitor: Visitor, contact_id: UUID, confirm: str, key: IdempotencyKey | None
    ) -> ErasureState:
        """Have a contact erased; raises NotFound, NotAllowed, Invalid."""
        workspace, role = visitor.here
        if not role.runs_the_desk:
            raise NotAllowed("Only owners and admins may erase somebody.")
        try:
            known = await self._bus.ask(GetContact(caller=visitor.caller, contact_id=contact_id))
        except NotFound:  # deleted, but for what is recorded of them
            known = None
        order = await self._bus.ask(
            EraseContact(
                caller=visitor.caller,
                via=visitor.via,
                idempotency=key,
                contact_id=contact_id,
                erasure_id=uuid7(),
                confirm=confirm,
            )
        )
        names = (known.name, known.email) if known else ()
        words = [word for word in names if word and len(word) >= _SHORTEST]
        async with self._database.transaction(workspace.id) as tx:
            await erasing.order(tx, order)
            said = [*words, *map(quote_plus, words)]
            await places.erase_from_views(tx, said)
            await erasing.blank_answers(tx, said)
        return _state([order], {})

    async def member(self, visitor: Visitor, user_id: UUID, confirm: str, key: IdempotencyKey | None) -> ErasureState:
        """Have a member who left erased; raises NotFound, NotAllowed, Invalid, Conflict for one who is here."""
        workspace, _ = visitor.here
        person = PersonRef(kind=PersonKind.MEMBER, id=user_id)

        async def act() -> ErasureState:
            by = await acting(tx, visitor)
            if not by.role.runs_the_desk:
                raise NotAllowed("Only owners and admins may erase somebody.")
            if await store.member(tx, workspace.id, user_id) is not None:
                raise Conflict("Only a member who left can be erased: remove them first.")
            if not await store.member_version(tx, workspace.id, user_id):
                raise NotFound
            if confirm != CONFIRMATION:
                raise Invalid.field("confirm", "not_the_word", f"must be the word {CONFIRMATION}")
            if (known := await erasing.underway(tx, "gateway", person)) is not None:
                return _state([known], {})
            cause = Cause(command_id=uuid7(), via=visitor.via, at=self._clock())
            order = Erasure(
                id=uuid7(),
                workspace_id=workspace.id,
                person=person,
                owner="gateway",
                asked_at=cause.at,
                done_at=None,
            )
            await erasing.order(tx, order)
            subject = Subject(kind="erasure_order", id=str(order.id), version=1)
            tx.announce(MemberErasureOrdered(**told(workspace.id, by.actor, cause), subject=subject, person=person))
            return _state([order], {})

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, ErasureState, act)

    async def former(self, visitor: Visitor) -> FormerMembers:
        """Return members who left and are not erased."""
        workspace, role = visitor.here
        if not role.runs_the_desk:
            raise NotAllowed
        async with self._database.transaction(workspace.id) as tx:
            found = await places.former_members(tx)
        return FormerMembers(items=tuple(FormerMember(id=each.id, name=each.name) for each in found))

    async def page(self, visitor: Visitor) -> ErasureList:
        """Return who was erased, and how far each service has come."""
        workspace, role = visitor.here
        if not role.runs_the_desk:
            raise NotAllowed
        orders: dict[UUID, list[Erasure]] = {}
        done: dict[str, dict[tuple[UUID, str], bool]] = {}
        for service in SERVICES:
            try:
                known = await self._known(service, workspace.id)
            except Refusal:
                continue
            done[service] = {(each.id, each.owner): each.done_at is not None for each in known}
            for each in known:
                orders.setdefault(each.id, []).append(each)
        states = [_state(each, done) for each in orders.values()]
        return ErasureList(items=tuple(sorted(states, key=lambda state: state.asked_at, reverse=True)))

    async def _known(self, service: str, workspace_id: str) -> list[Erasure]:
        request = ListErasures.of(service)(workspace_id=workspace_id, limit=500)
        if service != self._bus.service:
            return list((await self._bus.ask(request, within=1.0)).items)
        async with self._database.transaction(workspace_id) as tx:
            return list((await erasing.list_erasures(request, tx)).items)

    async def do(self, order: Erasure) -> None:
        """Do our own part, or go on where it was broken off."""
        ws = order.workspace_id
        if order.person.kind is PersonKind.CONTACT or order.owner != self._bus.service:
            # Of contacts and of others' records there is no copy here but the order.
            async with self._database.transaction(ws) as tx:
                await erasing.settle(tx, order)
            return
        async with self._database.transaction(ws) as tx:
            if await erasing.is_unnumbered(tx):
                return
            held = await erasing.hold(tx, order)
            if held is None:
                return
            if held["told_at"] is None:
                await self._erase(tx, order)
                await erasing.told(tx, order)
        async with self._database.transaction(ws) as tx:
            if await erasing.is_unsent(tx):
                return
            seqs = await places.erased_seqs(tx, order.id)
        await self._bus.purge(
            GATEWAY, f"{GATEWAY.subjects[0][:-1]}*.*.{ws}", lambda headers, _: headers.get("ce-position") in seqs
        )
        async with self._database.every_workspace("erase an account that is a member nowhere") as tx:
            await places.erase_account(tx, order.person.id)
        async with self._database.transaction(ws) as tx:
            await erasing.settle(tx, order)

    async def _erase(self, tx: Transaction, order: Erasure) -> None:
        words = await places.erase_member_here(tx, order.person.id)
        await erasing.blank_answers(tx, [str(order.person.id)])
        for nth, part in enumerate(erasing.parts_of(order.person, words), 1):
            tx.announce(
                MemberErased(
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


def _state(known: Sequence[Erasure], done: dict[str, dict[tuple[UUID, str], bool]]) -> ErasureState:
    order = known[0]
    waiting = []
    for service in SERVICES:
        owners = erasing.OWNERS[order.person.kind]
        needed = {
            "tickets": ("tickets",),
            "gateway": tuple(owner for owner in owners if owner == "gateway"),
            "activity": owners,
            "notifications": (*owners, "notifications"),
        }[service]
        here = done.get(service)
        if here is None or not all(here.get((order.id, owner)) for owner in needed):
            waiting.append(service)
    return ErasureState(
        id=order.id,
        person=order.person,
        asked_at=min(each.asked_at for each in known),
        done=not waiting,
        waiting_for=tuple(waiting),
    )
