"""Following a desk live: no gap, no double, nothing that the reader may not see, and an end when they may not read."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median
from time import monotonic
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.service import Service
from contracts.activity import EntryPage
from contracts.base import Role, Via
from contracts.refusals import Unavailable
from services.gateway import app as gateway
from services.gateway.settings import Settings
from services.gateway.usecases import live
from services.gateway.usecases.live import Live
from services.gateway.usecases.people import People
from tests.gateway.house import PASSWORD, Somebody, is_problem
from tests.gateway.newsroom import Desk, Newsroom
from tests.support.eventually import eventually


@pytest.fixture
async def replica(newsroom: Newsroom) -> AsyncIterator[Service]:
    """A second gateway beside the first."""
    service = gateway.build(Settings(**newsroom.settings))
    await service.start()
    yield service
    await service.stop()


async def test_a_follower_sees_each_change_as_it_is_recorded(ledger: Desk) -> None:
    async with ledger.follow() as follower:
        made = await ledger.ticket()
        await ledger.change(made, status="open")
        await follower.sees(2)

    assert follower.answer.headers["content-type"] == "text/event-stream"
    assert follower.answer.headers["cache-control"] == "no-store"
    assert follower.answer.headers["x-accel-buffering"] == "no"
    assert follower.types == ["ticket_created", "status_changed"]
    assert follower.events == (await ledger.get("feed"))["items"]


async def test_a_change_is_seen_soon(ledger: Desk) -> None:
    ticket = await ledger.ticket()
    took: list[float] = []
    async with ledger.follow() as follower:
        for n in range(20):
            seen = len(follower.events)
            began = monotonic()
            ticket = await ledger.change(ticket, priority="high" if n % 2 else "low")
            await follower.sees(seen + 1)
            took.append(monotonic() - began)

    # A quiet machine is far below; a busy one must still not wait for the next poll.
    assert median(took) < live.POLL / 2


async def test_a_follower_begins_at_the_present_end_and_knows_where_that_is(ledger: Desk) -> None:
    await ledger.recorded(await ledger.ticket())

    async with ledger.follow() as before:
        pass
    missed = await ledger.ticket(subject="While nobody looked")
    async with ledger.follow(last_id=before.last_id) as after:
        await after.sees(1)

    assert (before.events, before.last_id) == ([], "1")
    assert [event["ticket_id"] for event in after.events] == [missed["id"]]


async def test_twenty_reconnects_make_no_gap_and_no_double(ledger: Desk) -> None:
    ticket = await ledger.ticket()
    await ledger.recorded(ticket)
    seen: list[int] = []
    done = asyncio.Event()

    async def work(ticket: dict[str, Any]) -> None:
        n = 0
        while not done.is_set():
            n += 1
            await ledger.change(ticket, priority="high" if n % 2 else "low")

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(work(await ledger.ticket()))
        last_id = "0"
        for n in range(20):
            async with ledger.follow(last_id=last_id) as follower:
                await follower.sees(4 + n % 3)
            # Whatever came after the connection was given up was not received.
            seen += follower.seqs
            last_id = follower.last_id
        done.set()

    async with ledger.follow(last_id=last_id) as follower:
        end = await head(ledger)
        await eventually(lambda: follower.last_id == str(end))
    seen += follower.seqs

    assert len(seen) > 60
    assert seen == list(range(1, end + 1))


async def head(ledger: Desk) -> int:
    """Return the end of the tickets book, once it no longer grows by what was done before."""
    await ledger.recorded(await ledger.ticket())
    heads = (await ledger.get("audit/head"))["items"]
    return int(next(each["seq"] for each in heads if each["book"] == "tickets"))


async def test_after_in_the_address_says_where_to_begin_and_the_header_wins(ledger: Desk) -> None:
    for _ in range(3):
        await ledger.recorded(await ledger.ticket())

    async with ledger.follow(query="?after=1") as follower, ledger.follow(query="?after=0", last_id="2") as browser:
        await follower.sees(2)
        await browser.sees(1)

    assert (follower.seqs, browser.seqs) == ([2, 3], [3])


@pytest.mark.parametrize("last_id", ["x", "-1", "1.5", "9" * 30])
async def test_an_id_that_no_event_has_is_malformed(ledger: Desk, last_id: str) -> None:
    is_problem(await ledger.send("GET", "events", last_event_id=last_id), 400, "malformed")


async def test_many_pages_are_caught_up_with_while_more_is_written(
    ledger: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "AT_ONCE", 7)
    ticket = await ledger.ticket()
    for n in range(30):
        ticket = await ledger.change(ticket, priority="high" if n % 2 else "low")
    await ledger.recorded(ticket)

    async def go_on() -> dict[str, Any]:
        changed = ticket
        for n in range(20):
            changed = await ledger.change(ticket, priority="high" if n % 2 else "low")
        return changed

    writing = asyncio.create_task(go_on())
    followers = []
    async with asyncio.TaskGroup() as group:

        async def catch_up(after: int) -> None:
            async with ledger.follow(query=f"?after={after}") as follower:
                end = (await writing)["version"]
                await eventually(lambda: follower.seqs and follower.seqs[-1] == end)
                followers.append((after, end, follower.seqs))

        for after in (0, 3, 7, 14, 30):
            group.create_task(catch_up(after))

    assert len(followers) == 5
    for after, end, seqs in followers:
        assert seqs == list(range(after + 1, end + 1))


async def test_what_happened_to_a_deleted_ticket_is_not_told_again_but_to_admins(ledger: Desk) -> None:
    member = await ledger.member(Role.MEMBER)
    secret, plain = await ledger.ticket(), await ledger.ticket()
    async with ledger.follow(member) as live:
        assert (await ledger.send("DELETE", f"tickets/{secret['id']}")).status_code == 204
        await eventually(lambda: "ticket_deleted" in live.types)

    async with ledger.follow(member, last_id="0") as caught_up, ledger.follow(ledger.owner, last_id="0") as admin:
        await caught_up.sees(2)
        await admin.sees(3)
    assert caught_up.types == ["ticket_created", "ticket_deleted"]
    assert str(plain["id"]) in str(caught_up.events[0])
    assert admin.types == ["ticket_created", "ticket_created", "ticket_deleted"]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_what_is_deleted_before_the_edge_has_read_it_is_told_to_admins_alone(
    ledger: Desk, role: Role, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, admin = await ledger.member(role), await ledger.member(Role.ADMIN)
    page, opened = live._Edge.page, asyncio.Event()

    async def held(edge: live._Edge, after: int) -> EntryPage:
        await opened.wait()
        return await page(edge, after)

    async with ledger.follow(other) as follower, ledger.follow(admin) as follower_of_all:
        monkeypatch.setattr(live._Edge, "page", held)
        secret = await ledger.ticket(subject="Nobody's business")
        assert (await ledger.send("DELETE", f"tickets/{secret['id']}")).status_code == 204
        last = await ledger.ticket()
        await ledger.recorded(last)
        opened.set()
        await follower_of_all.sees(3)
        await follower.sees(2)

    assert follower_of_all.types == ["ticket_created", "ticket_deleted", "ticket_created"]
    assert (follower.types, follower.seqs) == (["ticket_deleted", "ticket_created"], [2, 3])
    assert "Nobody's business" not in str(follower.events)


async def test_what_was_restored_is_told_to_whoever_begins_before_it(ledger: Desk) -> None:
    guest = await ledger.member(Role.GUEST)
    ticket = await ledger.ticket()
    assert (await ledger.send("DELETE", f"tickets/{ticket['id']}")).status_code == 204
    await ledger.recorded(ticket | {"version": 2})
    async with ledger.follow(guest, query="?after=0") as follower:
        await follower.sees(1)
        restored = await ledger.send("POST", f"tickets/{ticket['id']}/restore")
        assert restored.status_code == 200, restored.text
        await follower.sees(2)

    async with ledger.follow(guest, query="?after=0") as again:
        await again.sees(3)
    # A reader who has passed what was hidden is not taken back to it.
    assert follower.types == ["ticket_deleted", "ticket_restored"]
    assert again.types == ["ticket_created", "ticket_deleted", "ticket_restored"]


async def test_a_guest_never_sees_a_note(ledger: Desk) -> None:
    guest, member = await ledger.member(Role.GUEST), await ledger.member(Role.MEMBER)

    async with ledger.follow(guest) as live_guest, ledger.follow(member) as live_member:
        ticket = await ledger.ticket()
        for n in range(5):
            await ledger.note(ticket, f"The customer is rude {n}", kind="note" if n % 2 else "comment")
        ticket = await ledger.change(ticket, priority="low")
        await live_guest.sees(2)
        await live_member.sees(7)
    async with ledger.follow(guest, last_id="0") as caught_up:
        await caught_up.sees(2)

    assert live_guest.events == caught_up.events
    assert live_guest.types == ["ticket_created", "priority_changed"]
    assert live_guest.seqs == [1, 7]
    assert "rude" not in str(live_guest.events)
    assert live_member.seqs == list(range(1, 8))


async def test_another_desk_is_not_heard(ledger: Desk) -> None:
    eve = await ledger.room.house.somebody("Eve")
    other = await ledger.room.house.workspace(eve)
    elsewhere = Desk(ledger.room, ledger.client, other, eve)

    async with ledger.follow() as here, elsewhere.follow() as there:
        await ledger.ticket()
        await elsewhere.ticket(subject="Elsewhere")
        await here.sees(1)
        await there.sees(1)

    assert [event["data"]["subject"] for event in here.events + there.events] == ["The printer is on fire", "Elsewhere"]


async def test_lost_hints_cost_time_and_nothing_else(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live._Edge, "hint", lambda *_: None)

    async with ledger.follow() as follower:
        ticket = await ledger.ticket()
        for n in range(5):
            ticket = await ledger.change(ticket, priority="high" if n % 2 else "low")
        await follower.sees(6)

    assert follower.seqs == [1, 2, 3, 4, 5, 6]


async def test_a_silent_stream_is_kept_alive(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.gateway.routes.streams.HEARTBEAT", 0.2)

    async with ledger.follow() as follower:
        await eventually(lambda: follower.said.count("beat") >= 3)

    assert follower.events == []


async def test_a_ledger_that_is_away_is_waited_for_by_whoever_knows_where_to_go_on(
    ledger: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.recorded(await ledger.ticket())

    async def away(_: object) -> None:
        raise Unavailable

    monkeypatch.setattr(live._Edge, "_begin", away)
    monkeypatch.setattr(live, "PATIENCE", 0.2)
    async with ledger.follow(last_id="0") as follower:
        fresh = await ledger.send("GET", "events")
        assert follower.events == []
        monkeypatch.undo()
        await follower.sees(1)

    is_problem(fresh, 503, "unavailable")
    assert fresh.headers["retry-after"] == "1"


# Slow readers


@asynccontextmanager
async def deaf(ledger: Desk, port: int) -> AsyncIterator[socket.socket]:
    """A client that asks, and then reads nothing until it is told to."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.connect(("127.0.0.1", port))
    lines = [f"GET {ledger.path('events')} HTTP/1.1", "host: desk.test", "last-event-id: 0"]
    lines.append(f"authorization: {ledger.owner.bearer['authorization']}")
    listener.sendall("\r\n".join([*lines, "", ""]).encode())
    try:
        yield listener
    finally:
        listener.close()


