"""Every "no" that may cross a boundary.

Refusal
├── Malformed              400  malformed: not JSON, a broken cursor, a broken idempotency key
├── Unauthenticated        401  unauthenticated: not signed in, or no longer
├── NotAllowed             403  not_allowed: signed in, but this role may not
│   ├── OriginNotAllowed        origin_not_allowed: the widget may not be used on this site
│   └── TicketCreationDisabled  ticket_creation_disabled: visitors may chat, but open no tickets
├── CsrfFailed             403  csrf_failed: a cookie without its token, or from another origin
├── NotFound               404  not_found: not there, or in another workspace
│   └── AssistantNotFound       assistant_not_found: check the assistant ID
├── NoSuchMethod           405  method_not_allowed
├── Conflict               409  conflict: the record is not in a state for this
│   ├── TransitionNotAllowed    transition_not_allowed, with the moves that are `allowed`
│   ├── InProgress              in_progress: the same key is being worked on now
│   ├── AlreadyAnswered         already_answered: the first answer held a secret and was not kept
│   ├── Taken                   taken: somebody else has this name
│   ├── Deleted                 ticket_deleted: restore it first
│   └── NoAddress               no_address: there is no contact with an e-mail address to write to
├── StaleVersion           412  stale_version, with the events `missed`
├── TooLarge               413  too_large
├── WrongMediaType         415  unsupported_media_type
├── Invalid                422  invalid, with `errors[{field, code, detail}]`
│   ├── UnknownMessage          unknown_type: nobody here understands this message
│   ├── ContactInfoRequired     contact_info_required: name and e-mail come before the ticket
│   └── KeyReused               idempotency_key_reused: the same key with another body
├── RateLimited            429  rate_limited, with `retry_after` seconds
├── HeadersTooLarge        431  headers_too_large
├── Crashed                500  internal: a bug of ours; nothing was changed
└── Unavailable            503  unavailable: try again, `retry_after` seconds from now
    └── NotReached              not_yet: the record has not reached that version

A code is for ever. `status` is the HTTP status and the number in `Nats-Service-Error-Code`.
"""

from typing import Any, ClassVar


class Refusal(Exception):
    """A "no" with a stable code, a sentence for people, and facts for programs."""

    registry: ClassVar[dict[str, type["Refusal"]]] = {}
    code: ClassVar[str] = ""
    status: ClassVar[int] = 500
    detail: str = "This can't be done."

    def __init__(self, detail: str | None = None, **facts: Any) -> None:
        """Take the sentence (else the class's own) and the facts, which must be plain JSON."""
        self.detail = detail or type(self).detail
        self.facts = facts
        super().__init__(self.detail)

    def __init_subclass__(cls) -> None:
        """Keep codes unique."""
        if cls.code in Refusal.registry:
            msg = f"{cls.__name__}: the code {cls.code!r} belongs to {Refusal.registry[cls.code].__name__}"
            raise TypeError(msg)
        Refusal.registry[cls.code] = cls

    @property
    def in_full(self) -> str:
        """The sentence and the fields at fault in one line, never their values."""
        fields = "; ".join(f"{each['field'] or 'body'}: {each['detail']}" for each in self.facts.get("errors", ()))
        return f"{self.detail} {fields}".strip()

    def to_wire(self) -> dict[str, Any]:
        """Return the refusal as plain JSON."""
        return {"code": self.code, "detail": self.detail, **self.facts}

    @staticmethod
    def from_wire(wire: dict[str, Any]) -> "Refusal":
        """Return the refusal that another service sent; a code from a newer contract becomes `Crashed`."""
        facts = dict(wire)
        kind = Refusal.registry.get(facts.pop("code", ""), Crashed)
        return kind(facts.pop("detail", None), **facts)


class Malformed(Refusal):
    """The request can't be read."""

    code, status, detail = "malformed", 400, "The request can't be read."


class Unauthenticated(Refusal):
    """Nobody is signed in."""

    code, status, detail = "unauthenticated", 401, "Sign in first."


class NotAllowed(Refusal):
    """The caller's role may not do this."""

    code, status, detail = "not_allowed", 403, "Your role doesn't allow this."


class OriginNotAllowed(NotAllowed):
    """The page that asks is on no site that this assistant may be used on."""

    code, detail = "origin_not_allowed", "This assistant can't be used on this site."


