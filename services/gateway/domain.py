"""Decides who may come in, who may ask whom in, and how long a session or an invitation lasts."""

import datetime as dt
import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from uuid import UUID

from contracts.base import Actor, ActorKind, Audience, Caller, Person, Role, Subject, Via
from contracts.gateway import MemberInvited, MemberJoined, MemberRemoved, RoleChanged, WorkspaceCreated
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound

SESSION_LIFE = dt.timedelta(days=7)
SESSION_IDLE = dt.timedelta(hours=12)
SEEN_EVERY = dt.timedelta(minutes=1)
"""How exact the time of a session's last use is kept."""
INVITATION_LIFE = dt.timedelta(hours=72)
PASSWORD_LEAST, PASSWORD_MOST = 12, 128

_SLUG = re.compile(r"[a-z0-9-]{2,40}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
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


class Scope(StrEnum):
    """What an API token may be allowed. A person who signed in has every one."""

    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    CONTACTS_READ = "contacts:read"
    CONTACTS_WRITE = "contacts:write"
    CONVERSATIONS_READ = "conversations:read"
    CONVERSATIONS_WRITE = "conversations:write"
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    """The workspace's, its assistants' and its tickets' settings, and what is connected to it."""
    PEOPLE_READ = "people:read"
    PEOPLE_WRITE = "people:write"
    """Members, invitations and tokens."""
    AUDIT_READ = "audit:read"
    """The admins' book, the proof of the chain, and dead letters."""
    AUDIT_WRITE = "audit:write"
    NOTIFICATIONS_READ = "notifications:read"
    NOTIFICATIONS_WRITE = "notifications:write"


@dataclass(frozen=True, slots=True)
class Cause:
    """The command behind a change: which one, when, and through which door."""

    command_id: UUID
    via: Via
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a password. One person, however many workspaces."""

    id: UUID
    email: str
    name: str

    @property
    def actor(self) -> Actor:
        """The user as the actor of a fact."""
        return Actor(kind=ActorKind.USER, id=str(self.id), name=self.name)


@dataclass(frozen=True, slots=True)
class Workspace:
    """A desk of its own: nothing in it is seen from another."""

    id: str
    slug: str
    name: str
    version: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a workspace."""

    user: User
    role: Role
    version: int
    joined_at: dt.datetime

    @property
    def record(self) -> Subject:
        """The membership as the subject of a fact."""
        return Subject(kind="member", id=str(self.user.id), version=self.version)

    @property
    def person(self) -> Person:
        """The member as another service is told of them."""
        return Person(id=self.user.id, name=self.user.name, role=self.role)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link that makes whoever holds it a member, once."""

    id: UUID
    workspace_id: str
    email: str
    name: str
    role: Role
    expires_at: dt.datetime
    used_at: dt.datetime | None = None

    def check_open(self, now: dt.datetime) -> None:
        """Refuse a link that was used or has expired, in the same words as one that never was."""
        if self.used_at is not None or now >= self.expires_at:
            raise no_such_invitation()


@dataclass(frozen=True, slots=True)
class Session:
    """A time that somebody is signed in. The token is known to its holder alone."""

    id: UUID
    user_id: UUID
    created_at: dt.datetime
    seen_at: dt.datetime
    expires_at: dt.datetime

    def is_over(self, now: dt.datetime) -> bool:
        """Tell whether it has reached its end, or lay unused for too long."""
        return now >= self.expires_at or now >= self.seen_at + SESSION_IDLE

    def is_due(self, now: dt.datetime) -> bool:
        """Tell whether its last use is worth writing down again."""
        return now >= self.seen_at + SEEN_EVERY


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever a request comes from: signed in, and a member here where a workspace is named."""

    session: Session
    user: User
    via: Via
    workspace: Workspace | None = None
    role: Role | None = None

    @property
    def here(self) -> tuple[Workspace, Role]:
        """The workspace and the role in it; a stranger learns no more than that there is nothing."""
        if self.workspace is None or self.role is None:
            raise NotFound
        return self.workspace, self.role

    @property
    def caller(self) -> Caller:
        """The visitor as other services are told of them."""
        workspace, role = self.here
        return Caller(
            workspace_id=workspace.id, kind=ActorKind.USER, id=str(self.user.id), name=self.user.name, role=role
        )


def no_such_invitation() -> NotFound:
    """Return the one answer to a link that opens nothing."""
    return NotFound("This invitation is not there, was used, or has expired; ask for a new one.")


def token_hash(token: str) -> bytes:
    """Return what is stored of a secret token: 256 bits of chance need no slow hash."""
    return hashlib.sha256(token.encode()).digest()


def looks_like_a_token(token: str) -> bool:
    """Tell whether this could be a secret of ours: 32 bytes in base64url."""
    return _TOKEN.fullmatch(token) is not None


def csrf_token(token: str) -> str:
    """Return the value that proves the page knows more than the cookie jar sends by itself."""
    return hmac.new(token.encode(), b"counterfoil csrf", hashlib.sha256).hexdigest()


def is_csrf_token(given: str, token: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(errors="replace"), csrf_token(token).encode())


def workspace_reference(text: str) -> str | None:
    """Return the id or slug that `text` may be, or None where it can be neither."""
    if _UUID.fullmatch(text):
        return text.lower()
    return text if _SLUG.fullmatch(text) else None


def check_slug(slug: str) -> None:
    """Refuse a slug that can't stand in an address, or that could be taken for an id."""
    if not _SLUG.fullmatch(slug):
        raise Invalid.field("slug", "pattern", "must be 2 to 40 of a-z, 0-9 and the hyphen")
    if _UUID.fullmatch(slug):
        raise Invalid.field("slug", "pattern", "must not look like an id")


def check_new_password(password: str, email: str) -> None:
    """Refuse a new password that is too short, too long, or among the first that anybody would try."""
    if len(password) < PASSWORD_LEAST:
        raise Invalid.field("password", "string_too_short", f"must be at least {PASSWORD_LEAST} characters")
    if len(password) > PASSWORD_MOST:
        raise Invalid.field("password", "string_too_long", f"must be at most {PASSWORD_MOST} characters")
    plain = password.lower()
    if plain in _OBVIOUS or plain == email.lower() or len(set(plain)) < 4:  # noqa: PLR2004 - "abcabcabcabc" is no secret
        raise Invalid.field("password", "too_common", "is too easy to guess")


def found(
    id: str, slug: str, name: str, maker: User, cause: Cause
) -> tuple[Workspace, Member, WorkspaceCreated, MemberJoined]:
    """Make a workspace; its maker is its owner."""
    check_slug(slug)
    workspace = Workspace(id=id, slug=slug, name=name, version=1, created_at=cause.at)
    created = WorkspaceCreated(
        **_told(id, maker, cause), subject=Subject(kind="workspace", id=id, version=1), name=name, slug=slug
    )
    owner, joined = join(id, maker, Role.OWNER, cause)
    return workspace, owner, created, joined


def join(workspace_id: str, user: User, role: Role, cause: Cause, *, version: int = 1) -> tuple[Member, MemberJoined]:
    """Make a user a member; for one who was here before, `version` goes on where it ended."""
    member = Member(user=user, role=role, version=version, joined_at=cause.at)
    joined = MemberJoined(
        **_told(workspace_id, user, cause),
        subject=member.record,
        user_id=user.id,
        name=user.name,
        email=user.email,
        role=role,
    )
    return member, joined


def check_may_manage(manager: Role) -> None:
    """Refuse whoever does not run the desk."""
    if not manager.runs_the_desk:
        raise NotAllowed("Only owners and admins may say who is here, and as what.")


def change_role(
    workspace_id: str, member: Member, role: Role, *, by: Member, owners: int, cause: Cause
) -> tuple[Member, RoleChanged | None]:
    """Give a member another role; the role that they have is no change. `owners` is how many there are."""
    _check_owners(member, role, by, owners)
    if role is member.role:
        return member, None
    changed = replace(member, role=role, version=member.version + 1)
    return changed, RoleChanged(
        **_told(workspace_id, by.user, cause),
        subject=changed.record,
        user_id=member.user.id,
        name=member.user.name,
        old=member.role,
        new=role,
    )


def remove(workspace_id: str, member: Member, *, by: Member, owners: int, cause: Cause) -> MemberRemoved:
    """Take a member out; what they did stays. `owners` is how many there are."""
    _check_owners(member, None, by, owners)
    return MemberRemoved(
        **_told(workspace_id, by.user, cause),
        subject=replace(member, version=member.version + 1).record,
        user_id=member.user.id,
        name=member.user.name,
        old=member.role,
    )


def _check_owners(member: Member, role: Role | None, by: Member, owners: int) -> None:
    """Refuse an admin who touches an owner or makes one, and whatever would leave nobody to own the desk."""
    check_may_manage(by.role)
    if Role.OWNER in (member.role, role) and by.role is not Role.OWNER:
        raise NotAllowed("Only an owner may make, change or remove an owner.")
    if member.role is Role.OWNER and role is not Role.OWNER and owners <= 1:
        raise Conflict("The last owner can't be demoted or removed; make somebody else an owner first.")


def check_may_invite(inviter: Role) -> None:
    """Refuse whoever does not run the desk."""
    if not inviter.runs_the_desk:
        raise NotAllowed("Only owners and admins may invite people.")


def invite(
    id: UUID,
    workspace_id: str,
    email: str,
    name: str,
    role: Role,
    *,
    inviter: User,
    inviter_role: Role,
    is_member: bool,
    cause: Cause,
) -> tuple[Invitation, MemberInvited]:
    """Ask somebody in; nobody grants more than they have themselves."""
    check_may_invite(inviter_role)
    if role is Role.OWNER and inviter_role is not Role.OWNER:
        raise NotAllowed("Only an owner may make somebody an owner.")
    if is_member:
        raise Conflict("This person is a member already.")
    invitation = Invitation(
        id=id, workspace_id=workspace_id, email=email, name=name, role=role, expires_at=cause.at + INVITATION_LIFE
    )
    invited = MemberInvited(
        **_told(workspace_id, inviter, cause),
        subject=Subject(kind="invitation", id=str(id), version=1),
        email=email,
        name=name,
        role=role,
    )
    return invitation, invited


def begin_session(id: UUID, user: User, now: dt.datetime) -> Session:
    """Begin a session; it ends after seven days, however busy it is."""
    return Session(id=id, user_id=user.id, created_at=now, seen_at=now, expires_at=now + SESSION_LIFE)


def check_assignable(member: Member | None) -> Person:
    """Return the member as an assignee; a guest works on no ticket."""
    if member is None:
        raise Invalid.field("assignee_id", "not_found", "is nobody in this workspace")
    if member.role is Role.GUEST:
        raise Invalid.field("assignee_id", "not_assignable", "a guest can't be given tickets")
    return member.person


def check_mentioned(member: Member | None) -> Person:
    """Return the member as somebody whom a note calls; whether they may read it is decided where they are told."""
    if member is None:
        raise Invalid.field("mentions", "not_found", "names somebody who is not in this workspace")
    return member.person


def sees_addresses(role: Role) -> bool:
    """Tell whether this role is shown other people's e-mail addresses."""
    return role is not Role.GUEST


def _told(workspace_id: str, user: User, cause: Cause) -> dict[str, Any]:
    return {
        "workspace_id": workspace_id,
        "actor": user.actor,
        "via": cause.via,
        "cause": str(cause.command_id),
        "audience": Audience.ADMINS,
        "at": cause.at,
    }
