"""One transaction: the state change, the facts it announces, the inbox and idempotency rows, or none of them."""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg
from nats.errors import Error as NatsError

from chassis.statements import Lent, Parameters, Row, Session, speak_json
from chassis.transaction import Named, Transaction
from contracts.refusals import Unavailable

__all__ = [
    "EVERY",
    "SILENT",
    "Database",
    "Named",
    "Parameters",
    "Row",
    "Transaction",
    "is_unfit",
    "is_weather",
    "why_shut",
]

EVERY = "*"
"""What `app.ws` holds in a transaction over every workspace; no workspace id can look like it."""

SILENT = "the database does not answer"
"""Why a store can't be used that may be back at any moment."""

_GLANCING = 2
"""Sessions that only look."""
_FAREWELL = 1.0
_PATIENCE = 5.0
"""Seconds that whoever needs a connection waits for one."""

_WORKSPACE = re.compile(r"[a-z0-9_-]{1,64}")
_DATA = "22"
"""The class of PostgreSQL errors that lie in a value."""
# Classes of PostgreSQL errors that pass: connection, who may enter where (a password is renewed, a database is made),
# transaction rollback, resources, intervention, system.
_WEATHER = ("08", "28", "3D", "40", "53", "55P03", "57", "58")
_SHUT_OUT = {
    "28P01": "PostgreSQL refuses the password of this role",
    "28000": "PostgreSQL does not let this role in: see its pg_hba.conf, and whether the role may log in",
    "3D000": "PostgreSQL has no database of this name",
    "42501": "PostgreSQL does not let this role into this database",
}
# The driver's own words for a lost session; the latter while the server has said so, but has not yet hung up.
_LOST_SESSION = (asyncpg.InterfaceError, asyncpg.InternalClientError)


def is_weather(error: BaseException) -> bool:
    """Tell whether an error passes by itself (a store or broker that is away, a deadlock, a full disk) or is a bug."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_weather(each) for each in error.exceptions)
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_WEATHER)
    return isinstance(error, (OSError, TimeoutError, *_LOST_SESSION, NatsError, Unavailable))


def why_shut(error: Exception) -> str:
    """Return why a database can't be entered, in words that hold no secret."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"PostgreSQL's certificate can't be trusted: {error.verify_message}"
    state = error.sqlstate if isinstance(error, asyncpg.PostgresError) else None
    return _SHUT_OUT.get(state or "", SILENT)


def is_unfit(error: BaseException) -> bool:
    """Tell whether a value was refused that the store can't keep, such as a NUL: no repeat would change that."""
    return isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "").startswith(_DATA)


