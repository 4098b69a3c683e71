"""The pages of those who run the desk: the audit, dead letters, ticket settings."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.bus import Transaction
from contracts.activity import Book, BookLine
from contracts.base import Role
from contracts.refusals import TooLarge
from services.activity import usecases
from services.activity.tools import check_export
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.support.infra import Urls
from tests.web.conftest import bury_in
from tests.web.reader import Browser, Page
from tests.web.vectors import VECTORS, scripts_in

type Open = Callable[[], Browser]
type Bury = Callable[..., Awaitable[str]]


def at(desk: Desk, page: str) -> str:
    return f"/w/{desk.workspace.slug}/settings/{page}"


def lines(page: Page) -> list[str]:
    """Return what stands in the page's lists, line by line."""
    return [" ".join(each.words.split()) for each in page.all("li")]


async def told(browser: Browser, path: str, words: str) -> Page:
    """Read a page until it says something: the record follows what is done."""

    async def says() -> Page | None:
        page = await browser.open(path)
        return page if words in page.words or any(words in line for line in lines(page)) else None

    return await eventually(says)


async def test_only_who_runs_the_desk_comes_here(desk: Desk, a_browser: Open, bury_one: Bury) -> None:
    letter = await bury_one(b"{}")
    for role in (Role.MEMBER, Role.GUEST):
        browser = a_browser()
        browser.be(await desk.member(role))
        for page in ("audit", "audit/seal", "dead-letters", f"dead-letters/{letter}", "tickets"):
            assert (await browser.open(at(desk, page))).status == 403, page
        members = await browser.open(f"/w/{desk.workspace.slug}/settings/members")
        assert not [e for e in members.all("a") if "/settings/audit" in e.attributes["href"]]


async def test_ticket_settings_are_saved_once_and_nobody_is_overruled_unseen(desk: Desk, browser: Browser) -> None:
    path = at(desk, "tickets")
    page = await browser.open(path)
    form = page.form(path)
    saved = await browser.send(form, members_may_claim="true", default_priority="high", auto_close_days="14")
    assert "Saved." in saved.words
    settled = await desk.get("settings")
    assert (settled["members_may_claim"], settled["members_may_note_any"]) == (True, False)
    assert (settled["default_priority"], settled["auto_close_days"], settled["follow_up_days"]) == ("high", 14, None)

    wrong = await browser.send(saved.form(path), auto_close_days="0")
    assert wrong.status == 422
    assert wrong.one("input", name="auto_close_days").attributes["aria-describedby"].startswith("fault-")
    assert wrong.form(path).fields["auto_close_days"] == ["0"]

    wrong = await browser.send(form, members_may_note_any="true", auto_close_days="0")
    assert wrong.status == 422, "it shows nothing of what was saved meanwhile"
    stale = await browser.send(wrong.form(path), auto_close_days="30")
    assert stale.status == 412
    assert "Ada Lovelace: close resolved tickets, no limit → 14 days" in lines(stale)
    assert stale.form(path).fields["auto_close_days"] == ["30"]
    assert (await desk.get("settings"))["auto_close_days"] == 14
    await browser.send(stale.form(path))
    assert (await desk.get("settings"))["auto_close_days"] == 30


async def test_the_audit_says_who_did_what_to_whom(desk: Desk, browser: Browser) -> None:
    grace = await desk.member(Role.MEMBER, "<b>Grace</b>")
    path = at(desk, "audit")
    for role in ("admin", "guest"):
        answer = await desk.send("PATCH", f"members/{grace.user.id}", {"role": role})
        assert answer.status_code == 200, answer.text
    await desk.send("PATCH", "settings", {"members_may_claim": True})

    page = await told(browser, path, "Ada Lovelace made <b>Grace</b> guest, before admin through the API")
    assert scripts_in(page) == []
    said = "".join(lines(page))
    assert said.index("before admin") < said.index("before member")  # the newest stands first

    some = await browser.open(f"{path}?type=role_changed&person={grace.user.id}")
    assert len([line for line in lines(some) if "before" in line]) == len(some.all("ol")) * 2 == 2
    assert "made this workspace" not in "".join(lines(some))
    none = await browser.open(f"{path}?type=role_changed&person={uuid4()}")
    assert "No entries match." in none.words
    page = await told(browser, f"{path}?book=tickets", "changed the ticket settings")
    assert "Members may take unassigned tickets: no → yes" in lines(page)
    assert (await browser.open(f"{path}?before=nonsense")).status == 422

    assert lines(await browser.open(f"{path}?before=3"))[-2:] == lines(await browser.open(path))[-2:]


