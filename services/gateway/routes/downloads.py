"""What is too long for one answer: sent piece by piece, no more than one of them held, and never cut unnoticed."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Any

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from chassis.service import ABORT
from contracts.refusals import Refusal
from services.gateway.routes.visits import visit_of


class Download(ASGIResponse):
    """A file under a name, as long as its pieces come; a slow reader holds up nobody."""

    def __init__(self, pieces: AsyncIterator[bytes], *, media: str, name: str) -> None:
        """Send what `pieces` yield; a refusal of the first is answered as one."""
        super().__init__()
        self._pieces, self._media, self._name = pieces, media, name

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send one piece after the other; a refusal in the midst breaks the connection off."""
        first = await anext(self._pieces, b"")
        headers = [
            (b"content-type", self._media.encode()),
            (b"content-disposition", f'attachment; filename="{self._name}"'.encode()),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": first, "more_body": True})
        try:
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except Refusal as refusal:
            # An end without its end: no reader takes what came for the whole.
            visit_of(scope).code = refusal.code
            abort: Callable[[], None] | None = (scope.get("extensions") or {}).get(ABORT)  # type: ignore[assignment]
            if abort is None:
                raise
            abort()
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def as_lines(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Return items as JSON Lines."""
    return "".join(json.dumps(item) + "\n" for item in items).encode("ascii")
