"""A mail server for stories: it takes what comes, or does as it is told."""

import asyncio
from asyncio import Transport
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, Envelope, Session


class _Torn(SMTP):
    """Loses the connection where another would answer."""

    async def push(self, status: AnyStr) -> None:
        if status in {b"torn", "torn"}:
            assert isinstance(self.transport, Transport)
            self.transport.abort()
            return
        await super().push(status)


@dataclass(slots=True)
class Postbox:
    """What came in, and what is answered: to a recipient, and after the words."""

    port: int = 0
    to_rcpt: str = "250 OK"
    to_data: str = "250 OK"
    """`torn` loses the connection after the words have come, `hang` never answers."""
    connections: int = 0
    taken: list[Envelope] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @property
    def mails(self) -> list[EmailMessage]:
        return [self.read(envelope) for envelope in self.taken]

    @staticmethod
    def read(envelope: Envelope) -> EmailMessage:
        content = envelope.content
        assert isinstance(content, bytes)
        read = message_from_bytes(content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name for it
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.to_rcpt == "hang":
            await asyncio.Event().wait()
        if self.to_rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.to_rcpt

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        if self.to_data.startswith(("250", "torn", "hang")):
            self.taken.append(envelope)
        if self.to_data == "hang":
            await asyncio.Event().wait()
        return self.to_data


@asynccontextmanager
async def a_postbox() -> AsyncIterator[Postbox]:
    """A mail server on a free port."""
    box = Postbox()

    def talk() -> _Torn:
        box.connections += 1
        return _Torn(box, enable_SMTPUTF8=True, hostname="mx.example")

    server = await asyncio.get_running_loop().create_server(talk, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
