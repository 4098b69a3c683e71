"""CloudEvents 1.0 over NATS: binary mode for all we send; structured mode is read from other systems as well.

Source: CloudEvents 1.0.2 core, its NATS protocol binding (attributes are headers `ce-…`) and its JSON format.
"""

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from contracts.base import Event
from contracts.refusals import Invalid, Malformed

STRUCTURED = "application/cloudevents+json"
_ID = re.compile(r"[!-~]{1,200}")
_POSITION = re.compile(r"[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Received:
    """A message with its envelope taken off. `id` is empty and `position` 0 where the sender gave none."""

    id: str
    type: str
    data: bytes
    position: int = 0
    traceparent: str | None = None


def headers_for(event: Event, position: int, traceparent: str | None = None) -> dict[str, str]:
    """Return the headers that travel with this event."""
    return event_headers(
        id=str(event.id),
        owner=event.OWNER,
        type=event.SUBJECT,
        about=event.about.id,
        at=event.at,
        position=position,
        traceparent=traceparent,
    )


def event_headers(
    *, id: str, owner: str, type: str, about: str, at: dt.datetime, position: int, traceparent: str | None = None
) -> dict[str, str]:
    """Return the headers of an event whose attributes are known."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-source": f"/counterfoil/{owner}",
        "ce-type": type,
        "ce-subject": about,
        "ce-time": at.isoformat(),
        "ce-position": str(position),
        "content-type": "application/json",
    }
    if traceparent:
        headers["traceparent"] = traceparent
    return headers


def open_envelope(headers: Mapping[str, str] | None, body: bytes) -> Received:
    """Take the envelope off a message in binary or structured mode, or off a bare JSON body without any.

    Raises Malformed for a body that is not what its content type says, Invalid for an attribute out of its bounds.
    """
    given = {key.lower(): value for key, value in (headers or {}).items()}
    media = given.get("content-type", "").partition(";")[0].strip().lower()
    if media == STRUCTURED:
        return _structured(body, given.get("traceparent"))
    id = given.get("ce-id")
    if id is not None and not _ID.fullmatch(id):
        raise Invalid.field("ce-id", "pattern", "must be 1 to 200 printable ASCII characters without spaces")
    if given.get("ce-specversion", "1.0") != "1.0":
        raise Invalid.field("ce-specversion", "unknown", "only CloudEvents 1.0 is understood")
    position = given.get("ce-position", "")
    return Received(
        id=id or "",
        type=given.get("ce-type", ""),
        data=body,
        position=int(position) if _POSITION.fullmatch(position) else 0,
        traceparent=given.get("traceparent"),
    )


def require_unique_names(body: bytes) -> None:
    """Raise Malformed for JSON in which a name stands twice: two readers could understand it differently."""
    with suppress(ValueError, RecursionError):  # what is no JSON at all is told by whoever reads it
        _read(body)


def _read(body: bytes) -> object:
    return json.loads(body.decode(), object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Malformed("A name stands twice in one object of the body.")
    return found


def _structured(body: bytes, traceparent: str | None) -> Received:
    try:
        event = _read(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON") from error
    if not isinstance(event, dict) or event.get("specversion") != "1.0":
        raise Invalid.field("specversion", "unknown", "only CloudEvents 1.0 is understood")
    id, type = event.get("id"), event.get("type")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise Invalid.field("id", "pattern", "must be 1 to 200 printable ASCII characters without spaces")
    if not isinstance(type, str):
        raise Invalid.field("type", "missing", "must be a string")
    if "data_base64" in event:
        try:
            data = base64.b64decode(event["data_base64"], validate=True)
        except (TypeError, ValueError, binascii.Error) as error:
            raise Malformed("data_base64 is not base64") from error
    else:
        data = json.dumps(event.get("data")).encode()
    trace = event.get("traceparent", traceparent)
    return Received(id=id, type=type, data=data, traceparent=trace if isinstance(trace, str) else None)
