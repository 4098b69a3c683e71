"""One transaction: the state change, the facts it announces, the inbox and idempotency rows, or none of them."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from weakref import WeakSet

import asyncpg
from nats.errors import Error as NatsError
from sqlalchemy import event, text
from sqlalchemy.engine import AdaptedConnection, ExceptionContext
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from chassis.transaction import TRIED, Named, Parameters, Transaction
from contracts.refusals import Unavailable

__all__ = ["EVERY", "Database", "Named", "Parameters", "Transaction", "engine_for", "is_unfit", "is_weather"]

EVERY = "*"
"""What `app.ws` holds in a transaction over every workspace; no workspace id can look like it."""

_FAREWELL = 1.0

_ENTER = text("select set_config('app.ws', :ws, true)")
_ENTER_WITH_KEYS = text(f"select {TRIED}, set_config('app.ws', :ws, true)")
_ENTER_TOGETHER = text(f"select {TRIED}, set_config('app.ws', :ws, true), set_config('lock_timeout', :patience, true)")
_DATA = "22"
"""The class of PostgreSQL errors that lie in a value."""
# Classes of PostgreSQL errors that pass: connection, transaction rollback, resources, intervention, system.
_WEATHER = ("08", "40", "53", "55P03", "57", "58")
# The driver's own words for a lost session; the latter while the server has said so, but has not yet hung up.
_LOST_SESSION = (asyncpg.InterfaceError, asyncpg.InternalClientError)


def engine_for(url: str, *, connect: Mapping[str, Any] | None = None, **pool: Any) -> AsyncEngine:
    """Return an engine whose connections asyncpg opens, so that a URL means the same everywhere: TLS, several hosts."""
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, url, **connect or {}), **pool
    )


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


class Database:
    """A service's own store, signed in to as the role that owns nothing."""

    def __init__(self, url: str, service: str, *, pool: int = 10) -> None:
        """Connect on first use."""
        self.url = url
        self.wake: Callable[[], None] = lambda: None
        """Called after a commit that announced something."""
        self._engine = engine_for(
            url,
            pool_size=pool,
            max_overflow=0,
            pool_timeout=5,
            hide_parameters=True,
            connect={
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
    async def transaction(
        self, workspace_id: str, commands: Sequence[Named] = (), *, patience: float | None = None
    ) -> AsyncGenerator[Transaction]:
        """Begin; everything sees and writes this workspace only. Commits unless something is raised.

        `commands` are those that are acted on `once` in it, known beforehand. `patience`: seconds that it waits for
        what another holds, where that is not as long as anybody.
        """
        if workspace_id == EVERY:
            msg = "say every_workspace, and why"
            raise ValueError(msg)
        async with self._begin(workspace_id, commands, patience) as tx:
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
    async def _begin(
        self, workspace_id: str, commands: Sequence[Named] = (), patience: float | None = None
    ) -> AsyncGenerator[Transaction]:
        async with self._engine.begin() as connection:
            tx = Transaction(connection, workspace_id)
            if commands:
                values: dict[str, Any] = {"ws": workspace_id}
                values["names"] = [named.in_workspace(workspace_id) for named in commands]
                if patience is None:
                    free = await tx.scalar(_ENTER_WITH_KEYS, values)
                else:
                    free = await tx.scalar(_ENTER_TOGETHER, values | {"patience": f"{patience * 1000:.0f}ms"})
                await tx.begin(commands, free)
            else:
                await connection.execute(_ENTER, {"ws": workspace_id})
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
