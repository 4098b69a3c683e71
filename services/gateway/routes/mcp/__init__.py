"""The desk for assistants: the Model Context Protocol at one address, by an API token and with its rights."""

import asyncio
from typing import Any

from litestar import Request, post
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from contracts.base import Via
from contracts.refusals import CsrfFailed, OriginNotAllowed, Unauthenticated
from services.gateway.routes.bodies import collect
from services.gateway.routes.mcp.calls import CALL, Call
from services.gateway.routes.visitors import base_url, check_origin, desk_of, program

ADDRESS = "/mcp"


@post(ADDRESS, status_code=200)
async def speak(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Answer one message of an assistant: each stands for itself, so any replica answers any of them."""
    try:
        check_origin(request)
    except CsrfFailed:
        raise OriginNotAllowed("No page of another site may speak with this desk.") from None
    try:
        visitor = await program(request, Via.MCP)
    except Unauthenticated:
        raise Unauthenticated("Send an API token of the workspace: Authorization: Bearer cf_…") from None
    call = Call(desk_of(request), visitor, base_url(request))
    return _Spoken(call, await collect(request))


class _Spoken(ASGIResponse):
    """What the protocol's own library answers to a message that has been read."""

    def __init__(self, call: Call, body: bytes) -> None:
        super().__init__()
        self._call, self._message = call, body

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Hand the message over, and who says it."""
        # The library takes most of a second and 30 MB: whoever has no assistant never pays, and nobody waits for it.
        protocol = await asyncio.to_thread(_protocol)
        told: list[Any] = [{"type": "http.request", "body": self._message, "more_body": False}]

        async def receive() -> Any:  # noqa: ANN401 - a message of ASGI
            return told.pop() if told else {"type": "http.disconnect"}

        await protocol.answer({**scope, CALL: self._call}, receive, send)


def _protocol() -> Any:  # noqa: ANN401 - a module
    from services.gateway.routes.mcp import protocol  # noqa: PLC0415 - as said above

    return protocol


HANDLERS = (speak,)
