"""What Schemathesis is told beside the description: whose desk it is, and which refusals no description can foresee."""

import itertools
import os
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response

_ME = os.environ["DESK_USER"]
_MY_SESSION = os.environ["DESK_SESSION"]
_TOKEN = os.environ["DESK_TOKEN"]
_VISITOR = os.environ["DESK_VISITOR"]
_SESSIONS = iter(Path(os.environ["DESK_SESSIONS"]).read_text(encoding="utf-8").split())
_ENDS_A_SESSION = frozenset({"sign_out"})
_COUNT = itertools.count(1)
_DEPENDS = frozenset(
    [
        "not_found",
        "not_assignable",
        "too_common",
        "not_the_slug",
        "yourself",
        "wrong",
        "ambiguous",
        "required",
        "range",
        "not_for_notes",
        "not_for_comments",
        "no_address",
        "not_public",
        "https_only",
        "userinfo",
        "port",
        "unknown_zone",
        "no_end",
    ]
)
"""Codes of fields at fault whose fault lies in what is there, or in what else was said."""


@schemathesis.auth(refresh_interval=None)
class Session:
    """Whose session a request comes with: one of its own where it ends the session."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        """Choose the token."""
        if case.operation.definition.raw.get("security") == [{"visitor": []}]:
            return _VISITOR
        return next(_SESSIONS) if _id(case) in _ENDS_A_SESSION else _TOKEN

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        """Send it."""
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leave the one who asks their membership and their session: without them nothing more would be learned."""
    named = case.path_parameters or {}
    return named.get("user") != _ME and named.get("session") != _MY_SESSION


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Give each request an address and a key of its own, and let a stream begin where there is something to read."""
    case.headers["X-Forwarded-For"] = str(IPv4Address(next(_COUNT) << 8 | 1))  # else it would soon come too often
    key = case.headers.get("Idempotency-Key", "")
    if key.isascii() and key.isalnum() and len(key) < 200:
        # Otherwise the same few keys would come with every body, and be refused for that alone.
        case.headers["Idempotency-Key"] = f"{key}-{next(_COUNT)}"
    if _id(case) in ("follow_events", "follow_conversation"):
        resumed = case.headers.get("Last-Event-ID")
        if resumed is None:
            case.query.setdefault("after", 0)
        elif resumed.isdigit() and len(resumed) < 16:
            case.headers["Last-Event-ID"] = "0"
        if str(case.query.get("after", "")).isdigit():
            case.query["after"] = 0


@schemathesis.hook
def filter_failure(context: HookContext, failure: Any, case: Case[Any], response: Response) -> bool:
    """Tell whether a failure is one: no description can say what is there, or which cursors were given out."""
    if not response.headers.get("content-type", [""])[0].startswith("application/problem+json"):
        return True
    problem = response.json()
    match type(failure).__name__, problem["code"]:
        case "ServerError", "not_yet":
            # Who asks for a version that is yet to come waits for it, and then is told to come again.
            return _id(case) != "read_history"
        case "RejectedPositiveData", "stale_version" | "idempotency_key_reused":
            return not {"If-Match", "Idempotency-Key"} & {*case.headers}
        case "RejectedPositiveData", "malformed":
            # No description can say what makes a file of a workspace.
            return "cursor" not in (case.query or {}) and _id(case) != "import_workspace"
        case "RejectedPositiveData", "invalid":
            return not all(_depends(_id(case), error["field"], error["code"]) for error in problem["errors"])
    return True


def _depends(id: str, field: str, code: str) -> bool:
    """Tell whether a field's fault is none that a schema could have named."""
    if code in _DEPENDS:
        return True
    if code == "int_type":  # to JSON Schema 7.0 is an integer; nobody writes one so
        return True
    if field.startswith("widget.allowed_origins."):  # an origin has more rules than a pattern can tell
        return True
    if code == "not_a_list":  # and so has the address of a list
        return True
    if field == "url" and code == "malformed":  # and so has the address of a receiver
        return True
    # A new password must be longer than one that was good enough in its time.
    return (id, field, code) == ("accept_invitation", "password", "string_too_short")


def _id(case: Case[Any]) -> str:
    return str(case.operation.definition.raw.get("operationId"))


@schemathesis.serializer("application/jsonl")
def lines(context: Any, value: Any) -> bytes:
    """Send a file as it is."""
    return str(value).encode(errors="replace")
