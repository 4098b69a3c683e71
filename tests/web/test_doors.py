import secrets
from collections.abc import Callable

import httpx

from contracts.base import Role
from tests.gateway.house import PASSWORD
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser, Form

type Open = Callable[[], Browser]


async def test_a_browser_is_led_from_the_root_to_the_sign_in_and_on_to_the_tickets(desk: Desk, a_browser: Open) -> None:
    browser = a_browser()
    page = await browser.open("/")
    assert page.one("h1").words == "Sign in"

    page = await browser.send(page.form("/sign-in"), email=desk.owner.user.email, password=PASSWORD)

    assert page.answer.url.path == f"/w/{desk.workspace.slug}/tickets"
    assert page.one("h1").words == "Tickets"


async def test_a_program_at_the_root_is_told_where_the_api_is(desk: Desk) -> None:
    assert (await desk.client.get("/")).json()["openapi"] == "/api/openapi.json"


async def test_a_wrong_password_keeps_the_address_and_not_the_password(desk: Desk, a_browser: Open) -> None:
    browser = a_browser()
    form = (await browser.open("/sign-in")).form("/sign-in")

    page = await browser.send(form, email=desk.owner.user.email, password="a wrong one")

    assert page.status == 422
    assert page.one("input", name="email").attributes["value"] == desk.owner.user.email
    assert "value" not in page.one("input", name="password").attributes
    assert page.all("div", role="alert")
    assert "set-cookie" not in page.answer.headers


async def test_an_address_that_is_none_is_pointed_at(a_browser: Open) -> None:
    browser = a_browser()
    form = (await browser.open("/sign-in")).form("/sign-in")

    page = await browser.send(form, email="ada", password="something")

    field = page.one("input", name="email")
    assert page.status == 422
    assert field.attributes["aria-invalid"] == "true"
    assert "autofocus" in field.attributes
    assert page.all("p", id=field.attributes["aria-describedby"])


async def test_who_must_sign_in_first_comes_back_to_where_they_wanted_to_go(desk: Desk, a_browser: Open) -> None:
    browser, wanted = a_browser(), f"/w/{desk.workspace.slug}/tickets?q=printer&status=all"
    page = await browser.open(wanted)

    page = await browser.send(page.form("/sign-in"), email=desk.owner.user.email, password=PASSWORD)

    assert page.answer.url.raw_path.decode() == wanted

    # Signed out while writing: the ticket is where they wanted to go.
    ticket = f"/w/{desk.workspace.slug}/tickets/{(await desk.ticket())['number']}"
    form = (await browser.open(ticket)).form(f"{ticket}/notes")
    browser.client.cookies.clear()
    page = await browser.send(form, body="Half a thought")
    page = await browser.send(page.form("/sign-in"), email=desk.owner.user.email, password=PASSWORD)
    assert page.answer.url.path == ticket


async def test_nobody_is_led_to_another_site(desk: Desk, a_browser: Open) -> None:
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        browser = a_browser()
        form = Form("/sign-in", "post", fields={"next": [elsewhere]})
        answer = await browser.post(form, follow=False, email=desk.owner.user.email, password=PASSWORD)
        assert answer.headers["location"] == "/w"


