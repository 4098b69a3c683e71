"""What is wrong, in words: `python -m services.<name> doctor` looks at what a service lives on, and changes nothing."""

import asyncio
import os
import re
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import asyncpg
import nats.errors
from nats.aio.client import Client
from pydantic import ValidationError

from chassis.callout import issuer_of
from chassis.connection import (
    Cleartext,
    abandon,
    credentials,
    inbox_prefix,
    password_for,
    refuse_old,
    servers,
    trusting,
)
from chassis.database import SILENT, why_shut
from chassis.looking import stream_bytes
from chassis.migrations import newest
from chassis.provision import drift, heard_streams
from chassis.redaction import without_secrets
from chassis.settings import PREFIX, ServiceSettings, wrongs

_PATIENCE = 5.0
_MOST_SKEW = 2.0
_MOST_WAIT = 60.0
_NEARLY_FULL = 0.8
_LEAST_FREE = 1 << 30
_LEAST_PAYLOAD = 256 * 1024
_PASSWORD = re.compile(r"[a-z+]+://[^/@]*:[^@]+@")
_MOUNTED = Path("/run/secrets")
_NO_SECRET = {f"{PREFIX}NATS_CA_FILE"}
_ROLE = (
    "select rolsuper, rolbypassrls, (select count(*) from pg_class where relowner = pg_roles.oid) as owns"
    " from pg_roles where rolname = current_user"
)
_OPEN = (
    "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
    " join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id'"
    " where n.nspname = 'public' and c.relkind in ('r', 'p') and not c.relrowsecurity"
)
_WAITING = "select coalesce(extract(epoch from now() - min(at)), 0)::float from event_log where sent_at is null"


class Verdict(StrEnum):
    """How it stands with one thing."""

    OK = "ok"
    NOTE = "note"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    words: str

    def __str__(self) -> str:
        """Say it in one line, without a secret; what was looked at is named by us, and makes no secret of the words."""
        return f"{self.verdict:<6} {self.what}: {without_secrets(self.words)}"


type Check = Callable[[], Awaitable[Sequence[Finding]]]


def ok(what: str, words: str) -> Finding:
    return Finding(what, Verdict.OK, words)


def note(what: str, words: str) -> Finding:
    return Finding(what, Verdict.NOTE, words)


def wrong(what: str, words: str) -> Finding:
    return Finding(what, Verdict.WRONG, words)


def run[S: ServiceSettings](
    service: str, read: Callable[[], S], more: Callable[[S], Awaitable[Sequence[Finding]]] | None = None
) -> int:
    """Look, tell what was found, and return 0 where nothing is wrong, else 1."""
    try:
        settings = read()
    except ValidationError as error:
        found: Sequence[Finding] = [wrong(*each) for each in wrongs(error)]
    else:
        found = asyncio.run(_examine(service, settings, more))
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return int(any(finding.verdict is Verdict.WRONG for finding in found))


async def _examine[S: ServiceSettings](
    service: str, settings: S, more: Callable[[S], Awaitable[Sequence[Finding]]] | None
) -> list[Finding]:
    found = [ok("settings", "all that must be given is given"), *secrets_at_hand(os.environ), _disk()]
    found += await store(service, settings.database_url)
    found += await broker(service, settings.nats_url, settings.nats_ca, settings.partitions)
    if more is not None:
        found += await more(settings)
    return found


def secrets_at_hand(environment: Mapping[str, str]) -> list[Finding]:
    """Tell which secrets others on this machine may read."""
    found = []
    for name, value in sorted(environment.items()):
        if not name.startswith(PREFIX) or not value:
            continue
        if name.endswith("_FILE"):
            found += _kept(name, Path(value))
        elif _PASSWORD.match(value):
            found.append(note(name, f"its password stands in the environment; give it as a file, {name}_FILE"))
    return found or [ok("secrets", "nobody else may read them")]


