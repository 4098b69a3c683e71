"""An owner tells its log again in pages that fit into a message, whatever the facts look like."""

import pytest

from chassis.database import Database
from chassis.outbox import _NUMBER, read_log
from contracts.base import Actor, ActorKind, Audience, Subject, Via
from contracts.gateway import ReadPeopleLog, WorkspaceCreated
from tests.support.infra import PostgresServer
from tests.support.plumbing import plumbed

_LARGEST_ANSWER = 250 * 1024


def a_fact(version: int, words: str) -> WorkspaceCreated:
    return WorkspaceCreated(
        workspace_id="w",
        actor=Actor(kind=ActorKind.SYSTEM, id="s", name="S"),
        via=Via.API,
        cause="c",
        audience=Audience.ADMINS,
        subject=Subject(kind="workspace", id="w", version=version),
        name=words,
        slug="w",
    )


@pytest.mark.parametrize(("facts", "words"), [(700, "small"), (40, "large " * 1_000)])
async def test_every_page_of_the_log_fits_and_none_is_left_out(
    postgres_server: PostgresServer, facts: int, words: str
) -> None:
    urls = await plumbed(postgres_server, "gateway")
    database = Database(urls.app, "gateway")
    try:
        async with database.transaction("w") as tx:
            tx.announce(*(a_fact(version, words) for version in range(1, facts + 1)))
        async with database.every_workspace("relay") as tx:
            await tx.execute(_NUMBER, {"many": facts})
        told: list[int] = []
        more = True
        while more:
            async with database.every_workspace("tell the log again") as tx:
                page = await read_log(ReadPeopleLog(workspace_id="w", after=len(told), limit=500), tx)
            assert len(page.model_dump_json()) < _LARGEST_ANSWER
            told += [fact.position for fact in page.items]
            more = page.more
        assert told == list(range(1, facts + 1))
    finally:
        await database.close()
