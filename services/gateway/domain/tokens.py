"""API tokens: what a program may do in one workspace, for how long, and never more than whoever made it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from contracts.base import Actor, ActorKind, Role, Subject
from contracts.gateway import TokenCreated, TokenRevoked
from contracts.refusals import Invalid, NotAllowed
from services.gateway.domain.people import Acting, Cause, told
from services.gateway.domain.sessions import SEEN_EVERY

TOKEN_LIFE = dt.timedelta(days=90)
TOKEN_LONGEST = dt.timedelta(days=365)
TOKEN_KEPT = dt.timedelta(days=30)
"""How long a token is still listed after its end."""

_HIGHEST_FIRST = tuple(Role)


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
class ApiToken:
    """A program's way in. The secret is known to its holder alone."""

    id: UUID
    workspace_id: str
    maker_id: UUID
    """The member who made it, themself or by another token."""
    parent_id: UUID | None
    """The token that it was made with, and ends with."""
    name: str
    role: Role
    scopes: tuple[Scope, ...]
    created_at: dt.datetime
    expires_at: dt.datetime
    used_at: dt.datetime | None = None

    @property
    def actor(self) -> Actor:
        """The token as the actor of a fact."""
        return Actor(kind=ActorKind.INTEGRATION, id=f"token:{self.id}", name=self.name)

    @property
    def assistant(self) -> Actor:
        """The token as the actor of what an assistant does: the ledger names it as it names any other system."""
        return Actor(kind=ActorKind.INTEGRATION, id=f"integration:{self.name}", name=self.name)

    @property
    def acting(self) -> Acting:
        """The token as one who does something."""
        return Acting(self.actor, self.role)

    def is_over(self, now: dt.datetime) -> bool:
        """Tell whether it has reached its end."""
        return now >= self.expires_at

    def is_due(self, now: dt.datetime) -> bool:
        """Tell whether its last use is worth writing down again."""
        return self.used_at is None or now >= self.used_at + SEEN_EVERY


def outranks(role: Role, other: Role) -> bool:
    """Tell whether a role has at least every right of the other."""
    return _HIGHEST_FIRST.index(role) <= _HIGHEST_FIRST.index(other)


def check_may_use_tokens(role: Role) -> None:
    """Refuse whoever does not run the desk."""
    if not role.runs_the_desk:
        raise NotAllowed("Only owners and admins may see, make and revoke API tokens.")


def make_token(
    id: UUID,
    workspace_id: str,
    *,
    name: str,
    role: Role,
    scopes: Sequence[Scope],
    life: dt.timedelta,
    by: Acting,
    maker_id: UUID,
    parent: ApiToken | None,
    cause: Cause,
) -> tuple[ApiToken, TokenCreated]:
    """Let a program in; nobody grants more than they have, and a token made with a token ends with it at the latest."""
    check_may_use_tokens(by.role)
    if role is Role.OWNER:
        raise NotAllowed("No token is an owner.")
    if not outranks(by.role, role):
        raise NotAllowed("A token can't have a higher role than whoever makes it.")
    if not scopes:
        raise Invalid.field("scopes", "too_short", "must name at least one scope")
    if not dt.timedelta() < life <= TOKEN_LONGEST:
        raise Invalid.field("expires_in_days", "out_of_range", f"must be 1 to {TOKEN_LONGEST.days}")
    expires_at = cause.at + life
    if parent is not None:
        if not set(scopes) <= set(parent.scopes):
            raise NotAllowed("A token can't have scopes that the token which makes it has not.")
        expires_at = min(expires_at, parent.expires_at)
    token = ApiToken(
        id=id,
        workspace_id=workspace_id,
        maker_id=maker_id,
        parent_id=parent.id if parent else None,
        name=name,
        role=role,
        scopes=tuple(scope for scope in Scope if scope in scopes),
        created_at=cause.at,
        expires_at=expires_at,
    )
    created = TokenCreated(
        **told(workspace_id, by.actor, cause),
        subject=_record(token, 1),
        name=name,
        role=role,
        scopes=token.scopes,
        expires_at=expires_at,
    )
    return token, created


def revoke_token(token: ApiToken, *, actor: Actor, cause: Cause) -> TokenRevoked:
    """Tell that a token opens nothing from now on."""
    return TokenRevoked(
        **told(token.workspace_id, actor, cause),
        subject=_record(token, 2),
        name=token.name,
        role=token.role,
        scopes=token.scopes,
    )


def _record(token: ApiToken, version: int) -> Subject:
    return Subject(kind="token", id=str(token.id), version=version)
