from collections.abc import Callable

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser

type Open = Callable[[], Browser]


async def test_members_are_managed_by_who_may(desk: Desk, browser: Browser, a_browser: Open) -> None:
    path = f"/w/{desk.workspace.slug}/settings/members"
    admin, guest = await desk.member(Role.ADMIN, "Alan"), await desk.member(Role.GUEST, "Grace")
    page = await browser.open(path)
    assert f"{path}/{desk.owner.user.id}" not in page.writing
    assert "A workspace always has an owner" in page.words
    await browser.send(page.form(f"{path}/{guest.user.id}", having="role"), role="member")
    roles = {each["name"]: each["role"] for each in (await desk.get("members"))["items"]}
    assert roles["Grace"] == "member"

    # An admin never touches an owner, nor makes one.
    second = await desk.member(Role.OWNER, "Olive")
    theirs = a_browser()
    theirs.be(admin)
    page = await theirs.open(path)
    assert f"{path}/{second.user.id}" not in page.writing
    assert [e.attributes["value"] for e in page.all("option") if e.attributes["value"] == "owner"] == []
    form = page.form(f"{path}/{guest.user.id}", having="role")
    for action, role in ((form.action, "owner"), (f"{path}/{second.user.id}", "guest"), (path, "owner")):
        form.action = action
        refused = await theirs.send(form, role=role, name="Eve", email="eve@example.com")
        assert refused.status == 403
        assert refused.one("h1").words == "Members"
        assert "owner" in refused.words
    assert {each["name"]: each["role"] for each in (await desk.get("members"))["items"]} == {
        "Alan": "admin",
        "Grace": "member",
        "Olive": "owner",
        desk.owner.user.name: "owner",
    }

    page = await browser.open(path)
    page = await browser.send(page.form(f"{path}/{guest.user.id}", having="do"), press=("do", "remove"))
    assert "Grace" not in page.words
    theirs.be(guest)
    assert (await theirs.open(path)).status == 404


async def test_an_open_invitation_is_taken_back(desk: Desk, browser: Browser, a_browser: Open) -> None:
    path = f"/w/{desk.workspace.slug}/settings/members"
    form = (await browser.open(path)).form(path)
    bad = await browser.send(form, name="Grace", email="grace at example", role="guest")
    assert bad.status == 422
    assert bad.one("input", id="email").attributes["value"] == "grace at example"
    assert bad.one("input", id="email").attributes["aria-invalid"] == "true"
    again = await browser.send(form, name="Me", email=desk.owner.user.email)
    assert again.status == 409
    assert "a member already" in again.words

    made = await browser.send(form, name="Grace", email="grace@example.com", role="guest")
    link = made.one("input", aria_label="Link").attributes["value"]
    page = await browser.open(path)
    assert link not in page.answer.text
    (back,) = [each for each in page.forms if "/invitations/" in each.action]
    page = await browser.send(back)

    assert "grace" not in page.words.lower()
    guest = a_browser()
    answer = await guest.client.post(link, data={"password": "correct horse battery staple"})
    assert answer.status_code == 404
