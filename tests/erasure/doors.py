"""Every door through which words, names and secrets come into a running desk; each word is planted once."""

import json
import secrets
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.eventually import eventually
from tests.support.stack import WORKSPACE, Desk, Stack, publish

type Door = Callable[["Planter"], Awaitable[None]]

DOORS: dict[str, Door] = {}


def door(plant: Door) -> Door:
    """Keep a door under its name."""
    DOORS[plant.__name__] = plant
    return plant


@dataclass(slots=True)
class Planter:
    """Who plants, and what they planted so far, by what it is."""

    stack: Stack
    desk: Desk
    words: dict[str, str] = field(default_factory=dict)
    """Free texts and personal names: they may stand where a person's words are kept, and be erased there."""
    codes: dict[str, str] = field(default_factory=dict)
    """Tags, and another system's own names and addresses: the record keeps them as they are."""
    secrets: dict[str, str] = field(default_factory=dict)
    """What must stand nowhere at all."""
    ticket: dict[str, Any] = field(default_factory=dict)

    def word(self, what: str) -> str:
        """Make up a word that stands for a text or a name."""
        return self.words.setdefault(what, f"planted{secrets.token_hex(10)}")

    def code(self, what: str) -> str:
        """Make up a name that a system gave."""
        return self.codes.setdefault(what, f"code{secrets.token_hex(10)}")

    def address(self, what: str) -> str:
        """Make up an e-mail address."""
        return f"{self.word(what)}@example.com"

    def secret(self, what: str) -> str:
        """Make up a word that nobody may keep."""
        return self.secrets.setdefault(what, f"secret{secrets.token_hex(12)}")

    async def does(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Send what must succeed, under a key, so that its answer is kept too."""
        key = {} if method == "GET" else {"Idempotency_Key": str(uuid.uuid4())}
        answer = await self.desk.send(method, path, body, **key, **headers)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def tells(self, name: str, body: Any, headers: dict[str, str] | None = None) -> None:
        """Publish as another system."""
        access = self.stack.env("integration")
        subject = f"tickets.intake.v1.{name}.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
        async with self.stack.nats("integration") as client:
            await publish(client, subject, body, headers)


@door
async def a_ticket(by: Planter) -> None:
    by.ticket = await by.does(
        "POST",
        "tickets",
        {
            "subject": by.word("subject"),
            "description": by.word("description"),
            "contact": {"name": by.word("contact's name"), "email": by.address("contact's address")},
            "tags": [by.code("tag")],
        },
    )


@door
async def its_changes(by: Planter) -> None:
    path = f"tickets/{by.ticket['id']}"
    await by.does("PATCH", path, {"subject": by.word("second subject"), "description": by.word("second description")})
    await by.does("PATCH", path, {"subject": by.word("third subject"), "status": "open"})


@door
async def notes(by: Planter) -> None:
    path = f"tickets/{by.ticket['id']}/notes"
    await by.does("POST", path, {"body": by.word("note"), "pinned": True})
    await by.does("POST", path, {"body": by.word("comment"), "kind": "comment"})


@door
async def a_member(by: Planter) -> None:
    invitation = {"email": by.address("member's address"), "name": by.word("member's name"), "role": "member"}
    invited = (await by.desk.send("POST", "invitations", invitation)).json()
    by.secrets["invitation's token"] = invited["token"]
    password = by.secret("member's password")
    accept = f"/api/v1/invitations/{invited['token']}/accept"
    joined = (await Desk(by.stack, "").send("POST", accept, {"password": password})).json()
    by.secrets |= {"session's token": joined["token"], "session's proof": joined["csrf_token"]}
    member = Desk(by.stack, joined["token"])
    await by.does("PATCH", f"tickets/{by.ticket['id']}", {"assignee_id": joined["user"]["id"]})
    path = f"tickets/{by.ticket['id']}/notes"
    assert (await member.send("POST", path, {"body": by.word("member's note")})).is_success
    await by.does("PATCH", f"members/{joined['user']['id']}", {"role": "admin"})
    # Who comes by cookie.
    signed_in = await Desk(by.stack, "").send(
        "POST", "/api/v1/sessions", {"email": by.address("member's address"), "password": password}
    )
    cookie = by.secrets["cookie"] = signed_in.json()["token"]
    me = await Desk(by.stack, "").send("GET", "/api/v1/me", cookie=f"counterfoil_session={cookie}")
    assert me.is_success


@door
async def an_invitation(by: Planter) -> None:
    body = {"email": by.address("invited one's address"), "name": by.word("invited one's name"), "role": "guest"}
    by.secrets["unused invitation's token"] = (await by.desk.send("POST", "invitations", body)).json()["token"]


@door
async def a_workspace(by: Planter) -> None:
    await by.does("POST", "/api/v1/workspaces", {"name": by.word("workspace's name"), "slug": f"w{uuid.uuid4().hex}"})


@door
async def another_system(by: Planter) -> None:
    await by.tells(
        "ticket_requested",
        {
            "external_id": str(uuid.uuid4()),
            "subject": by.word("intake's subject"),
            "description": by.word("intake's description"),
            "contact": {
                "name": by.word("intake's contact's name"),
                "email": by.address("intake's contact's address"),
                "external_id": by.word("intake's contact's own name"),
            },
            "conversation": {
                "external_id": by.code("conversation's own name"),
                "url": f"https://chat.example.com/{by.code('address of a conversation')}",
            },
        },
    )

    async def opened() -> bool:
        found = await by.desk.get(f"tickets?q={by.words["intake's subject"]}")
        return bool(found["items"])

    await eventually(opened, within=15)


@door
async def what_another_system_says_later(by: Planter) -> None:
    mine = str(uuid.uuid4())
    await by.tells("ticket_requested", {"external_id": mine, "subject": by.word("alarm's subject")})
    await by.tells("ticket_updated", {"external_id": mine, "note": by.word("note of another system")})
    talk = {"conversation_external_id": by.code("another conversation's own name"), "at": "2026-03-02T09:00:00Z"}
    visitor = {
        "kind": "visitor",
        "name": by.word("intake's author's name"),
        "email": by.address("intake's author's address"),
    }
    for body in (by.word("intake's message"), by.word("intake's second message")):
        message = talk | {"message_external_id": str(uuid.uuid4()), "author": visitor, "body": body}
        await by.tells("message_received", message)

    async def heard() -> bool:
        found = await by.desk.get("conversations?limit=100")
        return any(talk["conversation_external_id"] == each["external_id"] for each in found["items"])

    await eventually(heard, within=15)


@door
async def a_contact(by: Planter) -> None:
    made = await by.does(
        "POST",
        "contacts",
        {
            "name": by.word("new contact's name"),
            "email": by.address("new contact's address"),
            "external_ids": [{"source": "crm", "id": by.word("new contact's own name")}],
        },
    )
    change = {"name": by.word("contact's second name"), "email": by.address("contact's second address")}
    await by.does("PATCH", f"contacts/{made['id']}", change)


@door
async def the_widget(by: Planter) -> None:
    settings = {"allow_ticket_creation": True, "title": by.word("widget's title"), "greeting": by.word("greeting")}
    made = await by.does("POST", "assistants", {"name": by.word("assistant's name"), "widget": settings})
    secret = await by.desk.get(f"assistants/{made['id']}/identity-secret")
    by.secrets["identity secret"] = secret["secret"]
    outside = Desk(by.stack, "")
    begun = await outside.send(
        "POST",
        f"/widget/v1/{made['id']}/conversations",
        {
            "body": by.word("visitor's first words"),
            "contact": {"name": by.word("visitor's name"), "email": by.address("visitor's address")},
        },
        idempotency_key=str(uuid.uuid4()),
        referer=f"https://shop.example.com/{by.secret('page of a visitor')}",
        user_agent=by.secret("browser of a visitor"),
    )
    assert begun.status_code == httpx.codes.CREATED, begun.text
    visitor = Desk(by.stack, begun.json()["visitor_token"])
    by.secrets["visitor's token"] = visitor.token
    talk = f"/widget/v1/{made['id']}/conversations/{begun.json()['conversation_id']}"
    assert (await visitor.send("POST", f"{talk}/messages", {"body": by.word("visitor's message")})).is_success
    opened = {
        "subject": by.word("visitor's subject"),
        "name": by.word("visitor's second name"),
        "email": by.address("visitor's second address"),
    }
    assert (await visitor.send("POST", f"{talk}/ticket", opened)).is_success
    reply = {"body": by.word("agent's reply"), "set_status": "waiting_on_customer"}
    await by.does("POST", f"conversations/{begun.json()['conversation_id']}/messages", reply)
    assert (await visitor.send("POST", f"{talk}/messages", {"body": by.word("visitor's answer")})).is_success


@door
async def a_conversation_by_hand(by: Planter) -> None:
    assistant = await by.does("POST", "assistants", {"name": "Shop"})
    begun = await Desk(by.stack, "").send(
        "POST", f"/widget/v1/{assistant['id']}/conversations", {"body": by.word("question")}
    )
    ticket = {"subject": by.word("subject of a conversation"), "description": by.word("description of a conversation")}
    await by.does("POST", f"conversations/{begun.json()['conversation_id']}/ticket", ticket)


@door
async def a_program(by: Planter) -> None:
    body = {"name": by.word("program's name"), "role": "member", "scopes": ["tickets:read", "tickets:write"]}
    made = (await by.desk.send("POST", "tokens", body)).json()
    by.secrets["API token"] = made["token"]
    program = Desk(by.stack, made["token"])
    assert (await program.send("POST", "tickets", {"subject": by.word("program's subject")})).is_success
    await by.desk.send("DELETE", f"tokens/{made['id']}")


@door
async def a_view(by: Planter) -> None:
    body = {"name": by.word("view's name"), "query": f"q={by.word('view that looks for it')}"}
    await by.does("POST", "views", body)


@door
async def a_password(by: Planter) -> None:
    address = by.words["member's address"] + "@example.com"
    member = await by.stack.sign_in(address, by.secrets["member's password"])
    change = {"current": by.secrets["member's password"], "new": by.secret("another password")}
    changed = await member.send("POST", "/api/v1/password", change)
    assert changed.is_success, changed.text
    by.secrets["token after a new password"] = changed.json()["token"]
    forgotten = {"email": f"{by.secret('address that nobody has')}@example.com"}
    assert (await Desk(by.stack, "").send("POST", "/api/v1/password-resets", forgotten)).is_success
    assert (await Desk(by.stack, "").send("POST", "/api/v1/password-resets", {"email": address})).is_success


@door
async def what_can_not_be_applied(by: Planter) -> None:
    before = await by.desk.get("dead-letters?limit=1")
    bodies = (
        json.dumps({"external_id": "x", "subject": [by.word("subject of a wrong type")]}).encode(),
        json.dumps({"subject": "x", by.word("name of a field that nobody knows"): 1}).encode(),
        by.word("text that is no JSON").encode(),
    )
    for body in bodies:
        await by.tells("ticket_requested", body, {"x-note": by.word("header of another system")})

    async def buried() -> bool:
        return len((await by.desk.get("dead-letters"))["items"]) >= min(3, 100) and before != (
            await by.desk.get("dead-letters?limit=1")
        )

    await eventually(buried, within=15)


@door
async def refusals(by: Planter) -> None:
    """What was refused was never said."""
    path = f"tickets/{by.ticket['id']}"
    wrong = {"email": f"{by.secret('unknown address')}@example.com", "password": by.secret("wrong password")}
    await Desk(by.stack, "").send("POST", "/api/v1/sessions", wrong)
    await by.desk.send("POST", "tickets", {"subject": "x", by.secret("unknown field"): 1})
    await by.desk.send("POST", "tickets", {"subject": f"{by.secret('subject that is too long')} {'x' * 300}"})
    await by.desk.send("POST", "tickets", {"subject": 1, "description": by.secret("description of a refused ticket")})
    await by.desk.send("PATCH", path, {"status": by.secret("unknown status")})
    await by.desk.send("PATCH", path, {"subject": by.secret("stale subject")}, If_Match='"1"')
    await by.desk.send("GET", f"tickets/{by.secret('unknown ticket')}")
    await by.desk.send("GET", f"/api/v1/workspaces/{by.secret('unknown workspace')}")
    await by.desk.send("GET", f"/{by.secret('unknown address of a page')}?token={by.secret('token in an address')}")
    await by.desk.send("GET", f"tickets?q={by.secret('search')}")
    await by.desk.send("GET", f"tickets?cursor={by.secret('broken cursor')}")
    await by.desk.send("GET", f"tickets?{by.secret('unknown parameter')}=1")
    await Desk(by.stack, by.secret("wrong token")).send("GET", "/api/v1/me")
    await by.desk.send("GET", "/api/v1/me", user_agent=by.secret("browser"), referer=by.secret("page before"))
    await by.desk.send("GET", "/api/v1/me", x_anything=by.secret("unknown header"))
    async with httpx.AsyncClient(base_url=by.stack.url) as http:
        address = f"/api/v1/workspaces/{WORKSPACE}/tickets"
        headers = {"authorization": f"Bearer {by.desk.token}", "content-type": "application/json"}
        await http.post(address, content=f'{{"subject": "{by.secret("broken JSON")}"', headers=headers)
