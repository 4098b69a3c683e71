"""Who is at a ticket: told to the team by every replica, kept nowhere, and nothing to guests."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.service import Service
from contracts.base import Role
from contracts.signals import AtTicket, Present
from services.gateway import app as gateway
from services.gateway.settings import Settings
from services.gateway.usecases import presence
from services.gateway.usecases.live import Whisper
from services.gateway.usecases.presence import Presence
from services.gateway.web.forms import masked
from tests.gateway.house import Somebody
from tests.gateway.newsroom import Desk, Follower, Newsroom, following
from tests.support.eventually import eventually


@pytest.fixture
async def replica(newsroom: Newsroom) -> AsyncIterator[Service]:
    """A second gateway beside the first."""
    service = gateway.build(Settings(**newsroom.settings))
    await service.start()
    yield service
    await service.stop()


class Ear(Follower):
    """A connection that hears of the moment too."""

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if fields.get("event") == "presence":
            assert "id" not in fields
        if "data" in fields:
            self.events.append({"event": fields["event"], **json.loads(fields["data"])})

    @property
    def people(self) -> list[tuple[str, bool]] | None:
        told = [event["people"] for event in self.events if event["event"] == "presence"]
        return [(each["name"], each["writing"]) for each in told[-1]] if told else None


async def test_who_is_at_a_ticket_is_told_by_every_replica_to_the_team_alone(ledger: Desk, replica: Service) -> None:
    guest, member = await ledger.member(Role.GUEST), await ledger.member(Role.MEMBER, "Bo Ek")
    ticket = str(uuid4())

    async def say(state: str, who: Somebody) -> int:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{replica.port}") as client:
            client.cookies.set("counterfoil_session", who.token)
            answer = await client.post(
                f"/w/{ledger.workspace.slug}/tickets/{ticket}/presence",
                data={"state": state, "csrf": masked(who.csrf)},
                headers={"origin": str(client.base_url)},
            )
            return answer.status_code

    url = ledger.room.url + ledger.path("events")
    async with (
        following(f"{url}?presence=true", ledger.owner.bearer, Ear) as team,
        following(f"{url}?presence=true", guest.bearer, Ear) as outside,
        following(url, ledger.owner.bearer, Ear) as program,
    ):
        assert isinstance(team, Ear)
        made = await ledger.ticket()
        for ear in (team, outside, program):
            await ear.sees(1)
        assert await say("here", member) == 204
        await eventually(lambda: team.people == [("Bo Ek", False)])
        await say("writing", member)
        await eventually(lambda: team.people == [("Bo Ek", True)])
        await say("gone", member)
        await eventually(lambda: team.people == [])
        assert await say("here", guest) == 403
        await ledger.change(made, status="open")
        for ear in (outside, program):
            await ear.sees(2)
            assert [each["event"] for each in ear.events] == ["ticket_created", "status_changed"]


class _Wire:
    """A bus that brings nothing anywhere, and somebody who listens."""

    def __init__(self) -> None:
        self.told: list[list[dict[str, Any]]] = []
        self.hear: Any = None
        self.at = 0.0

    def follows(self, _: type[Present]) -> Any:
        def register(handler: Any) -> Any:
            self.hear = handler
            return handler

        return register

    def whisper(self, _: str, whisper: Whisper) -> None:
        self.told.append(json.loads(whisper.json)["people"])


async def test_who_falls_silent_is_forgotten_and_room_is_bounded() -> None:
    wire: Any = _Wire()
    there = Presence(wire, wire, clock=lambda: wire.at)
    ticket = uuid4()

    async def heard(state: AtTicket, **more: Any) -> None:
        given: dict[str, Any] = {
            "workspace_id": "acme",
            "ticket_id": ticket,
            "user_id": uuid4(),
            "name": "Bo",
            "state": state,
        }
        await wire.hear(Present(**(given | more)))

    bo = uuid4()
    await heard(AtTicket.WRITING, user_id=bo)
    await heard(AtTicket.HERE, user_id=bo)
    assert [each["writing"] for each in wire.told[-1]] == [True]
    said = there.sweep({})
    wire.at = presence.WRITING + 1
    said = there.sweep(said)
    assert [each["writing"] for each in wire.told[-1]] == [False]
    wire.at = presence.KEPT + 1
    there.sweep(said)
    assert wire.told[-1] == []
    assert there.at("acme", ticket) == []

    for _ in range(presence.MOST_PEOPLE + 5):
        await heard(AtTicket.HERE)
    assert len(there.at("acme", ticket)) == presence.MOST_PEOPLE
    for _ in range(presence.MOST_TICKETS + 5):
        await heard(AtTicket.HERE, ticket_id=uuid4())
    assert sum(map(len, there._there.values())) == presence.MOST_TICKETS
