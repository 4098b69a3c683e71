"""The pages of webhooks: made, shown once, watched, tried, turned off, and gone."""

import json

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.notifications.receiver import a_receiver
from tests.support.eventually import eventually
from tests.web.reader import Browser, Form, Page
from tests.web.vectors import VECTORS, scripts_in


async def test_a_webhook_lives_its_life_without_a_script(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/webhooks"
    empty = await browser.open(path)
    assert "No webhooks." in empty.words
    async with a_receiver() as receiver:
        form = empty.form(path)
        bad = await browser.send(form, url="https://10.0.0.1/", event_types=["status_changed"], description="Board")
        assert bad.status == 422
        assert bad.one("input", id="url").attributes["aria-invalid"] == "true"
        assert bad.one("input", id="description").attributes["value"] == "Board"
        none = await browser.send(form, url=receiver.url)
        assert (none.status, "Choose at least one" in none.words) == (422, True)

        made = await browser.send(form, url=receiver.url, event_types=["ticket_created", "status_changed"])
        secret = made.one("input", id="secret").attributes["value"]
        assert secret.startswith("whsec_")
        link = next(
            e.attributes["href"] for e in (await browser.open(path)).all("a") if "/webhooks/" in e.attributes["href"]
        )
        page = await browser.open(link)
        assert secret not in page.answer.text

        ticket = await desk.ticket()
        await desk.change(ticket, status="open")
        await eventually(lambda: len(receiver.calls) == 2)

        async def delivered() -> Page | None:
            page = await browser.open(f"{link}?state=delivered")
            told = {link.words for link in page.all("a")}
            return page if {"Status changed", "Ticket created"} <= told else None

        page = await eventually(delivered)
        assert any("200 · " in cell.words for cell in page.all("td"))

        tried = await browser.send(next(f for f in page.forms if f.action == link), press=("do", "test"))
        assert "A test event is on its way" in tried.words
        await eventually(lambda: "webhook_test" in [json.loads(call.body)["type"] for call in receiver.calls])
        again = next(f for f in page.forms if f.action == link and "delivery" in f.fields)
        before = len(receiver.calls)
        await browser.send(again, press=("do", "redeliver"))
        await eventually(lambda: len(receiver.calls) == before + 1)

        async def presses(do: str, **fields: str) -> Page:
            page = await browser.open(link)
            form = next(f for f in page.forms if f.action == link and fields.keys() <= f.fields.keys())
            return await browser.send(form, press=("do", do), **fields)

        wrong = await presses("replay", **{"from": "soon"})
        assert (wrong.status, wrong.one("input", id="from").attributes["value"]) == (422, "soon")
        assert "The past is on its way" in (await presses("replay", **{"from": "1"})).words
        assert (await presses("rotate")).one("input", id="secret").attributes["value"] != secret
        assert "It is off." in (await presses("off")).words
        assert "No webhooks." in (await presses("delete")).words


async def test_who_edits_what_somebody_else_changed_meanwhile_is_asked_whose_to_keep(
    desk: Desk, browser: Browser
) -> None:
    hook = {"url": "http://127.0.0.1:9/", "event_types": ["*"], "description": "Board"}
    link = f"/w/{desk.workspace.slug}/settings/webhooks/{(await desk.send('POST', 'webhooks', hook)).json()['id']}"

    def edits(page: Page) -> Form:
        return next(form for form in page.forms if form.action == link and "url" in form.fields)

    theirs, mine = [edits(await browser.open(link)) for _ in range(2)]
    assert "Saved" in (await browser.send(theirs, description="Theirs")).words
    wrong = await browser.send(mine, url="", description="Mine")
    assert wrong.status == 422, "it shows nothing of theirs"
    stale = await browser.send(edits(wrong), url=hook["url"])
    assert stale.status == 412
    assert stale.one("input", id="description").attributes["value"] == "Mine"
    assert "Keep theirs" in {each.words for each in stale.all("a", href=link)}
    assert (await browser.open(link)).one("input", id="description").attributes["value"] == "Theirs"
    await browser.send(edits(stale))
    assert (await browser.open(link)).one("input", id="description").attributes["value"] == "Mine"


async def test_words_of_a_webhook_run_nowhere_and_members_see_none(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/webhooks"
    form = (await browser.open(path)).form(path)
    for nth, line in enumerate([" ".join(vector.split())[:150] for vector in VECTORS if "\u2028" not in vector][:12]):
        form.fields["key"] = [f"hook{nth}"]
        made = await browser.send(form, url=f"http://127.0.0.1:9/{nth}?a=<script>", event_types="*", description=line)
        assert (made.status, scripts_in(made)) == (200, [])
    assert scripts_in(await browser.open(path)) == []

    mary = await desk.member(Role.MEMBER)
    browser.be(mary)
    assert (await browser.open(path)).status == 403