class TicketCreationDisabled(NotAllowed):
    """Visitors may chat here, but open no tickets."""

    code, detail = "ticket_creation_disabled", "Tickets can't be created here; an admin can allow it for the widget."


class CsrfFailed(Refusal):
    """A cookie alone does not prove that the person meant it."""

    code, status, detail = (
        "csrf_failed",
        403,
        "Send the X-CSRF-Token header with a session cookie, from the same origin.",
    )


class NotFound(Refusal):
    """Not there, or not in this workspace: the caller can't tell which."""

    code, status, detail = "not_found", 404, "There is nothing here."


class AssistantNotFound(NotFound):
    """There is no assistant with this ID."""

    code, detail = "assistant_not_found", "There is no such assistant; check the assistant ID."


class NoSuchMethod(Refusal):
    """The address exists, the method does not."""

    code, status, detail = "method_not_allowed", 405, "This address doesn't take that method."


class Conflict(Refusal):
    """The record is not in a state for this."""

    code, status, detail = "conflict", 409, "This doesn't fit the state of the record."


class TransitionNotAllowed(Conflict):
    """The ticket can't move there; `allowed` lists where this caller may move it."""

    code, detail = "transition_not_allowed", "The ticket can't move to that status."


class InProgress(Conflict):
    """The same idempotency key is being worked on at this moment."""

    code, detail = "in_progress", "The same request is being worked on; ask again in a moment."


class AlreadyAnswered(Conflict):
    """The key was used, and its answer held a secret that is shown once; `id` names what was made."""

    code, detail = "already_answered", "This request was answered before, with a secret that is shown only once."


class Taken(Conflict):
    """The name is somebody else's."""

    code, detail = "taken", "That name is taken."


class Deleted(Conflict):
    """The ticket is deleted, which only admins are told."""

    code, detail = "ticket_deleted", "The ticket is deleted; restore it first."


class NoAddress(Conflict):
    """The ticket has nobody who could be written to."""

    code, detail = "no_address", "The ticket has no contact with an e-mail address; link one first."


class StaleVersion(Refusal):
    """The record has changed since; `missed` lists the events in between, `version` is the current one."""

    code, status, detail = "stale_version", 412, "The record has changed since you read it."


class TooLarge(Refusal):
    """The body is too large."""

    code, status, detail = "too_large", 413, "The body is too large."


class WrongMediaType(Refusal):
    """The body is of a type that is not read here."""

    code, status, detail = "unsupported_media_type", 415, "Send application/json."


class Invalid(Refusal):
    """A field is at fault; `errors` lists {field, code, detail}."""

    code, status, detail = "invalid", 422, "Some fields need another value."

    @classmethod
    def field(cls, field: str, code: str, detail: str) -> "Invalid":
        """Refuse because of one field."""
        return cls(errors=[{"field": field, "code": code, "detail": detail}])


class UnknownMessage(Invalid):
    """Nobody here understands this message."""

    code, detail = "unknown_type", "No message of this type is understood here."


class ContactInfoRequired(Invalid):
    """The visitor must say who they are before the ticket is sent; `errors` names what is missing."""

    code, detail = "contact_info_required", "Name and e-mail address are needed before a ticket is created."


class KeyReused(Invalid):
    """The idempotency key was used for another body."""

    code, detail = "idempotency_key_reused", "This idempotency key was used for a different request."


class RateLimited(Refusal):
    """Too often; `retry_after` seconds."""

    code, status, detail = "rate_limited", 429, "Too many requests; wait a moment."


class HeadersTooLarge(Refusal):
    """The request's headers are too large."""

    code, status, detail = "headers_too_large", 431, "The headers are too large."


class Crashed(Refusal):
    """A bug of ours: nothing was changed, and the reason is in the log under the trace id."""

    code, status, detail = "internal", 500, "Something went wrong on our side; nothing was changed."


class Unavailable(Refusal):
    """A service or store is away; `retry_after` seconds. Nothing is lost: repeat with the same idempotency key."""

    code, status, detail = "unavailable", 503, "A part of the system is away; try again in a moment."


class NotReached(Unavailable):
    """The record will reach that version, but has not yet."""

    code, detail = "not_yet", "The record has not reached that version yet; ask again in a moment."