async def test_both_books_are_verified_and_taken_away_and_checked_elsewhere(desk: Desk, browser: Browser) -> None:
    for number in range(3):
        await desk.recorded(await desk.ticket(subject=f"Ticket {number} “ä”"))
    # More than one answer holds: entries that JSON writes longer than they are, and the largest that there are.
    tagged = await desk.ticket()
    for number in range(10):
        tagged = await desk.change(tagged, tags=[f"{number}{each}" + '"' * 45 for each in range(20)])
    for escaped in ('"' * 51_000, "\n" * 51_000, "\\" * 51_000, "ä" * 32_768, "\U0001f525" * 16_384):
        large = await desk.ticket(description=escaped)
        await desk.recorded(await desk.change(large, description=escaped[1:]))
    path = at(desk, "audit")

    async def verified() -> tuple[Page, list[dict[str, Any]]]:
        page, heads = await browser.open(f"{path}?verify=true"), (await desk.get("audit/head"))["items"]
        for head in heads:  # the book of people is still being written
            assert f"{head['book']}:{head['seq']}:{head['hash']}" in page.words
        return page, heads

    page, heads = await eventually(verified)
    assert page.words.count("Whole") == 2
    assert "data-still" in page.answer.text
    assert "data-still" not in (await browser.open(path)).answer.text

    link = page.one("a", download="").attributes["href"]
    answer = await browser.client.get(link)
    assert answer.headers["content-type"] == "application/jsonl"
    assert f'filename="counterfoil-{desk.workspace.slug}.jsonl"' in answer.headers["content-disposition"]
    lines = answer.text.splitlines(keepends=True)
    assert len(answer.content) > 1_500_000
    assert len(lines) == 1 + sum(head["seq"] for head in heads)
    assert all(verdict.ok for verdict in check_export(lines))
    assert not all(verdict.ok for verdict in check_export(lines[:-1]))
    assert json.loads(lines[1])["entry"].count("sha256:") >= 1


