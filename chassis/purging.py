"""Takes single messages out of a stream before their time, and overwrites what they said."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

_NOT_FOUND = 404

type Theirs = Callable[[Mapping[str, str], bytes], bool]
"""Tells by headers (in small letters) and body whether a message is to go."""


async def purge(nats: Client, stream: str, subject: str, is_theirs: Theirs) -> int:
    """Delete the messages of a subject, which may hold wildcards, that are to go; return how many."""
    gone, sequence = 0, 1
    while True:
        answer = await _ask(nats, f"MSG.GET.{stream}", {"seq": sequence, "next_by_subj": subject})
        if (error := answer.get("error")) is not None:
            if error.get("code") == _NOT_FOUND:
                return gone
            raise NatsError(str(error))
        message = answer["message"]
        sequence = message["seq"] + 1
        if is_theirs(_headers(base64.b64decode(message.get("hdrs", ""))), base64.b64decode(message.get("data", ""))):
            done = await _ask(nats, f"MSG.DELETE.{stream}", {"seq": message["seq"], "no_erase": False})
            gone += bool(done.get("success"))


async def _ask(nats: Client, verb: str, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = await nats.request(f"$JS.API.STREAM.{verb}", json.dumps(body).encode(), timeout=5)
    said: dict[str, Any] = json.loads(answer.data)
    return said


def _headers(raw: bytes) -> dict[str, str]:
    lines = raw.decode(errors="replace").split("\r\n")[1:]
    return {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name}
