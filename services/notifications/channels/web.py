"""Webhooks by HTTPS, to the very address that was looked at, and no further."""

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpcore

from services.notifications.domain import Address, Forbidden, Network, Target, allow, target

__all__ = ["Answer", "Egress", "Forbidden", "NotAnswered", "Way"]

_CONNECT_SECONDS, _SECONDS, _RESOLVE_SECONDS = 5.0, 15.0, 3.0
_MOST_READ = 64 * 1024
_LONGEST_WAIT = 10 * 365 * 86400
"""Seconds; whoever plans the next try has a bound of its own."""

type Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the addresses of a host; raises OSError for one without any."""


class NotAnswered(Exception):
    """There was no whole answer."""

    def __init__(self, reason: str, latency: float) -> None:
        """Say why, as a code, and after how many seconds."""
        super().__init__(reason)
        self.reason, self.latency = reason, latency


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said; of its words nothing is kept."""

    status: int
    latency: float
    """Seconds."""
    retry_after: dt.timedelta | None
    """How long it asks us to wait (RFC 9110, 10.2.3)."""


class Way(Protocol):
    """What webhooks leave by."""

    async def check(self, url: str) -> None:
        """Look whether it may be called now. Raises Forbidden."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send; raises Forbidden, or NotAnswered."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system for the addresses of a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class Egress:
    """The one way out to addresses that other people chose."""

    def __init__(
        self, opened: Iterable[Network] = (), *, resolver: Resolve = resolve, trust: ssl.SSLContext | None = None
    ) -> None:
        """Take what an operator has opened beside public addresses; nothing is connected yet."""
        self._opened = tuple(opened)
        self._resolve = resolver
        self._trust = trust or ssl.create_default_context()

    async def check(self, url: str) -> None:
        """Look whether it may be called now. Raises Forbidden."""
        await self._reach(target(url))

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send, follow nothing, and read no more than 64 KiB in 15 seconds. Raises Forbidden, or NotAnswered."""
        where = target(url)
        begun = time.monotonic()
        try:
            async with asyncio.timeout(_SECONDS):
                status, after = await self._post(where, headers, body)
        except TimeoutError:
            raise NotAnswered("timeout", time.monotonic() - begun) from None
        except Forbidden:
            raise
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise NotAnswered(_reason(error), time.monotonic() - begun) from None
        return Answer(status, time.monotonic() - begun, after)

    async def _post(self, where: Target, headers: Mapping[str, str], body: bytes) -> tuple[int, dt.timedelta | None]:
        address = await self._reach(where)
        host = f"[{where.host}]" if ":" in where.host else where.host
        said = {"host": f"{host}:{where.port}" if where.has_port else host, "content-length": str(len(body))}
        said |= headers
        wait = {"connect": _CONNECT_SECONDS, "read": _SECONDS, "write": _SECONDS, "pool": _SECONDS}
        request = httpcore.Request(
            "POST",
            httpcore.URL(
                scheme=b"https" if where.secure else b"http",
                host=where.host.encode(),
                port=where.port,
                target=where.path.encode(),
            ),
            headers=[(name.encode(), value.encode()) for name, value in said.items()],
            content=body,
            extensions={"timeout": wait},
        )
        # A connection of its own: what is kept open would go on to an address that nobody has looked at since.
        async with httpcore.AsyncConnectionPool(
            ssl_context=self._trust, max_connections=1, network_backend=_Pinned(address)
        ) as pool:
            answer = await pool.handle_async_request(request)
            try:
                await _read(answer)
            finally:
                await answer.aclose()
        return answer.status, wait_of(dict(answer.headers).get(b"retry-after", b"").decode("latin-1"))

    async def _reach(self, where: Target) -> str:
        """Return an address of the host that may be called; raises Forbidden where one of its addresses may not be."""
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await self._resolve(where.host, where.port)
        except (OSError, TimeoutError, UnicodeError):
            raise Forbidden("no_address", "This host has no address.") from None
        addresses: list[Address] = [ipaddress.ip_address(each.partition("%")[0]) for each in found]
        allow(where, addresses, self._opened)
        return str(addresses[0])


class _Pinned(httpcore.AsyncNetworkBackend):
    """Connects to the address that was looked at, whatever a name server says in the next moment."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,  # noqa: ARG002 - the address stands for it
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own interface
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._inner.connect_tcp(self._address, port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


async def _read(answer: httpcore.Response) -> None:
    """Read what is said, and no more than anybody needs to say."""
    left = _MOST_READ
    async for chunk in answer.aiter_stream():
        left -= len(chunk)
        if left < 0:
            return


def wait_of(header: str) -> dt.timedelta | None:
    """Return how long a receiver asks us to wait, in seconds or until a date; None where it says nothing readable."""
    if header.isascii() and header.isdecimal():
        return dt.timedelta(seconds=min(int(header[:12]), _LONGEST_WAIT))
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=dt.UTC)
    return max(dt.timedelta(), until - dt.datetime.now(dt.UTC))


def _reason(error: BaseException) -> str:
    if isinstance(error, httpcore.ConnectTimeout | httpcore.ConnectError):
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                return "tls"
            cause = cause.__cause__ or cause.__context__
        return "no_connection"
    if isinstance(error, httpcore.TimeoutException):
        return "timeout"
    return "broken_off" if isinstance(error, httpcore.NetworkError | OSError) else "no_http"
