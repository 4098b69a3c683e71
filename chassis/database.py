"""One transaction: the state change, the facts it announces, the inbox and idempotency rows, or none of them."""

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from weakref import WeakSet

import asyncpg
from nats.errors import Error as NatsError
from pydantic import BaseModel
from sqlalchemy import CursorResult, Executable, RowMapping, event, text
from sqlalchemy.engine import AdaptedConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from chassis.telemetry import Part, step, traceparent
from contracts.base import Event, IdempotencyKey
from contracts.refusals import AlreadyAnswered, InProgress, KeyReused, TooLarge, Unavailable
from contracts.streams import stream_of
from contracts.texts import seal, sealed_texts

EVERY = "*"
"""What `app.ws` holds in a transaction over every workspace; no workspace id can look like it."""

# What the broker would refuse must not enter the log, where it would stop everything behind it. Its limits include
# headers.
_FOR_HEADERS = 6 * 1024
_FOR_A_SALT = 128
_FAREWELL = 1.0

type Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None

_ENTER = text("select set_config('app.ws', :ws, true)")
_TRY = text("select pg_try_advisory_xact_lock(hashtextextended(:key, 0))")
_ANSWER = text(
    "select fingerprint, answer, secret_of from idempotency"
    " where workspace_id = :ws and actor = :actor and route = :route and key = :key"
)
_REMEMBER = text(
    "insert into idempotency (workspace_id, actor, route, key, fingerprint, answer, secret_of)"
    " values (:ws, :actor, :route, :key, :fingerprint, :answer, :secret_of)"
)
_LOG = text(
    "insert into event_log (workspace_id, id, type, about_kind, about_id, version, at, audience, body, traceparent)"
    " values (:ws, :id, :type, :about_kind, :about_id, :version, :at, :audience, cast(:body as jsonb), :traceparent)"
)
_TEXTS = text(
    "insert into event_texts (workspace_id, event_id, pointer, salt, text)"
    " select * from unnest(cast(:ws as text[]), cast(:ids as uuid[]), cast(:pointers as text[]),"
    " cast(:salts as text[]), cast(:texts as text[]))"
)

_DATA = "22"
"""The class of PostgreSQL errors that lie in a value."""
# Classes of PostgreSQL errors that pass: connection, transaction rollback, resources, intervention, system.
_WEATHER = ("08", "40", "53", "55P03", "57", "58")
# The driver's own words for a lost session; the latter while the server has said so, but has not yet hung up.
_LOST_SESSION = (asyncpg.InterfaceError, asyncpg.InternalClientError)


def driver_url(url: str) -> str:
    """Return a PostgreSQL URL in the form that SQLAlchemy's asyncpg dialect reads."""
    return url.replace("postgres://", "postgresql://", 1).replace("postgresql://", "postgresql+asyncpg://", 1)


def is_weather(error: BaseException) -> bool:
    """Tell whether an error passes by itself (a store or broker that is away, a deadlock, a full disk) or is a bug."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_weather(each) for each in error.exceptions)
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return (
            error.connection_invalidated
            or state.startswith(_WEATHER)
            or (not state and isinstance(error, (OperationalError, InterfaceError)))
        )
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_WEATHER)
    return isinstance(error, (OSError, TimeoutError, PoolTimeout, *_LOST_SESSION, NatsError, Unavailable))


def is_unfit(error: BaseException) -> bool:
    """Tell whether a value was refused that the store can't keep, such as a NUL: no repeat would change that."""
    return isinstance(error, DBAPIError) and (getattr(error.orig, "sqlstate", None) or "").startswith(_DATA)


def _forget_details(context: ExceptionContext) -> None:
    # PostgreSQL's DETAIL quotes the row, which holds people's words, and errors are logged.
    cause = getattr(context.original_exception, "__cause__", None)
    if isinstance(cause, asyncpg.PostgresError):
        cause.detail = None


