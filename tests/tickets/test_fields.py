"""Fields that people give a ticket: what they may be called and hold, how a change names them, and that words go."""

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text

from contracts.base import Role
from contracts.refusals import Invalid, NotAllowed
from contracts.tickets import (
    MOST_FIELDS,
    BulkOutcome,
    CreateTicket,
    FieldsChanged,
    GetBulk,
    Status,
    TicketChange,
    TicketCreated,
    TicketField,
    TicketFilter,
    TicketRequested,
)
from services.tickets import timers
from services.tickets.domain import field_values
from services.tickets.domain.fields import changed, fields_of
from tests.contracts.test_samples import SAMPLES
from tests.tickets.builders import a_ticket, by, caller, opened, person
from tests.tickets.desk import Desk, types_of

FULL = {f"f{nth}": "x" for nth in range(MOST_FIELDS)}


def a_change(**fields: str | None) -> TicketChange:
    return TicketChange(fields=fields)


# Names and values


@pytest.mark.parametrize("name", ["a", "room", "asset_tag", "x1", "a" * 50])
def test_a_name_is_a_short_code(name: str) -> None:
    assert a_change(**{name: "x"}).fields == {name: "x"}


@pytest.mark.parametrize("name", ["", "A", "1a", "_a", "a-b", "a b", "a.b", "ä", "a\n", "a" * 51, "a/b", "a~"])
def test_another_name_is_refused(name: str) -> None:
    for wrong in ({name: "x"}, {name: None}):
        with pytest.raises(ValidationError):
            TicketChange.model_validate({"fields": wrong})


@pytest.mark.parametrize("value", ["x", "火" * 500, "  trimmed  ", '"\\{}', "0"])
def test_a_value_is_a_line(value: str) -> None:
    assert a_change(room=value).fields == {"room": value.strip()}


@pytest.mark.parametrize("value", ["", "  ", "\u200b", "x" * 501, "two\nlines", "\u202egnp", "nul\x00", 7, True, ["x"]])
def test_another_value_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        TicketChange.model_validate({"fields": {"room": value}})


def test_a_new_ticket_has_at_most_twenty() -> None:
    given = {"caller": caller(), "ticket_id": "0199c0de-1000-7abc-9def-000000000042", "subject": "x"}

    assert CreateTicket.model_validate(given | {"fields": FULL}).fields == FULL
    with pytest.raises(ValidationError):
        CreateTicket.model_validate(given | {"fields": {**FULL, "one_more": "x"}})
    with pytest.raises(ValidationError):
        CreateTicket.model_validate(given | {"fields": {"room": None}})


# What a change does


def test_a_ticket_begins_with_its_fields_by_name() -> None:
    ticket, (created,) = opened(fields={"room": "3.14", "asset_tag": "PRN-0031"})

    assert isinstance(created, TicketCreated)
    both = (TicketField(name="asset_tag", value="PRN-0031"), TicketField(name="room", value="3.14"))
    assert created.fields == ticket.state.fields == both
    assert a_ticket().state.fields == ()


def test_a_change_merges_and_tells_both_lists_whole() -> None:
    ticket = a_ticket(fields={"room": "3.14", "floor": "3"})

    (fact,) = ticket.change(a_change(room=None, floor="4", asset_tag="PRN-0031"), caller(), by())
    assert isinstance(fact, FieldsChanged)
    assert field_values(fact.old) == {"floor": "3", "room": "3.14"}
    assert fact.new == fields_of({"asset_tag": "PRN-0031", "floor": "4"}) == ticket.state.fields


@pytest.mark.parametrize("same", [{}, {"room": "3.14"}, {"unknown": None}, {"room": "3.14", "unknown": None}])
def test_what_changes_nothing_is_no_fact(same: dict[str, str | None]) -> None:
    ticket = a_ticket(fields={"room": "3.14"})

    assert ticket.change(TicketChange(fields=same), caller(), by()) == []


def test_one_too_many_is_refused_and_nothing_changes() -> None:
    ticket = a_ticket(fields=FULL)
    before = ticket.state

    with pytest.raises(Invalid) as refused:
        ticket.change(TicketChange(subject="Smoke", fields={"one_more": "x"}), caller(), by())
    assert [(each["field"], each["code"]) for each in refused.value.facts["errors"]] == [("fields", "too_long")]
    assert ticket.state == before
    assert len(changed(before.fields, {"f0": None, "one_more": "x"})) == MOST_FIELDS


def test_all_may_give_way_to_as_many_others() -> None:
    ticket = a_ticket(fields=FULL)
    others = {f"g{nth}": "y" for nth in range(MOST_FIELDS)}

    ticket.change(TicketChange(fields={**dict.fromkeys(FULL), **others}), caller(), by())
    assert field_values(ticket.state.fields) == others


