"""Who of the team is at which ticket: said by each page again and again, told to every replica, kept nowhere.

What is not said anew is forgotten after half a minute. A lost signal costs seconds, never a wrong word that stays.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from chassis.bus import Bus
from contracts.signals import AtTicket, Present
from services.gateway.domain import Visitor
from services.gateway.usecases.live import Live, Whisper

KEPT = 30.0
"""Seconds that somebody is thought to be there after they last said so."""
WRITING = 9.0
"""Seconds that somebody is thought to write after they last said so."""
SWEEP = 2.0
MOST_PEOPLE, MOST_TICKETS = 20, 2_000
"""At one ticket, and of one workspace at once; who comes on top of them is not shown."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """Somebody at a ticket."""

    id: UUID
    name: str
    until: float
    writes_until: float

    def writes(self, at: float) -> bool:
        """Tell whether they write there."""
        return self.writes_until > at


class Presence:
    """Everybody who is at a ticket, as far as this replica has heard."""

    def __init__(self, bus: Bus, live: Live, clock: Callable[[], float] = time.monotonic) -> None:
        """Listen to what all replicas say."""
        self._bus = bus
        self._live = live
        self._clock = clock
        self._there: dict[str, dict[UUID, dict[UUID, Somebody]]] = {}
        bus.follows(Present)(self._heard)

    async def say(self, visitor: Visitor, ticket_id: UUID, state: AtTicket) -> None:
        """Tell every replica what somebody does at a ticket."""
        workspace, _ = visitor.here
        await self._bus.signal(
            Present(
                workspace_id=workspace.id,
                ticket_id=ticket_id,
                user_id=visitor.user.id,
                name=visitor.user.name,
                state=state,
            )
        )

    def at(self, workspace_id: str, ticket_id: UUID) -> list[Somebody]:
        """Return who is at a ticket, by name."""
        there = self._there.get(workspace_id, {}).get(ticket_id, {})
        now = self._clock()
        return sorted((each for each in there.values() if each.until > now), key=lambda each: (each.name, each.id))

    def writing(self, somebody: Somebody) -> bool:
        """Tell whether somebody writes now."""
        return somebody.writes(self._clock())

    async def watch(self) -> None:
        """Forget who has fallen silent; runs until cancelled."""
        said: dict[tuple[str, UUID], bytes] = {}
        while True:
            await asyncio.sleep(SWEEP)
            said = self.sweep(said)

    def sweep(self, said: dict[tuple[str, UUID], bytes]) -> dict[tuple[str, UUID], bytes]:
        """Forget who has fallen silent, and tell what differs from what was said of each ticket; returns what is."""
        now = self._clock()
        found: dict[tuple[str, UUID], bytes] = {}
        for workspace_id, tickets in list(self._there.items()):
            for ticket_id, people in list(tickets.items()):
                for somebody in [each for each in people.values() if each.until <= now]:
                    del people[somebody.id]
                key = (workspace_id, ticket_id)
                found[key] = self._words(workspace_id, ticket_id)
                if said.get(key, found[key]) != found[key]:
                    self._live.whisper(workspace_id, Whisper("presence", found[key]))
                if not people:
                    del tickets[ticket_id], found[key]
            if not tickets:
                del self._there[workspace_id]
        return found

    async def _heard(self, signal: Present) -> None:
        tickets = self._there.setdefault(signal.workspace_id, {})
        if signal.ticket_id not in tickets and len(tickets) >= MOST_TICKETS:
            return
        people = tickets.setdefault(signal.ticket_id, {})
        before = self._words(signal.workspace_id, signal.ticket_id)
        now = self._clock()
        known = people.pop(signal.user_id, None)
        if signal.state is not AtTicket.GONE and len(people) < MOST_PEOPLE:
            # Another tab of theirs may be where they write.
            writes = now + WRITING if signal.state is AtTicket.WRITING else known.writes_until if known else 0.0
            people[signal.user_id] = Somebody(signal.user_id, signal.name, now + KEPT, writes)
        after = self._words(signal.workspace_id, signal.ticket_id)
        if before != after:
            self._live.whisper(signal.workspace_id, Whisper("presence", after))
        if not people:
            del tickets[signal.ticket_id]

    def _words(self, workspace_id: str, ticket_id: UUID) -> bytes:
        people = [
            {"id": str(each.id), "name": each.name, "writing": self.writing(each)}
            for each in self.at(workspace_id, ticket_id)
        ]
        return json.dumps({"ticket_id": str(ticket_id), "people": people}).encode()
