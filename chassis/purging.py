"""Reads what a stream keeps, message by message, and takes single ones out before their time."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

_NOT_FOUND = 404

type Theirs = Callable[[Mapping[str, str], bytes], bool]
"""Tells by headers (in small letters) and body whether a message is to go."""


async def kept(
    nats: Client, stream: str, subject: str, after: int = 0
) -> AsyncIterator[tuple[int, dict[str, str], bytes]]:
    """Read the messages of a subject, which may hold wildcards, behind a sequence: each one's own, headers and body."""
    while True:
        answer = await _ask(nats, f"MSG.GET.{stream}", {"seq": after + 1, "next_by_subj": subject})
        if (error := answer.get("error")) is not None:
            if error.get("code") == _NOT_FOUND:
                return
            raise NatsError(str(error))
        message = answer["message"]
        after = message["seq"]
        headers = _headers(base64.b64decode(message.get("hdrs", "")))
        yield after, headers, base64.b64decode(message.get("data", ""))


async def purge(nats: Client, stream: str, subject: str, is_theirs: Theirs) -> int:
    """Delete the messages of a subject that are to go, and overwrite what they said; return how many."""
    gone = 0
    async for sequence, headers, body in kept(nats, stream, subject):
        if is_theirs(headers, body):
            done = await _ask(nats, f"MSG.DELETE.{stream}", {"seq": sequence, "no_erase": False})
            gone += bool(done.get("success"))
    return gone


async def _ask(nats: Client, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = await nats.request(f"$JS.API.STREAM.{verb}", json.dumps(body).encode(), timeout=5)
    said: dict[str, Any] = json.loads(answer.data)
    return said


def _headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
