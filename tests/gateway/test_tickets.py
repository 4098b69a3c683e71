"""Tickets over HTTP, with the real tickets service behind the door."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from chassis.service import Service
from contracts.base import Role
from contracts.tickets import Priority, Status
from services.gateway import app as gateway
from services.gateway import store
from services.gateway.domain import Workspace
from services.gateway.settings import Settings
from services.gateway.usecases.beginnings import Beginnings
from services.gateway.usecases.examples import COLLEAGUES, OWNER, TICKETS
from services.gateway.usecases.examples.people import CUSTOMERS
from services.gateway.usecases.examples.shapes import Answer, Assign, Comment, Example, Move, Note, Reply
from tests.gateway.house import House, Somebody, is_problem, without_trace
from tests.support.eventually import eventually
from tests.support.infra import NatsServer


@dataclass(slots=True)
class Desk:
    """A workspace, its owner, and a client that speaks for them unless told otherwise."""

    house: House
    client: httpx.AsyncClient
    workspace: Workspace
    owner: Somebody

    async def send(
        self, method: str, path: str, body: Any = None, *, who: Somebody | None = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(
            method,
            f"/api/v1/workspaces/{self.workspace.slug}/{path}",
            json=body,
            headers={**(who or self.owner).bearer, **named},
        )

    async def ticket(self, **fields: Any) -> dict[str, Any]:
        answer = await self.send("POST", "tickets", {"subject": "The printer is on fire", **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def member(self, role: Role, name: str = "Grace Hopper") -> Somebody:
        return await self.house.member(self.workspace, role, name)


@pytest.fixture
async def desk(house: House, gateway_service: Service) -> AsyncIterator[Desk]:
    owner = await house.somebody()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway_service.port}", timeout=20) as client:
        yield Desk(house, client, await house.workspace(owner), owner)


async def test_a_ticket_is_opened_and_read_by_id_and_by_number(desk: Desk) -> None:
    made = await desk.send(
        "POST",
        "tickets",
        {
            "subject": "  The printer is on fire  ",
            "description": "Since *noon*.",
            "priority": "high",
            "contact": {"name": "Mira", "email": "mira@example.com"},
            "tags": ["printer"],
        },
    )
    ticket = made.json()
    by_id = await desk.client.get(made.headers["location"], headers=desk.owner.bearer)
    by_number = await desk.send("GET", f"tickets/{ticket['number']}")

    assert made.status_code == 201, made.text
    assert made.headers["etag"] == by_id.headers["etag"] == f'"{ticket["version"]}"'
    assert (ticket["subject"], ticket["status"], ticket["priority"]) == ("The printer is on fire", "new", "high")
    assert (ticket["contact"]["name"], ticket["tags"], ticket["assignee"]) == ("Mira", ["printer"], None)
    assert "close" in ticket["allowed"]["actions"]
    assert by_id.json() == by_number.json() == ticket


async def test_a_ticket_that_has_not_changed_is_not_sent_again(desk: Desk) -> None:
    ticket = await desk.ticket()
    tag = f'"{ticket["version"]}"'

    same = await desk.send("GET", f"tickets/{ticket['id']}", if_none_match=f'"99", W/{tag}')
    other = await desk.send("GET", f"tickets/{ticket['id']}", if_none_match='"99"')

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert other.status_code == 200


async def test_a_change_says_what_changes_and_null_takes_away(desk: Desk) -> None:
    bob = await desk.member(Role.MEMBER, "Bob")
    ticket = await desk.ticket(contact={"name": "Mira"}, assignee_id=str(bob.user.id))

    moved = await desk.send("PATCH", f"tickets/{ticket['number']}", {"status": "open", "priority": "low"})
    freed = await desk.send("PATCH", f"tickets/{ticket['id']}", {"assignee_id": None, "contact_id": None})

    assert ticket["assignee"] == {"id": str(bob.user.id), "name": "Bob", "role": "member"}
    assert moved.status_code == freed.status_code == 200, moved.text + freed.text
    assert (moved.json()["status"], moved.json()["priority"]) == ("open", "low")
    assert moved.json()["assignee"] == ticket["assignee"]
    assert moved.json()["contact"] == ticket["contact"]
    assert (freed.json()["assignee"], freed.json()["contact"], freed.json()["status"]) == (None, None, "open")
    assert freed.headers["etag"] == f'"{freed.json()["version"]}"'


async def test_fields_are_an_object_both_ways_and_a_change_merges(desk: Desk) -> None:
    ticket = await desk.ticket(fields={"room": "3.14", "asset_tag": " PRN-0031 "})
    path = f"tickets/{ticket['number']}"

    changed = await desk.send("PATCH", path, {"fields": {"room": None, "floor": "3"}})
    same = await desk.send("PATCH", path, {"fields": {"room": None}})

    assert ticket["fields"] == {"asset_tag": "PRN-0031", "room": "3.14"}
    assert changed.status_code == 200, changed.text
    assert changed.json()["fields"] == {"asset_tag": "PRN-0031", "floor": "3"}
    assert (await desk.send("GET", path)).json() == same.json() == changed.json()
    assert (await desk.send("GET", f"{path}?as_of=1")).json()["fields"] == ticket["fields"]
    (row,) = (await desk.send("GET", "tickets")).json()["items"]
    assert row["fields"] == changed.json()["fields"]
    assert (await desk.ticket())["fields"] == {}


async def test_a_field_at_fault_is_named_by_its_path(desk: Desk) -> None:
    ticket = await desk.ticket(fields={f"f{nth}": "x" for nth in range(20)})
    path = f"tickets/{ticket['number']}"
    patches: tuple[tuple[Any, str], ...] = (
        ({"room": "x"}, "fields"),
        ({"f1": ""}, "fields.f1"),
        ({"f1": "two\nlines"}, "fields.f1"),
        ({"Room": "x"}, "fields.Room"),
        ({"Room": None}, "fields.Room"),
        (None, "fields"),
    )

    for fields, place in patches:
        refused = await desk.send("PATCH", path, {"fields": fields, "subject": "Smoke"})
        assert [each["field"] for each in is_problem(refused, 422, "invalid")["errors"]] == [place]
    bulk = {"ids": [ticket["id"]], "change": {"fields": {"Room": "x"}}}
    refused = await desk.send("POST", "tickets/bulk", bulk)
    assert is_problem(refused, 422, "invalid")["errors"][0]["field"] == "change.fields.Room"
    assert (await desk.send("GET", path)).json() == ticket


async def test_a_change_of_nothing_is_refused(desk: Desk) -> None:
    ticket = await desk.ticket()

    is_problem(await desk.send("PATCH", f"tickets/{ticket['id']}", {}), 422, "invalid")
    is_problem(await desk.send("PATCH", f"tickets/{ticket['id']}", {"subject": None}), 422, "invalid")


async def test_a_move_that_is_not_open_is_refused_with_those_that_are(desk: Desk) -> None:
    ticket = await desk.ticket()
    await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "closed"})

    refused = await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "resolved"})

    assert set(is_problem(refused, 409, "transition_not_allowed")["allowed"]) == {"open", "spam"}


async def test_of_two_changes_to_the_same_version_one_is_told_what_it_missed(desk: Desk) -> None:
    ticket = await desk.ticket()
    seen = f'"{ticket["version"]}"'

    answers = await asyncio.gather(
        *(
            desk.send("PATCH", f"tickets/{ticket['id']}", {"subject": subject}, if_match=seen)
            for subject in ("One", "Two")
        )
    )

    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert won.status_code == 200
    problem = is_problem(lost, 412, "stale_version")
    assert [missed["type"] for missed in problem["missed"]] == ["subject_changed"]
    assert problem["version"] == won.json()["version"]


@pytest.mark.parametrize(("tags", "status"), [('"1", "9"', 200), ('"8", "9"', 412), ("*", 200), ('W/"1"', 200)])
async def test_any_of_several_versions_will_do(desk: Desk, tags: str, status: int) -> None:
    ticket = await desk.ticket()

    answer = await desk.send("PATCH", f"tickets/{ticket['id']}", {"priority": "high"}, if_match=tags)

    assert answer.status_code == status, answer.text


async def test_the_same_key_a_hundred_times_opens_one_ticket(desk: Desk) -> None:
    body = {"subject": "Once"}

    answers = await asyncio.gather(*(desk.send("POST", "tickets", body, idempotency_key="the-same") for _ in range(30)))
    later = await desk.send("POST", "tickets", body, idempotency_key="the-same")
    other = await desk.send("POST", "tickets", {"subject": "Twice"}, idempotency_key="the-same")

    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} <= {"in_progress"}
    assert {answer.content for answer in [*made, later]} == {later.content}
    assert {answer.headers["location"] for answer in made} == {later.headers["location"]}
    is_problem(other, 422, "idempotency_key_reused")
    assert len((await desk.send("GET", "tickets")).json()["items"]) == 1


async def test_a_key_means_the_same_change_of_the_same_version(desk: Desk) -> None:
    ticket = await desk.ticket()
    path, body = f"tickets/{ticket['id']}", {"priority": "low"}

    first = await desk.send("PATCH", path, body, idempotency_key="k", if_match='"1"')
    again = await desk.send("PATCH", path, body, idempotency_key="k", if_match='"1"')
    other = await desk.send("PATCH", path, body, idempotency_key="k", if_match='"2"')

    assert first.content == again.content
    is_problem(other, 422, "idempotency_key_reused")


async def test_only_members_of_this_workspace_who_are_no_guests_are_assigned(desk: Desk) -> None:
    guest = await desk.member(Role.GUEST)
    foreigner = await desk.house.somebody("Eve")
    ticket = await desk.ticket()
    body = {"subject": "x"}

    for user, code in ((guest.user.id, "not_assignable"), (foreigner.user.id, "not_found"), (uuid4(), "not_found")):
        made = await desk.send("POST", "tickets", {**body, "assignee_id": str(user)})
        changed = await desk.send("PATCH", f"tickets/{ticket['id']}", {"assignee_id": str(user)})
        for answer in (made, changed):
            (error,) = is_problem(answer, 422, "invalid")["errors"]
            assert (error["field"], error["code"]) == ("assignee_id", code)
    assert len((await desk.send("GET", "tickets")).json()["items"]) == 1


async def test_a_ticket_of_another_workspace_answers_as_one_that_does_not_exist(desk: Desk) -> None:
    other = Desk(desk.house, desk.client, await desk.house.workspace(desk.owner), desk.owner)
    foreign = await other.ticket(contact={"name": "Mira"})

    for method, suffix, body in (
        ("GET", "", None),
        ("PATCH", "", {"status": "open"}),
        ("POST", "/notes", {"body": "x"}),
    ):
        answers = [
            await desk.send(method, f"tickets/{reference}{suffix}", body)
            for reference in (foreign["id"], str(uuid4()), "999999999", "0", "nonsense", foreign["id"].upper())
        ]
        is_problem(answers[0], 404, "not_found")
        assert all(without_trace(answer) == without_trace(answers[0]) for answer in answers)
        assert {len(answer.content) for answer in answers} == {len(answers[0].content)}
    stolen = await desk.send("POST", "tickets", {"subject": "x", "contact_id": foreign["contact"]["id"]})
    assert stolen.status_code in (404, 422)
    assert foreign["contact"]["name"] not in stolen.text


async def test_lists_are_filtered_sorted_and_paged(desk: Desk) -> None:
    bob = await desk.member(Role.MEMBER, "Bob")
    await desk.ticket(subject="One", priority="low", assignee_id=str(desk.owner.user.id))
    await desk.ticket(subject="Two", priority="critical", tags=["vip"])
    three = await desk.ticket(subject="Three", assignee_id=str(bob.user.id))
    await desk.send("PATCH", f"tickets/{three['id']}", {"status": "closed"})

    async def subjects(query: str) -> list[str]:
        answer = await desk.send("GET", f"tickets?{query}")
        assert answer.status_code == 200, answer.text
        return [ticket["subject"] for ticket in answer.json()["items"]]

    assert await subjects("sort=created") == ["One", "Two"]
    assert await subjects("sort=created&status=all") == ["One", "Two", "Three"]
    assert await subjects("status=closed&status=spam") == ["Three"]
    assert await subjects("sort=priority") == ["Two", "One"]
    assert await subjects("priority=low&priority=critical&sort=number") == ["One", "Two"]
    assert await subjects("assignee=me") == ["One"]
    assert await subjects("assignee=none") == ["Two"]
    assert await subjects(f"assignee={bob.user.id}&status=all") == ["Three"]
    assert await subjects("tag=vip") == ["Two"]
    assert await subjects("q=Tw") in (["Two"], [])
    first = (await desk.send("GET", "tickets?sort=created&limit=1")).json()
    assert await subjects(f"sort=created&limit=1&cursor={first['next_cursor']}") == ["Two"]
    is_problem(await desk.send("GET", f"tickets?sort=-created&cursor={first['next_cursor']}"), 400, "malformed")
    is_problem(await desk.send("GET", "tickets?cursor=AAAA"), 400, "malformed")


async def test_notes_are_added_and_listed_but_not_for_guests(desk: Desk) -> None:
    guest = await desk.member(Role.GUEST)
    ticket = await desk.ticket()
    path = f"tickets/{ticket['number']}/notes"

    note = await desk.send("POST", path, {"body": "Call back", "pinned": True}, idempotency_key="n")
    again = await desk.send("POST", path, {"body": "Call back", "pinned": True}, idempotency_key="n")
    comment = await desk.send("POST", path, {"body": "I will", "kind": "comment", "in_reply_to": note.json()["id"]})
    page = await desk.send("GET", f"{path}?limit=1")
    rest = await desk.send("GET", f"{path}?limit=1&cursor={page.json()['next_cursor']}")

    assert note.status_code == 201, note.text
    assert note.content == again.content
    assert comment.status_code == 201, comment.text
    assert [each["body"] for each in page.json()["items"] + rest.json()["items"]] == ["Call back", "I will"]
    is_problem(await desk.send("GET", path, who=guest), 403, "not_allowed")
    is_problem(await desk.send("POST", path, {"body": "x"}, who=guest), 403, "not_allowed")
    is_problem(await desk.send("POST", path, {"body": " "}), 422, "invalid")


async def test_dead_letters_are_for_admins(desk: Desk) -> None:
    member = await desk.member(Role.MEMBER)

    listed = (await desk.send("GET", "dead-letters")).json()
    assert (listed["items"], listed["next_cursor"]) == ([], None)
    assert listed["away"] == ["activity", "notifications"]  # of which neither runs here
    is_problem(await desk.send("GET", "dead-letters", who=member), 403, "not_allowed")
    is_problem(await desk.send("GET", f"dead-letters/{uuid4()}"), 503, "unavailable")  # one of them may keep it
    is_problem(await desk.send("GET", "dead-letters/1"), 404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"subject": ""},
        {"subject": " "},
        {"subject": "x" * 201},
        {"subject": "a\r\nBcc: victim@example.com"},
        {"subject": "x", "description": "d" * 70_000},
        {"subject": "x", "priority": "urgent"},
        {"subject": "x", "status": "closed"},
        {"subject": "x", "tags": ["t"] * 21},
        {"subject": "x", "tags": "t"},
        {"subject": "x", "fields": {"Room": "3"}},
        {"subject": "x", "fields": {"room": ""}},
        {"subject": "x", "fields": {"room": 3}},
        {"subject": "x", "fields": {"room": None}},
        {"subject": "x", "fields": [{"name": "room", "value": "3"}]},
        {"subject": "x", "fields": {f"f{nth}": "x" for nth in range(21)}},
        {"subject": "x", "assignee_id": "me"},
        {"subject": "x", "contact": {"name": "x", "id": "1"}},
        {"subject": "x", "contact": {"name": "x", "email": "not an address"}},
        {"subject": "x", "contact": {"name": "x"}, "contact_id": str(uuid4())},
        {"subject": "x", "workspace_id": "w"},
        {"subject": "x", "number": 7},
        {"subject": "x", "version": 7},
        {"subject": "x", "id": str(uuid4())},
    ],
)
async def test_a_ticket_with_a_field_at_fault_is_not_opened(desk: Desk, body: dict[str, Any]) -> None:
    problem = is_problem(await desk.send("POST", "tickets", body), 422, "invalid")

    assert all(each.keys() == {"field", "code", "detail"} for each in problem["errors"])
    assert problem["errors"]
    assert (await desk.send("GET", "tickets?status=all")).json()["items"] == []


async def test_on_the_wire_the_port_serves_health_metrics_and_the_api(desk: Desk) -> None:
    assert (await desk.client.get("/health/live")).status_code == 200
    assert "counterfoil_http_seconds" in (await desk.client.get("/metrics")).text
    assert (await desk.client.get("/")).json()["name"] == "Counterfoil"


async def test_on_the_wire_two_lengths_of_one_body_are_refused(desk: Desk) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.client.base_url.port)
    writer.write(
        b"POST /api/v1/sessions HTTP/1.1\r\nHost: desk\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    await writer.drain()
    status = (await reader.readline()).split()[1]
    writer.close()
    await writer.wait_closed()

    assert status == b"400"


def as_told(example: Example) -> tuple[str, str, str | None, Status, str]:
    """Return what a ticket must be once all of its story was told."""
    status, assignee = Status.NEW, example.assignee
    for step in example.story:
        match step:
            case Move(to=to) | Reply(then=Status() as to):
                status = to
            case Assign():
                assignee = step.to
            case Answer() if status in (Status.WAITING_ON_CUSTOMER, Status.RESOLVED):
                status = Status.OPEN
    name = {None: None, OWNER: "Owner"} | {who: colleague.name for who, colleague in COLLEAGUES.items()}
    return example.subject, example.priority, name[assignee], status, CUSTOMERS[example.customer].name


def story_of(ticket: dict[str, Any]) -> tuple[str, str, str | None, Status, str]:
    return (
        ticket["subject"],
        ticket["priority"],
        ticket["assignee"] and ticket["assignee"]["name"],
        Status(ticket["status"]),
        ticket["contact"]["name"],
    )


async def test_the_first_start_makes_a_workspace_with_tickets_to_look_at(
    nats_server: NatsServer, empty_house: House, tickets_service: None
) -> None:
    password = secrets.token_urlsafe(12)
    service = gateway.build(
        Settings(
            nats_url=nats_server.url_for("gateway"),
            database_url=empty_house.database.url,
            owner_email="owner@example.com",
            owner_password=SecretStr(password),
            workspace="first-look",
        )
    )
    await service.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=20) as client:
            body = {"email": "owner@example.com", "password": password}
            begun = (await client.post("/api/v1/sessions", json=body)).json()
            bearer = {"authorization": f"Bearer {begun['token']}"}

            async def written() -> bool:
                async with empty_house.database.every_workspace("example tickets") as tx:
                    return await store.examples_due(tx) is None

            async def read(path: str) -> list[dict[str, Any]]:
                answer = await client.get(f"/api/v1/workspaces/first-look/{path}", headers=bearer)
                items: list[dict[str, Any]] = answer.json()["items"]
                return items

            await eventually(written, within=40)
            tickets = await read("tickets?status=all&sort=number&limit=100")
            assert [story_of(ticket) for ticket in tickets] == [as_told(example) for example in TICKETS]
            assert {ticket["status"] for ticket in tickets} == {*Status}
            assert {ticket["priority"] for ticket in tickets} == {*Priority}
            noted = sum(isinstance(step, Note | Comment) for example in TICKETS for step in example.story)
            notes = [await read(f"tickets/{ticket['number']}/notes") for ticket in tickets]
            assert sum(map(len, notes)) == noted
            assert {member["role"] for member in await read("members")} == {*Role}
            chats = await read("conversations?limit=100")

            # Killed before it was written down that all is there, it begins anew.
            async with empty_house.database.transaction(begun["workspaces"][0]["id"]) as tx:
                await tx.execute(text("update workspaces set examples_due = true"))
            await Beginnings(empty_house.database, service.bus, empty_house.passwords).write_examples()
            assert await written()
            assert await read("tickets?status=all&sort=number&limit=100") == tickets
            assert await read("conversations?limit=100") == chats
    finally:
        await service.stop()
