"""What Schemathesis is told beside the description: whose desk it is, and which refusals no description can foresee."""

import itertools
import os
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response

_ME = os.environ["DESK_USER"]
_TOKEN = os.environ["DESK_TOKEN"]
_SESSIONS = iter(Path(os.environ["DESK_SESSIONS"]).read_text(encoding="utf-8").split())
_ENDS_A_SESSION = frozenset({"sign_out"})
_KEYS = itertools.count()
_DEPENDS = frozenset({"not_found", "not_assignable", "too_common", "ambiguous", "not_for_notes", "not_for_comments"})
"""Codes of fields at fault whose fault lies in what is there, or in what else was said."""


@schemathesis.auth(refresh_interval=None)
class Session:
    """Whose session a request comes with: one of its own where it ends the session."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        """Choose the token."""
        return next(_SESSIONS) if _id(case) in _ENDS_A_SESSION else _TOKEN

    def set(self, case: Case[Any], data: str, context: AuthContext) -> None:
        """Send it."""
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def filter_case(context: HookContext, case: Case[Any]) -> bool:
    """Leave the one who asks their membership: without it nothing more would be learned."""
    return (case.path_parameters or {}).get("user") != _ME


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Give each request a key of its own, and let a stream begin where there is something to read."""
    key = case.headers.get("Idempotency-Key", "")
    if key.isascii() and key.isalnum() and len(key) < 200:
        # Otherwise the same few keys would come with every body, and be refused for that alone.
        case.headers["Idempotency-Key"] = f"{key}-{next(_KEYS)}"
    if _id(case) == "follow_events":
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
    problem, kind = response.json(), type(failure).__name__
    if kind == "ServerError":
        # Who asks for a version that is yet to come waits for it, and then is told to come again.
        return not (_id(case) == "read_history" and problem["code"] == "not_yet")
    if kind != "RejectedPositiveData":
        return True
    if problem["code"] == "malformed":
        return "cursor" not in (case.query or {})
    if problem["code"] == "invalid":
        # A new password must be longer than one that was good enough in its time.
        old = {("password", "string_too_short")} if _id(case) == "accept_invitation" else set()
        faults = {(error["field"], error["code"]) for error in problem["errors"]} - old
        return not all(code in _DEPENDS for _, code in faults)
    return True


def _id(case: Case[Any]) -> str:
    return str(case.operation.definition.raw.get("operationId"))