class Database:
    """A service's own store, signed in to as the role that owns nothing."""

    def __init__(self, url: str, service: str, *, pool: int = 10) -> None:
        """Connect on first use."""
        self.url = url
        self.wake: Callable[[], None] = lambda: None
        """Called after a commit that announced something."""
        self._service, self._most = service, pool
        self._pool: asyncpg.Pool[Row] | None = None
        self._glances: asyncpg.Pool[Row] | None = None
        self._closed = False

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
        async with self._session(_beginning(workspace_id), commits=False) as session:
            tx = Transaction(session, workspace_id)
            yield tx
            await tx.write_facts()

    @asynccontextmanager
    async def every_workspace(self, purpose: str) -> AsyncGenerator[Transaction]:
        """Begin a transaction that sees every workspace, for a purpose that a test lists."""
        _say_why(purpose)
        async with self._begin(EVERY) as tx:
            yield tx

    @asynccontextmanager
    async def glance(self, purpose: str) -> AsyncGenerator[Transaction]:
        """Read over every workspace, for a purpose that a test lists; each statement is a transaction of its own.

        It is for what is asked again and again, whether anything is due or who it is that asks: one round trip in place
        of four.
        """
        _say_why(purpose)
        if self._glances is None:
            self._glances = self._open(_GLANCING, {"app.ws": EVERY, "default_transaction_read_only": "on"})
        async with self._lent(await self._glances) as session:
            try:
                yield Transaction(session, EVERY)
            except asyncio.CancelledError:
                with suppress(asyncpg.InterfaceError):  # it is lost already
                    session.terminate()  # a frozen server would not let go of who is called off
                raise

    @asynccontextmanager
    async def _begin(
        self, workspace_id: str, commands: Sequence[Named] = (), patience: float | None = None
    ) -> AsyncGenerator[Transaction]:
        async with self._session(_beginning(workspace_id, patience)) as session:
            tx = Transaction(session, workspace_id)
            if commands:
                await tx.begin(commands)
            yield tx
            await tx.write_facts()
        if tx.wakes:
            self.wake()

    @asynccontextmanager
    async def _session(self, beginning: str, *, commits: bool = True) -> AsyncGenerator[Lent]:
        """Lend a connection for one transaction. Raises where PostgreSQL says of a commit that it was none."""
        if self._pool is None:
            self._pool = self._open(self._most, {})
        async with self._lent(await self._pool) as session:
            try:
                await session.execute(beginning)
                yield session
                ended = await session.execute("commit" if commits else "rollback")
            except BaseException as error:
                with suppress(asyncpg.InterfaceError):  # the session is lost, and with it all that it did
                    if not isinstance(error, Exception):  # a frozen server would not let go of who is called off
                        session.terminate()
                    elif session.is_in_transaction():
                        await session.execute("rollback")
                raise
            if commits and ended != "COMMIT":
                msg = "nothing is committed: a statement had failed, and nobody heard of it"
                raise asyncpg.InFailedSQLTransactionError(msg)

    def _open(self, most: int, settings: dict[str, str]) -> "asyncpg.Pool[Row]":
        return asyncpg.create_pool(
            self.url,
            min_size=0,
            max_size=most,
            max_inactive_connection_lifetime=0,
            max_cached_statement_lifetime=0,
            record_class=Row,
            init=self._opened,
            reset=_as_it_is,
            timeout=5,
            server_settings={
                "application_name": self._service,
                "statement_timeout": "15000",
                "lock_timeout": "5000",
                # A frozen process must not keep rows locked for those that go on.
                "idle_in_transaction_session_timeout": "4000",
            }
            | settings,
        )

    @asynccontextmanager
    async def _lent(self, pool: "asyncpg.Pool[Row]") -> AsyncGenerator[Lent]:
        try:
            async with pool.acquire(timeout=_PATIENCE) as session:
                yield session
        except asyncpg.PostgresError as error:
            # PostgreSQL's DETAIL quotes the row, which holds people's words, and errors are logged.
            error.detail = None
            raise

    def at_work(self) -> int:
        """Return how many sessions are in use."""
        return sum(pool.get_size() - pool.get_idle_size() for pool in self._pools())

    async def wrong(self) -> str | None:
        """Return why the store can't be used, or None where it answers within two seconds."""
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
            try:
                await connection.execute("select 1", timeout=2)
            finally:
                connection.terminate()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return why_shut(error)
        return None

    async def close(self) -> None:
        """Let go of every connection, for good; a transaction that is still at work is cut off."""
        self._closed = True
        try:
            with suppress(TimeoutError):  # a frozen server does not answer a farewell
                async with asyncio.timeout(_FAREWELL):
                    for pool in self._pools():
                        await pool.close()
        finally:
            for pool in self._pools():
                pool.terminate()

    def _pools(self) -> "list[asyncpg.Pool[Row]]":
        return [pool for pool in (self._glances, self._pool) if pool]

    async def _opened(self, session: Session) -> None:
        if self._closed:  # it was being opened meanwhile
            msg = "the store is closed"
            raise asyncpg.InterfaceError(msg)
        await speak_json(session)


def _beginning(workspace_id: str, patience: float | None = None) -> str:
    """Return what begins a transaction, as one message. That takes no values: no workspace's id needs a quote."""
    if workspace_id != EVERY and not _WORKSPACE.fullmatch(workspace_id):
        msg = "no workspace has such an id"
        raise ValueError(msg)
    waits = "" if patience is None else f"; set local lock_timeout = '{patience * 1000:.0f}ms'"
    return f"begin; set local app.ws = '{workspace_id}'{waits}"


def _say_why(purpose: str) -> None:
    if not purpose:
        msg = "who sees every workspace needs a purpose"
        raise ValueError(msg)


async def _as_it_is(_: Session) -> None:
    """Leave a session alone that comes back: all that is set in it ends with its transaction."""
