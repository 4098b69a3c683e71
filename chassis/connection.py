"""How every client of ours holds on to NATS: it reconnects for ever, and says aloud what the server refuses."""

import asyncio
import os
import re
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any
from urllib.parse import unquote, urlsplit

from nats.aio.client import Client
from nats.errors import BadHeaderError
from nats.errors import Error as NatsError
from nats.protocol.command import hpub_cmd

from chassis.logs import get_logger

log = get_logger()

OLDEST_SERVER = (2, 14)
LOST = 70
"""Exit status of a process whose connection or durable consumer is gone; a supervisor restarts it."""

_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BLANK = " \t\n\r\v\f"
"""What bytes count as blank; text knows more."""

type _Asked = tuple[asyncio.AbstractEventLoop, str]
_questions: dict[_Asked, asyncio.Task[Any]] = {}


def inbox_prefix(user: str) -> str:
    """Return the prefix of the only inboxes that this user may read."""
    return f"_INBOX_{user}"


def die(reason: str) -> None:
    """End this process at once; everything that was acknowledged is stored."""
    log.critical("process.lost", reason=reason)
    os._exit(LOST)


def servers(url: str) -> list[str]:
    """Return the servers that a setting names, with commas between those of a cluster, without who enters them."""
    parts = [each.strip().partition("://") for each in url.split(",") if each.strip()]
    return [f"{scheme}://{place.rpartition('@')[2]}" for scheme, _, place in parts]


def credentials(url: str) -> tuple[str | None, str | None]:
    """Return user and password, which stand with the first server.

    A client learns the other servers of a cluster from the one that it reaches, by their bare addresses.
    """
    first = urlsplit(url.partition(",")[0])
    return first.username and unquote(first.username), first.password and unquote(first.password)


