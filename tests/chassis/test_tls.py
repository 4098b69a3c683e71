"""Between machines everything may be encrypted, by configuration alone; who is not who they say gets no password."""

import asyncio
import contextlib
import json
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import pytest

from chassis import doctor, provision
from chassis.callout import draw_issuer, issuer_of
from chassis.connection import connect
from chassis.database import Database
from chassis.doctor import Verdict
from chassis.embedded.nats import EmbeddedNats
from chassis.migrations import migrate
from chassis.outside import Outside, OutsideAccess
from chassis.provision import CALLOUT, KEEPER, KICKER, PROVISIONER, Outsider, accounts, users
from chassis.settings import ServiceSettings
from chassis.telemetry import Metrics
from tests.support.certificates import Certificates, found_authority
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import HEARD, a_broker, a_fact, a_gateway, a_note, a_tickets, a_workspace, heard, running

_ASKS_FOR_TLS = struct.pack("!II", 8, 80877103)
_PASSWORD = "one-for-all-of-us"


@dataclass(frozen=True, slots=True)
class Wall:
    """NATS that takes TLS alone, PostgreSQL behind a door that does, who signed for both, and who did not."""

    nats: str
    postgres: int
    certificates: Certificates
    strangers: Certificates

    def nats_url(self, user: str) -> str:
        """Where this user finds NATS."""
        return f"tls://{user}:{_PASSWORD}@{self.nats}"

    def database_url(self, url: str, trusted: Certificates) -> str:
        """Where a database is found by TCP, and whom to trust there."""
        parts = urlsplit(url)
        there = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{self.postgres}"
        asks = f"sslmode=verify-full&sslrootcert={quote(str(trusted.ca))}"
        return urlunsplit(parts._replace(netloc=there, query=asks))


@asynccontextmanager
async def a_door(url: str, certificates: Certificates) -> AsyncIterator[int]:
    """Speak TLS as PostgreSQL does, before a server that was built without: who does not ask for it is shut out."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates.certificate, certificates.key)

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while some := await reader.read(65536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if await reader.readexactly(8) == _ASKS_FOR_TLS:
                writer.write(b"S")
                await writer.start_tls(context)
                inner_reader, inner_writer = await _inside(url)
                await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))
        writer.close()

    server = await asyncio.start_server(enter, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _inside(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    if parts.hostname:
        return await asyncio.open_connection(parts.hostname, parts.port)
    return await asyncio.open_unix_connection(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")


@pytest.fixture(scope="module")
async def walled(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wall]:
    certificates, strangers = (found_authority(tmp_path_factory.mktemp(name)) for name in ("ours", "theirs"))
    entrance = accounts(dict.fromkeys(users(), _PASSWORD), issuer_of(draw_issuer()))
    entrance += f'tls {{ cert_file: "{certificates.certificate}", key_file: "{certificates.key}" }}\n'
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), accounts=entrance)
    try:
        await server.start()
        async with a_door(postgres_server.superuser_url, certificates) as port:
            made = Wall(f"127.0.0.1:{server.port}", port, certificates, strangers)
            await provision.provision(made.nats_url(PROVISIONER), ca=certificates.pem)
            yield made
    finally:
        await server.stop()


async def test_services_tell_hear_ask_and_lead_over_tls_alone(walled: Wall, postgres_server: PostgresServer) -> None:
    gateway_urls = await plumbed(postgres_server, "gateway")
    tickets_urls = await plumbed(postgres_server, "tickets", HEARD, tenants=["heard"])

    def told(name: str, urls: Urls) -> ServiceSettings:
        return ServiceSettings(
            nats_url=walled.nats_url(name),
            nats_ca=walled.certificates.pem,
            database_url=walled.database_url(urls.app, walled.certificates),
        )

    gateway, tickets = a_gateway(told("gateway", gateway_urls)), a_tickets(told("tickets", tickets_urls))
    ws = a_workspace()
    async with running(gateway, tickets):
        async with gateway.database.transaction(ws) as tx:
            tx.announce(a_fact(ws, "by TLS"))
        await gateway.bus.ask(a_note(ws, "asked by TLS"))

        async def both() -> bool:
            assert sorted(await heard(tickets.database, ws)) == ["asked by TLS", "by TLS"]
            return True

        await eventually(both)
        for service in (gateway, tickets):
            assert await service.health.ready() == (
                True,
                {"service": service.name, "database": "ok", "nats": "ok", "drift": "ok"},
            )


async def test_tables_are_made_and_looked_at_over_tls(walled: Wall, postgres_server: PostgresServer) -> None:
    urls = await postgres_server.fresh_database("tickets")
    owner, app = (walled.database_url(url, walled.certificates) for url in (urls.owner, urls.app))
    await asyncio.to_thread(migrate, "tickets", owner)
    found = await doctor.store("tickets", app)
    found += await doctor.broker("tickets", walled.nats_url("tickets"), walled.certificates.pem)
    assert [each for each in found if each.verdict is Verdict.WRONG] == []
    outside = Outside(
        OutsideAccess(
            callout_url=walled.nats_url(CALLOUT),
            keeper_url=walled.nats_url(KEEPER),
            kicker_url=walled.nats_url(KICKER),
            issuer_seed=draw_issuer(),
            ca=walled.certificates.pem,
        ),
        _nobody,
        Metrics("gateway"),
    )
    await outside.start()
    try:
        await outside.keep(Outsider("acme", "shop"))
        assert await outside.pending(Outsider("acme", "shop")) == 0
    finally:
        await outside.close()


async def test_a_server_that_another_authority_signed_for_is_not_entered(
    walled: Wall, postgres_server: PostgresServer
) -> None:
    urls = await plumbed(postgres_server, "tickets")
    elsewhere = walled.database_url(urls.app, walled.strangers)
    database = Database(elsewhere, "tickets")
    assert "certificate can't be trusted" in (await database.wrong() or "")
    with pytest.raises(ssl.SSLCertVerificationError):
        async with database.transaction("acme"):
            pass
    await database.close()
    (store,) = await doctor.store("tickets", elsewhere)
    (broker,) = await doctor.broker("tickets", walled.nats_url("tickets"), walled.strangers.pem)
    for finding in (store, broker):
        assert finding.verdict is Verdict.WRONG
        assert "certificate verify failed" in finding.words
    with pytest.raises(ssl.SSLCertVerificationError):
        await connect(
            walled.nats_url("tickets"),
            "tickets",
            closing=lambda: True,
            ca=walled.strangers.pem,
            allow_reconnect=False,
        )


@asynccontextmanager
async def an_eavesdropper(port: int = 0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Something that calls itself a NATS server, asks for passwords, offers no TLS, and keeps what it is told."""
    read: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "N", "version": "2.14.0", "max_payload": 262144, "headers": True, "auth_required": True}
        writer.write(f"INFO {json.dumps(info)}\r\n".encode())
        while line := await reader.readline():
            read.append(line)
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
        read.append(b"gone")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", port) as server:
        yield server.sockets[0].getsockname()[1], read