async def test_a_download_that_breaks_off_is_seen_to(
    desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.recorded(await desk.change(await desk.ticket(), priority="high"))
    whole = usecases.lines

    async def fails_later(tx: Transaction, book: Book, after: int, to: int) -> list[BookLine]:
        if after:
            raise TooLarge
        return (await whole(tx, book, after, to))[:1]

    monkeypatch.setattr(usecases, "lines", fails_later)
    with pytest.raises(httpx.TransportError):
        await browser.client.get(desk.path("audit/export"))


async def test_what_the_other_services_could_not_apply_is_read_beside_it(
    desk: Desk, browser: Browser, a_browser: Callable[[], Browser], urls: dict[str, Urls]
) -> None:
    fact = "tickets.events.v1.status_changed.{}"
    ids = {}
    for service in ("activity", "tickets", "notifications"):
        known = {} if service == "tickets" else {"subject": fact}
        said = f"too odd for {service}"
        ids[service] = await bury_in(urls[service], desk.workspace.id, b"{}", service=service, detail=said, **known)
    newest = ["notifications", "tickets", "activity"]
    found = await desk.get("dead-letters")
    assert [(each["service"], each["detail"]) for each in found["items"]] == [(n, f"too odd for {n}") for n in newest]
    assert (found["next_cursor"], found["away"]) == (None, [])
    seen, cursor = [], ""
    for _ in newest:
        part = await desk.get(f"dead-letters?limit=1{cursor}")
        seen += [each["id"] for each in part["items"]]
        cursor = f"&cursor={part['next_cursor']}"
    assert seen == [ids[name] for name in newest]

    path = at(desk, "dead-letters")
    page = await browser.open(path)
    assert "tickets wanted to tell activity “status changed”" in page.words
    assert "tickets wanted to tell notifications “status changed”" in page.words
    assert "monitor wanted to open a ticket" in page.words
    letter = await browser.open(f"{path}/{ids['activity']}")
    assert "too odd for activity" in letter.words
    again = await browser.send(letter.form(f"{path}/{ids['activity']}"), press=("do", "retry"))
    assert "Its owner has never told this, so it is not recorded." in again.words
    refused = await desk.send("POST", f"dead-letters/{ids['notifications']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    for method, end in (("POST", "/retry"), ("DELETE", "")):
        assert (await desk.send(method, f"dead-letters/{uuid4()}{end}")).status_code == 404
    member = await desk.member(Role.MEMBER)
    for name in newest:
        answer = await desk.client.get(desk.path(f"dead-letters/{ids[name]}"), headers=member.bearer)
        assert answer.status_code == 403
    stranger = a_browser()
    stranger.be(await desk.room.house.somebody())
    assert (await stranger.open(f"{path}/{ids['activity']}")).status == 404

    for name in ("activity", "notifications"):
        for _ in range(2):
            dropped = await desk.send("DELETE", f"dead-letters/{ids[name]}", Idempotency_Key=f"drop-{name}")
            assert dropped.status_code == 204
    assert [each["service"] for each in (await desk.get("dead-letters"))["items"]] == ["tickets"]

    async def dropped_twice() -> bool:
        audit = lines(await browser.open(at(desk, "audit")))
        assert sum(f"Ada Lovelace dropped a dead letter of {fact[:-3]}" in line for line in audit) == 2
        return True

    await eventually(dropped_twice)


async def test_letters_are_found_by_reason_and_system_and_tried_again_together_in_their_order(
    desk: Desk, browser: Browser, urls: dict[str, Urls]
) -> None:
    path = at(desk, "dead-letters")

    async def bury(name: str, body: Any, system: str = "monitor", reason: str = "not_found") -> str:
        subject = f"tickets.intake.v1.{name}.{{}}.{system}"
        raw = json.dumps(body).encode()
        return await bury_in(urls["tickets"], desk.workspace.id, raw, subject=subject, reason=reason)

    await bury("ticket_requested", {"external_id": "E-1", "subject": "Disk full"})
    await bury("ticket_updated", {"external_id": "E-1", "status": "resolved"})
    lost = await bury("ticket_updated", {"external_id": "E-2", "status": "resolved"})
    await bury("ticket_requested", {"external_id": "E-3", "subject": "Paper"}, "shop")
    await bury("ticket_requested", {"external_id": "E-4"}, "shop", "invalid")

    whole = await desk.get("dead-letters")
    groups = {(each["reason"], each["integration"]): each["count"] for each in whole["groups"]}
    assert groups == {("not_found", "monitor"): 3, ("not_found", "shop"): 1, ("invalid", "shop"): 1}
    some = await desk.get("dead-letters?reason=not_found&integration=monitor&limit=2")
    rest = await desk.get(f"dead-letters?reason=not_found&integration=monitor&cursor={some['next_cursor']}")
    assert [len(some["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]
    assert (await desk.send("GET", "dead-letters?reason=No!")).status_code == 422

    page = await browser.open(f"{path}?reason=not_found&integration=monitor")
    assert len([line for line in lines(page) if "monitor wanted" in line]) == 3
    assert "Retry all 3" in page.words

    async def applied() -> Page | None:
        done = await browser.send(
            (await browser.open(f"{path}?reason=not_found&integration=monitor")).form(path, having="csrf")
        )
        return done if "refused again" in done.words and "0 applied" not in done.words else None

    done = await eventually(applied)  # not before tickets has heard of the workspace
    assert "2 applied, 1 refused again." in done.words
    assert next(line for line in lines(done) if "monitor" in line).startswith("monitor wanted to change a ticket")
    (ticket,) = (await desk.get("tickets?q=Disk&status=resolved"))["items"]
    assert ticket["status"] == "resolved"
    assert "None match." in (await browser.open(f"{path}?reason=unknown_type")).words

    answer = await desk.send("POST", "dead-letters/retry", {"reason": "not_found"})
    told_of = answer.json()
    assert (answer.status_code, told_of["retried"], told_of["next_cursor"]) == (200, 1, None)
    assert [(each["id"], each["code"]) for each in told_of["refused"]] == [(lost, "not_found")]
    audit = at(desk, "audit?type=dead_letter_retried")
    said = "Ada Lovelace tried again a dead letter of tickets.intake.v1.ticket_requested.{}.shop"

    async def all_told() -> bool:
        page = await told(browser, audit, said.format(desk.workspace.id))
        assert sum("Ada Lovelace tried again a dead letter" in line for line in lines(page)) == 3
        return True

    await eventually(all_told)


async def test_letters_are_dropped_and_tried_again_together_by_ticks_and_by_reason(
    desk: Desk, browser: Browser, bury_one: Bury
) -> None:
    path = at(desk, "dead-letters")
    bad = [await bury_one(json.dumps({"external_id": f"B-{nth}"}).encode()) for nth in range(5)]
    good = await bury_one(json.dumps({"external_id": "G-1", "subject": "Disk full"}).encode())
    for body, field in (({}, "ids"), ({"ids": [bad[0]], "reason": "invalid"}, "ids"), ({"ids": [bad[0]] * 51}, "ids")):
        refused = await desk.send("POST", "dead-letters/drop", body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)

    page = await browser.open(f"{path}?reason=invalid")
    picks = [each.attributes for each in page.all("input") if each.attributes.get("class") == "pick"]
    assert len({pick["aria-label"] for pick in picks}) == len([*bad, good])
    whys = [page.one("p", id=pick["aria-describedby"]).words for pick in picks]
    assert whys == ["subject: can't be blank"] * len(picks)
    assert page.one("div", role="group").attributes["aria-label"] == "All that match"
    none = await browser.send(page.form(path, having="which"), press=("do", "drop"))
    assert "Nothing was selected." in none.words
    dropped = await browser.send(none.form(path, having="which"), press=("do", "drop"), ids=bad[:2])
    assert "2 dropped." in dropped.words
    again = await browser.send(none.form(path, having="which"), press=("do", "drop"), ids=bad[1:3])
    assert "1 dropped, 1 not: they were settled before, or can't be reached now." in again.words

    async def applies() -> Page | None:
        page = await browser.open(path)
        answer = await browser.send(page.form(path, having="which"), press=("do", "retry"), ids=[good, bad[3]])
        return answer if "1 applied, 1 refused again." in answer.words else None

    await eventually(applies)  # not before tickets has heard of the workspace
    assert [each["id"] for each in (await desk.get("dead-letters"))["items"]] == [bad[4], bad[3]]
    (still,) = (await desk.send("POST", "dead-letters/retry", {"ids": [bad[3]]})).json()["refused"]
    assert (still["code"], "subject: must be given" in still["detail"]) == ("invalid", True)
    answer = await desk.send("POST", "dead-letters/drop", {"ids": [bad[0], bad[3]]})
    told_of = answer.json()
    assert (told_of["dropped"], [(each["id"], each["code"]) for each in told_of["refused"]]) == (
        1,
        [(bad[0], "not_found")],
    )
    page = await browser.open(path)
    assert "Drop it…" in page.words
    over = await browser.send(page.form(path, having="all"), press=("do", "drop"))
    assert "1 dropped." in over.words
    assert "No dead letters." in over.words
    audit = at(desk, "audit?type=dead_letter_dropped")

    async def all_told() -> bool:
        said = lines(await browser.open(audit))
        assert sum("Ada Lovelace dropped a dead letter" in line for line in said) == len(bad)
        return True

    await eventually(all_told)


async def test_a_dead_letter_is_read_tried_again_and_dropped(desk: Desk, browser: Browser, bury_one: Bury) -> None:
    path = at(desk, "dead-letters")
    empty = await browser.open(path)
    assert "No dead letters." in empty.words

    good = await bury_one(json.dumps({"external_id": "alarm-1", "subject": "Disk full"}).encode())
    bad = await bury_one(json.dumps({"external_id": "alarm-2"}).encode(), **{"ce-id": "77"})
    page = await browser.open(path)
    assert [line.startswith("monitor wanted to open a ticket") for line in lines(page) if "monitor" in line] == [
        True
    ] * 2

    page = await browser.open(f"{path}/{bad}")
    assert '"external_id": "alarm-2"' in page.words
    assert {"ce-id", "77"} <= {each.words for each in (*page.all("dt"), *page.all("dd"))}
    refused = await browser.send(page.form(f"{path}/{bad}"), press=("do", "retry"))
    assert refused.status == 422
    assert "Refused again; it stays here." in refused.words
    dropped = await browser.send(refused.form(f"{path}/{bad}"), press=("do", "drop"))
    assert "Dropped." in dropped.words
    over = await browser.open(f"{path}/{bad}")
    late = await browser.send(refused.form(f"{path}/{bad}"), press=("do", "retry"))
    for each in (over, late):
        assert (each.status, "It was already dropped" in each.words) == (404, True)
        assert "All dead letters" in [link.words.strip() for link in each.all("a", href=path)]

    async def applies() -> Page | None:
        page = await browser.open(f"{path}/{good}")
        answer = await browser.send(page.form(f"{path}/{good}"), press=("do", "retry"))
        return answer if "Applied." in answer.words else None

    applied = await eventually(applies)  # not before tickets has heard of the workspace
    assert "Disk full" in {ticket["subject"] for ticket in (await desk.get("tickets"))["items"]}
    assert "No dead letters." in applied.words
    assert "It was already retried and applied." in (await browser.open(f"{path}/{good}")).words
    audit = f"{at(desk, 'audit')}?book=tickets"
    assert "dropped a dead letter" in " ".join(lines(await told(browser, audit, "tried again a dead letter")))


async def test_whatever_another_system_sent_stays_words(desk: Desk, browser: Browser, bury_one: Bury) -> None:
    said: Any = {"subject": list(VECTORS)}
    for body in (json.dumps(said).encode(), "\n".join(VECTORS).encode(), b"\xff\xfe" * 9, b""):
        letter = await bury_one(body, detail=" ".join(VECTORS)[:900], **{"ce-x": VECTORS[3], VECTORS[4][:40]: "x"})
        page = await browser.open(f"{at(desk, 'dead-letters')}/{letter}")
        assert page.status == 200
        assert scripts_in(page) == []
    assert scripts_in(await browser.open(at(desk, "dead-letters"))) == []
