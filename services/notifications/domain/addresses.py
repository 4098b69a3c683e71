"""Decides where a webhook may lead: to public addresses, unless an operator has opened others."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HTTPS, _HTTP, _FIRST_FREE = 443, 80, 1024
_PATH = "!$%&'()*+,/:;=?@-._~"
_SERVERS = frozenset({1433, 1521, 2375, 2379, 3306, 4222, 5432, 5672, 6222, 6379, 8222, 9200, 11211, 27017})
"""Ports above 1023 of databases, brokers and the like, which don't speak HTTP, or say too much to who does."""
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?|[0-9a-f:.]+")
_LONGEST_HOST = 253
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that stand for an IPv4 address, its last 32 bits (RFC 6052)."""
_UNICAST = ipaddress.IPv6Network("2000::/3")
_KEPT_APART = (
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4, RFC 7526
    ipaddress.IPv4Network("168.63.129.16/32"),  # the host of a machine in Azure, which tells it its secrets
    ipaddress.IPv6Network("2001::/23"),  # Teredo and other protocols of its own, RFC 2928
    ipaddress.IPv6Network("2002::/16"),  # 6to4, RFC 7526
    ipaddress.IPv6Network("3fff::/20"),  # documentation, RFC 9637
)


class Forbidden(Exception):
    """A webhook may not lead there."""

    def __init__(self, code: str, detail: str) -> None:
        """Say why, as a code and as a sentence."""
        super().__init__(detail)
        self.code, self.detail = code, detail


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook leads, as its URL says."""

    secure: bool
    host: str
    """In ASCII, lower case, without a trailing dot."""
    port: int
    has_port: bool
    """Whether the URL names it."""
    path: str
    """With the query, as it is sent."""


def target(url: str) -> Target:
    """Read a URL strictly. Raises Forbidden for what is no plain http(s) address."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".")
        ascii_host = host if host.isascii() else host.encode("idna").decode()
    except (ValueError, UnicodeError):
        raise Forbidden("malformed", "This is no web address.") from None
    if parts.scheme not in ("https", "http"):
        raise Forbidden("https_only", "Only https:// addresses can be called.")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("userinfo", "The address must hold no user and no password; the signature says who calls.")
    if parts.fragment or not _HOST.fullmatch(ascii_host) or len(ascii_host) > _LONGEST_HOST:
        raise Forbidden("malformed", "This is no web address.")
    secure = parts.scheme == "https"
    named, port = port, port if port is not None else (_HTTPS if secure else _HTTP)
    if port in _SERVERS or port < 1:
        raise Forbidden("port", f"Port {port} is not one that webhooks are sent to.")
    path = quote(parts.path or "/", safe=_PATH) + (f"?{quote(parts.query, safe=_PATH)}" if parts.query else "")
    return Target(secure, ascii_host, port, named is not None, path)


def allow(where: Target, addresses: Sequence[Address], opened: Sequence[Network]) -> None:
    """Let a webhook go to a host with all of these addresses; raises Forbidden.

    Where an operator opened every one of them, plain http and any port of the web are open too.
    """
    if not addresses:
        raise Forbidden("no_address", "This host has no address.")
    if all(_within(address, opened) for address in addresses):
        return
    if not all(is_public(address) for address in addresses):
        raise Forbidden("not_public", "This host has an address that is not public.")
    if not where.secure:
        raise Forbidden("https_only", "Only https:// addresses can be called.")
    if where.port != _HTTPS and where.port < _FIRST_FREE:
        raise Forbidden("port", f"Port {where.port} is not one that webhooks are sent to.")


def is_public(address: Address) -> bool:
    """Tell whether somebody on the internet may be there, for an address that stands for another: at that one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    apart = any(address.version == network.version and address in network for network in _KEPT_APART)
    return address.is_global and not apart and not address.is_multicast and not address.is_reserved


def _within(address: Address, networks: Sequence[Network]) -> bool:
    plain = address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address
    return any(plain.version == network.version and plain in network for network in networks)
