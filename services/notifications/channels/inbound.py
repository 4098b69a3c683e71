"""Takes mail that contacts answer with, by LMTP or SMTP. What is acknowledged is kept; everything else comes again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast, override
from urllib.parse import urlsplit

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from chassis.logs import get_logger
from services.notifications.domain.replies import token_in

_LARGEST = 10 * 1024 * 1024
_LONGEST_LINE = 64 * 1024
_BEYOND = 32 * 1024 * 1024
"""What may follow the largest mail before whoever sends it is cut off."""
_MOST_CONNECTIONS, _MOST_COMMANDS = 20, 1000
_PATIENCE = 120.0
_AGAIN = "451 4.3.0 Try again later"

log = get_logger()

type Keep = Callable[[str, str, bytes], Awaitable[None]]
"""Keeps a mail: the token that it came to, who handed it over ("" for nobody), and the mail as it came."""


class Full(Exception):
    """There is no room for more to this address now."""


class Listener:
    """Listens for mail to `reply+<token>@domain` and for no other."""

    def __init__(
        self,
        url: str,
        domain: str,
        keep: Keep,
        *,
        patience: float = _PATIENCE,
        most: int = _MOST_CONNECTIONS,
        largest: int = _LARGEST,
    ) -> None:
        """Take where to listen (`lmtp://host:port` or `smtp://host:port`); nothing is opened yet."""
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 0
        self._talk = _Lmtp if parts.scheme == "lmtp" else _Smtp
        self.domain, self.most, self.largest = domain, most, largest
        self._keep, self._patience = keep, patience
        self.open: set[_Guarded] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is really listened on, once started."""
        if self._server is None:
            msg = "the listener has not started"
            raise RuntimeError(msg)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen; raises OSError where the port can't be opened."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: self._talk(self, self._patience), self._host, self._port)
        log.info("inbound.listening", port=self.port)

    async def stop(self) -> None:
        """Take nothing new. What is not acknowledged by now, its sender brings again."""
        if self._server is not None:
            self._server.close()
        for talk in list(self.open):
            talk.hang_up()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take one recipient whose address has the shape of ours."""
        if token_in(address, self.domain) is None:
            return "550 5.1.1 No such address"
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_VRFY(self, *_: object) -> str:  # noqa: N802 - as above
        """Tell nothing."""
        return "252 2.5.1 Send it and see"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Acknowledge a mail once it is kept."""
        token = token_in(envelope.rcpt_tos[0], self.domain)
        content = envelope.original_content
        if token is None or content is None:
            return _AGAIN
        try:
            await self._keep(token, (envelope.mail_from or "").strip("<> "), content)
        except Full:
            return "452 4.2.2 Too much for this address; try again tomorrow"
        return "250 2.0.0 OK"

    async def handle_exception(self, error: Exception) -> str:
        """Have it brought again: the store is away, or something is wrong with us."""
        log.warning("inbound.not_kept", error=type(error).__name__)
        return _AGAIN


class _Guarded(SMTP):
    """One connection, which is cut off when it sends more than any mail may be."""

    line_length_limit = _LONGEST_LINE

    def __init__(self, listener: Listener, patience: float) -> None:
        super().__init__(
            listener,
            data_size_limit=listener.largest,
            enable_SMTPUTF8=True,
            hostname=listener.domain,
            ident="Counterfoil",
            timeout=patience,
            command_call_limit=_MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )
        self._listener = listener
        self._unanswered = 0
        self._refused = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._refused = len(self._listener.open) >= self._listener.most
        if self._refused:
            refusing = cast("asyncio.Transport", transport)
            refusing.write(b"421 4.3.2 Too many connections\r\n")
            refusing.close()
            return
        self._listener.open.add(self)
        super().connection_made(transport)

    @override
    def connection_lost(self, error: Exception | None) -> None:
        if not self._refused:
            self._listener.open.discard(self)
            super().connection_lost(error)

    @override
    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._unanswered += len(data)
        if self._unanswered > self._listener.largest + _BEYOND:
            log.warning("inbound.too_much")
            self.hang_up()
            return
        super().data_received(data)

    @override
    def eof_received(self) -> bool | None:
        return None if self._refused else super().eof_received()

    @override
    async def push(self, status: Any) -> None:
        self._unanswered = 0
        await super().push(status)

    def hang_up(self) -> None:
        """End the connection, whatever was being said."""
        if self.transport is not None:
            cast("asyncio.Transport", self.transport).abort()


class _Smtp(_Guarded):
    """Speaks SMTP."""


class _Lmtp(_Guarded, LMTP):
    """Speaks LMTP: one recipient, so one answer after the words."""
