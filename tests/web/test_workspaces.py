import secrets
from collections.abc import Callable

from contracts.base import Role
from services.gateway.domain import slug_of
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser, Page

type Open = Callable[[], Browser]


def at_fault(page: Page) -> set[str]:
    """Return the fields that are said to be wrong, each of which must say how."""
    fields = [e for e in page.elements if e.attributes.get("aria-invalid") == "true"]
    told = {e.attributes["id"] for e in page.elements if e.attributes.get("class") == "fault"}
    assert all(field.attributes["aria-describedby"].split()[0] in told for field in fields)
    return {field.attributes["name"] for field in fields}


async def as_a(desk: Desk, opened: Browser, role: Role, name: str = "Grace Hopper") -> Browser:
    opened.be(await desk.member(role, name))
    return opened


async def test_a_workspace_is_made_by_its_name_alone(desk: Desk, browser: Browser) -> None:
    name = f"Ünter & Söhne {secrets.token_hex(3)}"
    new = (await browser.open("/workspaces/new")).form("/workspaces/new")
    assert (await browser.open("/w")).all("a", href="/workspaces/new")

    nameless = await browser.send(new, name=" ", slug="abc")
    assert (nameless.status, at_fault(nameless)) == (422, {"name"})
    taken = await browser.send(new, name=name, slug=desk.workspace.slug)
    assert (taken.status, at_fault(taken)) == (422, {"slug"})
    assert taken.one("input", id="name").attributes["value"] == name
    unwritable = await browser.send(new, name="猫")
    assert at_fault(unwritable) == {"slug"}
    made = await browser.send(new, name=name)

    assert made.answer.url.path == f"/w/{slug_of(name)}/tickets"
    again = await browser.send(new, name=name)
    assert again.answer.url.path == made.answer.url.path
    mine = (await browser.open("/w")).all("a", aria_current="true")
    assert [e.words for e in mine if "Owner" in e.words] == [f"{name}Owner"] * 2


async def test_who_is_nowhere_is_told_what_to_do(desk: Desk, a_browser: Open) -> None:
    lonely = a_browser()
    lonely.be(await desk.room.house.somebody("Eve"))
    page = await lonely.open("/w")
    assert page.one("h1").words == "No workspace yet"
    assert page.all("a", href="/workspaces/new")
    page = await lonely.send(page.form("/sign-out"))
    assert page.one("h1").words == "Sign in"


async def test_a_workspace_is_renamed_and_its_address_stays(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/workspace"
    form = (await browser.open(path)).form(path)
    bad = await browser.send(form, name="\u200b")
    assert (bad.status, at_fault(bad)) == (422, {"name"})
    page = await browser.send(form, name="Better name")
    assert page.one("input", id="name").attributes["value"] == "Better name"
    assert (await browser.open("/w")).answer.url.path.startswith(f"/w/{desk.workspace.slug}/")


async def test_a_workspace_is_handed_over_and_left(desk: Desk, browser: Browser, a_browser: Open) -> None:
    path = f"/w/{desk.workspace.slug}/settings/workspace"
    alone = await browser.open(path)
    assert "You are the only owner, so you can't leave" in alone.words
    assert f"{path}/leave" not in alone.writing
    heir = await desk.member(Role.ADMIN, "Grace Hopper")

    page = await browser.open(path)
    nobody = await browser.send(page.form(f"{path}/owner"))
    assert (nobody.status, at_fault(nobody)) == (422, {"user_id"})
    page = await browser.send(page.form(f"{path}/owner"), user_id=str(heir.user.id), stay_as="member")

    assert page.writing == [f"{path}/leave"]
    roles = {each["name"]: each["role"] for each in (await desk.get("members"))["items"]}
    assert roles == {"Grace Hopper": "owner", desk.owner.user.name: "member"}
    left = await browser.send(page.form(f"{path}/leave"))
    assert left.one("h1").words == "No workspace yet"
    # The last owner can't be let go of by a form that was opened before.
    owner = a_browser()
    owner.be(heir)
    stuck = await owner.send((await owner.open(path)).form(path))
    form = stuck.form(path)
    form.action = f"{path}/leave"
    refused = await owner.send(form)
    assert refused.status == 409
    assert "last owner" in refused.one("div", role="alert").words + refused.words


async def test_a_workspace_is_deleted_by_its_slug_and_by_its_owner_alone(
    desk: Desk, browser: Browser, a_browser: Open
) -> None:
    path = f"/w/{desk.workspace.slug}/settings/workspace"
    for role, writes in ((Role.ADMIN, [path, f"{path}/leave"]), (Role.GUEST, [f"{path}/leave"])):
        other = await as_a(desk, a_browser(), role)
        page = await other.open(path)
        assert page.writing == writes
        form = page.form(f"{path}/leave")
        form.action = f"{path}/end"
        answer = await other.send(form, confirm=desk.workspace.slug)
        assert answer.status == 403
        assert (await other.open(path)).status == 200

    form = (await browser.open(path)).form(f"{path}/end")
    wrong = await browser.send(form, confirm="demo")
    assert (wrong.status, at_fault(wrong)) == (422, {"confirm"})
    gone = await browser.send(form, confirm=desk.workspace.slug)

    assert gone.one("h1").words == "No workspace yet"
    assert (await browser.open(path)).status == 404
