"""Decides when an event is sent to a webhook, what it says, and when that ends (Standard Webhooks 1.0)."""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from contracts.refusals import Invalid
from contracts.webhooks import ANY, Trouble, event_types

SECRET_LIFE = dt.timedelta(hours=24)
"""How long a secret signs after another has taken its place."""

TIMETABLE = tuple(
    dt.timedelta(seconds=seconds) for seconds in (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
"""The pause before each try."""
NOT_KEPT = "not_kept"
"""The reason where an event's owner has it no more."""
_LONGEST_PAUSE = dt.timedelta(hours=24)
_SPREAD = 0.1
_SCHEME = "whsec_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A webhook as it is called."""

    id: UUID
    workspace_id: str
    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """An event that is to be sent now."""

    id: UUID
    event_id: UUID
    type: str
    """The subject without workspace."""
    book: str
    position: int
    about: str
    attempts: int
    event_at: dt.datetime
    endpoint: Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a try."""

    at: dt.datetime
    status: int | None
    reason: str | None
    latency: float
    retry_after: dt.timedelta | None = None

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class Next:
    """What follows a try: another one, or the end of the webhook."""

    at: dt.datetime | None
    trouble: Trouble | None = None


def check_types(wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the types once each, in order. Raises Invalid for one that is not there."""
    known = {ANY, *event_types()}
    for nth, each in enumerate(wanted):
        if each not in known:
            raise Invalid.field(f"event_types.{nth}", "unknown", f"There are no events called {each}.")
    return (ANY,) if ANY in wanted else tuple(sorted(set(wanted)))


def judge(status: int) -> str | None:
    """Return why an answer does not count; None: it does. Only 2xx is a yes, and nobody is followed elsewhere."""
    return None if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else "status"


def after(outcome: Outcome, tries: int, spread: float) -> Next:
    """Return what follows the try that failed as number `tries`; `spread` is chance, 0 to 1."""
    if outcome.status == HTTPStatus.GONE:
        return Next(None, Trouble.GONE)
    if tries >= len(TIMETABLE):
        return Next(None, Trouble.EXHAUSTED)
    pause = TIMETABLE[tries] * (1 + _SPREAD * spread)
    asked = min(outcome.retry_after or dt.timedelta(), _LONGEST_PAUSE)
    return Next(outcome.at + max(pause, asked))


def told(type: str, body: Mapping[str, Any]) -> bytes:
    """Return what is sent of an event: its name and all that is stored of it; the same bytes each time."""
    whole = {"type": type.rpartition(".")[2], **body}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def test_body(due: Due) -> dict[str, Any]:
    """Return an event that means nothing."""
    return {
        "id": str(due.event_id),
        "at": due.event_at.isoformat(),
        "workspace_id": due.endpoint.workspace_id,
        "ticket_id": None,
        "version": None,
        "subject": {"kind": "webhook", "id": str(due.endpoint.id), "version": 1},
    }


def headers(due: Due, body: bytes, at: dt.datetime) -> dict[str, str]:
    """Return the headers that go with a body: the signature, and the envelope of CloudEvents in binary mode."""
    id, stamp = str(due.event_id), str(int(at.timestamp()))
    signed = f"{id}.{stamp}.".encode() + body
    return {
        "content-type": "application/json",
        "user-agent": "Counterfoil",
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(f"v1,{_signature(secret, signed)}" for secret in due.endpoint.secrets),
        "ce-specversion": "1.0",
        "ce-id": id,
        "ce-source": f"/counterfoil/{due.type.partition('.')[0]}",
        "ce-type": due.type,
        "ce-subject": due.about,
        "ce-time": due.event_at.isoformat(),
    } | ({"ce-position": str(due.position)} if due.position else {})


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_SCHEME))
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
