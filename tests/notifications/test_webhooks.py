"""What other systems are told by webhooks: each event at least once under one id, in order for each ticket."""

import datetime as dt
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import standardwebhooks
from sqlalchemy import text

from contracts.base import Role, now, uuid7
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound
from contracts.webhooks import (
    MOST_WEBHOOKS,
    ChangeWebhook,
    DeleteWebhook,
    DeliveryState,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Redeliver,
    ReplayEvents,
    RotateWebhookSecret,
    SendTest,
    Trouble,
    WebhookChange,
)
from services.notifications import store
from services.notifications.domain import TIMETABLE
from services.notifications.usecases.sending import forget
from tests.notifications.builders import NOON, created, id_of, moved
from tests.notifications.office import Office
from tests.notifications.post import OTHER, SECRET, Post
from tests.notifications.receiver import Receiver, a_receiver

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
async def post(office: Office) -> AsyncIterator[Post]:
    yield Post(office)
    async with office.database.transaction(office.workspace) as tx:
        await store.delete_webhooks(tx)  # the next one's sender looks at every workspace


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as receiver:
        yield receiver


def ticket(name: str, **words: Any) -> dict[str, Any]:
    return {"ticket_id": id_of(name), **words}


async def test_an_event_comes_as_it_is_stored_signed_and_once_however_often_it_is_heard(
    post: Post, receiver: Receiver
) -> None:
    webhook = await post.webhook(receiver.url)
    fact = created()
    await post.happens(fact)
    await post.all_sent()
    await post.happens()
    await post.all_sent()

    assert receiver.ids == [str(fact.id)]
    call = receiver.calls[0]
    stored = post.logs["tickets"][0].body
    assert json.loads(call.body) == {"type": "ticket_created"} | stored
    assert call.headers["ce-type"] == "tickets.events.v1.ticket_created"
    assert call.headers["ce-subject"] == str(id_of("ticket"))
    assert (await post.seen(webhook)).pending == 0
    [sent] = await post.deliveries(webhook)
    assert (sent.state, sent.attempts, [each.status for each in sent.tries]) == (DeliveryState.DELIVERED, 1, [200])


async def test_only_what_was_asked_for_and_what_came_after_is_told(post: Post, receiver: Receiver) -> None:
    await post.happens(created(), moved(version=2))
    await post.webhook(receiver.url, "status_changed")
    await post.happens(created(**ticket("other")), moved(version=3))
    await post.all_sent()

    assert [json.loads(call.body)["version"] for call in receiver.calls] == [3]


