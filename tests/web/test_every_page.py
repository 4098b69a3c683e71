"""What holds for every page without being asked: a page is found by the links that lead to it."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser as Chromium

from contracts.base import Role
from services.gateway.web import pages
from services.gateway.web.places import PLACES
from tests.gateway.house import Somebody
from tests.gateway.newsroom import Desk, Newsroom
from tests.support.infra import Urls
from tests.web.conftest import bury_in
from tests.web.reader import Browser, Page
from tests.web.tour import Tour, furnish
from tests.web.vectors import scripts_in
from tests.web.window import IN_THE_DARK, Window, a_window

type Open = Callable[[], Browser]

NOWHERE = "/nothing/here"
GONE = ("/invitations/none", "/password-resets/none", NOWHERE)
"""Addresses that say that they open nothing."""
DOORS = ("/sign-in", "/forgotten", *GONE)
SHOP = "/demo"
"""A site of somebody else, as far as a browser knows: its own tests look at what it is made of."""
OUTSIDE = ("/looks", "/sign-in", "/forgotten", "/invitations/", "/password-resets/")
"""Forms of people who may have no session; where they come from is all that they prove."""
MOST = 100_000
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


@dataclass(frozen=True, slots=True)
class Whole:
    """A desk that has one of everything, somebody of each role, and all that each of them can reach."""

    desk: Desk
    people: dict[Role, Somebody]
    tours: dict[Role, Tour]

    @property
    def pages(self) -> dict[str, Page]:
        """Every page that the owner can reach, and the doors."""
        return self.tours[Role.OWNER].pages

    @property
    def ours(self) -> dict[str, Page]:
        """Those of them that are the desk's own."""
        return {path: page for path, page in self.pages.items() if not path.startswith(SHOP)}


@pytest.fixture(scope="module")
async def whole(premises: Newsroom, urls: dict[str, Urls]) -> AsyncIterator[Whole]:
    owner = await premises.house.somebody()
    async with httpx.AsyncClient(base_url=premises.url, timeout=20) as client:
        desk = Desk(premises, client, await premises.house.workspace(owner), owner)
        people, work = await furnish(desk)
        hook = {"url": "http://127.0.0.1:9/", "event_types": ["ticket_created"]}
        assert (await desk.send("POST", "webhooks", hook)).status_code == 201
        assert (await desk.send("POST", "integrations", {"name": "alerts"})).status_code == 201
        await bury_in(urls["tickets"], desk.workspace.id, b'{"external_id": "alarm-1"}', **{"ce-id": "77"})
        tours = {}
        for role, who in people.items():
            async with httpx.AsyncClient(base_url=premises.url, timeout=20) as theirs:
                browser = Browser(theirs)
                browser.be(who)
                tours[role] = Tour(f"/w/{desk.workspace.slug}")
                await tours[role].follow(browser, *DOORS, *([work] if who is owner else []))
        yield Whole(desk, people, tours)


def reached(desk: Desk, path: str) -> str:
    return f"/w/{desk.workspace.slug}/{path}"


def flaws_of(pages: dict[str, Page], flaws: Callable[[Page], Iterator[str]]) -> dict[str, list[str]]:
    return {path: found for path, page in pages.items() if (found := list(flaws(page)))}


def test_no_page_is_left_out(whole: Whole) -> None:
    templates = {
        re.sub(r":\w+}", "}", path)
        for handler in pages().handlers
        if "GET" in getattr(handler, "http_methods", ())
        for path in handler.paths
        if path.startswith("/w/{workspace:str}/")
    }
    tour = whole.tours[Role.OWNER]
    paths = {urlsplit(address).path for address in (*tour.pages, *tour.others, *tour.parts)}
    unseen = {t for t in templates if not any(re.fullmatch(re.sub(r"{\w+}", "[^/]+", t), path) for path in paths)}
    assert unseen == {"/w/{workspace}/settings"}, "only who cuts an address off comes there, and is led on"
    assert {reached(whole.desk, place.path) for place in PLACES} <= {*tour.pages}


def test_every_link_that_somebody_is_shown_leads_somewhere(whole: Whole) -> None:
    broken = {
        (role.value, path): answer.status_code
        for role, tour in whole.tours.items()
        for path, answer in (*((path, page.answer) for path, page in tour.pages.items()), *tour.others.items())
        if answer.status_code != (404 if path in GONE else 200)
    }
    assert broken == {}


@pytest.mark.parametrize("role", Role)
async def test_a_place_lets_in_those_whom_it_names_and_is_shown_to_no_others(
    whole: Whole, a_browser: Open, role: Role
) -> None:
    browser = a_browser()
    browser.be(whole.people[role])
    for place in PLACES:
        path = reached(whole.desk, place.path)
        page = await browser.open(path)
        assert (page.status, place.name) == (200 if role in place.roles else 403, place.name)
        assert page.one("h1").words.strip()
        assert (path.partition("?")[0] in whole.tours[role].links()) == (role in place.roles), place.name


def test_a_page_lets_nothing_run_but_our_own_files(whole: Whole) -> None:
    def flaws(page: Page) -> Iterator[str]:
        headers = page.answer.headers
        if dict(each.split(" ", 1) for each in headers["content-security-policy"].split("; ")) != POLICY:
            yield headers["content-security-policy"]
        if (headers["x-content-type-options"], headers["cache-control"]) != ("nosniff", "no-store"):
            yield f"{headers}"
        yield from scripts_in(page)

    assert flaws_of(whole.ours | whole.tours[Role.OWNER].parts, flaws) == {}


