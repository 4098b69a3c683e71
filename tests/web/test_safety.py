import re
from collections.abc import Callable

import pytest

from services.gateway.web.places import PLACES
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser, Page
from tests.web.vectors import VECTORS

type Open = Callable[[], Browser]
PAGES = (*dict.fromkeys(place.path for place in PLACES), "tickets?q=none", "tickets/new", "tickets/1", "nothing-here")


def scripts_in(page: Page) -> list[str]:
    """Return whatever in a page would run, or make its reader's browser ask somebody else."""
    found = [f"on{e.tag}: {name}" for e in page.elements for name in e.attributes if re.match(r"on|style$|hx-on", name)]
    found += [
        "script"
        for e in page.all("script")
        if e.words.strip() or not e.attributes.get("src", "").startswith("/assets/")
    ]
    found += [e.tag for e in page.elements if e.tag in ("style", "iframe", "object", "embed", "base")]
    for element in page.elements:
        for name in ("src", "action", "formaction", "hx-get", "hx-post"):
            if not element.attributes.get(name, "/").startswith(("/", "?")):
                found.append(f"{name}={element.attributes[name]}")
        if element.tag == "link" and not element.attributes["href"].startswith("/"):
            found.append(f"link={element.attributes['href']}")
        if not element.attributes.get("href", "/").startswith(("/", "?", "#", "https:", "http:", "mailto:")):
            found.append(f"href={element.attributes['href']}")
    return found


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_lets_nothing_run_but_our_own_files(desk: Desk, browser: Browser, path: str) -> None:
    await desk.ticket()
    page = await browser.open(f"/w/{desk.workspace.slug}/{path}")
    headers = page.answer.headers

    policy = dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert scripts_in(page) == []


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
    assert scripts_in(await browser.open(f"/w/{desk.workspace.slug}/tickets?q={'%3Cscript%3E'}&tag=%22%3E")) == []
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


async def test_a_page_with_all_it_loads_weighs_at_most_100_kb(desk: Desk, browser: Browser) -> None:
    for _ in range(50):
        await desk.ticket(tags=["one", "two", "three"])
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets")
    edition = re.search(r"/assets/[0-9a-f]{16}/", page.answer.text)
    assert edition
    weight = page.answer.num_bytes_downloaded
    names = ["app.css", "icons.svg", "mark.svg", "htmx.js", "app.js"]
    for name in names:
        answer = await browser.client.get(edition[0] + name)
        assert answer.status_code == 200
        weight += answer.num_bytes_downloaded
        names += [
            each
            for each in re.findall(r'from "\./([a-z]+\.js)"|import "\./([a-z]+\.js)"', answer.text)
            for each in each
            if each and each not in names
        ]
    assert "live.js" in names
    assert weight <= 100_000


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
