"""What a password must be, and the link that replaces one that was forgotten."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from contracts.base import Subject
from contracts.gateway import PasswordChanged
from contracts.refusals import Invalid, NotFound
from services.gateway.domain.people import Cause, User, told

PASSWORD_LEAST, PASSWORD_MOST = 12, 128
RESET_LIFE = dt.timedelta(minutes=30)

_OBVIOUS = frozenset(
    [
        "password1234",
        "password12345",
        "password123456",
        "passwordpassword",
        "123456789012",
        "1234567890123",
        "12345678901234",
        "123456789012345",
        "1234567890123456",
        "123456123456",
        "qwertyuiop12",
        "qwertyuiop123",
        "qwerty123456",
        "qwertyqwerty",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "administrator",
        "changeme1234",
        "iloveyou1234",
        "letmein12345",
        "welcome12345",
    ]
)
_LEAST_KINDS = 4
""""abcabcabcabc" is no secret."""
_MOST_WAIT = 60


@dataclass(frozen=True, slots=True)
class Reset:
    """Somebody's wish for a new password, until its mail is on its way."""

    id: UUID
    user: User
    asked_at: dt.datetime
    tries: int

    def next_try(self, now: dt.datetime) -> dt.datetime:
        """Return when to try again while mail is away."""
        return now + dt.timedelta(seconds=min(_MOST_WAIT, 2**self.tries))


def no_such_reset() -> NotFound:
    """Return the one answer to a link that sets no password."""
    return NotFound("This link is not there, was used, or has expired; ask for a new one.")


def check_new_password(password: str, email: str, field: str = "password") -> None:
    """Refuse a new password that is too short, too long, or among the first that anybody would try."""
    if len(password) < PASSWORD_LEAST:
        raise Invalid.field(field, "string_too_short", f"must be at least {PASSWORD_LEAST} characters")
    if len(password) > PASSWORD_MOST:
        raise Invalid.field(field, "string_too_long", f"must be at most {PASSWORD_MOST} characters")
    plain = password.lower()
    if plain in _OBVIOUS or plain == email.lower() or len(set(plain)) < _LEAST_KINDS:
        raise Invalid.field(field, "too_common", "is too easy to guess")


def password_changed(workspace_id: str, version: int, user: User, cause: Cause, *, by_reset: bool) -> PasswordChanged:
    """Tell a workspace that one of its members has another password; `version` counts their passwords there."""
    return PasswordChanged(
        **told(workspace_id, user.actor, cause),
        subject=Subject(kind="account", id=str(user.id), version=version),
        user_id=user.id,
        by_reset=by_reset,
    )
