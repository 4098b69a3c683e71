"""What JetStream is asked to have: it is made where it is missing, and compared where it is there."""

import json
from collections.abc import Mapping
from typing import Any

from nats.aio.client import Client

from chassis.logs import get_logger

log = get_logger()

_NOT_FOUND = 404


async def ensure(client: Client, subject: str, wanted: Mapping[str, Any], body: Any, *, apply: bool) -> list[str]:
    """Make a stream or consumer that is missing; return how one that exists differs."""
    consumer = subject.startswith("CONSUMER")
    answer = await call(client, subject.format("INFO"))
    if _says_missing(answer):
        verb, action = ("DURABLE.CREATE", "create") if consumer else ("CREATE", "")
    elif reason := refused(subject.rpartition("}.")[2], answer):
        return reason
    else:
        found = differences(subject.rpartition("}.")[2], wanted, answer["config"])
        if not found or not apply:
            return found
        verb, action = ("DURABLE.CREATE", "update") if consumer else ("UPDATE", "")
    answer = await call(client, subject.format(verb), body | {"action": action} if consumer else body)
    if reason := refused(subject.rpartition("}.")[2], answer):
        return reason
    log.info("provisioned", what=subject.format(verb))
    return []


async def call(client: Client, verb: str, body: Any = None) -> dict[str, Any]:
    """Return what JetStream answers; raises NATS's errors and TimeoutError while it is away."""
    answer = await client.request(f"$JS.API.{verb}", json.dumps(body).encode() if body else b"", timeout=5)
    read: dict[str, Any] = json.loads(answer.data)
    return read


def _says_missing(answer: Mapping[str, Any]) -> bool:
    return bool(answer.get("error", {}).get("code") == _NOT_FOUND)


async def is_missing(client: Client, stream: str) -> bool:
    """Tell whether there is no such stream."""
    return _says_missing(await call(client, f"STREAM.INFO.{stream}"))


def refused(what: str, answer: Mapping[str, Any]) -> list[str]:
    """What is not there, or why a cluster can't tell: one that has lost too many servers says so."""
    if "error" not in answer:
        return []
    return [f"{what}: {'missing' if _says_missing(answer) else answer['error'].get('description')}"]


def differences(what: str, wanted: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    """Return how what is there differs from what is wanted, a line for each."""
    # The server leaves out what is false, and tells a single filter under another name.
    flat = {**there, "filter_subjects": there.get("filter_subjects") or [there.get("filter_subject")]}
    return [
        f"{what}: {key} is {flat.get(key)!r}, should be {value!r}"
        for key, value in wanted.items()
        if flat.get(key, False if isinstance(value, bool) else None) != value
    ]
