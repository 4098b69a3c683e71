"""Reads what a stream keeps, message by message, and takes single ones out before their time."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

_NOT_FOUND = 404
_AT_ONCE = 32
"""Parts of a stream that are read beside each other, as the way to the broker and back is longer than the look."""

type Theirs = Callable[[Mapping[str, str], bytes], bool]
"""Tells by headers (in small letters) and body whether a message is to go."""


async def kept(
    nats: Client, stream: str, subject: str, after: int = 0, until: int | None = None
) -> AsyncIterator[tuple[int, dict[str, str], bytes]]:
    """Read the messages of a subject, which may hold wildcards, behind a sequence: each one's own, headers and body."""
    while (message := await _message(nats, stream, {"seq": after + 1, "next_by_subj": subject})) is not None:
        after = message["seq"]
        if until is not None and after > until:
            return
        headers = _headers(base64.b64decode(message.get("hdrs", "")))
        yield after, headers, base64.b64decode(message.get("data", ""))


async def purge(nats: Client, stream: str, subject: str, is_theirs: Theirs) -> int:
    """Delete the messages of a subject that are to go, and overwrite what they said; return how many."""
    first = await _message(nats, stream, {"seq": 1, "next_by_subj": subject})
    last = await _message(nats, stream, {"last_by_subj": subject})
    if first is None or last is None:
        return 0
    begin, end = first["seq"] - 1, last["seq"]
    step = (end - begin) // _AT_ONCE + 1

    async def part(after: int) -> int:
        gone, until = 0, after + step
        async for sequence, headers, body in kept(nats, stream, subject, after, until if until < end else None):
            if is_theirs(headers, body):
                done = await _ask(nats, f"MSG.DELETE.{stream}", {"seq": sequence, "no_erase": False})
                gone += bool(done.get("success"))
        return gone

    async with asyncio.TaskGroup() as group:
        parts = [group.create_task(part(after)) for after in range(begin, end, step)]
    return sum(each.result() for each in parts)


async def _message(nats: Client, stream: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    answer = await _ask(nats, f"MSG.GET.{stream}", wanted)
    if (error := answer.get("error")) is None:
        message: dict[str, Any] = answer["message"]
        return message
    if error.get("code") == _NOT_FOUND:
        return None
    raise NatsError(str(error))


async def _ask(nats: Client, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = await nats.request(f"$JS.API.STREAM.{verb}", json.dumps(body).encode(), timeout=5)
    said: dict[str, Any] = json.loads(answer.data)
    return said


def _headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
