"""Pages out of templates: everything that people typed is escaped, a name that is not there is an error."""

import datetime as dt
import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Request
from litestar.response.base import ASGIResponse
from markupsafe import Markup

from chassis.markdown import rendered
from contracts.base import Event, now, uuid7
from contracts.tickets import Priority, Status
from services.gateway.usecases.briefly import Briefly
from services.gateway.web.assets import Assets
from services.gateway.web.places import places

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFETY = {
    "content-security-policy": _POLICY,
    # Stricter, and a browser would not say from which of our pages a form was posted.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "vary": "cookie, accept-encoding",
}
_SEALED = re.compile(r"sha256:[0-9a-f]{64}")
HTML = "text/html; charset=utf-8"
_WORTH_PACKING = 1024
_LEVEL = 1
_REFUSED = 400
_DRAWINGS = 512
"""More than there are icons with their labels: each is written once."""
_RENDERED: Briefly[bytes, str] = Briefly(seconds=60, most=512)
_UNITS = (("min", 1, 60), ("h", 60, 24), ("d", 60 * 24, 30))
"""Name, minutes, and how many of them are said before the next."""
THEMES = ("system", "light", "dark")
DENSITIES = ("comfortable", "compact")


@dataclass(frozen=True, slots=True)
class Site:
    """What pages are made of."""

    assets: Assets
    templates: Environment

    @classmethod
    def build(cls) -> "Site":
        """Read templates and assets."""
        assets = Assets()
        templates = Environment(
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        templates.globals.update(
            asset=assets.url,
            icon=lru_cache(_DRAWINGS)(partial(icon, assets)),
            Status=Status,
            Priority=Priority,
            new_key=lambda: uuid7().hex,
            themes=THEMES,
            places=places,
            event_types=" ".join(kind.TYPE for kind in Event.of_kind("tickets")),
        )
        templates.filters.update(ago=ago, moment=moment, initials=initials, markdown=markdown)
        templates.filters.update(is_sealed=is_sealed, unsealed=unsealed)
        # A list says each of these many times: they are written once.
        parts: Any = templates.get_template("parts.html").module
        marks: dict[Status | Priority, Markup] = {each: parts.status_mark(each, said=True) for each in Status}
        marks.update({each: parts.priority_mark(each, said=True) for each in Priority})
        templates.globals["marks"] = marks
        return cls(assets, templates)


def icon(assets: Assets, name: str, label: str = "", look: str = "") -> Markup:
    """Return one of the drawings of icons.svg; with a label it is read out."""
    said = Markup('role="img" aria-label="{}"').format(label) if label else Markup('aria-hidden="true"')
    drawn = Markup('<svg class="icon {}" {}><use href="{}#{}"></use></svg>')
    return drawn.format(look, said, assets.url("icons.svg"), name)


def html(
    request: Request[Any, Any, Any],
    template: str,
    context: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> ASGIResponse:
    """Return a template as a page."""
    body, own = written(request, template, {"refused": status >= _REFUSED, **context})
    return ASGIResponse(status_code=status, body=body, media_type=HTML, headers={**own, **headers})


def written(request: Request[Any, Any, Any], template: str, context: Mapping[str, Any]) -> tuple[bytes, dict[str, str]]:
    """Return a page's bytes and headers."""
    site: Site = request.app.state["site"]
    page = site.templates.get_template(template).render(
        theme=chosen(request, "theme", THEMES),
        density=chosen(request, "density", DENSITIES),
        path=page_of(request),
        posted=request.method == "POST",
        now=now(),
        **context,
    )
    body, headers = page.encode(), dict(SAFETY)
    if len(body) > _WORTH_PACKING and "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = gzip.compress(body, _LEVEL), "gzip"
    return body, headers


def see(path: str, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    """Send a browser on, after what it posted."""
    return ASGIResponse(status_code=303, headers={"location": path, **SAFETY, **(headers or {})})


def path_of(request: Request[Any, Any, Any]) -> str:
    """Return where a request went, with its query."""
    path = quote(request.scope["path"], safe="/-._~@")
    query = request.scope["query_string"].decode("ascii", errors="ignore")
    return f"{path}?{query}" if query else path


def page_of(request: Request[Any, Any, Any]) -> str:
    """Return where a page can be read again; one that answers what was posted is a form of the nearest that can."""
    template: str = request.scope.get("path_template") or ""
    if request.method != "POST" or not template:
        return path_of(request)
    readable = {route.path_format for route in request.app.routes if "GET" in route.methods}
    if template in readable:
        return path_of(request)
    path = request.scope["path"]
    while template and template not in readable:
        path, template = path.rpartition("/")[0], template.rpartition("/")[0]
    return quote(path, safe="/-._~@") or "/"


def chosen(request: Request[Any, Any, Any], name: str, known: tuple[str, ...]) -> str:
    """Return how somebody likes pages to look."""
    value = request.cookies.get(f"counterfoil_{name}", "")
    return value if value in known else known[0]


def own_path(path: str, default: str = "/") -> str:
    """Return a path of ours to go on to; anybody else's address is not followed."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else default


def ago(at: dt.datetime, since: dt.datetime) -> str:
    """Return how long ago that was, in few characters."""
    minutes = max(0, int((since - at).total_seconds())) // 60
    if minutes < 1:
        return "now"
    for name, size, most in _UNITS:
        if minutes < size * most:
            return f"{minutes // size} {name}"
    return at.strftime("%-d %b %Y")


def moment(at: dt.datetime) -> str:
    """Return a time in full."""
    return at.astimezone(dt.UTC).strftime("%-d %B %Y, %H:%M UTC")


def initials(name: str) -> str:
    """Return one or two letters that stand for a person."""
    parts = [part for part in name.split() if part[0].isalnum()] or [name]
    return (parts[0][:1] + (parts[-1][:1] if len(parts) > 1 else "")).upper()


def markdown(text: str) -> Markup:
    """Return somebody's Markdown as HTML in which nothing runs."""
    digest = hashlib.sha256(text.encode()).digest()
    shown = _RENDERED.of(digest) or _RENDERED.keep(digest, rendered(text))
    return Markup(shown)  # noqa: S704 - cleaned by name of element, attribute and scheme


def is_sealed(text: object) -> bool:
    """Tell whether words were erased: their digest stands in their place."""
    return isinstance(text, str) and _SEALED.fullmatch(text) is not None


def unsealed(text: str) -> str:
    """Return words, or that they were erased."""
    return "(erased)" if is_sealed(text) else text
