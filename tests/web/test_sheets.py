"""Tickets as CSV: every one that the list would find, each once, and no cell that a spreadsheet would run."""

import csv
import io

import pytest

from contracts.base import Role
from services.gateway.routes import sheets
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_cell_is_a_formula(cell: str) -> None:
    assert next(csv.reader(io.StringIO(sheets.sheet([[cell]]).decode(), newline="")))[0] == f"'{cell}"


def test_what_is_no_formula_stays_as_it_is() -> None:
    rows: list[list[object]] = [["a=b", 'said "yes",\nand left', "", "ünï 🖨", "1-2"], [-1, 2, None, "x", "y"]]
    read = list(csv.reader(io.StringIO(sheets.sheet(rows).decode(), newline="")))
    assert read == [["" if cell is None else str(cell) for cell in row] for row in rows]


async def test_all_that_a_list_finds_is_downloaded_page_by_page(
    desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "_PAGE", 2)
    contact = {"name": "+49 170", "email": "mira@example.com"}
    for nth, subject in enumerate(("=HYPERLINK(1)", "Two", "Three", "Four", "Five")):
        await desk.ticket(subject=subject, contact=contact, tags=["vip"] if nth else [], fields={"order": "@7"})
    await desk.send("PATCH", "tickets/5", {"status": "closed"})

    answer = await desk.send("GET", "tickets.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="tickets-{desk.workspace.slug}.csv"'
    assert "\r\n" in answer.text
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [(row["number"], row["subject"]) for row in rows] == [
        ("1", "'=HYPERLINK(1)"),
        ("2", "Two"),
        ("3", "Three"),
        ("4", "Four"),
    ]
    assert (rows[1]["contact"], rows[1]["contact_email"], rows[1]["tags"]) == ("'+49 170", contact["email"], "vip")
    assert (rows[1]["fields"], rows[1]["status"], rows[1]["closed_at"]) == ("order: @7", "New", "")

    found = await desk.send("GET", "tickets.csv?status=all&tag=vip&q=fi")
    assert [row["number"] for row in csv.DictReader(io.StringIO(found.text))] == ["5"]
    assert (await desk.send("GET", "tickets.csv?sort=number")).status_code == 422

    path = f"/w/{desk.workspace.slug}/tickets"
    page = await browser.open(f"{path}?status=all&who=49+170&q=t")
    (link,) = (each.attributes["href"] for each in page.all("a", download="") if "CSV" in each.words)
    sent = await browser.client.get(link)
    assert [row["number"] for row in csv.DictReader(io.StringIO(sent.text))] == ["2", "3"]
    browser.be(await desk.room.house.member(desk.workspace, Role.GUEST))
    assert "Export CSV" not in (await browser.open(path)).words
    assert (await browser.client.get(f"{path}.csv")).status_code == 403