async def test_another_sites_page_signs_nobody_in_or_out(desk: Desk, browser: Browser, a_browser: Open) -> None:
    said = {"email": desk.owner.user.email, "password": PASSWORD}
    answer = await a_browser().client.post("/sign-in", data=said, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403

    await browser.post(Form("/sign-out", "post"), follow=False)

    assert (await browser.open("/w")).one("h1").words == "Tickets"


async def test_signing_out_ends_the_session(desk: Desk, browser: Browser) -> None:
    page = await browser.open("/w")
    await browser.send(page.form("/sign-out"))

    browser.be(desk.owner)
    assert (await browser.open("/w")).one("h1").words == "Sign in"


async def test_an_invitation_is_accepted_by_its_link_and_a_password(
    desk: Desk, browser: Browser, a_browser: Open
) -> None:
    page = await browser.open(f"/w/{desk.workspace.slug}/settings/members")
    email = f"grace.{secrets.token_hex(4)}@example.com"
    made = await browser.send(page.form(f"/w/{desk.workspace.slug}/settings/members"), name="Grace Hopper", email=email)
    link = made.one("input", aria_label="Link").attributes["value"]

    # Somebody else at this browser is told whom it is for.
    page = await browser.open(link)
    assert f"signed in as {desk.owner.user.name}" in page.words
    assert email.partition("@")[0] in page.words
    assert page.form("/sign-out").method == "post"
    guest = a_browser()
    page = await guest.open(link)
    assert desk.workspace.name in page.words
    assert page.one("input", id="email").attributes["value"] == email
    form = page.forms[0]
    form.action = link
    nameless = await guest.send(form, name="\u200b", password="correct horse battery staple")
    assert nameless.one("input", id="name").attributes["aria-invalid"] == "true"
    refused = await guest.send(form, password="short")
    assert refused.status == 422
    assert refused.one("input", name="password").attributes["aria-invalid"] == "true"
    page = await guest.send(form, name="Grace B. Hopper", password="correct horse battery staple")

    assert page.answer.url.path == f"/w/{desk.workspace.slug}/tickets"
    members = await desk.get("members")
    assert (email, "member", "Grace B. Hopper") in [(e["email"], e["role"], e["name"]) for e in members["items"]]
    used = await guest.open(link)
    assert (used.status, used.one("h1").words) == (404, "This link is not valid")
    assert "was used, or has expired" in used.words
    assert (await guest.open("/password-resets/" + "x" * 43)).all("a", href="/forgotten")


async def test_too_many_tries_are_told_when_to_try_again(desk: Desk) -> None:
    # From an address of its own, so that nobody else has to wait.
    elsewhere = httpx.AsyncHTTPTransport(local_address="127.0.0.9")
    async with httpx.AsyncClient(base_url=desk.room.url, transport=elsewhere, timeout=20) as client:
        browser = Browser(client)
        form = (await browser.open("/sign-in")).form("/sign-in")
        for _ in range(6):
            page = await browser.send(form, email="nobody@example.com", password="not it at all")
    assert page.status == 429
    assert 200 < int(page.answer.headers["retry-after"]) <= 300
    assert "Too many tries. Try again in 5 minutes." in page.words
    assert page.one("input", id="email").attributes["value"] == "nobody@example.com"


async def test_a_member_of_two_workspaces_switches_between_them(desk: Desk, browser: Browser) -> None:
    other = await desk.room.house.workspace(desk.owner)
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets")
    assert page.all("a", href=f"/w/{other.slug}")

    page = await browser.open(f"/w/{other.slug}")

    assert page.answer.url.path == f"/w/{other.slug}/tickets"
    assert (await browser.open("/w")).answer.url.path == f"/w/{other.slug}/tickets"


async def test_anothers_workspace_looks_like_none(desk: Desk, a_browser: Open) -> None:
    stranger = await desk.room.house.somebody("Eve")
    browser = a_browser()
    browser.be(stranger)

    theirs = await browser.open(f"/w/{desk.workspace.slug}/tickets")
    none = await browser.open("/w/no-such-desk/tickets")

    assert theirs.status == none.status == 404
    assert theirs.words == none.words


async def test_the_look_is_kept_without_a_script(browser: Browser) -> None:
    page = await browser.open("/w")
    page = await browser.send(page.form("/looks", having="theme"), press=("theme", "dark"))
    assert page.one("html").attributes["data-theme"] == "dark"


async def test_an_api_token_opens_no_page(desk: Desk) -> None:
    answer = await desk.client.get("/w", headers={**desk.owner.bearer, "accept": "text/html"})
    assert answer.status_code in (200, 303)
    answer = await desk.client.get(
        f"/w/{desk.workspace.slug}/tickets", headers={**desk.owner.bearer, "accept": "text/html"}
    )
    assert answer.headers["location"].startswith("/sign-in")


async def test_only_who_runs_the_desk_manages_members(desk: Desk, a_browser: Open) -> None:
    for role in (Role.MEMBER, Role.GUEST):
        browser = a_browser()
        browser.be(await desk.room.house.member(desk.workspace, role))
        page = await browser.open(f"/w/{desk.workspace.slug}/settings/members")
        assert page.status == 200
        assert page.writing == []
