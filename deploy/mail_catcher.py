"""A mail server that delivers nothing: it keeps what comes and shows it, for whoever tries a desk out.

It runs in the image of notifications, which has the two libraries that it needs:

    python mail_catcher.py [directory]      SMTP on port 2525, pages on port 8025

Mails lie in a maildir. A mail is shown as plain text, whatever it holds, so nothing in it can run.
"""

import asyncio
import html
import os
import re
import sys
from collections.abc import Awaitable, Callable
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from mailbox import Maildir
from pathlib import Path
from typing import Any, Final

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session

_HOST: Final = os.environ.get("MAIL_CATCHER_HOST", "0.0.0.0")  # noqa: S104 - in a container of its own
_SMTP_PORT: Final = int(os.environ.get("MAIL_CATCHER_SMTP_PORT", "2525"))
_HTTP_PORT: Final = int(os.environ.get("MAIL_CATCHER_HTTP_PORT", "8025"))
_LARGEST: Final = 10 * 1024 * 1024
_SHOWN: Final = 200
_SAFE: Final = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
]


class Catcher:
    """The mails that came, newest last."""

    def __init__(self, directory: Path) -> None:
        """Keep them there."""
        self._box = Maildir(directory, factory=None, create=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name for it
        """Take whatever is sent to whomever."""
        self._box.add(envelope.original_content or b"")
        return "250 2.0.0 Kept, and sent nowhere"

    def newest(self) -> list[str]:
        """Return the names of mails, the newest first."""
        return sorted(self._box.keys(), key=_when, reverse=True)

    def raw(self, name: str) -> bytes | None:
        """Return a mail as it came."""
        return self._box.get_bytes(name) if name in self._box else None

    def read(self, name: str) -> EmailMessage:
        """Return a mail as it reads."""
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(self._box.get_bytes(name))

    async def app(self, scope: dict[str, Any], _: object, send: Callable[[Any], Awaitable[None]]) -> None:
        """Show the list at `/`, and a mail as it came at `/<name>`."""
        if scope["type"] != "http":
            return
        name = scope["path"].removeprefix("/")
        raw = self.raw(name) if name else None
        if name and raw is None:
            await _answer(send, 404, "text/plain; charset=utf-8", b"There is no such mail.")
        elif raw is not None:
            await _answer(send, 200, "text/plain; charset=utf-8", raw)
        else:
            await _answer(send, 200, "text/html; charset=utf-8", self._page().encode())

    def _page(self) -> str:
        rows = []
        for name in self.newest()[:_SHOWN]:
            mail = self.read(name)
            said = [html.escape(str(mail.get(header) or "")) for header in ("Date", "To", "Subject")]
            rows.append(f'<tr><td>{said[0]}<td>{said[1]}<td><a href="/{html.escape(name)}">{said[2] or "(none)"}</a>')
        return f"<!doctype html><title>Mail</title><h1>Mail</h1><table>{''.join(rows)}</table>"


def _when(name: str) -> list[int]:
    """Return when a mail came: its name begins with the second, and has the part of it behind an M."""
    return [int(number) for number in re.findall(r"^\d+|(?<=M)\d+", name)]


async def _answer(send: Callable[[Any], Awaitable[None]], status: int, media: str, body: bytes) -> None:
    headers = [(b"content-type", media.encode()), (b"content-length", str(len(body)).encode()), *_SAFE]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def main(directory: Path) -> None:
    """Catch until told to stop."""
    catcher = Catcher(directory)
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(
        lambda: SMTP(catcher, data_size_limit=_LARGEST, enable_SMTPUTF8=True, loop=loop), _HOST, _SMTP_PORT
    )
    config = uvicorn.Config(
        catcher.app, host=_HOST, port=_HTTP_PORT, interface="asgi3", lifespan="off", log_level="warning"
    )
    async with smtp:
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1] if sys.argv[1:] else "/var/lib/counterfoil/mail")))
