"""Dead letters that are tried again: as they came, once for ever, and never at the price of what is kept."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Transaction
from contracts.base import DeadLetter
from contracts.envelope import STRUCTURED
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal, UnknownMessage
from tests.chassis.test_intake import GOOD, cloud
from tests.support.eventually import eventually
from tests.support.replicas import Desk, a_fact, a_workspace


async def refuse(*_: Any) -> None:
    raise Conflict("not today")


async def retry(desk: Desk, workspace: str, id: UUID) -> DeadLetter:
    async with desk.tickets.database.transaction(workspace) as tx:
        return await desk.tickets.bus.retry(tx, id)


async def refused(desk: Desk, **headers: str) -> tuple[str, UUID]:
    """A workspace with one good message in it, which was refused for a while."""
    ws = a_workspace()
    desk.script.hears[ws] = refuse
    await desk.publish_intake(ws, "crm", GOOD, **headers)
    (letter,) = await desk.buries(ws, "conflict")
    del desk.script.hears[ws]
    return ws, letter["id"]


async def test_a_letter_is_applied_by_the_handler_that_refused_it_and_is_gone(desk: Desk) -> None:
    ws, letter = await refused(desk, id="one")

    assert (await retry(desk, ws, letter)).id == letter
    assert await desk.heard(ws) == ["9 of crm"]
    assert await desk.buried(ws) == []
    with pytest.raises(NotFound):
        await retry(desk, ws, letter)


async def test_a_letter_that_is_refused_again_says_why_and_stays_as_it_was(desk: Desk) -> None:
    ws, letter = await refused(desk, id="one")

    async def told() -> Any:
        letters = await desk.buried(ws)
        return letters if letters[0]["sent_at"] else None

    before = await eventually(told)
    desk.script.hears[ws] = refuse

    with pytest.raises(Conflict, match="not today"):
        await retry(desk, ws, letter)
    assert await desk.buried(ws) == before
    del desk.script.hears[ws]
    await retry(desk, ws, letter)
    assert await desk.heard(ws) == ["9 of crm"]


async def test_a_handler_that_breaks_leaves_the_letter_and_nothing_else(desk: Desk) -> None:
    ws, letter = await refused(desk, id="one")

    async def half(_: Any, tx: Transaction) -> None:
        raise ZeroDivisionError

    desk.script.hears[ws] = half
    with pytest.raises(ZeroDivisionError):
        await retry(desk, ws, letter)
    assert len(await desk.buried(ws)) == 1
    assert await desk.heard(ws) == []


@pytest.mark.parametrize("mode", ["by id", "structured", "by place"])
async def test_what_was_retried_takes_effect_once_for_ever(desk: Desk, mode: str) -> None:
    ws = a_workspace()
    desk.script.hears[ws] = refuse
    body: Any = cloud(id="one") if mode == "structured" else GOOD
    headers = {"content_type": STRUCTURED} if mode == "structured" else {}
    await desk.publish_intake(ws, "crm", body, id="one" if mode == "by id" else "", **headers)
    (letter,) = await desk.buries(ws, "conflict")
    del desk.script.hears[ws]
    await asyncio.gather(*(retry(desk, ws, letter["id"]) for _ in range(5)), return_exceptions=True)

    if mode != "by place":
        await desk.publish_intake(ws, "crm", GOOD, id="one")
        await desk.publish_intake(ws, "crm", cloud(id="one"), content_type=STRUCTURED)
    await desk.settled("INTAKE")
    assert await desk.heard(ws) == ["9 of crm"]


async def test_what_was_sent_again_meanwhile_takes_no_effect_by_its_letter(desk: Desk) -> None:
    ws, letter = await refused(desk, id="one")
    await desk.publish_intake(ws, "crm", GOOD | {"external_id": "10"}, id="one")
    await desk.hears(ws, "10 of crm")

    await retry(desk, ws, letter)
    assert await desk.heard(ws) == ["10 of crm"]
    assert await desk.buried(ws) == []


async def test_a_letter_and_the_same_message_at_the_same_moment_are_one(desk: Desk) -> None:
    for _ in range(10):
        ws, letter = await refused(desk, id="one")
        await asyncio.gather(retry(desk, ws, letter), desk.publish_intake(ws, "crm", GOOD, id="one"))
        await desk.settled("INTAKE")

        assert await desk.heard(ws) == ["9 of crm"]
        assert await desk.buried(ws) == []


async def test_a_fact_is_applied_though_its_book_has_gone_on(desk: Desk) -> None:
    ws = a_workspace()
    desk.script.hears[ws] = refuse
    await desk.announce(a_fact(ws, "first"))
    (letter,) = await desk.buries(ws, "conflict")
    del desk.script.hears[ws]
    await desk.announce(a_fact(ws, "second"))
    await desk.hears(ws, "second")

    await retry(desk, ws, letter["id"])
    await desk.announce(a_fact(ws, "third"))
    await desk.hears(ws, "second", "first", "third")


@pytest.mark.parametrize(
    ("body", "headers", "refusal"),
    [
        (b"not json", {}, Invalid),
        (b'{"subject": "Help"}', {}, Invalid),
        (json.dumps(GOOD).encode(), {"ce-type": "a.b"}, UnknownMessage),
        (json.dumps(GOOD).encode(), {"ce-specversion": "2.0"}, Invalid),
        (json.dumps(GOOD).encode(), {"ce-id": "no spaces"}, Invalid),
        (json.dumps(GOOD | {"workspace_id": "globex"}).encode(), {}, NotAllowed),
    ],
)
async def test_what_can_not_be_read_can_not_be_read_again(
    desk: Desk, body: bytes, headers: dict[str, str], refusal: type[Refusal]
) -> None:
    ws = a_workspace()
    await desk.publish_intake(ws, "crm", body, **headers)
    (letter,) = await desk.buries(ws, refusal.code)

    with pytest.raises(refusal):
        await retry(desk, ws, letter["id"])
    assert [each["id"] for each in await desk.buried(ws)] == [letter["id"]]


async def test_a_letter_whose_envelope_was_cut_is_not_taken_for_another_message(desk: Desk) -> None:
    ws = a_workspace()
    await desk.publish_intake(ws, "crm", GOOD, **{"ce-id": "i" * 10_000, "x-long": "x" * 1_000})
    (letter,) = await desk.buries(ws, "invalid")
    assert letter["headers"] == {"counterfoil-left-out": "ce-id"}

    with pytest.raises(Conflict):
        await retry(desk, ws, letter["id"])
    assert await desk.heard(ws) == []


async def test_headers_that_are_no_envelope_may_be_lost(desk: Desk) -> None:
    ws = a_workspace()
    desk.script.hears[ws] = refuse
    await desk.publish_intake(ws, "crm", GOOD, id="one", **{"x-long": "x" * 1_000})
    (letter,) = await desk.buries(ws, "conflict")
    del desk.script.hears[ws]

    await retry(desk, ws, letter["id"])
    assert await desk.heard(ws) == ["9 of crm"]


async def test_a_large_body_is_kept_whole(desk: Desk) -> None:
    ws = a_workspace()
    desk.script.hears[ws] = refuse
    await desk.publish_intake(ws, "crm", GOOD | {"description": "x" * 60_000}, id="one")
    (letter,) = await desk.buries(ws, "conflict")
    del desk.script.hears[ws]

    assert (await retry(desk, ws, letter["id"])).size > 60_000
    assert await desk.heard(ws) == ["9 of crm"]


async def test_a_letter_of_another_workspace_is_not_there(desk: Desk) -> None:
    ws, letter = await refused(desk, id="one")

    for workspace, id in ((a_workspace(), letter), (ws, uuid4())):
        with pytest.raises(NotFound):
            await retry(desk, workspace, id)
    assert len(await desk.buried(ws)) == 1
