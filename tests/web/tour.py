"""A tour of every page: it follows every link that somebody is shown, and keeps one page of each kind."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx

from contracts.base import Role
from tests.gateway.house import Somebody
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser, Page

_MOST = 150
_NAMES = re.compile(r"(?<=/)([0-9a-f-]{32,36}|\d+)(?=/|$)")


@dataclass(slots=True)
class Tour:
    """What one sees who follows every link from the first page on."""

    start: str
    pages: dict[str, Page] = field(default_factory=dict)
    """By address."""
    others: dict[str, httpx.Response] = field(default_factory=dict)
    """Whatever else a link led to, by address."""
    parts: dict[str, Page] = field(default_factory=dict)
    """What a script fetches to put it into a page, by address."""

    async def follow(self, browser: Browser, *more: str) -> None:
        """Follow every link from the first page, and from these."""
        ahead, fetched, seen = [self.start, *more], list[str](), set[str]()
        while ahead:
            address = ahead.pop(0)
            if (kind := _kind(address)) in seen:
                continue
            seen.add(kind)
            assert len(seen) < _MOST, sorted(seen)
            answer = await browser.client.get(address, headers={"accept": "text/html"}, follow_redirects=True)
            if answer.headers.get("content-type", "").startswith("text/html"):
                self.pages[address] = page = Page(answer)
                ahead += [link for link in page.links if not re.match("/api/|/assets/", link)]
                fetched += [e.attributes["hx-get"] for e in page.elements if "hx-get" in e.attributes]
            else:
                self.others[address] = answer
        for address in fetched:
            if (kind := _kind(address)) not in seen:
                seen.add(kind)
                answer = await browser.client.get(address, headers={"accept": "text/html", "hx-request": "true"})
                self.parts[address] = Page(answer)

    def links(self) -> set[str]:
        """Return every address that a link names."""
        return {link.partition("?")[0] for page in self.pages.values() for link in page.links}


def _kind(address: str) -> str:
    """Pages differ by their path, but for what is shown in them, and by what an address asks for, but not how."""
    parts = urlsplit(address)
    asked = "&".join(sorted(parse_qs(parts.query)))
    return f"{_NAMES.sub('*', parts.path)}?{asked if '&' not in asked else 'more'}"


async def furnish(desk: Desk) -> tuple[dict[Role, Somebody], str]:
    """Give a desk one of everything; return one person of each role, and the page of a long work."""
    people: dict[Role, Somebody] = {
        role: await desk.member(role, f"Grace the {role.value}") for role in Role if role is not Role.OWNER
    }
    people[Role.OWNER] = desk.owner
    ticket = await desk.ticket(
        description="## A\n\n`code` and [a link](https://example.com)\n\n> quoted\n\n1. one\n2. two\n\n```\n"
        + 40 * "a long line "
        + "\n```",
        tags=["one", "two"],
        contact={"name": "Mira Anand", "email": "mira@example.com"},
    )
    for status in ("in_progress", "waiting_on_customer", "resolved"):
        await desk.change(ticket, status=status)
    await desk.note(ticket)
    await desk.ticket(priority="critical", assignee_id=str(people[Role.MEMBER].user.id))
    assistant = await desk.send("POST", "assistants", {"name": "Shop"})
    async with httpx.AsyncClient(base_url=desk.room.url) as visitor:
        for body in ("My parcel never came.", "It came."):
            begun = await visitor.post(
                f"/widget/v1/{assistant.json()['id']}/conversations",
                json={"body": body, "contact": {"name": "Grace Okafor", "email": "grace@example.org"}},
            )
            assert begun.status_code == 201, begun.text
    linked = await desk.send("POST", f"conversations/{begun.json()['conversation_id']}/ticket", {"assign_to_me": True})
    assert linked.status_code == 201, linked.text
    invited = await desk.send(
        "POST", "invitations", {"email": f"new.{desk.workspace.slug}@example.com", "name": "New", "role": "member"}
    )
    assert invited.status_code == 201, invited.text
    bulk = await desk.send("POST", "tickets/bulk", {"ids": [ticket["id"]], "change": {"priority": "high"}})
    assert bulk.is_success, bulk.text
    return people, f"/w/{desk.workspace.slug}/bulk/{bulk.json()['id']}"