def whole_events(received: bytes) -> list[int]:
    """Return the ids of the events that arrived to their end."""
    *blocks, _ = received.decode(errors="replace").split("\n\n")
    found = []
    for block in blocks:
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if ": " in line)
        if "data" in fields:
            found.append(int(fields["id"]))
    return found


async def test_a_reader_who_is_too_slow_is_sent_away_and_resumes(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "WAITING_BYTES", 256 * 1024)
    ticket = await ledger.ticket()
    await ledger.recorded(ticket)

    with capture_logs() as logs:
        async with deaf(ledger, ledger.room.gateway.port) as slow, ledger.follow() as quick:
            for n in range(200):
                ticket = await ledger.change(ticket, description=str(n) * 20_000)
                if any(line["event"] == "http.answered" and line.get("code") == "slow" for line in logs):
                    break
            await ledger.recorded(ticket)
            received = bytearray()
            while piece := await asyncio.to_thread(read_some, slow):
                received += piece
            await quick.sees(ticket["version"] - 1)
    assert any(line["event"] == "http.answered" and line.get("code") == "slow" for line in logs)
    seen = whole_events(bytes(received))
    async with ledger.follow(last_id=str(max(seen, default=0))) as resumed:
        await resumed.sees(ticket["version"] - len(seen))

    assert quick.seqs == list(range(2, ticket["version"] + 1))
    assert resumed.seqs
    assert seen + resumed.seqs == list(range(1, ticket["version"] + 1))