def test_fields_are_edited_by_who_may_edit() -> None:
    ticket = a_ticket(assignee=person("Ann"))

    assert ticket.change(a_change(room="3"), caller("Ann", Role.MEMBER), by())
    for who in (caller("Max", Role.MEMBER), caller("Gus", Role.GUEST)):
        with pytest.raises(NotAllowed):
            ticket.change(a_change(room="4"), who, by())


# What is kept


async def test_fields_are_answered_read_listed_and_told_alike(desk: Desk) -> None:
    created = await desk.create(fields={"room": "3.14", "asset_tag": "PRN-0031"})
    changed = await desk.change(created, fields={"room": None, "floor": "3"})

    assert created.fields == {"asset_tag": "PRN-0031", "room": "3.14"}
    assert changed.fields == {"asset_tag": "PRN-0031", "floor": "3"}
    assert changed == await desk.get(created)
    assert (await desk.find()).items[0].fields == changed.fields
    assert (await desk.get(created, as_of_version=1)).fields == created.fields
    assert await desk.change(created, fields={"room": None}) == changed
    assert types_of(await desk.told(created)) == ["ticket_created", "fields_changed"]


async def test_the_values_are_sealed_in_the_log_and_the_names_are_not(desk: Desk) -> None:
    created = await desk.create(fields={"room": "Kim's secret corner"})
    await desk.change(created, fields={"room": "Lee's secret corner"})

    born, changed = await desk.told(created)
    for field in (*born["fields"], *changed["old"], *changed["new"]):
        assert field["name"] == "room"
        assert field["value"].startswith("sha256:")
    assert "corner" not in json.dumps([born, changed])
    async with desk.database.transaction(desk.workspace) as tx:
        rows = await tx.all(text("select pointer, text from event_texts where text like '%corner'"))
    assert sorted((row["pointer"], row["text"]) for row in rows) == [
        ("/fields/0/value", "Kim's secret corner"),
        ("/new/0/value", "Lee's secret corner"),
        ("/old/0/value", "Kim's secret corner"),
    ]


async def test_what_was_erased_reads_as_digest_in_the_past(desk: Desk) -> None:
    created = await desk.create(fields={"room": "Kim's corner"})
    (born,) = await desk.told(created)
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(text("delete from event_texts where pointer = '/fields/0/value'"))

    assert (await desk.get(created, as_of_version=1)).fields == {"room": born["fields"][0]["value"]}


async def test_of_two_fields_that_are_changed_at_once_both_stay(desk: Desk) -> None:
    created = await desk.create()
    await asyncio.gather(desk.change(created, fields={"room": "3.14"}), desk.change(created, fields={"floor": "3"}))

    assert (await desk.get(created)).fields == {"floor": "3", "room": "3.14"}
    assert (await desk.get(created)).version == 3


async def test_many_tickets_get_a_field_and_a_full_one_is_refused(desk: Desk) -> None:
    await desk.create(fields={"room": "3.14"})
    await desk.create(fields=FULL)
    await desk.create(fields={"campaign": "Recall"})
    bulk = await desk.bulk(filter=TicketFilter(), change={"fields": {"campaign": "Recall"}})
    await timers.go_on_with_bulks(desk.database)

    done = await desk.ask(GetBulk(caller=desk.who(), bulk_id=bulk.id))
    assert [(item.outcome, item.code) for item in done.items] == [
        (BulkOutcome.CHANGED, None),
        (BulkOutcome.REFUSED, "invalid"),
        (BulkOutcome.UNCHANGED, None),
    ]
    assert (await desk.get("1")).fields == {"campaign": "Recall", "room": "3.14"}


async def test_another_system_asks_with_fields(desk: Desk) -> None:
    await desk.opens()
    sample = next(path for path in SAMPLES if path.stem == TicketRequested.SUBJECT)
    asked = TicketRequested.model_validate_json(sample.read_bytes())
    await desk.hears(asked)
    await desk.hears(asked.model_copy(update={"external_id": "INC-2042", "conversation": None}))

    assert (await desk.get("1")).fields == (await desk.get("2")).fields == {"detector": "SD-3-07"}


async def test_a_follow_up_starts_without(desk: Desk) -> None:
    chat = await desk.chat()
    created = await desk.create(fields={"room": "3.14"}, conversation_id=chat)
    await desk.change(created, status=Status.CLOSED)
    await desk.says(chat)

    assert (await desk.get("2")).follow_up_of is not None
    assert (await desk.get("2")).fields == {}
