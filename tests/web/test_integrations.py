"""The page of integrations: one is made, told once, set back and revoked, without a script."""

import asyncio
from collections.abc import Awaitable, Callable

import nats

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser


async def test_a_name_in_another_form_is_answered_with_the_form_that_is_meant(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/integrations"
    page = await browser.open(path)
    assert "pattern" not in page.one("input", id="name").attributes, "the browser would say less than we do"
    bad = await browser.send(page.form(path), name="Alert Manager")
    assert "ust be 1 to 64 lower-case letters, digits, _ and -, a letter or digit first" in bad.words


async def test_an_integration_is_made_shown_once_set_back_and_revoked(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/integrations"
    page = await browser.open(path)
    assert "No integrations." in page.words
    form = page.form(path)
    bad = await browser.send(form, name="Alert Manager", internal="true")
    assert bad.status == 422
    assert {e.attributes["name"] for e in bad.all("input", aria_invalid="true")} == {"name"}
    assert bad.one("input", id="name").attributes["value"] == "Alert Manager"
    assert "checked" in bad.one("input", id="internal").attributes

    made = await browser.send(form, name="alertmanager", internal="true")
    told = dict(line.split("=", 1) for line in made.one("pre", id="access").words.split())
    assert told["INTEGRATION"] == "alertmanager"
    assert told["WORKSPACE_ID"] == desk.workspace.id
    assert "note_added" in made.words
    again = await browser.send(form, name="alertmanager", internal="true")
    assert again.status == 409

    closed = asyncio.Event()
    ticket = await desk.ticket()
    shop = await nats.connect(
        told["NATS_URL"], inbox_prefix=told["NATS_INBOX_PREFIX"], allow_reconnect=False, closed_cb=_setting(closed)
    )
    try:
        consumer = f"int_alertmanager_{desk.workspace.id}"
        reader = await shop.jetstream().pull_subscribe_bind(consumer, stream="TICKETS")
        (fact,) = await reader.fetch(1, timeout=15)
        await fact.ack_sync()

        page = await browser.open(path)
        assert told["NATS_URL"] not in page.answer.text
        assert "Internal notes too" in page.words
        assert desk.owner.user.name in page.words
        (one,) = [link for link in page.links if link.startswith(f"{path}/")]
        assert page.one("a", href=one).words == "alertmanager"
        since = (await browser.open(one)).form(one, having="from")
        since.fields["from"] = ["yesterday"]
        wrong = await browser.send(since)
        assert wrong.status == 422
        assert wrong.one("input", id="from").attributes["value"] == "yesterday"
        since.fields["from"] = ["1"]
        page = await browser.send(since)
        assert "The past is there to read again." in page.words
        (fact,) = await reader.fetch(1, timeout=15)
        assert (fact.headers or {})["ce-subject"] == ticket["id"]

        (end,) = [form for form in page.forms if form.action == one and form is not page.form(one, having="from")]
        page = await browser.send(end, press=("do", "revoke"))
        assert "No integrations." in page.words
        await asyncio.wait_for(closed.wait(), 15)
    finally:
        await shop.close()
    taken = await browser.send(page.form(path), name="alertmanager")
    assert taken.status == 409
    assert "had it" in taken.words


def _setting(event: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def happen() -> None:
        event.set()

    return happen


async def test_who_does_not_run_the_desk_finds_no_integrations(desk: Desk, browser: Browser) -> None:
    base = f"/w/{desk.workspace.slug}"
    browser.be(await desk.member(Role.MEMBER))
    assert not (await browser.open(f"{base}/settings/account")).all("a", href=f"{base}/settings/integrations")
    assert (await browser.open(f"{base}/settings/integrations")).status == 403
