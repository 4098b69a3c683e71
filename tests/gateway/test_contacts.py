"""Contacts and conversations over HTTP, with the real tickets service behind the door."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.database import Database
from chassis.service import Service
from contracts.base import Actor, ActorKind, Role, Via, now, uuid7
from contracts.tickets import Author, AuthorKind
from services.tickets import store
from services.tickets.domain import By
from services.tickets.usecases import talk
from tests.gateway.house import House, is_problem, without_trace
from tests.gateway.test_tickets import Desk
from tests.support.infra import Urls


@pytest.fixture
async def desk(house: House, gateway_service: Service) -> AsyncIterator[Desk]:
    owner = await house.somebody()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway_service.port}", timeout=20) as client:
        yield Desk(house, client, await house.workspace(owner), owner)


class Visitors:
    """Writes as the widget does, in the tickets service's own store."""

    def __init__(self, database: Database, workspace: str) -> None:
        self._database, self._workspace = database, workspace

    async def chat(self, *, integration: str | None = None) -> UUID:
        elsewhere: dict[str, Any] = {"external_id": "C-1", "url": "https://chat.example/1"} if integration else {}
        async with self._database.transaction(self._workspace) as tx:
            begun = await talk.begin_conversation(tx, self._by(), id=uuid7(), integration=integration, **elsewhere)
        assert begun is not None
        return begun.id

    async def says(self, chat: UUID, body: str) -> None:
        words = talk.Words(
            id=uuid7(), author=Author(kind=AuthorKind.VISITOR, name="Kim"), body=body, email="kim@example.com"
        )
        async with self._database.transaction(self._workspace) as tx:
            held = await store.hold_conversation(tx, chat)
            assert held is not None
            await talk.customer_wrote(tx, held, words, self._by())

    @staticmethod
    def _by() -> By:
        actor = Actor(kind=ActorKind.CONTACT, id="visitor", name="Kim")
        return By(actor=actor, via=Via.WIDGET, cause=str(uuid7()), now=now())


@pytest.fixture
async def visitors(desk: Desk, tickets_urls: Urls) -> AsyncIterator[Visitors]:
    database = Database(tickets_urls.app, "tickets", pool=2)
    yield Visitors(database, desk.workspace.id)
    await database.close()


