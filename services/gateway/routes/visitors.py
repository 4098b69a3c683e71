"""Who a request comes from: a bearer token, or the dashboard's cookie with proof that the page meant it."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

from litestar import Request

from chassis.bus import Bus
from contracts.base import Via
from contracts.refusals import CsrfFailed, Malformed, Unauthenticated
from services.gateway.domain import (
    SESSION_LIFE,
    Visitor,
    client_of,
    is_csrf_token,
    looks_like_a_token,
    looks_like_an_api_token,
    workspace_reference,
)
from services.gateway.routes.bodies import Given, query
from services.gateway.routes.visits import visit_of
from services.gateway.usecases.accounts import Accounts, Came
from services.gateway.usecases.erasing import Erasures
from services.gateway.usecases.exports import Exports
from services.gateway.usecases.hooks import Hooks
from services.gateway.usecases.imports import Imports
from services.gateway.usecases.integrations import Integrations
from services.gateway.usecases.invitations import Invitations
from services.gateway.usecases.letters import Letters
from services.gateway.usecases.limits import Limiter
from services.gateway.usecases.live import Live
from services.gateway.usecases.people import People
from services.gateway.usecases.presence import Presence
from services.gateway.usecases.resets import Resets
from services.gateway.usecases.seals import Seals
from services.gateway.usecases.tokens import Tokens
from services.gateway.usecases.views import Views
from services.gateway.usecases.widget import Widget
from services.gateway.usecases.widget_live import WidgetLive
from services.gateway.usecases.workspaces import Workspaces

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOWHERE = "-"
"""A reference that no workspace has: a slug has at least two characters."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work with."""

    people: People
    accounts: Accounts
    resets: Resets
    invitations: Invitations
    workspaces: Workspaces
    tokens: Tokens
    integrations: Integrations
    views: Views
    limiter: Limiter
    bus: Bus
    public_url: str
    """Where people reach the desk, without a path; empty: wherever a request says it came to."""
    live: Live
    presence: Presence
    seals: Seals
    erasures: Erasures
    letters: Letters
    hooks: Hooks
    exports: Exports
    imports: Imports
    widget: Widget
    widget_live: WidgetLive
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Whose word on where a request comes from is believed."""

    @property
    def https(self) -> bool:
        """Whether people reach it by TLS."""
        return self.public_url.startswith("https:")

    @property
    def cookie(self) -> str:
        """The cookie's name; the prefix makes browsers refuse it from anybody but this very host."""
        return "__Host-counterfoil" if self.https else "counterfoil_session"

    def cookie_header(self, token: str) -> str:
        """Return the `Set-Cookie` that signs a browser in; an empty token signs it out."""
        life = int(SESSION_LIFE.total_seconds()) if token else 0
        secure = "; Secure" if self.https else ""
        return f"{self.cookie}={token}; Max-Age={life}; Path=/; HttpOnly; SameSite=Lax{secure}"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A visitor and the secret they came with."""

    visitor: Visitor
    token: str


def desk_of(request: Request[Any, Any, Any]) -> Desk:
    """Return what the application was assembled with."""
    desk: Desk = request.app.state["desk"]
    return desk


async def signed_in(
    request: Request[Any, Any, Any], workspace: str | None = None, proof: str | None = None
) -> SignedIn:
    """Return the visitor, looked up together with the workspace of this id or slug.

    `proof` is what a page's form said of its CSRF token, in place of the header.
    Raises Unauthenticated, CsrfFailed for a cookie alone on a request that changes something, and for an API token
    NotFound outside its workspace and NotAllowed beyond its scopes. Raises Invalid for a query where an operation has
    none.
    """
    desk = desk_of(request)
    token, by_cookie = _token(request, desk.cookie)
    reference = None if workspace is None else workspace_reference(workspace) or _NOWHERE
    visitor = await desk.people.visitor(token, reference, Via.WEB if by_cookie else Via.API)
    if by_cookie and request.method not in _SAFE:
        check_origin(request)
        given = request.headers.get("x-csrf-token", "") if proof is None else proof
        if not is_csrf_token(given, token):
            raise CsrfFailed
    visit = visit_of(request.scope)
    visit.user_id = visitor.id
    if visitor.workspace is not None:
        visit.workspace_id = visitor.workspace.id
    if visitor.token is not None:
        if workspace is not None:
            _ = visitor.here
        visitor.check_scope(request.route_handler.opt["operation"].scope)
    operation = request.route_handler.opt.get("operation")
    if operation is not None and operation.query is None:
        query(request, Given)
    return SignedIn(visitor, token)


async def inside(request: Request[Any, Any, Any], workspace: str) -> Visitor:
    """Return a visitor who is a member of the workspace; to anybody else there is nothing here."""
    visitor = (await signed_in(request, workspace)).visitor
    _ = visitor.here
    return visitor


async def program(request: Request[Any, Any, Any], via: Via) -> Visitor:
    """Return the program whose API token this is, in the token's workspace; raises Unauthenticated for all others."""
    desk = desk_of(request)
    token, by_cookie = _token(request, desk.cookie)
    if by_cookie or not looks_like_an_api_token(token):
        raise Unauthenticated
    visitor = await desk.people.program(token, via)
    visit = visit_of(request.scope)
    visit.user_id, visit.workspace_id = visitor.id, visitor.here[0].id
    return visitor