async def test_k10_a_signature_is_of_the_raw_bytes_and_the_old_secret_signs_for_a_day(
    post: Post, receiver: Receiver
) -> None:
    webhook = await post.webhook(receiver.url)
    await post.happens(created())
    await post.all_sent()
    await post.office.ask(
        RotateWebhookSecret(
            caller=post.office.who("Ada", Role.ADMIN), webhook_id=webhook.id, rotation_id=uuid7(), secret=OTHER
        )
    )
    await post.happens(moved(version=2))
    await post.all_sent()
    first, second = receiver.calls

    for secret, call in ((SECRET, first), (SECRET, second), (OTHER, second)):
        assert standardwebhooks.Webhook(secret).verify(call.body, call.headers)["version"] in (1, 2)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(first.body, first.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(first.body.replace(b"Printer", b"printer"), first.headers)

    post.now += dt.timedelta(hours=25)
    await post.happens(moved(version=3))
    await post.all_sent()
    assert len(receiver.calls[2].headers["webhook-signature"].split()) == 1
    await forget(post.office.database, lambda: post.now)
    assert (await post.seen(webhook)).old_secret_until is None


async def test_k6_an_event_is_tried_by_the_timetable_and_then_the_webhook_is_off(
    post: Post, receiver: Receiver
) -> None:
    receiver.does, begun = 500, post.now
    webhook = await post.webhook(receiver.url)
    fact = created()
    await post.happens(fact)
    for tries, pause in enumerate(TIMETABLE, 1):
        post.now += pause - SECOND if pause else pause
        assert await post.round() == (0 if pause else 1)
        if pause:
            post.now += SECOND
            assert await post.round() == 1
        assert len(receiver.calls) == tries
    off = await post.seen(webhook)

    assert receiver.ids == [str(fact.id)] * 10
    assert (off.enabled, off.disabled_because, off.failing_since) == (False, Trouble.EXHAUSTED, begun)
    assert [each.state for each in await post.deliveries(webhook)] == [DeliveryState.FAILED]
    async with post.office.database.transaction(post.office.workspace) as tx:
        told = await tx.all(text("select body from event_log where type like '%webhook_disabled'"))
    assert [row["body"]["reason"] for row in told] == ["exhausted"]


async def test_k7_who_says_gone_is_called_no_more_and_after_a_turn_on_hears_what_waited(
    post: Post, receiver: Receiver
) -> None:
    webhook = await post.webhook(receiver.url)
    receiver.does = 410
    await post.happens(created(), moved(version=2))
    await post.all_sent()
    off = await post.seen(webhook)
    assert (off.enabled, off.disabled_because, len(receiver.calls)) == (False, Trouble.GONE, 1)

    await post.happens(moved(version=3))
    post.now += dt.timedelta(days=1)
    await post.all_sent()
    assert len(receiver.calls) == 1

    receiver.does = 200
    await post.change(webhook, enabled=True)
    await post.happens(moved(version=4))
    await post.all_sent()
    assert [json.loads(call.body)["version"] for call in receiver.calls] == [1, 2, 4]


async def test_k8_how_long_to_wait_is_the_receivers_to_say_up_to_a_day(post: Post, receiver: Receiver) -> None:
    receiver.does, receiver.headers = 429, {"retry-after": "99999999"}
    webhook = await post.webhook(receiver.url)
    await post.happens(created())
    await post.all_sent()
    [waiting] = await post.deliveries(webhook)

    assert waiting.next_try_at == post.now + dt.timedelta(hours=24)
    assert (await post.seen(webhook)).enabled


async def test_k9_a_ticket_waits_for_its_own_first_event_and_nobody_elses(post: Post, receiver: Receiver) -> None:
    await post.webhook(receiver.url)
    receiver.does = 503
    await post.happens(created(), moved(version=2))
    await post.all_sent()
    receiver.does = 200
    await post.happens(moved(version=3), created(**ticket("other")))
    await post.all_sent()
    post.now += TIMETABLE[1]
    await post.all_sent()

    versions = [(body["ticket_id"] == str(id_of("ticket")), body["version"]) for body in map(_read, receiver.calls)]
    assert versions == [(True, 1), (False, 1), (True, 1), (True, 2), (True, 3)]


async def test_a_dead_receiver_delays_no_other(post: Post, receiver: Receiver) -> None:
    async with a_receiver() as dead:
        dead.does = "reset"
        await post.webhook(dead.url)
        await post.webhook(receiver.url)
        await post.happens(*(created(**ticket(f"ticket {nth}")) for nth in range(30)))
        await post.all_sent()

        assert len(receiver.calls) == len(set(receiver.ids)) == len(set(dead.ids)) == 30


async def test_what_is_cut_off_between_the_call_and_our_own_note_comes_again_under_the_same_id(
    post: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = await post.webhook(receiver.url)
    await post.happens(created())
    while await post.sender.queue():
        pass
    [due] = await post.sender._due()
    await post.sender._attempt(due, post.logs["tickets"][0])
    await post.all_sent()

    assert len(receiver.ids) == 2
    assert len(set(receiver.ids)) == 1
    assert receiver.calls[0].body == receiver.calls[1].body
    assert [each.attempts for each in await post.deliveries(webhook)] == [1]


async def test_an_owner_that_is_away_costs_no_try(post: Post, receiver: Receiver) -> None:
    webhook = await post.webhook(receiver.url)
    await post.happens(created())
    while await post.sender.queue():
        pass
    post.away = True
    await post.round()
    assert [(each.attempts, each.state) for each in await post.deliveries(webhook)] == [(0, DeliveryState.PENDING)]
    post.away = False
    post.now += dt.timedelta(seconds=5)
    await post.all_sent()

    assert len(receiver.calls) == 1


async def test_k12_a_webhook_that_is_deleted_or_off_is_called_no_more(post: Post, receiver: Receiver) -> None:
    receiver.does = 500
    deleted, off = await post.webhook(receiver.url), await post.webhook(receiver.url)
    await post.happens(created())
    await post.all_sent()
    await post.office.ask(DeleteWebhook(caller=post.office.who("Ada", Role.ADMIN), webhook_id=deleted.id))
    await post.change(off, enabled=False)
    post.now += dt.timedelta(days=2)
    await post.happens(moved(version=2))
    await post.all_sent()

    assert len(receiver.calls) == 2
    with pytest.raises(NotFound):
        await post.seen(deleted)


async def test_the_past_is_told_again_from_a_time_or_a_sequence_under_the_same_ids(
    post: Post, receiver: Receiver
) -> None:
    webhook = await post.webhook(receiver.url)
    facts = [created(), moved(version=2, at=NOON + SECOND), moved(version=3, at=NOON + 2 * SECOND)]
    await post.happens(*facts)
    await post.all_sent()
    first = {call.headers["webhook-id"]: call.body for call in receiver.calls}
    caller = post.office.who("Ada", Role.ADMIN)
    ids = [str(fact.id) for fact in facts]

    for since, told in (({"from_time": NOON + SECOND}, ids[1:]), ({"from_sequence": 3}, ids[2:])):
        receiver.calls.clear()
        await post.office.ask(ReplayEvents(caller=caller, webhook_id=webhook.id, replay_id=uuid7(), **since))
        await post.all_sent()
        assert receiver.ids == told
        assert {call.headers["webhook-id"]: call.body for call in receiver.calls}.items() <= first.items()

    for ahead in ({"from_time": now() + 60 * SECOND}, {"from_sequence": 4}):
        with pytest.raises(Invalid) as refused:
            await post.office.ask(ReplayEvents(caller=caller, webhook_id=webhook.id, replay_id=uuid7(), **ahead))
        assert [error["code"] for error in refused.value.facts["errors"]] == ["range"]

    oldest = next(each for each in await post.deliveries(webhook) if str(each.event_id) == ids[0])
    receiver.calls.clear()
    await post.office.ask(Redeliver(caller=caller, webhook_id=webhook.id, delivery_id=oldest.id))
    await post.all_sent()
    assert receiver.ids == ids[:1]


async def test_a_replay_tells_what_happened_before_there_was_a_webhook_and_ends(post: Post, receiver: Receiver) -> None:
    await post.happens(created(), *(moved(version=version) for version in range(2, 252)))
    webhook = await post.webhook(receiver.url)
    caller = post.office.who("Ada", Role.ADMIN)
    await post.office.ask(
        ReplayEvents(caller=caller, webhook_id=webhook.id, replay_id=uuid7(), from_time=NOON - SECOND)
    )
    await post.all_sent()

    assert [_read(call)["version"] for call in receiver.calls] == list(range(1, 252))
    assert await post.sender.queue() == 0


async def test_a_test_event_means_nothing_and_says_so(post: Post, receiver: Receiver) -> None:
    webhook = await post.webhook(receiver.url, "ticket_created")
    id = uuid7()
    await post.office.ask(SendTest(caller=post.office.who("Ada", Role.ADMIN), webhook_id=webhook.id, delivery_id=id))
    await post.all_sent()

    body = _read(receiver.calls[0])
    assert (receiver.ids, body["type"], body["ticket_id"]) == ([str(id)], "webhook_test", None)
    assert dt.datetime.fromisoformat(body["at"]).tzinfo is not None


async def test_k11_a_log_holds_status_and_latency_and_nothing_of_what_was_said(post: Post, receiver: Receiver) -> None:
    receiver.does, receiver.headers = 500, {"x-secret": "hunter2"}
    webhook = await post.webhook(receiver.url)
    await post.happens(created())
    await post.all_sent()

    [failed] = await post.deliveries(webhook)
    assert [(each.status, each.reason) for each in failed.tries] == [(500, "status")]
    assert "hunter2" not in failed.model_dump_json()


@pytest.mark.parametrize(
    ("url", "types", "field"),
    [
        ("https://10.0.0.1/", ["*"], "url"),
        ("http://8.8.8.8/", ["*"], "url"),
        ("https://127.0.0.1:4222/", ["*"], "url"),
        ("http://127.0.0.1:9000/", ["ticket_opened"], "event_types.0"),
    ],
)
async def test_what_can_not_be_told_or_called_is_refused_and_nothing_is_kept(
    post: Post, url: str, types: list[str], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await post.webhook(url, *types)

    assert [error["field"] for error in refused.value.facts["errors"]] == [field]
    page = await post.office.ask(ListWebhooks(caller=post.office.who("Ada", Role.ADMIN)))
    assert page.items == ()


async def test_who_does_not_run_the_desk_sees_and_changes_nothing(post: Post, receiver: Receiver) -> None:
    webhook = await post.webhook(receiver.url)
    for role in (Role.MEMBER, Role.GUEST):
        caller = post.office.who("Mary", role)
        for request in (
            ListWebhooks(caller=caller),
            GetWebhook(caller=caller, webhook_id=webhook.id),
            ListDeliveries(caller=caller, webhook_id=webhook.id),
            DeleteWebhook(caller=caller, webhook_id=webhook.id),
            ChangeWebhook(caller=caller, webhook_id=webhook.id, change=WebhookChange(enabled=False)),
            SendTest(caller=caller, webhook_id=webhook.id, delivery_id=UUID(int=7)),
        ):
            with pytest.raises(NotAllowed):
                await post.office.ask(request)  # type: ignore[misc]

    assert (await post.seen(webhook)).version == 1


async def test_there_are_not_more_webhooks_than_anybody_can_look_after(post: Post, receiver: Receiver) -> None:
    for _ in range(MOST_WEBHOOKS):
        await post.webhook(receiver.url)

    with pytest.raises(Conflict, match=str(MOST_WEBHOOKS)):
        await post.webhook(receiver.url)


async def test_what_is_long_over_is_forgotten_and_what_waits_is_not(post: Post, receiver: Receiver) -> None:
    webhook = await post.webhook(receiver.url)
    await post.happens(created())
    await post.all_sent()
    receiver.does = 500
    await post.happens(moved(version=2))
    await post.all_sent()
    post.now += dt.timedelta(days=31)
    await forget(post.office.database, lambda: post.now)

    assert [each.version for each in await post.deliveries(webhook)] == [2]


def _read(call: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(call.body)
    return body


async def test_who_hangs_takes_the_place_of_nobody_who_answers(post: Post, receiver: Receiver) -> None:
    async with a_receiver() as hanging:
        for _ in range(50):
            await post.webhook(hanging.url)
        good = await post.webhook(receiver.url)
        await post.happens(*(created(ticket_id=uuid7(), number=nth + 1) for nth in range(8)))
        while await post.sender.queue():
            pass

        begun = [due.endpoint.id for due in await post.sender._due()]
        assert (begun.count(good.id), len(begun)) == (1, 51), "one each, as long as nothing is known of them"
        (first,) = [due for due in await post.sender._due() if due.endpoint.id == good.id]
        await post.sender.send(first)
        begun = [due.endpoint.id for due in await post.sender._due()]
        assert (begun.count(good.id), len(begun)) == (5, 55), "who answers well gets five at once"
        receiver.does = 500
        (again, *_) = [due for due in await post.sender._due() if due.endpoint.id == good.id]
        await post.sender.send(again)
        assert [due.endpoint.id for due in await post.sender._due()].count(good.id) == 1
