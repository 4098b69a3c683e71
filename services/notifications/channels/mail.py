"""Mail by SMTP, each handed over at most once."""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Protocol
from urllib.parse import unquote, urlsplit

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from services.notifications.domain import Letter, Mail

_PATIENCE = 20.0
"""Seconds that a server may take for one answer."""
_PERMANENT = 500
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Refused(Exception):
    """The mail was certainly not taken."""

    def __init__(self, reason: str, *, for_good: bool) -> None:
        """Say why in a word, and whether another try can't help."""
        super().__init__(reason)
        self.reason = reason
        self.for_good = for_good


class Unanswered(Exception):
    """The mail was handed over, and whether it was taken is not known."""


class Outlet(Protocol):
    """What mail leaves by."""

    async def send(self, mail: Mail, letter: Letter, ours: Callable[[], Awaitable[bool]]) -> bool:
        """Hand over if it is `ours`, asked as late as possible; False: it was not. Raises Refused or Unanswered."""


class Smtp:
    """A mail server, a connection for each mail."""

    def __init__(self, url: str, sender: str, *, tls: ssl.SSLContext | None = None) -> None:
        """Take where the server is and who mail is from; nothing is connected yet."""
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587 if parts.username else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._context = tls
        name, address = parseaddr(sender)
        self._sender = _address(name, address)

    @property
    def start_tls(self) -> bool | None:
        """Whether TLS begins after the greeting; None: where it is offered.

        A password never crosses a network in plain view.
        """
        if self._tls:
            return False
        return True if self._user and self._host not in _LOOPBACK else None

    async def send(self, mail: Mail, letter: Letter, ours: Callable[[], Awaitable[bool]]) -> bool:
        """Hand over one mail; an answer that is lost after that is Unanswered, whatever came before is Refused."""
        if mail.words is None:
            raise Refused("expired", for_good=True)
        try:
            to = _address(mail.words.to_name, mail.words.to_email)
            message = _message(mail, letter, self._sender, to)
        except (ValueError, MessageError):
            raise Refused("address", for_good=True) from None
        client = SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            local_hostname=self._sender.domain,
            timeout=_PATIENCE,
            use_tls=self._tls,
            start_tls=self.start_tls,
            tls_context=self._context,
        )
        try:
            await self._offer(client, to)
            if not await ours():
                return False
            await _hand_over(client, message.as_bytes())
        finally:
            client.close()
        return True

    async def _offer(self, client: SMTP, to: Address) -> None:
        try:
            await client.connect()
            wide = not to.addr_spec.isascii()
            if wide and not client.supports_extension("smtputf8"):
                raise Refused("address", for_good=True)
            options, encoding = (["SMTPUTF8", "BODY=8BITMIME"], "utf-8") if wide else ([], "ascii")
            await client.mail(self._sender.addr_spec, options=options, encoding=encoding)
            await client.rcpt(to.addr_spec, encoding=encoding)
        except SMTPRecipientRefused as error:
            raise Refused(f"smtp {error.code}", for_good=error.code >= _PERMANENT) from None
        except SMTPResponseException as error:
            # Our own name or password is refused: that is mended by whoever runs the desk, and the mail waits.
            raise Refused(f"smtp {error.code}", for_good=False) from None
        except SMTPNotSupported:
            raise Refused("not_supported", for_good=False) from None
        except (SMTPException, OSError, ssl.SSLError):
            raise Refused("no_server", for_good=False) from None


async def _hand_over(client: SMTP, message: bytes) -> None:
    try:
        await client.data(message)
    except SMTPDataError as error:
        raise Refused(f"smtp {error.code}", for_good=error.code >= _PERMANENT) from None
    except (SMTPException, OSError) as error:
        raise Unanswered from error
    with suppress(SMTPException, OSError):  # it was taken, whatever the server says to our goodbye
        await client.quit(timeout=1)


def _message(mail: Mail, letter: Letter, sender: Address, to: Address) -> EmailMessage:
    """Write the mail; the same one has the same id and date however often it is tried."""
    message = EmailMessage(policy=SMTP_POLICY if to.addr_spec.isascii() else SMTP_POLICY.clone(utf8=True))
    message["From"] = sender
    message["To"] = to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(mail.made_at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _address(name: str, spec: str) -> Address:
    """Return an address whose name is shown as plain words; raises ValueError or MessageError for what is none."""
    local, _, domain = spec.rpartition("@")
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    # An encoded word inside a name would be decoded by whoever reads the mail.
    return Address(display_name=name.replace("=?", "= ?"), username=local, domain=domain)