def test_a_page_is_whole_without_a_script(whole: Whole) -> None:
    def flaws(page: Page) -> Iterator[str]:
        if [each.words.strip() != "" for each in page.all("h1")] != [True]:
            yield f"{len(page.all('h1'))} headings"
        titles = [e.words for e in page.all("title") if "head" in e.within]
        if [len(words.split(" · ")) for words in titles] != [2]:
            yield f"called {titles}"
        if len(page.all("main", id="main")) != 1:
            yield "no main part"
        if page.all("nav") and not page.all("a", class_="skip", href="#main"):
            yield "no way past its navigation"
        names = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
        yield from (f"two of #{name}" for name in {*names} if names.count(name) > 1)
        for element in page.elements:
            said = element.attributes
            if (
                element.tag == "button"
                and "form" not in element.within
                and not {"form", "popovertarget", "hidden"} & said.keys()
            ):
                yield f"a button that does nothing: {element.words.strip() or said}"
            if {"hx-get", "data-hx-get"} & said.keys() and not {"href", "action"} & said.keys():
                yield f"what only a script fetches: {said}"

    assert flaws_of(whole.ours, flaws) == {}


async def test_a_form_that_does_not_prove_its_page_changes_nothing(whole: Whole, a_browser: Open) -> None:
    browser, tried = a_browser(), set[str]()
    browser.be(whole.people[Role.OWNER])
    before = await whole.desk.room.house.facts(whole.desk.workspace.id)
    for path, page in whole.pages.items():
        buttons = [e.attributes["formaction"] for e in page.elements if "formaction" in e.attributes]
        for form in page.forms:
            if form.method.lower() != "post":
                continue
            for action in {form.action or path, *(buttons if "csrf" in form.fields else ())}:
                if (kind := f"{re.sub(r'[0-9a-f-]{32,36}|[0-9]+', '*', action)} {sorted(form.fields)}") in tried:
                    continue
                tried.add(kind)
                outside = action.startswith(OUTSIDE)
                assert outside or len(form.fields.get("csrf", [""])[0]) > 64, f"{action} on {path} has no proof"
                said = {**form.fields, **dict(form.buttons[:1])}
                for proof, origin in (("", ""), ("00" * 64, ""), (None, "https://evil.example")):
                    if outside and not origin:
                        continue
                    sent = said if proof is None else {**said, "csrf": proof}
                    headers = {"accept": "text/html", "origin": origin or whole.desk.room.url}
                    answer = await browser.client.post(action, data=sent, headers=headers)
                    assert (answer.status_code, action) == (403, action)
                    assert "<h1>" in answer.text
    assert await whole.desk.room.house.facts(whole.desk.workspace.id) == before
    assert len(tried) > len(PLACES)


_NAMELESS = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  .filter((e) => e.type !== "hidden" && !e.ariaLabel && !e.ariaLabelledByElements?.length
    && ![...(e.labels ?? [])].some((label) => label.textContent.trim())
    && (e.matches("input, select, textarea") || !(e.textContent.trim() || e.querySelector("[aria-label]"))))
  .map((e) => e.outerHTML.slice(0, 160))"""

type _Scheme = Literal["light", "dark"]
_LOOKS: tuple[tuple[_Scheme, int, tuple[str, ...]], ...] = (("light", 1280, ()), ("dark", 360, IN_THE_DARK))


async def seen(window: Window, path: str) -> list[str]:
    """Go there, and return what is wrong: with it, by day where there is room, and in the dark on a telephone."""
    session = await window.page.context.new_cdp_session(window.page)
    loaded: list[float] = []
    session.on("Network.loadingFinished", lambda said: loaded.append(said["encodedDataLength"]))
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await window.page.goto(path)
    await window.page.wait_for_load_state("load")
    await session.detach()
    found = [f"weighs {sum(loaded):.0f}"] if not MOST / 10 < sum(loaded) <= MOST else []
    found += [f"no name: {each}" for each in await window.page.evaluate(_NAMELESS)]
    for scheme, width, rules in _LOOKS:
        await window.page.emulate_media(color_scheme=scheme)
        await window.page.set_viewport_size({"width": width, "height": 740})
        found += [f"{scheme}: {flaw}" for flaw in await window.flaws(*rules)]
        if wide := await window.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"):
            found.append(f"{wide} px too wide for {width}")
    found += [each for each in window.mishaps if path not in GONE or "status of 404" not in each]
    window.mishaps.clear()
    return found


@pytest.mark.timeout(240)
async def test_a_page_is_light_quiet_and_for_everybody(whole: Whole, chromium: Chromium) -> None:
    kinds = {re.sub(r"[0-9a-f-]{32,36}|[0-9]+", "*", urlsplit(path).path): path for path in reversed(whole.pages)}
    shop = urlsplit(whole.desk.room.url).netloc.replace("127.0.0.1", "localhost")
    async with a_window(chromium, whole.desk, beside=shop) as window:
        found = {path: await seen(window, path) for path in kinds.values()}
    assert {path: flaws for path, flaws in found.items() if flaws} == {}