async def contact(desk: Desk, **fields: Any) -> dict[str, Any]:
    answer = await desk.send("POST", "contacts", {"name": "Kim", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


# Contacts


async def test_a_contact_is_added_read_edited_and_forgotten(desk: Desk) -> None:
    body = {"name": "Kim", "email": "kim@example.com", "external_ids": [{"source": "crm", "id": "7"}]}
    made = await desk.send("POST", "contacts", body)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    where = made.headers["location"].partition(f"{desk.workspace.slug}/")[2]

    read = await desk.send("GET", where)
    assert read.json() == made.json()
    assert (await desk.send("GET", where, if_none_match='"1"')).status_code == 304
    changed = await desk.send("PATCH", where, {"name": "Kimberly", "email": None}, if_match='"1"')
    assert (changed.status_code, changed.headers["etag"], changed.json()["email"]) == (200, '"2"', None)
    stale = is_problem(await desk.send("PATCH", where, {"name": "X"}, if_match='"1"'), 412, "stale_version")
    assert (stale["version"], [fact["type"] for fact in stale["missed"]]) == (2, ["contact_changed"])
    is_problem(await desk.send("DELETE", where, if_match='"1"'), 412, "stale_version")
    assert (await desk.send("PATCH", where, {"external_ids": []}, if_match='"1", "2"')).json()["external_ids"] == []
    assert (await desk.send("DELETE", where, if_match='"3"')).status_code == 204
    is_problem(await desk.send("GET", where), 404, "not_found")


async def test_h10_h11_a_key_makes_one_contact(desk: Desk) -> None:
    first = await desk.send("POST", "contacts", {"name": "Kim"}, idempotency_key="one")
    again = await desk.send("POST", "contacts", {"name": "Kim"}, idempotency_key="one")

    assert first.json() == again.json()
    is_problem(
        await desk.send("POST", "contacts", {"name": "Lee"}, idempotency_key="one"), 422, "idempotency_key_reused"
    )
    assert len((await desk.send("GET", "contacts")).json()["items"]) == 1


async def test_what_is_anothers_is_taken_and_the_field_is_named(desk: Desk) -> None:
    await contact(desk, email="kim@example.com", external_ids=[{"source": "crm", "id": "7"}])

    for field, value in {"email": "KIM@example.com", "external_ids": [{"source": "crm", "id": "7"}]}.items():
        taken = is_problem(await desk.send("POST", "contacts", {"name": "Lee", field: value}), 409, "taken")
        assert [error["field"] for error in taken["errors"]] == [field]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": "Kim", "email": "kim"}, "email"),
        ({"name": "Kim", "external_ids": [{"source": "C R M", "id": "7"}]}, "external_ids.0.source"),
        ({"name": "Kim", "external_ids": [{"source": "crm", "id": str(nth)} for nth in range(21)]}, "external_ids"),
        ({"name": "Kim", "verified": True}, "verified"),
        ({"name": "Kim", "workspace_id": "globex"}, "workspace_id"),
        ({"name": "a\r\nBcc: b"}, "name"),
    ],
)
async def test_a_field_at_fault_is_named(desk: Desk, body: dict[str, Any], field: str) -> None:
    problem = is_problem(await desk.send("POST", "contacts", body), 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_contacts_are_searched(desk: Desk) -> None:
    kim = await contact(desk, email="kim@example.com", external_ids=[{"source": "crm", "id": "7"}])
    await contact(desk, name="Lee")

    for query in ("q=kIM", "q=example", "email=KIM%40example.com", "source=crm&external_id=7"):
        assert (await desk.send("GET", f"contacts?{query}")).json()["items"] == [kim]
    page = (await desk.send("GET", "contacts?limit=1")).json()
    rest = (await desk.send("GET", f"contacts?limit=1&cursor={page['next_cursor']}")).json()
    assert [each["name"] for each in page["items"] + rest["items"]] == ["Kim", "Lee"]
    assert rest["next_cursor"] is None
    is_problem(await desk.send("GET", f"contacts?q=x&cursor={page['next_cursor']}"), 400, "malformed")
    is_problem(await desk.send("GET", "contacts?limit=101"), 422, "invalid")


async def test_a_contacts_tickets_and_conversations_are_listed(desk: Desk, visitors: Visitors) -> None:
    chat = await visitors.chat()
    await visitors.says(chat, "Fire!")
    (kim,) = (await desk.send("GET", "contacts")).json()["items"]
    ticket = await desk.ticket(contact_id=kim["id"])
    await desk.send("PATCH", "tickets/1", {"status": "closed"})
    await desk.ticket()

    tickets = (await desk.send("GET", f"contacts/{kim['id']}/tickets")).json()
    conversations = (await desk.send("GET", f"contacts/{kim['id']}/conversations")).json()
    assert [each["id"] for each in tickets["items"]] == [ticket["id"]]
    assert [each["id"] for each in conversations["items"]] == [str(chat)]
    conflict = await desk.send("DELETE", f"contacts/{kim['id']}")
    is_problem(conflict, 409, "conflict")


async def test_h1_nothing_of_another_workspace_is_there(desk: Desk, house: House, visitors: Visitors) -> None:
    kim, chat = await contact(desk), await visitors.chat()
    ticket = await desk.ticket()
    stranger = await house.somebody("Eve Stranger")
    other = Desk(house, desk.client, await house.workspace(stranger), stranger)
    own = await other.ticket()
    paths = [
        ("GET", "contacts/{}", kim["id"], None),
        ("PATCH", "contacts/{}", kim["id"], {"name": "X"}),
        ("DELETE", "contacts/{}", kim["id"], None),
        ("GET", "contacts/{}/tickets", kim["id"], None),
        ("GET", "contacts/{}/conversations", kim["id"], None),
        ("GET", "conversations/{}", chat, None),
        ("GET", "conversations/{}/messages", chat, None),
        ("POST", "conversations/{}/messages", chat, {"body": "x"}),
        ("POST", "conversations/{}/ticket", chat, {}),
        ("POST", "tickets/{}/conversations", ticket["id"], {"conversation_id": str(chat)}),
        ("DELETE", f"tickets/{own['id']}/conversations/{{}}", chat, None),
    ]
    for method, path, theirs, body in paths:
        foreign = await other.send(method, path.format(theirs), body)
        missing = await other.send(method, path.format(uuid4()), body)
        assert foreign.status_code == 404, (method, path)
        assert without_trace(foreign) == without_trace(missing)
    link = await other.send("POST", f"tickets/{own['id']}/conversations", {"conversation_id": str(chat)})
    assert [error["field"] for error in is_problem(link, 422, "invalid")["errors"]] == ["conversation_id"]


async def test_a_guest_reads_a_contact_of_a_ticket_by_name_and_nothing_else(desk: Desk) -> None:
    guest = await desk.member(Role.GUEST)
    ticket = await desk.ticket(contact={"name": "Kim", "email": "kim@example.com"})
    hidden = await contact(desk, name="Lee")
    path = f"contacts/{ticket['contact']['id']}"

    shown = (await desk.send("GET", path, who=guest)).json()
    assert (shown["name"], shown["email"], shown["external_ids"]) == ("Kim", None, [])
    is_problem(await desk.send("GET", f"contacts/{hidden['id']}", who=guest), 404, "not_found")
    for method, where, body in (
        ("GET", "contacts", None),
        ("GET", f"{path}/conversations", None),
        ("GET", "conversations", None),
        ("POST", "contacts", {"name": "X"}),
        ("PATCH", path, {"name": "X"}),
        ("DELETE", path, None),
    ):
        is_problem(await desk.send(method, where, body, who=guest), 403, "not_allowed")


# Conversations


async def test_a_conversation_is_read_answered_and_moved_on(desk: Desk, visitors: Visitors) -> None:
    chat = await visitors.chat()
    await visitors.says(chat, "My printer\nis on fire")
    made = await desk.send("POST", f"conversations/{chat}/ticket", {"priority": "high", "assign_to_me": True})
    assert made.status_code == 201
    ticket = made.json()
    assert made.headers["location"].endswith(f"{desk.workspace.slug}/tickets/{ticket['id']}")
    assert (ticket["subject"], ticket["contact"]["email"]) == ("My printer is on fire", "kim@example.com")

    body = {"body": "Out it is.", "set_status": "waiting_on_customer"}
    answer = await desk.send("POST", f"conversations/{chat}/messages", body, idempotency_key="a")
    again = await desk.send("POST", f"conversations/{chat}/messages", body, idempotency_key="a")
    assert (answer.status_code, answer.json()["seq"], answer.json()["author"]["kind"]) == (201, 2, "agent")
    assert again.json() == answer.json()
    moved = (await desk.send("GET", "tickets/1")).json()
    assert moved["status"] == "waiting_on_customer"
    assert moved["first_response_at"] is not None
    await visitors.says(chat, "It burns again")

    read = (await desk.send("GET", f"conversations/{chat}")).json()
    assert [message["body"] for message in read["messages"]] == [
        "My printer\nis on fire",
        "Out it is.",
        "It burns again",
    ]
    assert [(each["number"], each["status"]) for each in read["tickets"]] == [(1, "open")]
    page = (await desk.send("GET", f"conversations/{chat}/messages?limit=2")).json()
    rest = (await desk.send("GET", f"conversations/{chat}/messages?limit=2&cursor={page['next_cursor']}")).json()
    assert page["items"] + rest["items"] == read["messages"]
    waiting = (await desk.send("GET", "conversations?awaits_reply=true&linked=true&ticket=1")).json()
    assert [each["id"] for each in waiting["items"]] == [str(chat)]


async def test_a_link_is_made_once_and_undone(desk: Desk, visitors: Visitors) -> None:
    chat, _ = await visitors.chat(), await desk.ticket()
    body = {"conversation_id": str(chat)}
    first = await desk.send("POST", "tickets/1/conversations", body)
    again = await desk.send("POST", "tickets/1/conversations", body)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.headers["etag"], again.headers["etag"]) == ('"2"', '"2"')
    assert (await desk.send("DELETE", f"tickets/1/conversations/{chat}")).status_code == 204
    is_problem(await desk.send("DELETE", f"tickets/1/conversations/{chat}"), 404, "not_found")
    assert (await desk.send("GET", f"conversations/{chat}")).json()["tickets"] == []
    unknown = await desk.send("POST", "tickets/1/conversations", {"conversation_id": str(uuid4())})
    is_problem(unknown, 422, "invalid")