def _kept(name: str, path: Path) -> list[Finding]:
    try:
        if not path.exists():
            return [wrong(name, f"there is no file {path}")]
        if name not in _NO_SECRET and not path.is_relative_to(_MOUNTED) and _is_open(path):
            return [wrong(name, f"others on this machine may read {path}: chmod 600")]
    except OSError as error:
        return [wrong(name, f"{path} can't be read: {error.strerror}")]
    return []


def _is_open(path: Path) -> bool:
    """Whether others may read a file, and enter every directory above it."""
    return bool(path.stat().st_mode & 0o004) and all(above.stat().st_mode & 0o001 for above in path.resolve().parents)


def _disk() -> Finding:
    free = shutil.disk_usage(Path.cwd()).free
    words = f"{free / (1 << 30):.1f} GiB are free"
    return ok("disk", words) if free >= _LEAST_FREE else wrong("disk", words)


async def store(service: str, url: str) -> list[Finding]:
    """Look at the database: whether it answers, is this service's, has its schema, and keeps workspaces apart."""
    what = "database"
    try:
        session = await asyncpg.connect(url, timeout=_PATIENCE)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        why, because = why_shut(error), _because(error, _host(url))
        return [wrong(what, because if why == SILENT else f"{because}. {why}")]
    except (asyncpg.InterfaceError, ValueError) as error:
        return [wrong(what, f"its address can't be used: {type(error).__name__}")]
    try:
        return [
            ok(what, f"PostgreSQL {session.get_server_version().major} answers"),
            *await _schema(session, service),
            await _role(session),
            await _clock(session),
        ]
    finally:
        await session.close()


async def _schema(session: asyncpg.Connection, service: str) -> list[Finding]:
    what, here = "schema", newest(service)
    if not await session.fetchval("select to_regclass('alembic_version') is not null"):
        return [wrong(what, "there are no tables: run `python -m services provision --apply`")]
    there = await session.fetchval("select version_num from alembic_version")
    if there < here:
        return [
            wrong(what, f"it is at {there} and this release needs {here}: run `python -m services provision --apply`")
        ]
    found = [
        ok(what, f"it is at {there}")
        if there == here
        else note(what, f"it is at {there}, and this release knows {here}")
    ]
    if shared := [row["relname"] for row in await session.fetch(_OPEN)]:
        found.append(note("workspaces", f"not kept apart by row-level security: {', '.join(sorted(shared))}"))
    await session.execute("select set_config('app.ws', '*', false)")
    waits = await session.fetchval(_WAITING)
    letters = await session.fetchval("select count(*) from dead_letters")
    found.append((ok if waits < _MOST_WAIT else wrong)("outbox", f"the oldest fact has waited for {waits:.0f} s"))
    return [*found, (note if letters else ok)("dead letters", f"{letters} are kept")]


async def _role(session: asyncpg.Connection) -> Finding:
    (role,) = await session.fetch(_ROLE)
    if role["rolsuper"] or role["rolbypassrls"]:
        return wrong("role", "it is not bound by row-level security: sign in as the service's app role")
    if role["owns"]:
        return wrong("role", f"it owns {role['owns']} tables and indexes: sign in as the app role, which owns nothing")
    return ok("role", "it owns nothing")


async def _clock(session: asyncpg.Connection) -> Finding:
    asked = time.time()
    theirs = (await session.fetchval("select clock_timestamp()")).timestamp()
    skew = theirs - (asked + time.time()) / 2
    words = f"it is {abs(skew):.1f} s {'behind' if skew > 0 else 'ahead of'} the database's"
    return (ok if abs(skew) <= _MOST_SKEW else wrong)("clock", words)


async def broker(service: str, url: str, ca: str = "", partitions: int = 1) -> list[Finding]:
    """Look at NATS: whether it answers, is new enough, has our streams as they should be, and binds this user."""
    refused = asyncio.Event()
    try:
        async with _entered(url, service, ca, refused) as client:
            return [_server(client), *await _streams(client, service, partitions), await _rights(client, refused)]
    except _ShutOutError as error:
        return [wrong("nats", str(error))]


