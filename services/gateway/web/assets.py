"""What pages load beside their words: style sheet, icons, scripts. Read once, compressed once, cached for ever.

All of it is served below one name made of its content, so that modules find one another by plain relative imports
and a page never mixes two editions.
"""

import gzip
import hashlib
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import NotFound

_HERE = Path(__file__).parent / "static"
_CARRIER, _HTMX = "django-htmx", "django_htmx/static/django_htmx/htmx-2.min.js"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, plain and compressed."""

    media_type: str
    plain: bytes
    packed: bytes


class Assets:
    """Every file that pages load."""

    def __init__(self) -> None:
        """Read them all."""
        found = {path.name: path.read_bytes() for path in sorted(_HERE.iterdir()) if path.suffix in _TYPES}
        found["app.css"] = b"".join(path.read_bytes() for path in sorted((_HERE / "styles").iterdir(), key=_rank))
        found["htmx.js"] = _htmx()
        self.files = {
            name: Asset(_TYPES[Path(name).suffix], content, gzip.compress(content, 9, mtime=0))
            for name, content in found.items()
        }
        digest = hashlib.sha256()
        for name, content in sorted(found.items()):
            digest.update(f"{name} {len(content)}\n".encode() + content)
        self.edition = digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return the address of a file; a name that is none is a mistake of ours."""
        if name not in self.files:
            raise KeyError(name)
        return f"/assets/{self.edition}/{name}"


def _rank(style: Path) -> tuple[bool, bool, str]:
    """Return where a sheet stands: what all are made of first, what narrows them last."""
    return style.stem != "base", style.stem == "narrow", style.stem


def _htmx() -> bytes:
    """Return htmx, which a wheel carries; nothing of that package is imported."""
    for file in files(_CARRIER) or ():
        if str(file) == _HTMX:
            return Path(str(file.locate())).read_bytes()
    msg = f"{_CARRIER} carries no {_HTMX}"
    raise RuntimeError(msg)


@get("/assets/{edition:str}/{name:str}")
async def asset(request: Request[Any, Any, Any], edition: FromPath[str], name: FromPath[str]) -> ASGIResponse:
    """Serve a file. Another edition's name, as two replicas have while one is renewed, gets ours, and keeps it not."""
    assets: Assets = request.app.state["site"].assets
    found = assets.files.get(name)
    if found is None:
        raise NotFound
    headers = {
        "cache-control": _FOR_EVER if edition == assets.edition else "no-cache",
        "vary": "accept-encoding",
    }
    body = found.plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = found.packed, "gzip"
    return ASGIResponse(body=body, media_type=found.media_type, headers=headers)
