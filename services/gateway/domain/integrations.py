"""Integrations: other systems that enter NATS, each in one workspace and under one name for ever."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from contracts.base import Role, Subject
from contracts.gateway import IntegrationCreated, IntegrationReplayed, IntegrationRevoked
from contracts.refusals import Conflict, NotAllowed
from services.gateway.domain.people import Acting, Cause, told
from services.gateway.domain.sessions import SEEN_EVERY

INTEGRATIONS_EACH = 50
"""How many a workspace may have: each is a consumer that NATS keeps."""
INTEGRATIONS_CUT_FOR = dt.timedelta(seconds=20)
"""How long one that was revoked is cut off again: whoever was let in a moment before may still be on their way."""


@dataclass(frozen=True, slots=True)
class Integration:
    """Another system. Its password is known to its holder alone."""

    id: UUID
    workspace_id: str
    name: str
    internal: bool
    """Whether it reads what is the team's own."""
    maker_id: UUID | None
    """The member who made it; None where it stands in the configuration of NATS."""
    created_at: dt.datetime
    version: int = 1
    seen_at: dt.datetime | None = None
    revoked_at: dt.datetime | None = None

    @property
    def fixed(self) -> bool:
        """Whether it stands in the configuration of NATS, and is taken out there."""
        return self.maker_id is None

    def is_due(self, now: dt.datetime) -> bool:
        """Tell whether its coming in is worth writing down again."""
        return self.seen_at is None or now >= self.seen_at + SEEN_EVERY

    def was_cut_long_enough(self, now: dt.datetime) -> bool:
        """Tell whether nobody can still be on their way in."""
        return self.revoked_at is not None and now >= self.revoked_at + INTEGRATIONS_CUT_FOR


def check_may_use_integrations(role: Role) -> None:
    """Refuse whoever does not run the desk."""
    if not role.runs_the_desk:
        raise NotAllowed("Only owners and admins may see, make, replay and revoke integrations.")


def make_integration(
    id: UUID, workspace_id: str, name: str, *, internal: bool, there: int, by: Acting, maker_id: UUID, cause: Cause
) -> tuple[Integration, IntegrationCreated]:
    """Let another system in, beside those that are there."""
    check_may_use_integrations(by.role)
    if there >= INTEGRATIONS_EACH:
        raise Conflict(f"The workspace has {INTEGRATIONS_EACH} integrations; revoke one first.")
    made = Integration(id, workspace_id, name, internal, maker_id, cause.at)
    created = IntegrationCreated(**_told(made, by, cause), name=name, internal=internal)
    return made, created


def revoke_integration(integration: Integration, *, by: Acting, cause: Cause) -> tuple[Integration, IntegrationRevoked]:
    """Shut another system out, for good."""
    check_may_use_integrations(by.role)
    if integration.fixed:
        raise Conflict("This integration stands in the configuration of NATS: take it out there.")
    revoked = replace(integration, version=integration.version + 1, revoked_at=cause.at)
    return revoked, IntegrationRevoked(
        **_told(revoked, by, cause), name=integration.name, internal=integration.internal
    )


def replay_integration(
    integration: Integration, sequence: int, *, by: Acting, cause: Cause
) -> tuple[Integration, IntegrationReplayed]:
    """Tell that another system reads again from a sequence on."""
    replayed = replace(integration, version=integration.version + 1)
    return replayed, IntegrationReplayed(**_told(replayed, by, cause), name=integration.name, sequence=sequence)


def _told(integration: Integration, by: Acting, cause: Cause) -> dict[str, Any]:
    subject = Subject(kind="integration", id=str(integration.id), version=integration.version)
    return {**told(integration.workspace_id, by.actor, cause), "subject": subject}
