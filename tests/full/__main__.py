"""python -m tests.full DIRECTORY SIZE…: what the database does on desks of these sizes, as Markdown (docs/explain.md).

The desks are started in the directory, where `python -m tests.bench --desks` keeps them, and filled where they are not
there yet.
"""

import asyncio
import datetime as dt
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from chassis.database import Database
from tests.full.desks import EVERY, FullDesk, deep_cursor, full_desk, stores_of
from tests.full.explaining import Cost, cost
from tests.full.questions import Known, known, of_activity, of_notifications, of_tickets
from tests.support.stack import Desk

_ASKED = {"tickets": of_tickets, "activity": of_activity, "notifications": of_notifications}
_ABOUT = """\
# What the database does

Made by `python -m tests.full DIRECTORY {sizes}` on {day}, PostgreSQL {version}: each
question is asked through the service's own function and explained (`explain (analyze, buffers)`) as the role that the
service signs in as, under row-level security, when what it needs is in memory. A page has 8 KiB; rows are those that
were looked at, kept or not. These two are what to look at: the times are planning and running on two cores with much
other work beside it. The desks are those of [performance](performance.md#a-full-desk): nine of ten tickets are closed,
spam or deleted.

| asked | {heads} | indexes |
|---|{lines}---|
"""
_PLANS = (
    "list",
    "list, a deep page",
    "list of every status, by priority",
    "list, one agent's",
    "list, a tag's",
    "search, a word of many",
    "search, a part of a word of one",
    "counts",
    "counts, a word of many",
    "a ticket",
    "a ticket's history",
    "report, by day",
    "an inbox",
    "how many are unread",
)
"""Those that are shown whole."""


async def explained(full: FullDesk) -> tuple[dict[str, dict[str, Cost]], str]:
    """Return what each question costs on a desk, by service, and which PostgreSQL it was."""
    knows = await _known(full.desk, full.many)
    found: dict[str, dict[str, Cost]] = {}
    version = ""
    for service, asked in _ASKED.items():
        database = Database(getattr(stores_of(full.stack), service), service, pool=2)
        try:
            workspace = knows.caller.workspace_id
            async with database.transaction(workspace) as tx:
                version = await tx.scalar(text("show server_version"))
                role = await tx.scalar(text("select current_user"))
                assert role == f"{service}_app", role
            found[role] = {name: await cost(database, workspace, ask) for name, ask in asked(knows).items()}
        finally:
            await database.close()
    return found, version


async def _known(desk: Desk, many: int) -> Known:
    me = await desk.get("/api/v1/me")
    middle = await desk.get(f"tickets/{many // 2}")
    agent = UUID((await desk.get("tickets?status=in_progress&limit=1"))["items"][0]["assignee"]["id"])
    deep = {
        "shown": await deep_cursor(desk, "sort=-updated", many // 10),
        "every": await deep_cursor(desk, f"sort=created&{EVERY}", many),
    }
    return known(me["workspaces"][0]["id"], UUID(me["user"]["id"]), agent, middle, deep)


def report(found: Mapping[int, Mapping[str, Mapping[str, Cost]]], version: str) -> Iterator[str]:
    """Return it in Markdown: a line for each question, then the plans on the fullest desk."""
    heads = " | ".join(f"{size:,}: pages | rows | ms" for size in found)
    yield _ABOUT.format(
        sizes=" ".join(map(str, found)),
        day=f"{dt.datetime.now(dt.UTC):%-d %B %Y}",
        version=version,
        heads=heads,
        lines="---|---|---|" * len(found),
    ).rstrip()
    fullest = max(found)
    for role, asked in found[fullest].items():
        for name, last in asked.items():
            costs = [by_role[role][name] for by_role in found.values()]
            numbers = " | ".join(f"{each.pages:,} | {each.rows:,} | {each.took:.1f}" for each in costs)
            yield f"| {name} | {numbers} | {', '.join(f'`{each}`' for each in sorted(last.indexes))} |"
    yield f"\n## Plans with {fullest:,} tickets"
    for role, asked in found[fullest].items():
        for name in (name for name in _PLANS if name in asked):
            yield from (f"\n### {name[0].upper()}{name[1:]}", f"\nAs `{role}`:", "\n```text", *asked[name].plans, "```")


async def main(directory: Path, sizes: Sequence[int]) -> None:
    """Explain on one desk after the other."""
    found, version = {}, ""
    for size in sizes:
        async with full_desk(size, directory / str(size)) as full:
            found[size], version = await explained(full)
    sys.stdout.write("\n".join(report(found, version)) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), [int(each) for each in sys.argv[2:]]))
