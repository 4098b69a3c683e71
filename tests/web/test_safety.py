import re
from collections.abc import Callable

from tests.gateway.newsroom import Desk
from tests.web.reader import Browser
from tests.web.vectors import VECTORS, scripts_in

__all__ = ["scripts_in"]

type Open = Callable[[], Browser]


async def test_h42_words_stay_words(desk: Desk, browser: Browser) -> None:
    lines = [" ".join(vector.split()) for vector in VECTORS]
    for line, vector in zip(lines, VECTORS, strict=True):
        await desk.ticket(subject=line, description=vector, tags=[line[:50]], contact={"name": line[:120]})
    ticket = await desk.ticket(description="\n\n".join(VECTORS))
    await desk.note(ticket, "\n\n".join(VECTORS))

    page = await browser.open(f"/w/{desk.workspace.slug}/tickets?limit=100")
    assert scripts_in(page) == []
    assert {*lines} <= {e.attributes.get("title", "") for e in page.all("a", class_="subject")}
    for number in (1, 4, 20, 35, len(VECTORS) + 1):
        page = await browser.open(f"/w/{desk.workspace.slug}/tickets/{number}")
        assert page.status == 200
        assert scripts_in(page) == []
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets?q=%3Cscript%3E&tag=%22%3E")
    assert scripts_in(page) == []
    assert "49" not in (await browser.open(f"/w/{desk.workspace.slug}/tickets?q=%7B%7B7*7%7D%7D")).words


async def test_a_form_of_another_page_changes_nothing(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    form = (await browser.open(path)).form(path, having="subject")

    for said in ("", "00" * 64, desk.owner.csrf):
        assert (await browser.send(form, subject="Theirs", csrf=said)).status == 403
    answer = await browser.client.post(
        path, data={**form.fields, "subject": "Theirs"}, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert (await desk.get(f"tickets/{ticket['number']}"))["subject"] == ticket["subject"]


async def test_a_csrf_token_never_looks_the_same_twice(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/tickets/new"
    tokens = {(await browser.open(path)).form(path).fields["csrf"][0] for _ in range(3)}
    assert len(tokens) == 3
    assert desk.owner.csrf not in "".join(tokens)


async def test_assets_are_kept_for_ever_and_renamed_when_they_change(a_browser: Open) -> None:
    browser = a_browser()
    page = await browser.open("/sign-in")
    href = page.one("link", rel="stylesheet").attributes["href"]

    style = await browser.client.get(href)
    other = await browser.client.get(re.sub(r"/[0-9a-f]{16}/", f"/{'0' * 16}/", href))

    assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert style.headers["content-encoding"] == "gzip"
    assert other.headers["cache-control"] == "no-cache"
    assert style.text == other.text
    assert (await browser.client.get(href.replace("app.css", "nothing.css"))).status_code == 404
    plain = await browser.client.get(href, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers


async def test_a_page_that_is_not_there_is_a_page_for_people_and_a_problem_for_programs(
    desk: Desk, browser: Browser
) -> None:
    page = await browser.open("/nothing/here")
    assert (page.status, page.one("h1").words) == (404, "Nothing here")
    answer = await desk.client.get("/nothing/here")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = await browser.client.get("/api/v1/nothing", headers={"accept": "text/html"})
    assert answer.headers["content-type"] == "application/problem+json"


async def test_another_media_type_than_a_forms_is_refused(desk: Desk, browser: Browser) -> None:
    answer = await browser.client.post(f"/w/{desk.workspace.slug}/tickets/new", json={"subject": "x"})
    assert answer.status_code == 415
