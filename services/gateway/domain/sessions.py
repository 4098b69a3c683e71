"""The time that somebody is signed in."""

import datetime as dt
import re
from dataclasses import dataclass
from uuid import UUID

from contracts.base import Subject
from contracts.gateway import SignedIn
from services.gateway.domain.people import Cause, User, told

SESSION_LIFE = dt.timedelta(days=7)
SESSION_IDLE = dt.timedelta(hours=12)
SEEN_EVERY = dt.timedelta(minutes=1)
"""How exact the time of the last use of a session or token is kept."""

_BROWSERS = (
    ("Edge", r"\bEdg(A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Chromium", r"\b(Chromium|HeadlessChrome)/"),
    ("Chrome", r"\b(Chrome|CriOS)/"),
    ("Safari", r"\bVersion/.*\bSafari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("macOS", r"\bMacintosh\b"),
    ("Linux", r"\bLinux\b"),
)


@dataclass(frozen=True, slots=True)
class Session:
    """A time that somebody is signed in. The token is known to its holder alone."""

    id: UUID
    user_id: UUID
    created_at: dt.datetime
    seen_at: dt.datetime
    expires_at: dt.datetime
    client: str = ""
    """The sort of program that signed in, such as "Firefox on Linux"."""

    def is_over(self, now: dt.datetime) -> bool:
        """Tell whether it has reached its end, or lay unused for too long."""
        return now >= self.expires_at or now >= self.seen_at + SESSION_IDLE

    def is_due(self, now: dt.datetime) -> bool:
        """Tell whether its last use is worth writing down again."""
        return now >= self.seen_at + SEEN_EVERY


def begin_session(id: UUID, user: User, now: dt.datetime, client: str = "") -> Session:
    """Begin a session; it ends after seven days, however busy it is."""
    return Session(id=id, user_id=user.id, created_at=now, seen_at=now, expires_at=now + SESSION_LIFE, client=client)


def signed_in(workspace_id: str, session: Session, user: User, cause: Cause) -> SignedIn:
    """Tell a workspace that one of its members signed in."""
    return SignedIn(
        **told(workspace_id, user.actor, cause),
        subject=Subject(kind="session", id=str(session.id), version=1),
        user_id=user.id,
    )


def client_of(user_agent: str) -> str:
    """Return the sort of program that a `User-Agent` speaks of; nothing of what it says is kept as it is."""
    browser = next((name for name, words in _BROWSERS if re.search(words, user_agent)), "")
    system = next((name for name, words in _SYSTEMS if re.search(words, user_agent)), "")
    return " on ".join(filter(None, (browser, system)))