def read_some(slow: socket.socket) -> bytes:
    try:
        return slow.recv(65_536)
    except ConnectionError:
        return b""


async def test_one_session_can_not_take_every_place(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_PER_SESSION", 2)

    async with ledger.follow(), ledger.follow():
        refused = await ledger.send("GET", "events")
    is_problem(refused, 429, "rate_limited")
    assert refused.headers["retry-after"] == "5"

    async def free() -> bool:
        async with ledger.follow() as follower:
            return not follower.ended

    await eventually(free)


# The end of the right to read


async def test_a_changed_role_cuts_the_stream_on_every_replica(ledger: Desk, replica: Service) -> None:
    bob = await ledger.member(Role.MEMBER, "Bob")
    beside = f"http://127.0.0.1:{replica.port}"

    async with ledger.follow(bob) as one, ledger.follow(bob, base=beside) as two, ledger.follow() as owner:
        changed = await ledger.send("PATCH", f"members/{bob.user.id}", {"role": "guest"})
        assert changed.status_code == 200, changed.text
        await one.is_cut()
        await two.is_cut()
        await ledger.note(await ledger.ticket())
        await owner.sees(2)
    async with ledger.follow(bob, last_id=one.last_id) as again:
        await again.sees(1)

    assert one.events == two.events == []
    assert again.types == ["ticket_created"]


@pytest.mark.parametrize("hints", ["told", "lost"])
async def test_a_removed_member_is_cut(ledger: Desk, hints: str, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = await ledger.member(Role.ADMIN, "Bob")
    if hints == "lost":
        monkeypatch.setattr(Live, "_end", lambda *_: None)

    async with ledger.follow(bob) as follower:
        assert (await ledger.send("DELETE", f"members/{bob.user.id}")).status_code == 204
        await follower.is_cut()

    is_problem(await ledger.send("GET", "events", who=bob), 404, "not_found")


async def test_signing_out_cuts_the_streams_of_that_session_alone(ledger: Desk, replica: Service) -> None:
    bob = await ledger.member(Role.MEMBER, "Bob")

    async with ledger.follow(bob, base=f"http://127.0.0.1:{replica.port}") as follower, ledger.follow() as other:
        await ledger.client.delete("/api/v1/sessions/current", headers=bob.bearer)
        await follower.is_cut()
        await ledger.ticket()
        await other.sees(1)

    assert not other.ended
    is_problem(await ledger.send("GET", "events", who=bob), 401, "unauthenticated")


async def another_session(ledger: Desk, who: Somebody) -> Somebody:
    begun = await ledger.client.post("/api/v1/sessions", json={"email": who.user.email, "password": PASSWORD})
    return Somebody(who.user, begun.json()["token"])


async def program(ledger: Desk, maker: Somebody, **fields: Any) -> tuple[str, Somebody]:
    body = {"name": "Board", "role": "member", "scopes": ["tickets:read"], **fields}
    made = await ledger.send("POST", "tokens", body, who=maker)
    assert made.status_code == 201, made.text
    return made.json()["id"], Somebody(maker.user, made.json()["token"])


async def test_a_revoked_session_is_cut_on_every_replica_and_the_other_goes_on(ledger: Desk, replica: Service) -> None:
    bob = await ledger.member(Role.MEMBER, "Bob")
    other = await another_session(ledger, bob)
    (lost,) = [
        each["id"]
        for each in (await ledger.client.get("/api/v1/sessions", headers=other.bearer)).json()["items"]
        if not each["current"]
    ]
    beside = f"http://127.0.0.1:{replica.port}"

    async with ledger.follow(bob, base=beside) as cut, ledger.follow(other, base=beside) as kept:
        assert (await ledger.client.delete(f"/api/v1/sessions/{lost}", headers=other.bearer)).status_code == 204
        await cut.is_cut()
        await ledger.ticket()
        await kept.sees(1)

    assert not kept.ended


async def test_a_new_password_cuts_every_stream_of_its_owner(ledger: Desk, replica: Service) -> None:
    bob = await ledger.member(Role.MEMBER, "Bob")
    other = await another_session(ledger, bob)

    async with (
        ledger.follow(bob) as one,
        ledger.follow(other, base=f"http://127.0.0.1:{replica.port}") as two,
        ledger.follow() as owner,
    ):
        changed = await ledger.client.post(
            "/api/v1/password", json={"current": PASSWORD, "new": "a brand new password"}, headers=bob.bearer
        )
        assert changed.status_code == 200, changed.text
        await one.is_cut()
        await two.is_cut()
        assert not owner.ended
    fresh = Somebody(bob.user, changed.json()["token"])
    async with ledger.follow(fresh) as again:
        await ledger.ticket()
        await again.sees(1)


@pytest.mark.parametrize("hints", ["told", "lost"])
async def test_a_program_follows_until_its_token_is_revoked(
    ledger: Desk, replica: Service, hints: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hints == "lost":
        monkeypatch.setattr(Live, "_end", lambda *_: None)
    id, board = await program(ledger, ledger.owner)
    _, other = await program(ledger, ledger.owner)

    async with ledger.follow(board, base=f"http://127.0.0.1:{replica.port}") as cut, ledger.follow(other) as kept:
        await ledger.ticket()
        await cut.sees(1)
        assert (await ledger.send("DELETE", f"tokens/{id}")).status_code == 204
        await cut.is_cut()
        await ledger.ticket()
        await kept.sees(2)

    assert not kept.ended
    is_problem(await ledger.send("GET", "events", who=board), 401, "unauthenticated")


async def test_a_program_is_told_of_no_records_beyond_its_scopes(ledger: Desk) -> None:
    _, board = await program(ledger, ledger.owner)
    _, crm = await program(ledger, ledger.owner, scopes=["tickets:read", "contacts:read"])

    async with ledger.follow(board) as narrow, ledger.follow(crm) as wide:
        made = await ledger.send("POST", "contacts", {"name": "Kim", "email": "kim@example.com"})
        assert made.status_code == 201, made.text
        await ledger.ticket()
        await wide.sees(2)
        await narrow.sees(1)

    for who, types in ((board, ["ticket_created"]), (crm, ["contact_created", "ticket_created"])):
        page = (await ledger.send("GET", "feed", who=who)).json()
        assert [each["type"] for each in page["items"]] == types


async def test_a_program_is_cut_when_its_maker_may_no_longer_do_as_much(ledger: Desk) -> None:
    bob = await ledger.member(Role.ADMIN, "Bob")
    _, high = await program(ledger, bob, role="admin")
    _, low = await program(ledger, bob, role="guest")

    async with ledger.follow(high) as cut, ledger.follow(low) as kept:
        await ledger.send("PATCH", f"members/{bob.user.id}", {"role": "member"})
        await cut.is_cut()
        await ledger.ticket()
        await kept.sees(1)

    assert not kept.ended


async def test_handing_over_cuts_the_streams_of_both(ledger: Desk) -> None:
    bob = await ledger.member(Role.MEMBER, "Bob")

    async with ledger.follow(bob) as heir, ledger.follow() as former:
        handed = await ledger.send("POST", "ownership", {"user_id": str(bob.user.id)})
        assert handed.status_code == 200, handed.text
        await heir.is_cut()
        await former.is_cut()


@pytest.mark.parametrize("hints", ["told", "lost"])
async def test_the_end_of_a_workspace_cuts_everybody_in_it(
    ledger: Desk, replica: Service, hints: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hints == "lost":
        monkeypatch.setattr(Live, "_end", lambda *_: None)
    bob = await ledger.member(Role.GUEST, "Bob")
    _, board = await program(ledger, ledger.owner)

    async with (
        ledger.follow() as one,
        ledger.follow(bob, base=f"http://127.0.0.1:{replica.port}") as two,
        ledger.follow(board) as three,
    ):
        ended = await ledger.client.request(
            "DELETE", ledger.path("").rstrip("/"), json={"confirm": ledger.workspace.slug}, headers=ledger.owner.bearer
        )
        assert ended.status_code == 204, ended.text
        for each in (one, two, three):
            await each.is_cut()

    is_problem(await ledger.send("GET", "events"), 404, "not_found")


async def test_to_follow_is_no_use_of_a_session(ledger: Desk) -> None:
    house = ledger.room.house
    present = await house.people.visitor(ledger.owner.token, ledger.workspace.id, Via.API)
    key = (present.session.id, ledger.workspace.id)
    house.clock.passes(hours=11, minutes=59)
    try:
        assert await house.people.still_here([key]) == {key: Role.OWNER}
        house.clock.passes(minutes=2)
        assert await house.people.still_here([key]) == {}
    finally:
        house.clock.passes(hours=-12, minutes=-1)


async def test_nobody_reads_on_whom_the_store_can_not_vouch_for(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise OSError("the store is away")

    async with ledger.follow() as follower:
        monkeypatch.setattr(People, "still_here", away)
        began = monotonic()
        await follower.is_cut()
    # As much again is for a busy machine.
    assert monotonic() - began < 2 * live.UNCHECKED


# The end of the service


async def test_a_service_that_stops_ends_its_streams_at_once(newsroom: Newsroom, ledger: Desk) -> None:
    drain = 60.0
    service = gateway.build(Settings(**newsroom.settings, drain_seconds=drain))
    await service.start()
    base = f"http://127.0.0.1:{service.port}"
    ticket = await ledger.ticket()
    for n in range(20):
        ticket = await ledger.change(ticket, description=str(n % 10) * 60_000)
    await ledger.recorded(ticket)

    async with ledger.follow(base=base) as one, ledger.follow(base=base) as two, deaf(ledger, service.port):
        began = monotonic()
        stopping = asyncio.create_task(service.stop())
        await one.is_cut()
        await two.is_cut()
        await stopping

    # Streams that did not end would be waited for half of the time there is.
    assert monotonic() - began < drain / 4
    async with ledger.follow(last_id=one.last_id) as elsewhere:
        await ledger.ticket()
        await elsewhere.sees(1)


async def test_what_nobody_follows_costs_nothing(ledger: Desk) -> None:
    async with ledger.follow():
        assert edges(ledger)
    await eventually(lambda: not edges(ledger))


def edges(ledger: Desk) -> list[str]:
    return [
        task.get_name()
        for task in asyncio.all_tasks()
        if task.get_name() == f"edge {ledger.workspace.id}" and not task.done()
    ]


async def test_a_stream_is_one_line_in_the_log_at_its_end(ledger: Desk) -> None:
    with capture_logs() as logs:
        async with ledger.follow() as follower:
            await ledger.ticket()
            await follower.sees(1)
        await eventually(lambda: [line for line in logs if line.get("route", "").endswith("/events")])

    (line,) = [line for line in logs if line.get("route", "").endswith("/events")]
    assert (line["event"], line["status"], line["workspace_id"]) == ("http.answered", 200, ledger.workspace.id)
    assert line["user_id"] == str(ledger.owner.user.id)