class Cleartext(NatsError, RuntimeError):
    """A server that speaks no TLS, where it is asked for."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("NATS does not speak TLS, and COUNTERFOIL_NATS_URL asks for it")


def password_for(client: Client, url: str) -> Callable[[], str] | None:
    """Return what gives this client its password, each time that it enters; raises Cleartext rather than in clear."""
    _, password = credentials(url)
    if password is None:
        return None

    def given() -> str:
        _refuse_open(client, url)
        return password

    return given


def trusting(ca: str) -> ssl.SSLContext | None:
    """Return what trusts these authorities alone, as PEM; None: whom the machine trusts."""
    return ssl.create_default_context(cadata=ca) if ca else None


def _options(user: str, *, closing: Callable[[], bool]) -> dict[str, Any]:
    """Return the arguments of a connection that survives any outage; `closing` tells that its end is meant."""
    lost = False

    async def refused(error: Exception) -> None:
        # nats-py would wait for ever for the end of a connection whose certificate it did not take.
        if isinstance(error, ssl.SSLCertVerificationError | Cleartext):
            if lost:
                die(f"NATS can't be trusted: {getattr(error, 'verify_message', error)}")
            raise error
        # A forbidden subject shows nowhere else: to whoever asked it looks like a timeout.
        log.warning("nats.error", error=repr(error))

    async def reconnected() -> None:
        log.info("nats.reconnected")

    async def disconnected() -> None:
        nonlocal lost
        lost = True
        if not closing():
            log.warning("nats.disconnected")

    async def closed() -> None:
        if not closing():
            die("the NATS connection was closed for good")

    return {
        "name": user,
        "inbox_prefix": inbox_prefix(user),
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.2,
        "connect_timeout": 2,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "error_cb": refused,
        "reconnected_cb": reconnected,
        "disconnected_cb": disconnected,
        "closed_cb": closed,
    }


class QuickClient(Client):
    """Reads and writes the headers of a message as nats-py does, but without a look at each character.

    It has one question for a server's name on its way at a time. And it leaves no socket open: neither where a server
    let it in no further than the door, nor where it was called off while it closed, which counts as closed from the
    first moment.
    """

    async def _close(self, status: int, do_cbs: bool = True) -> None:  # noqa: FBT001, FBT002 - as nats-py calls it
        try:
            await super()._close(status, do_cbs)
        finally:
            if self._transport:
                self._transport.close()

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport:
            self._transport.close()
        await _known(s.uri.hostname, within=self.options["connect_timeout"])
        await super()._connect_to_server(s)

    @staticmethod
    def _parse_header_lines(raw: bytes) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in raw.decode("utf-8", "replace").split("\r\n"):
            name, colon, value = line.partition(":")
            name = name.strip(_BLANK)
            if colon and name.isascii() and (not name or name.split() == [name]):
                found[name] = value.strip(_BLANK)
        return found

    async def _send_publish(
        self, subject: str, reply: str, payload: bytes, payload_size: int, headers: dict[str, str] | None
    ) -> None:
        if not subject or headers is None:
            await super()._send_publish(subject, reply, payload, payload_size, headers)
            return
        command = hpub_cmd(subject, reply, _written(headers), payload)
        self.stats["out_msgs"] += 1
        self.stats["out_bytes"] += payload_size
        await self._send_command(command)
        if self._flush_queue is not None and self._flush_queue.empty():
            await self._flush_pending()


async def _known(name: str, within: float) -> None:
    """Return once the name of a server is known. OSError: it is not; TimeoutError: nobody has said so in time.

    One question is on its way at a time, whoever waits for it. None can be taken back, and where the name of a server
    that is stopped takes seconds to be unknown, tries of two seconds would soon hold every thread of libuv's that asks
    for names: the database's among them would wait behind all of them.
    """
    loop = asyncio.get_running_loop()
    question = _questions.get((loop, name))
    if question is None:
        question = _questions[loop, name] = asyncio.create_task(loop.getaddrinfo(name, None))
        question.add_done_callback(partial(_answered, (loop, name)))
    await asyncio.wait({question}, timeout=within)
    if not question.done():
        raise TimeoutError
    question.result()


def _answered(asked: _Asked, question: asyncio.Task[Any]) -> None:
    del _questions[asked]
    if not question.cancelled():
        question.exception()  # it is news about the network, which nobody may wait for any more


def _written(headers: Mapping[str, str]) -> bytes:
    lines = [
        start + value.strip().replace("\r", " ").replace("\n", " ")
        for name, value in headers.items()
        if (start := _start(name))
    ]
    return "\r\n".join(("NATS/1.0", *lines, "", "")).encode()


@lru_cache(maxsize=256)
def _start(name: str) -> str:
    """Return how the line of a header begins; nothing where it has no name."""
    name = name.strip()
    if name and not _NAME.fullmatch(name):
        raise BadHeaderError(name)
    return name and f"{name}: "


async def connect(url: str, user: str, *, closing: Callable[[], bool], ca: str = "", **more: Any) -> Client:
    """Connect as this user of ours; waits for a server that is not there yet. RuntimeError: it won't do."""
    refused = False
    client = QuickClient()
    entry = {"user": credentials(url)[0], "password": password_for(client, url), "tls": trusting(ca)}
    try:
        await client.connect(servers(url), **_options(user, closing=lambda: refused or closing()) | entry | more)
        refuse_old(client)
        _refuse_open(client, url)
    except BaseException:
        refused = True
        await abandon(client)
        raise
    return client


async def abandon(client: Client) -> None:
    """Close a client that was not let in: nats-py leaves the socket open, on which it got no answer."""
    with suppress(TimeoutError):  # it would wait for ever where the certificate was not taken
        await asyncio.wait_for(client.close(), 1)


async def flushed(client: Client, within: int = 10) -> None:
    """Return once the server has read all that was sent, subscriptions among it.

    nats-py writes a flush's PING before what still waits to be written: of that only the answer to a second one tells.
    """
    for _ in range(2):
        await client.flush(timeout=within)


def refuse_old(client: Client) -> None:
    """Raise RuntimeError for a server before 2.14, in which a user could reach JetStream's API without the right."""
    version = client.connected_server_version
    if (version.major, version.minor) < OLDEST_SERVER:
        said = f"{version.major}.{version.minor}.{version.patch}"
        msg = f"nats-server {said} is too old; {'.'.join(map(str, OLDEST_SERVER))} or newer is needed"
        raise RuntimeError(msg)


def _refuse_open(client: Client, url: str) -> None:
    # nats-py goes by what the server says, whatever the URL asks for.
    if url.startswith("tls://") and not client._server_info.get("tls_required"):  # noqa: SLF001 - nobody else tells
        raise Cleartext
