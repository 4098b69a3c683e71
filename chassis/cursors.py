"""Opaque places in a list: a page's cursor is only good for the same workspace, sort and filters."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from contracts.refusals import Malformed

_SEAL = 9


def _seal(scope: str, payload: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + payload).digest()[:_SEAL]


def encode(scope: str, values: Sequence[str | int | None]) -> str:
    """Return the cursor of the row that sorts by `values` in the list that `scope` describes."""
    payload = json.dumps(list(values), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(scope, payload) + payload).rstrip(b"=").decode()


def decode(scope: str, cursor: str) -> list[Any]:
    """Return the values; raises Malformed for a cursor that was changed or belongs to another list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Malformed("the cursor is broken") from error
    seal, payload = raw[:_SEAL], raw[_SEAL:]
    if seal != _seal(scope, payload):
        raise Malformed("the cursor belongs to another list")
    values: list[Any] = json.loads(payload)
    return values
