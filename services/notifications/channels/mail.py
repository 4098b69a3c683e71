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

from services.notifications.domain import Addressee, Letter, Mail
from services.notifications.domain.replies import LOOP_HEADER, LOOP_MARK

_PATIENCE = 20.0
"""Seconds that a server may take for one answer."""
_PERMANENT = 500
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Refused(Exception):
    """The mail was certainly not taken."""

    def __init__(self, reason: str, *, for_good: bool, address: bool = False, away: bool = False) -> None:
        """Say why in a word: whether another try can't help, it is the address's fault, or no mail is taken at all."""
        super().__init__(reason)
        self.reason = reason
        self.for_good = for_good
        self.address = address
        self.away = away


class Unanswered(Exception):
    """The mail was handed over, and whether it was taken is not known."""


class Outlet(Protocol):
    """What mail leaves by."""

    async def send(self, mail: Mail, to: Addressee, ours: Callable[[], Awaitable[Letter | None]]) -> bool:
        """Hand over what `ours` says, asked as late as possible; False: nothing. Raises Refused or Unanswered."""

    async def close(self) -> None:
        """End a round of mails."""


class Smtp:
    """A mail server; one connection carries the mails of a round."""

    def __init__(
        self, url: str, sender: str, *, tls: ssl.SSLContext | None = None, patience: float = _PATIENCE
    ) -> None:
        """Take where the server is and who mail is from; nothing is connected yet."""
        parts = urlsplit(url)
        self._host, self._tls = parts.hostname or "", parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 587 if parts.username else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._context = tls
        self._patience = patience
        name, address = parseaddr(sender)
        self._sender = _address(name, address)
        self._client: SMTP | None = None

    @property
    def start_tls(self) -> bool | None:
        """Whether TLS begins after the greeting; None: where it is offered.

        A password never crosses a network in plain view.
        """
        if self._tls:
            return False
        return True if self._user and self._host not in _LOOPBACK else None

    async def send(self, mail: Mail, to: Addressee, ours: Callable[[], Awaitable[Letter | None]]) -> bool:
        """Hand over one mail; an answer that is lost after that is Unanswered, whatever came before is Refused."""
        try:
            address = _address(to.name, to.email)
            _head(mail, self._sender, address)
        except (ValueError, MessageError):
            raise Refused("address", for_good=True, address=True) from None
        done = False
        try:
            # What comes back comes where answers do, so that it is known whose mail it was.
            returns_to = mail.letter and mail.letter.reply_to
            client = await self._offer(address, returns_to or self._sender.addr_spec)
            letter = await ours()
            if letter is None:
                return False
            await _hand_over(client, _written(mail, letter, self._sender, address))
            done = True
        finally:
            if not done:
                self._hang_up()
        return True

    async def greeted(self) -> str | None:
        """Sign in and leave; return why that can't be done, in words, or None."""
        client = self._connection()
        try:
            await client.connect()
            await client.quit(timeout=1)
        except SMTPResponseException as error:
            return f"its server refuses us with {error.code}: look at the user, the password and the sender"
        except SMTPNotSupported:
            return "its server can't do what the URL asks for, TLS or a password"
        except (SMTPException, OSError):
            return f"its server does not answer at {self._host}:{self._port}"
        finally:
            client.close()
        return None

    async def close(self) -> None:
        """Say goodbye, if anybody listens."""
        if self._client is not None:
            with suppress(SMTPException, OSError):  # every mail has its answer already
                await self._client.quit(timeout=1)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _offer(self, to: Address, returns_to: str) -> SMTP:
        if self._client is not None:
            # A server may end a connection after some mails, or after a silence.
            with suppress(Refused):
                return await self._name(self._client, to, returns_to, again=True)
            self._hang_up()
        self._client = self._connection()
        return await self._name(self._client, to, returns_to, again=False)

    def _connection(self) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            local_hostname=self._sender.domain,
            timeout=self._patience,
            use_tls=self._tls,
            start_tls=self.start_tls,
            tls_context=self._context,
        )

    async def _name(self, client: SMTP, to: Address, returns_to: str, *, again: bool) -> SMTP:
        try:
            if not again:
                await client.connect()
            wide = not to.addr_spec.isascii()
            if wide and not client.supports_extension("smtputf8"):
                raise Refused("address", for_good=True)
            options, encoding = (["SMTPUTF8", "BODY=8BITMIME"], "utf-8") if wide else ([], "ascii")
            await client.mail(returns_to, options=options, encoding=encoding)
            await client.rcpt(to.addr_spec, encoding=encoding)
        except SMTPRecipientRefused as error:
            good = error.code >= _PERMANENT
            raise Refused(f"smtp {error.code}", for_good=good, address=good) from None
        except SMTPResponseException as error:
            # Our own name or password is refused: that is mended by whoever runs the desk, and the mail waits.
            raise Refused(f"smtp {error.code}", for_good=False, away=True) from None
        except SMTPNotSupported:
            raise Refused("not_supported", for_good=False, away=True) from None
        except (SMTPException, OSError, ssl.SSLError):
            raise Refused("no_server", for_good=False, away=True) from None
        return client


async def _hand_over(client: SMTP, message: bytes) -> None:
    try:
        await client.data(message)
    except SMTPDataError as error:
        raise Refused(f"smtp {error.code}", for_good=error.code >= _PERMANENT) from None
    except (SMTPException, OSError) as error:
        raise Unanswered from error


def _written(mail: Mail, letter: Letter, sender: Address, to: Address) -> bytes:
    """Write the mail; the same one has the same id and date however often it is tried."""
    try:
        message = _head(mail, sender, to)
        message["Subject"] = letter.subject
        message["Auto-Submitted"] = letter.automatic.value
        message["X-Auto-Response-Suppress"] = "All"
        message[LOOP_HEADER] = LOOP_MARK
        if letter.thread:
            first = f"<{letter.thread}@{sender.domain}>"
            message["In-Reply-To"], message["References"] = first, first
        if letter.list_id:
            message["List-Id"] = f"<{letter.list_id}.{sender.domain}>"
        if letter.reply_to:
            message["Reply-To"] = Address(addr_spec=letter.reply_to)
        if letter.unsubscribe:
            message["List-Unsubscribe"] = f"<{letter.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(letter.text)
        if letter.html:
            message.add_alternative(letter.html, subtype="html")
        return message.as_bytes()
    except (ValueError, MessageError):
        raise Refused("words", for_good=True) from None


def _head(mail: Mail, sender: Address, to: Address) -> EmailMessage:
    message = EmailMessage(policy=SMTP_POLICY if to.addr_spec.isascii() else SMTP_POLICY.clone(utf8=True))
    message["From"] = sender
    message["To"] = to
    message["Date"] = format_datetime(mail.made_at)
    message["Message-ID"] = f"<{mail.id}@{sender.domain}>"
    return message


def _address(name: str, spec: str) -> Address:
    """Return an address whose name is shown as plain words; raises ValueError or MessageError for what is none."""
    local, _, domain = spec.rpartition("@")
    if not domain.isascii():
        domain = domain.encode("idna").decode()
    # An encoded word inside a name would be decoded by whoever reads the mail.
    return Address(display_name=name.replace("=?", "= ?"), username=local, domain=domain)