async def test_who_asks_for_tls_does_not_go_without_and_tells_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_broker() as broker:
        with pytest.raises(RuntimeError, match="does not speak TLS"):
            await connect(broker.url_for("tickets").replace("nats:", "tls:"), "tickets", closing=lambda: False)
    async with an_eavesdropper() as (port, read):
        url = f"tls://tickets:{_PASSWORD}@127.0.0.1:{port}"
        with pytest.raises(RuntimeError, match="does not speak TLS"):
            await connect(url, "tickets", closing=lambda: False)
        (finding,) = await doctor.broker("tickets", url)
        assert (finding.verdict, "does not speak TLS" in finding.words) == (Verdict.WRONG, True)
        await eventually(lambda: read.count(b"gone") == 2)
        assert set(read) == {b"gone"}

    # The same goes for whoever takes the place of the server that it entered.
    ended: list[str] = []
    monkeypatch.setattr("chassis.connection.die", ended.append)
    certificates = found_authority(tmp_path)
    entrance = accounts(dict.fromkeys(users(), _PASSWORD), issuer_of(draw_issuer()))
    entrance += f'tls {{ cert_file: "{certificates.certificate}", key_file: "{certificates.key}" }}\n'
    server = EmbeddedNats(tmp_path / "nats", accounts=entrance)
    await server.start()
    url = f"tls://tickets:{_PASSWORD}@127.0.0.1:{server.port}"
    client = await connect(url, "tickets", closing=lambda: False, ca=certificates.pem)
    await server.stop()
    async with an_eavesdropper(server.port) as (_, read):
        await eventually(lambda: ended)
        assert "does not speak TLS" in ended[0]
        await client.close()
        await eventually(lambda: b"gone" in read)
        assert set(read) == {b"gone"}


async def _nobody(_: str, __: str) -> Outsider | None:
    return None
