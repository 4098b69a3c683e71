"""Erasing somebody by pages: only who runs the desk can, after a word that nobody types by chance, and it shows."""

from collections.abc import Callable

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser


async def test_a_contact_and_a_member_who_left_are_erased_by_hand(
    desk: Desk, browser: Browser, a_browser: Callable[[], Browser]
) -> None:
    base = f"/w/{desk.workspace.slug}"
    ticket = await desk.ticket(subject="Mira's printer", contact={"name": "Mira Anand", "email": "mira@example.com"})
    path = f"{base}/contacts/{ticket['contact']['id']}"
    member = await desk.member(Role.MEMBER, "Kai Left")
    other = a_browser()
    other.be(member)
    assert not [form for form in (await other.open(path)).forms if form.action == f"{path}/erase"]

    page = await browser.open(path)
    page = await browser.send(page.form(f"{path}/erase"), confirm="delete")
    assert (page.status, page.one("input", id="confirm").attributes["aria-invalid"]) == (422, "true")
    page = await browser.send(page.form(f"{path}/erase"), confirm="erase")
    assert page.answer.url.path == f"{base}/settings/export"
    assert "Contact" in page.words

    async def done() -> bool:
        return "Done everywhere" in (await browser.open(f"{base}/settings/export")).words

    await eventually(done, within=20)
    page = await browser.open(path)
    assert "Mira" not in page.words
    assert not [form for form in page.forms if form.action == f"{path}/erase"]
    assert "Mira" not in (await browser.open(f"{base}/tickets/{ticket['number']}")).words
    assert "Had a person erased" in (await browser.open(f"{base}/settings/audit?book=tickets")).answer.text

    await desk.send("DELETE", f"members/{member.user.id}")
    page = await browser.open(f"{base}/settings/export")
    assert "Kai Left" in page.words
    erase = f"{base}/settings/export/members/{member.user.id}/erase"
    page = await browser.send(page.form(erase), confirm="")
    assert page.status == 422
    page = await browser.send(page.form(erase), confirm="erase")
    assert "Kai Left" not in page.words
