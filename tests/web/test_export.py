"""A workspace as a file: every row of every store once, no secret, whole or seen to be cut, and its books hold."""

import hashlib
import json
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from contracts import transfer
from contracts.base import Role
from services.activity.tools import check_export
from services.gateway.store.transfer import TABLES as PEOPLE
from services.notifications.store.transfer import TABLES as NEWS
from services.tickets.store.transfer import TABLES as TICKETS
from tests.gateway.newsroom import Desk
from tests.support.infra import Urls
from tests.web.reader import Browser
from tests.web.test_conversations import a_conversation

OWNED = {"tickets": TICKETS, "notifications": NEWS, "gateway": PEOPLE}
UNSEEN_BY_THIS_TEST = {"heard", "request", "called_back", "suppressed", "mail", "integration"}


def test_the_contract_names_the_kinds_that_the_stores_have() -> None:
    assert tuple(table.kind for table in TICKETS) == transfer.TICKETS_KINDS
    assert tuple(table.kind for table in NEWS) == transfer.NOTIFICATIONS_KINDS
    kinds = [table.kind for tables in OWNED.values() for table in tables]
    assert len(kinds) == len({*kinds, transfer.HEADER, transfer.ENTRY, transfer.FOOTER}) - 3


async def fill(desk: Desk) -> list[str]:
    """Do something of everything, and return the secrets that were told on the way."""
    talk = await a_conversation(desk)
    ticket = (await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {})).json()
    await desk.change(ticket, fields={"order": "A 17"}, tags=["vip"], assignee_id=str(desk.owner.user.id))
    await desk.note(ticket, "Look & see", pinned=True)
    member = await desk.member(Role.MEMBER)
    other = await desk.ticket(contact={"name": "Ünal Öz", "email": "u@example.com"}, description="x" * 60_000)
    await desk.change(other, assignee_id=str(member.user.id))
    await desk.send("POST", f"tickets/{other['id']}/watch")
    assert (await desk.send("POST", f"tickets/{other['id']}/mute", who=member)).is_success
    contact = {"name": "Ida", "external_ids": [{"source": "crm", "id": "17"}]}
    assert (await desk.send("POST", "contacts", contact)).is_success
    assert (await desk.send("POST", "views", {"name": "Mine", "query": "assignee=me"})).is_success
    assert (await desk.send("PATCH", "settings", {"members_may_claim": True})).is_success
    preferences = {"status": {"inbox": True, "mail": True}, "mail_paused": True}
    assert (await desk.send("PATCH", "notifications/preferences", preferences)).is_success
    hook = {"url": "http://127.0.0.1:9/hook", "event_types": ["ticket_created"]}
    made = (await desk.send("POST", "webhooks", hook)).json()
    token = {"name": "CI", "role": "member", "scopes": ["tickets:read"]}
    secret = (await desk.send("POST", "tokens", token)).json()["token"]
    outside = (await desk.send("POST", "integrations", {"name": "alerts"})).json()["nats_url"]
    password = str(urlsplit(outside).password)
    invitation = {"email": "new@example.com", "name": "New", "role": "guest"}
    link = (await desk.send("POST", "invitations", invitation)).json()["token"]
    assistants = (await desk.get("assistants"))["items"]
    identity = await desk.get(f"assistants/{assistants[0]['id']}/identity-secret")
    await desk.recorded(await desk.get(f"tickets/{other['id']}"))
    return [made["secret"], secret, password, link, identity["secret"], desk.owner.token]


async def counted(urls: dict[str, Urls], workspace: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    wanted = [(name, table.kind, table.name) for name, tables in OWNED.items() for table in tables]
    for service, kind, name in [*wanted, ("activity", transfer.ENTRY, "entries")]:
        connection = await asyncpg.connect(urls[service].app)
        await connection.execute("select set_config('app.ws', $1, false)", workspace)
        counts[kind] += await connection.fetchval(
            f"select count(*) from {name} as t where workspace_id = $1", workspace
        )
        await connection.close()
    return counts


async def test_everything_is_in_the_file_once_and_its_books_hold(
    desk: Desk, browser: Browser, urls: dict[str, Urls]
) -> None:
    secrets = await fill(desk)
    page = await browser.open(f"/w/{desk.workspace.slug}/settings/export")
    address = next(each.attributes["href"] for each in page.all("a", download="") if "everything" in each.words)
    answer = await browser.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/jsonl")
    lines: list[dict[str, Any]] = [json.loads(line) for line in answer.text.splitlines()]

    header, footer = lines[0], lines[-1]
    assert (header["kind"], header["format"], footer["kind"]) == (transfer.HEADER, transfer.FORMAT, transfer.FOOTER)
    assert header["workspace"]["id"] == desk.workspace.id
    counts = Counter(line["kind"] for line in lines[1:-1])
    assert counts == Counter(footer["counts"]) == await counted(urls, desk.workspace.id)
    kinds = {table.kind for tables in OWNED.values() for table in tables}
    assert {kind for kind in kinds if not counts[kind]} <= UNSEEN_BY_THIS_TEST
    assert len({json.dumps(line) for line in lines}) == len(lines)
    whole = answer.text.splitlines(keepends=True)
    assert footer["sha256"] == hashlib.sha256("".join(whole[:-1]).encode()).hexdigest()
    assert [secret for secret in secrets if secret in answer.text] == []
    assert "counterfoil_session" not in answer.text

    (told,) = [line for line in lines if line["kind"] == "ticket" and line["row"]["number"] == 1]
    assert (told["row"]["fields"], told["row"]["tags"]) == ({"order": "A 17"}, ["vip"])
    verdicts = check_export(whole)
    assert [(verdict.ok, verdict.entries > 3) for verdict in verdicts] == [(True, True)] * 2
    assert "workspace_exported" in [entry["type"] for entry in (await desk.get("audit/people"))["items"]]
    assert not all(verdict.ok for verdict in check_export(whole[:-1]))
    assert not all(verdict.ok for verdict in check_export([*whole[:-3], *whole[-2:]]))
    swapped = [line.replace('priority\\": \\"normal', 'priority\\": \\"low') for line in whole]
    assert swapped == whole or not all(verdict.ok for verdict in check_export(swapped))


async def test_who_does_not_run_the_desk_carries_nothing_out(desk: Desk, browser: Browser) -> None:
    member = await desk.member(Role.MEMBER)
    assert (await desk.send("GET", "export", who=member)).status_code == 403
    browser.be(member)
    assert (await browser.open(f"/w/{desk.workspace.slug}/settings/export")).status == 403
