"""The reports page and its CSV: counted right, shut to guests, and of names that bite it makes plain words."""

import csv
import io
from collections.abc import Callable

from playwright.async_api import Browser as Chromium

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser
from tests.web.test_conversations import a_conversation
from tests.web.window import a_window

FORMULA = '=HYPERLINK("//evil.example")<img src=x onerror=alert(1)>'


async def test_a_report_counts_what_happened_and_runs_nothing_of_a_name(
    chromium: Chromium, desk: Desk, browser: Browser, a_browser: Callable[[], Browser]
) -> None:
    path = f"/w/{desk.workspace.slug}/reports"
    page = await browser.open(path)
    assert "No data for these days." in page.words

    agent = await desk.room.house.member(desk.workspace, Role.MEMBER, FORMULA)
    talk = await a_conversation(desk)
    ticket = (await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {})).json()
    await desk.send("PATCH", f"tickets/{ticket['number']}", {"assignee_id": str(agent.user.id)})
    body = {"body": "It is on its way.", "set_status": "resolved"}
    await desk.send("POST", f"conversations/{talk['conversation_id']}/messages", body, who=agent)
    await desk.ticket(subject="Another")

    async def counted() -> bool:
        report = await desk.get("reports")
        return (len(report["agents"]), sum(day["created"] for day in report["days"])) == (1, 2)

    await eventually(counted)
    report = await desk.get("reports")
    assert len(report["days"]) == 30
    assert report["agents"][0]["name"] == FORMULA
    assert (report["agents"][0]["resolved"], report["agents"][0]["replies"]) == (1, 1)
    assert report["first_response"]["count"] == report["resolution"]["count"] == 1
    assert {each["status"]: each["under_1_day"] for each in report["backlog"]} == {
        **dict.fromkeys(("open", "in_progress", "waiting_on_customer"), 0),
        "new": 1,
    }

    answer = await desk.send("GET", "reports.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment;")
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert ["agent", f"'{FORMULA}", "resolved", "1"] in rows
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@"))]
    assert sum(int(row[3]) for row in rows[1:] if row[0] == "day" and row[2] == "created") == 2

    page = await browser.open(f"{path}?from=2026-01-05&to=2026-01-01")
    assert (page.status, page.one("input", name="from").attributes["value"]) == (422, "2026-01-05")
    assert page.one("input", name="to").attributes["aria-invalid"] == "true"
    assert "Must not be before the first day" in page.words
    assert (await browser.open(f"{path}?from=yesterday")).status == 422
    page = await browser.open(path)
    assert page.all("img") == []
    assert FORMULA in page.words

    guest = a_browser()
    guest.be(await desk.room.house.member(desk.workspace, Role.GUEST))
    assert (await guest.open(path)).status == 403
    assert not (await guest.open(f"/w/{desk.workspace.slug}/tickets")).all("a", href=path)

    async with a_window(chromium, desk, timezone_id="Asia/Tokyo") as window:
        await window.open("reports")
        await window.page.wait_for_url("**utc_offset=540")
        assert "of your own time" in await window.page.inner_text("main")
        assert await window.page.get_by_role("img", name="Created per day").count() == 1
        assert await window.flaws_by_day_and_night() == []
