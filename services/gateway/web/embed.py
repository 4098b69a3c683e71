"""The widget's script, for pages of other sites: one file, made of its parts when the gateway starts."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.response.base import ASGIResponse

from services.gateway.routes.replies import has_seen

_HERE = Path(__file__).parent
_PARTS = ("memory", "line", "talk", "card", "panel", "start")
_HEADERS = {
    "cache-control": "public, max-age=300",
    "vary": "accept-encoding",
    # Any page may load it, and read it too: the script asks for itself to learn whether the desk is there.
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}


def _script() -> bytes:
    """Return the parts as one script that leaves nothing in the page's own scope."""
    look = json.dumps((_HERE / "widget" / "look.css").read_text(encoding="utf-8"))
    colour = (_HERE / "static" / "colour.js").read_text(encoding="utf-8").replace("export ", "")
    parts = [(_HERE / "widget" / f"{name}.js").read_text(encoding="utf-8") for name in _PARTS]
    return "\n".join(['(() => {\n"use strict";', f"const LOOK = {look};", colour, *parts, "})();\n"]).encode()


class Embed:
    """The script, plain and compressed."""

    def __init__(self) -> None:
        """Make it."""
        self.plain = _script()
        self.packed = gzip.compress(self.plain, 9, mtime=0)
        self.tag = hashlib.sha256(self.plain).hexdigest()[:16]


@get("/widget.js")
async def script(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Serve the script; a browser keeps it for five minutes, then asks whether it has changed."""
    embed: Embed = request.app.state["embed"]
    headers = {**_HEADERS, "etag": f'W/"{embed.tag}"'}
    if has_seen(request, embed.tag):
        return ASGIResponse(status_code=304, headers=headers)
    body = embed.plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        body, headers["content-encoding"] = embed.packed, "gzip"
    return ASGIResponse(body=body, media_type="text/javascript", headers=headers)
