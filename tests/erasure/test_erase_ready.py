"""Words and names stand only where they can be erased, or go by themselves; secrets stand nowhere."""

import datetime as dt

import pytest

from contracts.streams import STREAMS
from tests.erasure import places
from tests.erasure.doors import DOORS, Planter
from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack

SIDE_ROWS = "a side row: erasing a person deletes it, and the record still proves itself"
STATE = "current state: erasing a person overwrites it"
ANSWER = "an answer kept for a repeat, for 48 hours"
MAIL = "a mail that is on its way: what it says goes when it is sent or void"
INBOUND = "an answer by mail as it came, for 30 days"
LETTER = "a message that could not be applied, for 30 days"


ALLOWED = {
    "tickets.event_texts.text": SIDE_ROWS,
    "gateway.event_texts.text": SIDE_ROWS,
    "notifications.event_texts.text": SIDE_ROWS,
    "activity.event_texts.text": SIDE_ROWS,
    "activity.entry_texts.text": SIDE_ROWS,
    "tickets.tickets.subject": STATE,
    "tickets.tickets.description": STATE,
    "tickets.tickets.assignee_name": STATE,
    "tickets.ticket_search.words": STATE,
    "tickets.contacts.name": STATE,
    "tickets.contacts.email": STATE,
    "tickets.contacts.email_key": STATE,
    "tickets.contacts.words": STATE,
    "tickets.contact_sources.external_id": STATE,
    "tickets.conversations.external_id": STATE,
    "tickets.conversations.url": STATE,
    "tickets.notes.body": STATE,
    "tickets.notes.author_name": STATE,
    "tickets.workspaces.name": STATE,
    "gateway.workspaces.name": STATE,
    "gateway.users.name": STATE,
    "gateway.users.email": STATE,
    "gateway.invitations.name": STATE,
    "gateway.invitations.email": STATE,
    "gateway.views.name": STATE,
    "gateway.views.query": STATE,
    "notifications.tickets.subject": STATE,
    "notifications.items.actor_name": STATE,
    "notifications.news.actor_name": STATE,
    "notifications.members.name": STATE,
    "notifications.members.email": STATE,
    "notifications.workspaces.name": STATE,
    "tickets.assistants.name": STATE,
    "tickets.assistants.widget": STATE,
    "tickets.messages.author_name": STATE,
    "tickets.messages.body": STATE,
    "tickets.messages.unverified_sender": STATE,
    "tickets.visitors.email": STATE,
    "tickets.visitors.name": STATE,
    "notifications.mails.to_email": MAIL,
    "notifications.mails.to_name": MAIL,
    "notifications.mails.letter": MAIL,
    "notifications.suppressed.address": MAIL,
    "notifications.reply_addresses.email": STATE,
    "notifications.inbound_mails.sender": INBOUND,
    "notifications.inbound_mails.known_as": INBOUND,
    "notifications.inbound_mails.raw": INBOUND,
    "notifications.dead_letters.body": LETTER,
    "tickets.idempotency.answer": ANSWER,
    "gateway.idempotency.answer": ANSWER,
    "notifications.idempotency.answer": ANSWER,
    "tickets.dead_letters.body": LETTER,
    "tickets.dead_letters.headers": LETTER,
}
"""Every column that may hold somebody's words, and why. A column that is not here may not."""

NEEDED = {
    "tickets.assistants.identity_secret": "what sites sign is checked with it, and an admin reads it again",
    "notifications.mails.letter": "a link that is to be mailed, until it is, or has expired",
}
"""Secrets of which a digest would not do."""


@pytest.fixture(scope="module")
async def planted(stack: Stack, desk: Desk) -> Planter:
    planter = Planter(stack, desk)
    for plant in DOORS.values():
        await plant(planter)
    await everything_has_arrived(planter)
    return planter


async def everything_has_arrived(planter: Planter) -> None:
    """Wait until the ledger and the inboxes have what was done last."""
    ticket = await planter.does("PATCH", f"tickets/{planter.ticket['id']}", {"priority": "low"})
    await planter.desk.get(f"tickets/{ticket['id']}/activity?min_version={ticket['version']}")

    async def heard() -> bool:
        found = await places.tables(planter.stack, {"last": planter.words["third subject"]})
        return {"notifications.tickets.subject", "activity.entry_texts.text"} <= found.keys()

    await eventually(heard, within=10)


def test_enough_is_planted(planted: Planter) -> None:
    assert len(planted.words) >= 30
    assert len(planted.secrets) >= 30


async def test_words_and_names_stand_only_where_they_can_be_erased(stack: Stack, planted: Planter) -> None:
    found = await places.tables(stack, planted.words)
    assert {place: there for place, there in found.items() if place not in ALLOWED} == {}
    kept = set().union(*found.values())
    assert planted.words.keys() - kept == set(), "these came through no door"


async def test_codes_stand_in_the_record_as_they_are(stack: Stack, planted: Planter) -> None:
    found = await places.tables(stack, planted.codes)
    assert found["activity.entries.entry"] == planted.codes.keys()


async def test_every_place_that_is_allowed_is_there(stack: Stack) -> None:
    there = {f"{service}.{table}.{column}" async for service, _, table, column, _ in places.columns(stack)}
    assert (ALLOWED.keys() | NEEDED.keys()) - there == set()


async def test_secrets_and_what_was_refused_stand_in_no_table(stack: Stack, planted: Planter) -> None:
    found = await places.tables(stack, planted.secrets)
    assert {place: there for place, there in found.items() if place not in NEEDED} == {}


def test_secrets_and_what_was_refused_stand_in_no_stream(stack: Stack, planted: Planter) -> None:
    assert places.streams(stack, planted.secrets) == {}


def test_what_is_in_streams_goes_by_itself(stack: Stack, planted: Planter) -> None:
    assert places.streams(stack, planted.words) != {}
    assert [stream.name for stream in STREAMS if not dt.timedelta(0) < stream.max_age <= dt.timedelta(days=30)] == []


def test_d11_nothing_that_anybody_said_is_in_a_log(stack: Stack, planted: Planter) -> None:
    assert places.logs(stack, planted.words | planted.codes | planted.secrets) == {}


async def test_nothing_that_anybody_said_is_measured(stack: Stack, planted: Planter) -> None:
    assert await places.metrics(stack, planted.words | planted.codes | planted.secrets) == {}