async def test_another_systems_conversation_says_where_it_is_answered(desk: Desk, visitors: Visitors) -> None:
    chat = await visitors.chat(integration="chat")

    conflict = await desk.send("POST", f"conversations/{chat}/messages", {"body": "Hello"})
    assert is_problem(conflict, 409, "conflict")["url"] == "https://chat.example/1"


async def test_a_refused_move_says_which_are_open(desk: Desk, visitors: Visitors) -> None:
    chat = await visitors.chat()
    await desk.send("POST", f"conversations/{chat}/ticket", {"subject": "Fire"})
    await desk.send("PATCH", "tickets/1", {"status": "closed"})

    refused = await desk.send("POST", f"conversations/{chat}/messages", {"body": "x", "set_status": "resolved"})
    assert is_problem(refused, 409, "transition_not_allowed")["allowed"] == ["open", "spam"]


async def test_w16_h5_fields_of_others_are_refused(desk: Desk, visitors: Visitors) -> None:
    chat = await visitors.chat()
    for path, body in (
        ("messages", {"body": "x", "author": {"kind": "visitor"}}),
        ("messages", {"body": "x", "seq": 7}),
        ("ticket", {"subject": "x", "status": "closed"}),
        ("ticket", {"subject": "x", "number": 7}),
    ):
        is_problem(await desk.send("POST", f"conversations/{chat}/{path}", body), 422, "invalid")


@pytest.mark.parametrize(
    "id", ["1", "x", "%00", "0" * 32, "0192f3c811117aaa8bbb0123456789ab", "{0192f3c8-1111-7aaa-8bbb-0123456789ab}"]
)
async def test_what_is_no_id_names_nothing(desk: Desk, id: str) -> None:
    for path in ("contacts", "conversations"):
        answer = await desk.send("GET", f"{path}/{id}")
        assert answer.status_code in (400, 404)