async def entrance(urls: Mapping[str, str], issuer: str, ca: str = "") -> list[Finding]:
    """Look at who lets other systems in: whether each of these users enters NATS, and which key signs for them."""
    # NATS tells nobody which issuer it was told: only who reads its configuration can compare.
    key = f"its auth_callout must name {issuer_of(issuer)}, the public half of nats_issuer"
    return [*[await _hand(user, url, ca) for user, url in urls.items()], ok("issuer", key)]


async def _hand(user: str, url: str, ca: str) -> Finding:
    if credentials(url)[0] != user:
        return wrong(user, f"its address must name the user {user}, and names another")
    try:
        async with _entered(url, user, ca, asyncio.Event()) as client:
            return _server(client, user)
    except _ShutOutError as error:
        return wrong(user, str(error))


class _ShutOutError(Exception):
    """NATS can't be entered, and why."""


@asynccontextmanager
async def _entered(url: str, name: str, ca: str, refused: asyncio.Event) -> AsyncIterator[Client]:
    """Enter NATS as the user of this address; `refused` is set when something is forbidden to it."""
    told: list[Exception] = []

    async def hear(error: Exception) -> None:
        told.append(error)
        if isinstance(error, ssl.SSLCertVerificationError | Cleartext):
            raise error
        if "permissions violation" in str(error).lower():
            refused.set()

    client = Client()
    user, _ = credentials(url)
    try:
        await client.connect(
            servers(url),
            user=user,
            password=password_for(client, url),
            tls=trusting(ca),
            name=f"{name} doctor",
            inbox_prefix=inbox_prefix(name),
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=1,
            connect_timeout=int(_PATIENCE),
            error_cb=hear,
        )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        await abandon(client)
        raise _ShutOutError(_because(next(iter(told), error), ", ".join(servers(url)))) from error
    try:
        yield client
    finally:
        await client.close()


def _server(client: Client, what: str = "nats") -> Finding:
    try:
        refuse_old(client)
    except RuntimeError as error:
        return wrong(what, str(error))
    if client.max_payload < _LEAST_PAYLOAD:
        return wrong(what, f"max_payload is {client.max_payload}, and must be {_LEAST_PAYLOAD} or more")
    version = client.connected_server_version
    return ok(what, f"nats-server {version.major}.{version.minor}.{version.patch} answers")


async def _streams(client: Client, service: str, partitions: int) -> list[Finding]:
    try:
        differences = await drift(client, service, partitions)
        sizes = {} if differences else await stream_bytes(client, service)
    except (nats.errors.Error, TimeoutError) as error:
        return [
            wrong("streams", f"JetStream does not answer ({error!r}): is it on, and may this user ask for streams?")
        ]
    if differences:
        return [wrong("streams", f"{each}: run `python -m services provision --apply`") for each in differences]
    hears = ", ".join(stream.name for stream in heard_streams(service)) or "none"
    fill = {name: held / most for name, (held, most) in sizes.items()}
    full = [wrong("streams", f"{name} is {part:.0%} full") for name, part in fill.items() if part > _NEARLY_FULL]
    return full or [ok("streams", f"they are as the contracts say; it hears {hears}")]


async def _rights(client: Client, refused: asyncio.Event) -> Finding:
    """Try what no service may do: nobody is disturbed by somebody who listens."""
    await client.subscribe(">")
    try:
        await asyncio.wait_for(refused.wait(), _PATIENCE)
    except TimeoutError:
        return wrong("rights", "this user may hear everything")
    return ok("rights", "it may hear only what it must")


def _host(url: str) -> str:
    """Return where a database's address points, a server or a socket's directory, without who enters it."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "the local socket")


def _because(error: Exception, place: str) -> str:
    if isinstance(error, TimeoutError) and error.errno is None:
        return (
            f"{place} did not answer within {_PATIENCE:.0f} s: see whether the server's process is stopped (`ps`, its"
            " log) or its machine hangs, and whether a firewall lies between"
        )
    return f"it can't be entered: {str(error) or type(error).__name__}"
