"""A visitor who listens: no message is skipped, none comes twice, and it ends when they may not listen any more."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from chassis.service import Service
from contracts.base import now
from services.gateway import app as gateway
from services.gateway.settings import Settings
from services.gateway.usecases import widget_live
from services.gateway.usecases.widget_live import WidgetLive
from tests.gateway.house import an_address, is_problem
from tests.gateway.newsroom import Newsroom
from tests.gateway.site import ORIGIN, Site, Talk
from tests.support.eventually import eventually


async def answer(site: Site, talk: Talk, body: str = "Soon.") -> None:
    """Let an agent answer."""
    answered = await site.admin("POST", f"conversations/{talk.id}/messages", {"body": body})
    assert answered.status_code == 201, answered.text


async def test_an_agents_answer_is_heard_at_once_and_named_but_not_numbered(site: Site) -> None:
    talk = await site.start()
    async with site.listen(talk, query="?after=1") as listener:
        began = asyncio.get_running_loop().time()
        await answer(site, talk)
        await listener.sees(1)
        took = asyncio.get_running_loop().time() - began

    (message,) = listener.events
    assert (message["seq"], message["body"]) == (2, "Soon.")
    assert message["author"] == {"kind": "agent", "id": None, "name": "Ada Lovelace"}
    assert took < widget_live.POLL / 2
    headers = listener.answer.headers
    assert (headers["content-type"], headers["cache-control"]) == ("text/event-stream", "no-store")
    assert headers["access-control-allow-origin"] == ORIGIN


async def test_a_ticket_that_moves_is_heard_at_once_by_whoever_asked_for_it(site: Site) -> None:
    talk = await site.start()
    async with site.listen(talk, query="?after=1&tickets=true") as listener, site.listen(talk, "1") as other:
        clock = asyncio.get_running_loop()
        began = clock.time()
        made = (await site.admin("POST", f"conversations/{talk.id}/ticket", {})).json()
        await listener.sees(1)
        assert (await site.admin("PATCH", f"tickets/{made['id']}", {"status": "in_progress"})).status_code == 200
        await listener.sees(2)
        assert clock.time() - began < widget_live.POLL / 2
        await answer(site, talk)
        await listener.sees(3)
        await other.sees(1)
        async with site.listen(talk, "2", query="?tickets=true") as later:
            await later.sees(1)

    new, moved, _ = listener.events
    assert (new["id"], new["status"], moved["status"]) == (made["id"], "new", "in_progress")
    assert (await site.transcript(talk))["tickets"] == [moved] == later.events
    assert other.bodies == ["Soon."]


async def test_who_says_nothing_of_a_place_hears_the_whole_conversation(site: Site) -> None:
    talk = await site.start("One")
    await site.post(talk, "Two")

    async with site.listen(talk) as listener:
        await listener.sees(2)
        await site.post(talk, "Three")
        await listener.sees(3)

    assert listener.bodies == ["One", "Two", "Three"]
    assert listener.events == (await site.transcript(talk))["messages"]


async def test_many_reconnects_make_no_gap_and_no_double(site: Site) -> None:
    talk = await site.start("0")
    seen: list[int] = []
    last_id: str | None = None

    async def write() -> None:
        for n in range(40):
            await answer(site, talk, str(n))

    writing = asyncio.create_task(write())
    for n in range(12):
        async with site.listen(talk, last_id=last_id) as listener:
            await listener.sees(1 + n % 2)
        seen += listener.seqs
        last_id = listener.last_id
    await writing
    async with site.listen(talk, last_id=last_id) as listener:
        await eventually(lambda: listener.last_id == "41", within=15)
    seen += listener.seqs

    assert seen == list(range(1, 42))


async def test_the_header_wins_over_the_address_and_must_be_an_id(site: Site) -> None:
    talk = await site.start("One")
    await site.post(talk, "Two")
    await site.post(talk, "Three")

    async with site.listen(talk, last_id="2", query="?after=0") as listener:
        await listener.sees(1)
    assert listener.seqs == [3]
    for last_id in ("x", "-1", "9" * 30):
        is_problem(await site.ask("GET", "events", talk=talk, last_event_id=last_id), 400, "malformed")


async def test_another_conversation_is_not_heard(site: Site) -> None:
    mine, other = await site.start("Mine"), await site.start("Other")
    async with site.listen(mine) as listener:
        await answer(site, other)
        await answer(site, mine, "For you")
        await listener.sees(2)

    assert listener.bodies == ["Mine", "For you"]


async def test_a_lost_hint_costs_time_and_no_message(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget_live, "POLL", 0.3)
    monkeypatch.setattr(widget_live.Listener, "hint", lambda *_: None)
    talk = await site.start()
    async with site.listen(talk) as listener:
        await answer(site, talk)
        await listener.sees(2)

    assert listener.seqs == [1, 2]


async def test_a_silent_stream_is_kept_alive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.routes.streams.HEARTBEAT", 0.2)
    talk = await site.start()
    async with site.listen(talk) as listener:
        await eventually(lambda: listener.said.count("beat") >= 3)


@pytest.fixture
async def replica(newsroom: Newsroom) -> AsyncIterator[Service]:
    """A second gateway beside the first."""
    service = gateway.build(Settings(**newsroom.settings))
    await service.start()
    yield service
    await service.stop()


async def test_every_replica_hears(site: Site, newsroom: Newsroom, replica: Service) -> None:
    talk = await site.start()
    site.room = Newsroom(newsroom.house, replica, newsroom.settings)
    async with site.listen(talk, query="?after=1") as listener:
        await answer(site, talk)
        await listener.sees(1)


async def test_a_stopping_replica_ends_its_streams_at_once(site: Site, newsroom: Newsroom) -> None:
    talk = await site.start()
    service = gateway.build(Settings(**newsroom.settings))
    await service.start()
    site.room = Newsroom(newsroom.house, service, newsroom.settings)
    async with site.listen(talk) as listener:
        stopping = asyncio.create_task(service.stop())
        await listener.is_cut()
        await stopping


@pytest.mark.parametrize("why", ["deleted", "another site", "expired"])
async def test_who_may_not_listen_any_more_is_cut(site: Site, why: str) -> None:
    talk = await site.start()
    token = await site.planted(talk, now() + dt.timedelta(seconds=2 if why == "expired" else 600))
    async with site.listen(token) as listener:
        await listener.sees(1)
        if why == "deleted":
            gone = await site.admin("DELETE", f"assistants/{site.assistant['id']}")
            assert gone.status_code == 204
        elif why == "another site":
            await site.widget(allowed_origins=["https://other.example.com"])
        await listener.is_cut()


async def test_a_site_that_stays_allowed_is_not_cut(site: Site) -> None:
    talk = await site.start()
    async with site.listen(talk) as listener:
        await site.widget(allowed_origins=[ORIGIN])
        live: WidgetLive = _live(site)
        await live.check()
        await answer(site, talk)
        await listener.sees(2)
        assert not listener.ended


def _live(site: Site) -> WidgetLive:
    for name, ends in ((each.__name__, each) for each in site.room.gateway._ending):
        owner = getattr(ends, "__self__", None)
        if name == "close" and isinstance(owner, WidgetLive):
            return owner
    raise AssertionError


async def test_w17_a_token_and_an_address_have_so_many_streams(site: Site) -> None:
    talks = [await site.start() for _ in range(4)]
    open_ = [(talk, site.listen(talk)) for talk in (*talks[:3] * 3, talks[3])]
    listeners = []
    try:
        for _, stream in open_:
            listeners.append(await stream.__aenter__())
        for talk in talks:
            answer = await site.ask("GET", "events", talk=talk)
            is_problem(answer, 429, "rate_limited")
            assert answer.headers["retry-after"]
        site.address = an_address()
        is_problem(await site.ask("GET", "events", talk=talks[0]), 429, "rate_limited")
        async with site.listen(talks[3]):
            pass
    finally:
        for _, stream in open_[: len(listeners)]:
            await stream.__aexit__(None, None, None)


async def test_a_stream_is_one_line_in_the_log_and_no_word_or_token_is_in_it(site: Site) -> None:
    talk = await site.start("secret words")
    with capture_logs() as logs:
        async with site.listen(talk) as listener:
            await listener.sees(1)
        await eventually(lambda: any(line.get("route", "").endswith("/events") for line in logs))

    (line,) = [line for line in logs if line.get("route", "").endswith("/events")]
    assert (line["route"], line["workspace_id"]) == ("/widget/v1/{assistant}/events", site.workspace.id)
    assert talk.token not in str(logs)
    assert "secret words" not in str(logs)
