"""Somebody, and what is behind something that they do."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.base import Actor, ActorKind, Audience, Role, Subject, Via
from contracts.gateway import MemberRenamed


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
class Acting:
    """Whoever does something in a workspace, as they are at this moment: a member, or an API token."""

    actor: Actor
    role: Role
    user_id: UUID | None = None
    """None for a token."""


def told(workspace_id: str, actor: Actor, cause: Cause) -> dict[str, Any]:
    """Return what every fact of ours says."""
    return {
        "workspace_id": workspace_id,
        "actor": actor,
        "via": cause.via,
        "cause": str(cause.command_id),
        "audience": Audience.ADMINS,
        "at": cause.at,
    }


def renamed(workspace_id: str, version: int, user: User, old: str, cause: Cause) -> MemberRenamed:
    """Tell a workspace what one of its members is called now; `version` counts what it was told of their account."""
    return MemberRenamed(
        **told(workspace_id, user.actor, cause),
        subject=Subject(kind="account", id=str(user.id), version=version),
        user_id=user.id,
        old=old,
        new=user.name,
    )