class Transaction:
    """What a handler works with. It neither opens nor commits it; what must be sent is announced."""

    def __init__(self, connection: AsyncConnection, workspace_id: str) -> None:
        """Wrap a connection whose transaction has begun and whose workspace is set."""
        self.workspace_id = workspace_id
        self._connection = connection
        self._facts: list[Event] = []
        self._wakes = False
        self.retells = False
        """Whether it hears again what was heard before: nothing leaves by it."""

    async def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[Any]:
        """Run a statement."""
        with step(Part.CLIENT, "sql", {"db.system.name": "postgresql"}) as told:
            if told.is_recording():
                words = str(statement)
                told.update_name(words.split(maxsplit=1)[0].lower())
                told.set_attribute("db.query.text", words)
            return await self._connection.execute(statement, parameters)

    async def one(self, statement: Executable, parameters: Parameters = None) -> RowMapping | None:
        """Return the only row, or None; raises sqlalchemy's MultipleResultsFound."""
        return (await self.execute(statement, parameters)).mappings().one_or_none()

    async def all(self, statement: Executable, parameters: Parameters = None) -> Sequence[RowMapping]:
        """Return the rows."""
        return (await self.execute(statement, parameters)).mappings().all()

    async def scalar(self, statement: Executable, parameters: Parameters = None) -> Any:
        """Return the first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    def announce(self, *facts: Event) -> None:
        """Let others know, once this is committed. There is no other way out of a service."""
        if not self.retells:
            self._facts.extend(facts)

    def wake(self) -> None:
        """Have the relay look at once after the commit."""
        self._wakes = True

    @property
    def wakes(self) -> bool:
        """Whether the relay has something to do after the commit."""
        return self._wakes or bool(self._facts)

    async def once[R: BaseModel](
        self,
        actor: str,
        key: IdempotencyKey,
        reply: type[R],
        act: Callable[[], Awaitable[R]],
        *,
        secret_id: Callable[[R], str] | None = None,
    ) -> R:
        """Act at most once for this actor, route and key; a repeat gets the first answer again, to the byte.

        `secret_id` is for an answer that holds a secret: only this id of it is kept, and a repeat raises
        AlreadyAnswered with it. Raises InProgress while another transaction works on the same key, and KeyReused
        for another fingerprint.
        """
        where = {"ws": self.workspace_id, "actor": actor, "route": key.route, "key": key.key}
        digest = hashlib.sha256("\0".join(where.values()).encode()).hexdigest()
        if not await self.scalar(_TRY, {"key": digest}):
            raise InProgress(retry_after=1)
        # A statement of its own: its snapshot comes after the lock, so it sees what the last holder committed.
        if known := await self.one(_ANSWER, where):
            if known["fingerprint"] != key.fingerprint:
                raise KeyReused
            if known["secret_of"] is not None:
                raise AlreadyAnswered(id=known["secret_of"])
            return reply.model_validate_json(known["answer"])
        answer = await act()
        await self.execute(
            _REMEMBER,
            where
            | {
                "fingerprint": key.fingerprint,
                "answer": None if secret_id else answer.model_dump_json(),
                "secret_of": secret_id(answer) if secret_id else None,
            },
        )
        return answer

    async def write_facts(self) -> None:
        """Write what was announced into the event log, its words sealed; the last thing before the commit."""
        if not self._facts:
            return
        rows: list[dict[str, Any]] = []
        texts: list[tuple[Event, str, str, str]] = []
        parent = traceparent()
        for fact in self._facts:
            body = fact.model_dump(mode="json", exclude={"salts"})
            words = {pointer: (secrets.token_hex(16), word) for pointer, word in sealed_texts(fact)}
            seal(body, words)
            texts += [(fact, pointer, salt, word) for pointer, (salt, word) in words.items()]
            about = fact.about
            size = len(fact.model_dump_json().encode()) + len(words) * _FOR_A_SALT
            if size > stream_of(fact.subject_for(fact.workspace_id)).max_msg_size - _FOR_HEADERS:
                raise TooLarge("that is too much to change at once")
            rows.append(
                {
                    "ws": fact.workspace_id,
                    "id": fact.id,
                    "type": fact.SUBJECT,
                    "about_kind": about.kind,
                    "about_id": about.id,
                    "version": about.version,
                    "at": fact.at,
                    "audience": fact.audience.value,
                    "body": json.dumps(body, ensure_ascii=False),
                    "traceparent": parent,
                }
            )
        await self.execute(_LOG, rows if len(rows) > 1 else rows[0])
        if texts:
            await self.execute(
                _TEXTS,
                {
                    "ws": [fact.workspace_id for fact, *_ in texts],
                    "ids": [fact.id for fact, *_ in texts],
                    "pointers": [pointer for _, pointer, _, _ in texts],
                    "salts": [salt for _, _, salt, _ in texts],
                    "texts": [word for *_, word in texts],
                },
            )


class Database:
    """A service's own store, signed in to as the role that owns nothing."""

    def __init__(self, url: str, service: str, *, pool: int = 10) -> None:
        """Connect on first use."""
        self.url = url
        self.wake: Callable[[], None] = lambda: None
        """Called after a commit that announced something."""
        self._engine = create_async_engine(
            driver_url(url),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=5,
            hide_parameters=True,
            connect_args={
                "timeout": 5,
                "server_settings": {
                    "application_name": service,
                    "statement_timeout": "15000",
                    "lock_timeout": "5000",
                    # A frozen process must not keep rows locked for those that go on.
                    "idle_in_transaction_session_timeout": "4000",
                },
            },
        )
        self._connections: WeakSet[asyncpg.Connection] = WeakSet()
        self._closed = False
        event.listen(self._engine.sync_engine, "handle_error", _forget_details)
        event.listen(self._engine.sync_engine, "connect", self._connected)

    @asynccontextmanager
    async def transaction(self, workspace_id: str) -> AsyncGenerator[Transaction]:
        """Begin; everything sees and writes this workspace only. Commits unless something is raised."""
        if workspace_id == EVERY:
            msg = "say every_workspace, and why"
            raise ValueError(msg)
        async with self._begin(workspace_id) as tx:
            yield tx

    @asynccontextmanager
    async def rehearsal(self, workspace_id: str) -> AsyncGenerator[Transaction]:
        """Begin as `transaction` does, and take everything back at the end: what would be refused is refused."""
        async with self._engine.connect() as connection:
            await connection.execute(_ENTER, {"ws": workspace_id})
            tx = Transaction(connection, workspace_id)
            yield tx
            await tx.write_facts()

    @asynccontextmanager
    async def every_workspace(self, purpose: str) -> AsyncGenerator[Transaction]:
        """Begin a transaction that sees every workspace, for a purpose that a test lists."""
        if not purpose:
            msg = "a transaction over every workspace needs a purpose"
            raise ValueError(msg)
        async with self._begin(EVERY) as tx:
            yield tx

    @asynccontextmanager
    async def _begin(self, workspace_id: str) -> AsyncGenerator[Transaction]:
        async with self._engine.begin() as connection:
            await connection.execute(_ENTER, {"ws": workspace_id})
            tx = Transaction(connection, workspace_id)
            yield tx
            await tx.write_facts()
        if tx.wakes:
            self.wake()

    def at_work(self) -> int:
        """Return how many sessions are in use."""
        pool = self._engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    async def answers(self) -> bool:
        """Tell whether the store answers within two seconds."""
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
            try:
                await connection.execute("select 1", timeout=2)
            finally:
                connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    async def close(self) -> None:
        """Let go of every connection, for good; a transaction that is still at work is cut off."""
        self._closed = True
        try:
            with suppress(TimeoutError):  # a frozen server does not answer a farewell
                async with asyncio.timeout(_FAREWELL):
                    await self._engine.dispose()
        finally:
            # The pool closes only what lies in it. What is out, or comes back to it later, nobody would ever close.
            for connection in list(self._connections):
                connection.terminate()

    def _connected(self, adapted: AdaptedConnection, _: ConnectionPoolEntry) -> None:
        connection: asyncpg.Connection = adapted.driver_connection
        if self._closed:  # it was being opened meanwhile
            connection.terminate()
        self._connections.add(connection)
