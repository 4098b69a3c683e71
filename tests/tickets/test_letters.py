"""Dead letters of tickets: tried again by the handler that refused them, or forgotten, by those who run the desk."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chassis.bus import Bus
from chassis.database import Database
from chassis.inbox import bury
from chassis.telemetry import Metrics
from contracts.base import Caller, Command, DeadLetter, Role, uuid7
from contracts.refusals import Invalid, NotAllowed, NotFound
from contracts.tickets import DropDeadLetter, RetryDeadLetter, TicketRequested
from services.tickets.handlers import listen
from tests.tickets.desk import Desk

GOOD = {"external_id": "disk-7", "subject": "Disk 7 is full", "contact": {"name": "Grace", "email": "g@x.example"}}


class Office:
    """A desk whose bus knows its handlers."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.bus = Bus("", "tickets", desk.database, Metrics("tickets"))
        listen(self.bus)

    async def ask(self, command: Command[DeadLetter]) -> DeadLetter:
        """Ask as the bus does."""
        caller: Caller = command.caller
        handler = self.bus._answers._endpoints[command.SUBJECT].handler

        async def act() -> DeadLetter:
            answer = await handler(command, tx)
            assert isinstance(answer, DeadLetter)
            return answer

        async with self.desk.database.transaction(caller.workspace_id) as tx:
            return await tx.once(caller.id, command.key, DeadLetter, act)

    async def retry(self, id: UUID, **fields: Any) -> DeadLetter:
        given: dict[str, Any] = {"caller": self.desk.who(), "id": id}
        return await self.ask(RetryDeadLetter(**given | fields))

    async def drop(self, id: UUID, **fields: Any) -> DeadLetter:
        given: dict[str, Any] = {"caller": self.desk.who(), "id": id}
        return await self.ask(DropDeadLetter(**given | fields))

    async def buried(self, body: Any = GOOD, id: str = "alert-1", nth: int = 1) -> UUID:
        async with self.desk.database.transaction(self.desk.workspace) as tx:
            await bury(
                tx,
                stream=f"INTAKE-{self.desk.workspace}",
                sequence=nth,
                subject=TicketRequested.subject_for(self.desk.workspace, "status-page"),
                reason="internal",
                detail="a bug that is mended",
                headers={"ce-id": id},
                body=json.dumps(body).encode(),
            )
            newest: UUID = await tx.scalar(text("select id from dead_letters order by id desc limit 1"))
        return newest


@pytest.fixture
async def office(desk: Desk) -> Office:
    await desk.opens()
    return Office(desk)


async def test_a_letter_that_is_right_now_becomes_a_ticket_of_its_integration(office: Office) -> None:
    letter = await office.buried()
    await office.retry(letter)

    (ticket,) = (await office.desk.find()).items
    assert ticket.subject == "Disk 7 is full"
    (settled,) = await office.desk.told_of(letter)
    assert (settled["type"], settled["actor"]["kind"], settled["audience"]) == ("dead_letter_retried", "user", "admins")
    (told,) = await office.desk.told(await office.desk.get(str(ticket.id)))
    assert (told["actor"]["id"], told["via"], told["cause"]) == ("integration:status-page", "intake", "alert-1")
    assert await office.desk.count("dead_letters") == 0


async def test_the_same_retry_is_answered_alike_and_happens_once(office: Office) -> None:
    letter, command_id = await office.buried(), uuid7()
    first = await office.retry(letter, command_id=command_id)

    assert (await office.retry(letter, command_id=command_id)).model_dump() == first.model_dump()
    assert await office.desk.count("tickets") == 1
    with pytest.raises(NotFound):
        await office.retry(letter)


async def test_an_external_id_opens_one_ticket_for_ever_whichever_way_it_comes(office: Office) -> None:
    letters = [await office.buried(id=f"alert-{nth}", nth=nth) for nth in range(1, 4)]
    await office.desk.hears(TicketRequested.model_validate(GOOD), id="alert-9")
    for letter in letters:
        await office.retry(letter)

    assert await office.desk.count("tickets") == 1
    assert await office.desk.count("dead_letters") == 0


async def test_a_letter_that_is_still_wrong_says_why_and_stays(office: Office) -> None:
    letter = await office.buried({"subject": "x"})
    with pytest.raises(Invalid) as refused:
        await office.retry(letter)

    assert refused.value.facts["errors"][0]["field"] == "external_id"
    assert await office.desk.count("dead_letters") == 1
    assert await office.desk.told_of(letter) == []
    assert await office.desk.count("inbox") == 0, "the id may still be used by a message that is right"


async def test_a_letter_of_a_workspace_that_is_still_not_known_stays(database: Database) -> None:
    office = Office(Desk(database))
    letter = await office.buried()

    with pytest.raises(Invalid, match="not known"):
        await office.retry(letter)
    assert await office.desk.count("dead_letters") == 1


async def test_a_letter_is_forgotten_for_good(office: Office) -> None:
    letter = await office.buried()

    assert (await office.drop(letter)).id == letter
    (settled,) = await office.desk.told_of(letter)
    assert (settled["type"], settled["reason"]) == ("dead_letter_dropped", "internal")
    assert await office.desk.count("dead_letters") == 0
    for attempt in (office.drop(letter), office.retry(letter)):
        with pytest.raises(NotFound):
            await attempt


async def test_letters_are_retried_and_dropped_by_those_who_run_the_desk(office: Office) -> None:
    letter = await office.buried()
    for role in (Role.MEMBER, Role.GUEST):
        for attempt in (office.retry, office.drop):
            with pytest.raises(NotAllowed):
                await attempt(letter, caller=office.desk.who("Max", role))
    stranger = Desk(office.desk.database).who()
    for attempt in (office.retry, office.drop):
        with pytest.raises(NotFound):
            await attempt(letter, caller=stranger)
    assert await office.desk.count("dead_letters") == 1
    await office.drop(letter, caller=office.desk.who("Ada", Role.ADMIN))
