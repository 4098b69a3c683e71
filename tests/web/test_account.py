from collections.abc import Callable

from contracts.base import Role
from tests.gateway.house import PASSWORD
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser

type Open = Callable[[], Browser]


async def test_a_new_name_is_on_what_is_done_from_now_on(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/account"
    ticket = await desk.ticket(assignee_id=str(desk.owner.user.id))
    before = desk.owner.user.name
    page = await browser.open(path)
    form = page.form(path)
    assert form.fields["name"] == [before]
    bad = await browser.send(form, name=" ")
    assert (bad.status, bad.one("input", id="name").attributes["aria-invalid"]) == (422, "true")

    page = await browser.send(form, name="Ada <b>Byron</b>")

    assert "Your name is changed." in page.words
    assert page.one("input", id="name").attributes["value"] == "Ada <b>Byron</b>"
    assert page.all("b") == []
    changed = await desk.change(ticket, priority="high")
    names = [entry["actor"]["name"] for entry in (await desk.recorded(changed))["items"]]
    assert (names[0], names[-1]) == (before, "Ada <b>Byron</b>")

    async def told() -> bool:
        facts = (await desk.get("audit/people?limit=100"))["items"]
        return [(f["old"], f["new"]) for f in facts if f["type"] == "member_renamed"] == [(before, "Ada <b>Byron</b>")]

    await eventually(told)

    async def on_the_list() -> bool:
        shown = (await desk.get("tickets"))["items"][0]
        return bool(shown["assignee"]["name"] == "Ada <b>Byron</b>")

    # Nothing happened to the ticket: its version is the same, and its record keeps the name of its time.
    await eventually(on_the_list)
    for place in ("tickets", f"tickets?assignee={desk.owner.user.id}"):
        listed = await browser.open(f"/w/{desk.workspace.slug}/{place}")
        assert listed.all("span", class_="avatar", title="Ada <b>Byron</b>")
    now = await desk.get(f"tickets/{ticket['number']}")
    assert (now["assignee"]["name"], now["version"]) == ("Ada <b>Byron</b>", changed["version"])
    created = (await desk.recorded(now))["items"][0]
    assert created["data"]["assignee"]["name"] == before


async def test_a_new_password_ends_every_other_session(desk: Desk, a_browser: Open) -> None:
    path = f"/w/{desk.workspace.slug}/settings/account"
    browser, elsewhere = a_browser(), a_browser()
    door = (await browser.open("/sign-in")).form("/sign-in")
    await browser.send(door, email=desk.owner.user.email, password=PASSWORD)
    elsewhere.be(await desk.room.house.sign_in(desk.owner.user))
    form = (await browser.open(path)).form(f"{path}/password")
    wrong = await browser.send(form, current="not it at all", new="quite another pass phrase")
    assert (wrong.status, wrong.one("input", id="current").attributes["aria-invalid"]) == (422, "true")
    short = await browser.send(form, current=PASSWORD, new="short")
    assert (short.status, short.one("input", id="new").attributes["aria-invalid"]) == (422, "true")
    assert PASSWORD not in short.answer.text
    assert [e.attributes["autocomplete"] for e in short.all("input", type="password")] == [
        "current-password",
        "new-password",
    ]

    page = await browser.send(form, current=PASSWORD, new="quite another pass phrase")

    assert "Your password is changed" in page.words
    assert (await elsewhere.open(path)).one("h1").words == "Sign in"
    assert (await browser.open(path)).one("h1").words == "Your account"


async def test_sessions_are_listed_and_ended(desk: Desk, browser: Browser, a_browser: Open) -> None:
    path = f"/w/{desk.workspace.slug}/settings/account"
    others = [a_browser() for _ in range(3)]
    for other in others:
        other.be(await desk.room.house.sign_in(desk.owner.user))
    page = await browser.open(path)
    ends = [form for form in page.forms if form.action.startswith(f"{path}/sessions/")]
    assert len(ends) == 3
    assert page.words.count("This browser") == 1

    page = await browser.send(ends[0])
    assert "That session is signed out." in page.words
    titles = [(await other.open(path)).one("h1").words for other in others]
    assert sorted(titles) == ["Sign in", "Your account", "Your account"]
    page = await browser.send(page.form(f"{path}/sessions"))

    assert f"{path}/sessions" not in page.writing
    assert {(await other.open(path)).one("h1").words for other in others} == {"Sign in"}


async def test_each_role_sees_its_own_settings_and_no_other(desk: Desk, a_browser: Open) -> None:
    base = f"/w/{desk.workspace.slug}"
    for role in (Role.GUEST, Role.MEMBER):
        browser = a_browser()
        browser.be(await desk.member(role))
        page = await browser.open(f"{base}/settings")
        assert page.answer.url.path == f"{base}/settings/account"
        assert page.status == 200
        assert page.all("a", href=f"{base}/settings/members")
        assert not page.all("a", href=f"{base}/settings/tokens")
        refused = await browser.open(f"{base}/settings/tokens")
        assert (refused.status, refused.one("h1").words) == (403, "Not allowed")
        form = page.form(f"{base}/settings/account")
        form.action = f"{base}/settings/tokens"
        refused = await browser.send(form, name="x", role="guest", scopes="tickets:read")
        assert refused.status == 403


async def test_the_look_is_chosen_on_the_page(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/account"
    page = await browser.open(path)
    form = next(form for form in page.forms if form.fields.get("next") == [f"{path}#look"])
    page = await browser.send(form, press=("theme", "dark"))
    assert page.answer.url.path == path
    assert page.one("html").attributes["data-theme"] == "dark"
    assert page.one("button", name="theme", aria_pressed="true").words == "Dark"
