"""Notes that are pinned, lists of them, and who was mentioned."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from contracts.base import Person, Role, uuid7
from contracts.refusals import Invalid, Malformed, NotAllowed, NotFound
from contracts.tickets import AddNote, ListNotes, NoteKind, NoteSnapshot, PinNote, TicketSnapshot
from tests.tickets.builders import id_of
from tests.tickets.desk import Desk


async def note_on(desk: Desk, ticket: TicketSnapshot, **fields: Any) -> NoteSnapshot:
    given: dict[str, Any] = {"caller": desk.who(), "ticket": str(ticket.id), "note_id": uuid7(), "body": "Call back"}
    return await desk.ask(AddNote(**given | fields))


async def pin(desk: Desk, note: NoteSnapshot, pinned: bool = True, **fields: Any) -> NoteSnapshot:  # noqa: FBT001, FBT002 - reads well
    given: dict[str, Any] = {"caller": desk.who(), "ticket": str(note.ticket_id), "note_id": note.id, "pinned": pinned}
    return await desk.ask(PinNote(**given | fields))


async def test_pinning_is_a_fact_once_and_unpinning_another(desk: Desk) -> None:
    created = await desk.create()
    note = await note_on(desk, created)

    assert (await pin(desk, note)).pinned
    assert (await pin(desk, note)).pinned
    assert not (await pin(desk, note, pinned=False)).pinned
    assert not (await pin(desk, note, pinned=False)).pinned

    facts = [fact for fact in await desk.told(created) if "old" in fact]
    assert [(fact["note_id"], fact["old"], fact["new"], fact["audience"]) for fact in facts] == [
        (str(note.id), False, True, "team"),
        (str(note.id), True, False, "team"),
    ]
    assert (await desk.get(created)).version == 4
    (listed,) = (await desk.ask(ListNotes(caller=desk.who(), ticket="1"))).items
    assert listed == note


async def test_many_who_pin_at_once_make_one_fact(desk: Desk) -> None:
    created = await desk.create()
    note = await note_on(desk, created)

    assert all([(await asyncio.gather(*(pin(desk, note) for _ in range(8))))])
    assert (await desk.get(created)).version == 3


async def test_a_comment_is_never_pinned(desk: Desk) -> None:
    created = await desk.create()
    comment = await note_on(desk, created, kind=NoteKind.COMMENT)

    for pinned in (True, False):
        with pytest.raises(Invalid) as refused:
            await pin(desk, comment, pinned=pinned)
        assert refused.value.facts["errors"][0]["code"] == "not_for_comments"
    assert (await desk.get(created)).version == 2


async def test_a_note_of_another_ticket_or_workspace_is_not_there(desk: Desk) -> None:
    first, second, other = await desk.create(), await desk.create(), Desk(desk.database)
    note = await note_on(desk, first)
    foreign = await note_on(other, await other.create())

    for wrong in (note.id, foreign.id, uuid7()):
        with pytest.raises(NotFound):
            await pin(desk, note, ticket=str(second.id), note_id=wrong)
    with pytest.raises(NotFound):
        await pin(desk, note, ticket=str(foreign.ticket_id), note_id=foreign.id)


async def test_who_may_not_write_notes_may_not_pin_them_and_learns_nothing_of_them(desk: Desk) -> None:
    created = await desk.create()
    note = await note_on(desk, created)

    for caller in (desk.who("Gus", Role.GUEST), desk.who("Max", Role.MEMBER)):
        for id in (note.id, uuid7()):
            with pytest.raises(NotAllowed):
                await pin(desk, note, caller=caller, note_id=id)


async def test_a_list_may_be_of_notes_or_comments_pinned_or_not(desk: Desk) -> None:
    created = await desk.create()
    loose = await note_on(desk, created)
    comment = await note_on(desk, created, kind=NoteKind.COMMENT)
    pinned = await note_on(desk, created, pinned=True)

    async def listed(**wanted: Any) -> list[UUID]:
        page = await desk.ask(ListNotes(caller=desk.who(), ticket="1", **wanted))
        return [note.id for note in page.items]

    assert await listed() == [loose.id, comment.id, pinned.id]
    assert await listed(kind=NoteKind.NOTE) == [loose.id, pinned.id]
    assert await listed(kind=NoteKind.COMMENT) == [comment.id]
    assert await listed(pinned=True) == [pinned.id]
    assert await listed(pinned=False) == [loose.id, comment.id]
    assert await listed(pinned=True, kind=NoteKind.COMMENT) == []
    cursor = (await desk.ask(ListNotes(caller=desk.who(), ticket="1", limit=1))).next_cursor
    with pytest.raises(Malformed):
        await listed(cursor=cursor, pinned=False)


async def test_who_was_mentioned_is_shown_with_the_note(desk: Desk) -> None:
    created = await desk.create()
    mentions = (Person(id=id_of("Ben"), name="Ben", role=Role.MEMBER),)
    made = await note_on(desk, created, mentions=mentions)

    assert made.mentions == mentions
    assert (await desk.ask(ListNotes(caller=desk.who(), ticket="1"))).items == (made,)
