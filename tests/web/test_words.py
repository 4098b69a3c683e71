"""Whatever people may name or write, in every field of the dashboard, read in a real browser (attacks, H42)."""

from collections.abc import Awaitable, Callable
from itertools import cycle
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from playwright.async_api import Browser as Chromium

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser
from tests.web.vectors import VECTORS, scripts_in
from tests.web.window import Window, a_window

type Bury = Callable[..., Awaitable[str]]

EVERYTHING = "\n\n".join(VECTORS)
RAN = "main [onerror], main [onload], main iframe, main script, main base, main style, .side script, .side [onerror]"
"""What a vector would be if it were no words."""


def packed(most: int) -> list[str]:
    """Return all vectors in few lines of at most so many characters; what is longer by itself is cut."""
    lines = [""]
    for vector in (" ".join(each.split())[:most] for each in VECTORS):
        if lines[-1] and len(lines[-1]) + 1 + len(vector) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {vector}".strip()
    return lines


@pytest.mark.timeout(300)  # many pages, one after another
async def test_h42_no_name_runs_in_any_page(chromium: Chromium, desk: Desk, browser: Browser, bury_one: Bury) -> None:
    pages = [*await _name_everything(desk), *await _work(desk)]
    views = await _keep_views(desk)
    for view in views:
        listed = await browser.open(f"/w/{desk.workspace.slug}/tickets?{view['query']}")
        assert (listed.status, scripts_in(listed)) == (200, []), view
        assert {each["name"] for each in views} <= {" ".join(each.words.split()) for each in listed.all("span")}
    pages += [f"tickets?{view['query']}" for view in views[:4]]
    letter = await bury_one(EVERYTHING.encode(), detail=packed(200)[0], **{"ce-source": packed(200)[1]})
    pages += [f"settings/dead-letters/{letter}", "settings/dead-letters", "settings/audit?book=tickets"]
    pages += [f"settings/{name}" for name in ("account", "workspace", "members", "widget", "tokens", "audit")]
    pages += ["tickets?status=all&limit=100", "tickets/new", "reports", "notifications"]
    places = cycle(("tickets?q=", "tickets?who=", "contacts?q=", "tickets/1/contact?q=", "tickets/1/conversations?q="))
    pages += [f"{place}{quote(words)}" for place, words in zip(places, packed(200), strict=False)]
    pages += [f"tickets?tag={quote(VECTORS[4])}"]
    async with a_window(chromium, desk) as window:
        for page in pages:
            await _reads(window, page)
        assert packed(200)[-1] in await window.page.locator(".switcher summary").inner_text()


async def _reads(window: Window, page: str) -> None:
    answer = await window.page.goto(window.at(page))
    assert answer is not None
    assert answer.status == 200, page
    assert await window.page.locator(RAN).count() == 0, page
    shown = await window.page.locator("main").inner_html()
    assert any(words in shown for words in ("alert(1)", "evil.example", "7*7")), page


async def _sent(desk: Desk, method: str, path: str, body: object) -> Any:
    answer = await desk.send(method, path, body)
    assert answer.is_success, (path, answer.text)
    return answer.json()


async def _name_everything(desk: Desk) -> list[str]:
    """Call the owner, tokens, the workspace and assistants by vectors; return the assistants' pages."""
    me = await desk.client.patch("/api/v1/me", json={"name": packed(120)[0]}, headers=desk.owner.bearer)
    assert me.is_success, me.text
    for name in packed(200):
        await _sent(desk, "POST", "tokens", {"name": name, "role": "member", "scopes": ["tickets:read"]})
        renamed = await desk.client.patch(desk.path("")[:-1], json={"name": name}, headers=desk.owner.bearer)
        assert renamed.is_success, renamed.text
    pages = []
    for index, greeting in enumerate(packed(500)):
        widget = {"title": packed(200)[-1 - index], "greeting": greeting}
        made = await _sent(desk, "POST", "assistants", {"name": packed(200)[index], "widget": widget})
        pages.append(f"settings/widget/{made['id']}")
    return pages


async def _keep_views(desk: Desk) -> list[Any]:
    """Keep lists of tickets that are called and look for all vectors; return them."""
    names, words = packed(60), cycle(packed(200))
    views = []
    for number, tag in enumerate(packed(50)):
        query = urlencode({"q": next(words), "tag": tag})
        name = names[number] if number < len(names) else f"{number} {names[number % len(names)]}"[:60].strip()
        views.append(await _sent(desk, "POST", "views", {"name": name, "query": query, "shared": number % 2 == 0}))
    return views


async def _work(desk: Desk) -> list[str]:
    """Let people of such names resolve tickets of such words, and return two of these and what they then report."""
    fields = {f"field_{number}": value for number, value in enumerate(packed(500))}
    for index, name in enumerate(packed(120)):
        ticket = await desk.ticket(
            subject=packed(200)[index % len(packed(200))],
            fields=fields,
            tags=["".join(each.split())[:50] for each in (VECTORS[index], VECTORS[-1 - index])],
        )
        agent = await desk.member(Role.ADMIN, name)
        changed = await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "resolved"}, who=agent)
        assert changed.is_success, changed.text
    await desk.recorded(changed.json())

    async def told() -> bool:
        return bool((await desk.get("notifications/unread"))["unread"])

    await eventually(told)
    return ["tickets/1", f"tickets/{ticket['number']}", f"tickets/{ticket['number']}?as_of=1"]