def check_origin(request: Request[Any, Any, Any]) -> None:
    """Refuse a request that a browser says was made by another site's page."""
    if request.headers.get("sec-fetch-site", "none").lower() not in ("same-origin", "none"):
        raise CsrfFailed
    origin = request.headers.get("origin")
    if origin is not None and _origin(origin) not in own_origins(request):
        raise CsrfFailed


def own_origins(request: Request[Any, Any, Any]) -> set[str | None]:
    """Return the origins that are ours: the public one, and the one that this request was sent to."""
    own = {_origin(f"{request.scope['scheme']}://{request.headers.get('host', '')}")}
    if public := desk_of(request).public_url:
        own.add(_origin(public))
    return own - {None}


def base_url(request: Request[Any, Any, Any]) -> str:
    """Return where people reach the desk."""
    return desk_of(request).public_url or f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"


def _origin(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return f"{parts.scheme}://{parts.hostname}:{port}" if parts.scheme and parts.hostname else None


def _token(request: Request[Any, Any, Any], cookie: str) -> tuple[str, bool]:
    """Return the session's token and whether it came in the cookie; `Authorization` wins."""
    lines = request.headers.getall("authorization", [])
    if len(lines) > 1:
        raise Malformed("Authorization may be given once.")
    if lines:
        scheme, _, token = lines[0].partition(" ")
        token, by_cookie = token.strip() if scheme.lower() == "bearer" else "", False
    else:
        token, by_cookie = _cookie(request, cookie), True
    if not looks_like_a_token(token) and (by_cookie or not looks_like_an_api_token(token)):
        raise Unauthenticated
    return token, by_cookie


def came(request: Request[Any, Any, Any]) -> Came:
    """Return from where a request comes, as far as it is known."""
    via = Via.WEB if "sec-fetch-site" in request.headers else Via.API
    return Came(address_of(request), client_of(request.headers.get("user-agent", "")), via)


def address_of(request: Request[Any, Any, Any]) -> str:
    """Return the network address that limits go by: the peer's, or what a proxy of ours says of it.

    Of IPv6 the first 64 bits: one customer of a provider has all addresses behind them.
    """
    trusted = desk_of(request).proxies
    client = request.scope["client"]
    hops = ",".join(request.headers.getall("x-forwarded-for", [])).split(",") if trusted else []
    address = _address(client[0] if client else "")
    while address is not None and hops and any(address in network for network in trusted):
        named = _address(hops.pop().strip())
        if named is None:
            break
        address = named
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address


def _cookie(request: Request[Any, Any, Any], name: str) -> str:
    for line in request.headers.getall("cookie", []):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
    return ""
