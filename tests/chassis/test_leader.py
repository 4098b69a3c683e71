"""One replica leads, and another soon after it is gone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest

from chassis.leader import Leader
from chassis.telemetry import Metrics
from tests.support.eventually import eventually
from tests.support.infra import Urls


@dataclass(slots=True)
class Candidate:
    """A replica whose work is to be there; it notes when it began and ended."""

    leader: Leader
    began: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    failing: int = 0
    """How often its work fails at once."""

    async def work(self) -> None:
        self.began.append(time.monotonic())
        try:
            if self.failing:
                self.failing -= 1
                raise RuntimeError("a bug")
            await asyncio.Event().wait()
        finally:
            self.ended.append(time.monotonic())


type Stand = Callable[..., Awaitable[Candidate]]


@pytest.fixture(scope="module")
def urls(gateway_urls: Urls) -> Urls:
    return gateway_urls


@asynccontextmanager
async def standing(urls: Urls, *, service: str = "gateway", failing: int = 0) -> AsyncIterator[Candidate]:
    metrics = Metrics(service)
    candidate = Candidate(Leader(urls.app, service, metrics), failing=failing)
    task = asyncio.create_task(candidate.leader.run(candidate.work))
    try:
        yield candidate
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def cut(urls: Urls, whose: str = "gateway leader") -> None:
    """End the sessions of the lock, as a network would that fails."""
    session = await asyncpg.connect(urls.app)
    try:
        held = (
            "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a join pg_locks l on l.pid = a.pid"
            " where l.locktype = 'advisory' and l.granted and application_name = $1 and datname = current_database()"
        )
        assert await session.fetchval(held, whose) == 1
    finally:
        await session.close()


async def test_of_two_candidates_one_leads_and_the_other_takes_over_when_it_goes(urls: Urls) -> None:
    async with standing(urls) as second:
        async with standing(urls, service="tickets") as stranger:
            await eventually(lambda: second.leader.leading and stranger.leader.leading)
        async with standing(urls) as first:
            await cut(urls)
            await eventually(lambda: first.leader.leading and not second.leader.leading)
            assert (len(first.began), len(second.began)) == (1, 1)
            gone = time.monotonic()
        await eventually(lambda: second.leader.leading)
        assert time.monotonic() - gone < 5
        assert not first.leader.leading


async def test_who_loses_the_session_stops_its_work_before_another_begins_or_soon_after(urls: Urls) -> None:
    async with standing(urls) as one, standing(urls) as two:
        await eventually(lambda: one.began or two.began)
        old, new = (one, two) if one.began else (two, one)
        lost = time.monotonic()
        await cut(urls)
        await eventually(lambda: new.began and old.ended)
        assert new.began[0] - lost < 5
        assert old.ended[0] - lost < 3
        assert (old.leader.leading, new.leader.leading) == (False, True)
        assert old.leader._metrics.registry.get_sample_value("counterfoil_leading") == 0
        assert new.leader._metrics.registry.get_sample_value("counterfoil_leading") == 1


async def test_work_that_fails_is_begun_again_and_not_at_once(urls: Urls) -> None:
    async with standing(urls, failing=1) as only:
        await eventually(lambda: len(only.began) == 2)
        assert only.began[1] - only.ended[0] > 1.2, "whoever stands by must have had a chance"
        assert only.leader.leading


async def test_who_is_told_to_stop_twice_lets_go_of_the_lead_all_the_same(urls: Urls) -> None:
    leader, ending = Leader(urls.app, "gateway", Metrics("gateway")), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(leader.run(work))
    await eventually(lambda: leader.leading)
    task.cancel()
    await ending.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not leader.leading
    async with standing(urls) as other:
        await eventually(lambda: other.leader.leading)
