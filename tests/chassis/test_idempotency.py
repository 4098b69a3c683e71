"""A command and its repeats are one command: one effect, one answer."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest
from pydantic import BaseModel
from sqlalchemy import text

from chassis.database import Database, Transaction, is_weather
from contracts.base import IdempotencyKey, Model, now
from contracts.refusals import AlreadyAnswered, InProgress, KeyReused, TransitionNotAllowed
from tests.support.infra import PostgresServer
from tests.support.plumbing import plumbed
from tests.support.replicas import HEARD, a_workspace, heard, note_down


class Receipt(Model):
    """An answer that no second act could give again."""

    at: str
    words: str = "Grüße, „Ada“ \u2028 </script>"
    price: float = 0.1
    nothing: None = None


@pytest.fixture(scope="module")
async def database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    urls = await plumbed(postgres_server, "gateway", HEARD, tenants=["heard"])
    database = Database(urls.app, "gateway", pool=40)
    yield database
    await database.close()


async def send(
    database: Database,
    ws: str,
    *,
    actor: str = "user:7",
    key: str = "k",
    route: str = "POST /tickets",
    fingerprint: str = "f",
    act: Callable[[Transaction], Awaitable[Receipt]] | None = None,
    secret_id: Callable[[Receipt], str] | None = None,
) -> Receipt:
    """Act once under a key, as a handler would."""

    async def effect(tx: Transaction) -> Receipt:
        await note_down(tx, "effect")
        return Receipt(at=now().isoformat())

    async with database.transaction(ws) as tx:
        named = IdempotencyKey(key=key, route=route, fingerprint=fingerprint)
        return await tx.once(actor, named, Receipt, lambda: (act or effect)(tx), secret_id=secret_id)


async def test_a_hundred_sends_at_once_are_one_effect_and_one_answer(database: Database) -> None:
    ws = a_workspace()

    answers = await asyncio.gather(*(send(database, ws) for _ in range(100)), return_exceptions=True)

    assert await heard(database, ws) == ["effect"]
    told = {answer.model_dump_json() for answer in answers if isinstance(answer, BaseModel)}
    assert len(told) == 1
    # Ten sessions serve them all: on a busy machine not everybody gets one in time.
    assert {type(answer) for answer in answers} <= {Receipt, InProgress, TimeoutError}


async def test_a_repeat_is_given_the_first_answer_to_the_byte(database: Database) -> None:
    ws = a_workspace()
    first, again = await send(database, ws), await send(database, ws)
    assert again.model_dump_json() == first.model_dump_json()
    assert await heard(database, ws) == ["effect"]


async def test_a_key_that_is_being_worked_on_is_not_waited_for(database: Database) -> None:
    ws = a_workspace()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction) -> Receipt:
        await note_down(tx, "slowly")
        begun.set()
        await go_on.wait()
        return Receipt(at="")

    first = asyncio.create_task(send(database, ws, act=slowly))
    await begun.wait()
    with pytest.raises(InProgress):
        await send(database, ws)
    go_on.set()
    assert await send(database, a_workspace()) != await first
    assert await send(database, ws) == await first
    assert await heard(database, ws) == ["slowly"]


async def test_the_same_key_for_another_body_is_refused(database: Database) -> None:
    ws = a_workspace()
    await send(database, ws)
    with pytest.raises(KeyReused):
        await send(database, ws, fingerprint="another")
    assert await heard(database, ws) == ["effect"]


@pytest.mark.parametrize("other", [{"actor": "user:8"}, {"route": "POST /notes"}, {"key": "other"}])
async def test_a_key_is_one_actors_on_one_route(database: Database, other: dict[str, str]) -> None:
    ws = a_workspace()
    await send(database, ws)
    await send(database, ws, **other)  # type: ignore[arg-type]
    assert await heard(database, ws) == ["effect", "effect"]


async def test_a_refused_command_leaves_no_trace_and_may_be_sent_again(database: Database) -> None:
    ws = a_workspace()

    async def refuse(tx: Transaction) -> Receipt:
        await note_down(tx, "refused")
        raise TransitionNotAllowed

    with pytest.raises(TransitionNotAllowed):
        await send(database, ws, act=refuse)
    async with database.transaction(ws) as tx:
        assert await tx.scalar(text("select count(*) from idempotency")) == 0
    await send(database, ws, fingerprint="corrected")
    assert await heard(database, ws) == ["effect"]


async def test_an_answer_that_holds_a_secret_is_not_kept(database: Database) -> None:
    ws = a_workspace()
    first = await send(database, ws, secret_id=lambda _: "token-1")
    with pytest.raises(AlreadyAnswered) as repeated:
        await send(database, ws, secret_id=lambda _: "token-2")

    assert repeated.value.facts == {"id": "token-1"}
    async with database.transaction(ws) as tx:
        kept = await tx.one(text("select * from idempotency"))
    assert kept
    assert first.at not in str(dict(kept))
    assert await heard(database, ws) == ["effect"]


async def test_a_session_cut_in_the_middle_has_no_effect_and_the_retry_has_one(database: Database) -> None:
    ws = a_workspace()

    async def cut(tx: Transaction) -> Receipt:
        await note_down(tx, "cut")
        await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        return Receipt(at="")

    with pytest.raises(asyncpg.PostgresError) as raised:
        await send(database, ws, act=cut)
    assert is_weather(raised.value)
    assert await heard(database, ws) == []
    await send(database, ws)
    assert await heard(database, ws) == ["effect"]
