"""An assistant: how its widget looks and what it lets visitors do. Every change is told whole."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from contracts.base import Audience, Caller, Subject
from contracts.refusals import Invalid
from contracts.tickets import (
    AssistantChange,
    AssistantChanged,
    AssistantCreated,
    AssistantDeleted,
    AssistantSnapshot,
    IdentitySecretRotated,
    WidgetSettings,
)
from services.tickets.domain.policy import require_desk
from services.tickets.domain.ticket import By

KIND = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """What an assistant is at one version; its identity secret is known to the store alone."""

    id: UUID
    workspace_id: str
    name: str
    widget: WidgetSettings
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime

    @classmethod
    def create(
        cls, *, id: UUID, name: str, widget: WidgetSettings, caller: Caller, by: By
    ) -> tuple[Self, AssistantCreated]:
        """Add an assistant. Raises NotAllowed."""
        require_desk(caller)
        made = cls(
            id=id,
            workspace_id=caller.workspace_id,
            name=name,
            widget=widget,
            version=1,
            created_at=by.now,
            updated_at=by.now,
        )
        return made, AssistantCreated(**_said(made, by), name=name, new=widget)

    def change(self, change: AssistantChange, caller: Caller, by: By) -> tuple["Assistant", AssistantChanged | None]:
        """Change what is named; values that stay are no fact. Raises NotAllowed, or Invalid for a null."""
        require_desk(caller)
        nulls = [name for name in sorted(change.model_fields_set) if getattr(change, name) is None]
        if nulls:
            raise Invalid(errors=[{"field": name, "code": "required", "detail": "can't be null"} for name in nulls])
        name, widget = change.name or self.name, change.widget or self.widget
        if (name, widget) == (self.name, self.widget):
            return self, None
        changed = replace(self, name=name, widget=widget, version=self.version + 1, updated_at=by.now)
        fact = AssistantChanged(**_said(changed, by), old_name=self.name, name=name, old=self.widget, new=widget)
        return changed, fact

    def delete(self, caller: Caller, by: By) -> tuple["Assistant", AssistantDeleted]:
        """Remove it. Raises NotAllowed."""
        require_desk(caller)
        gone = replace(self, version=self.version + 1, updated_at=by.now)
        return gone, AssistantDeleted(**_said(gone, by), name=self.name)

    def rotate(self, caller: Caller, by: By) -> tuple["Assistant", IdentitySecretRotated]:
        """Let it have another identity secret, which no fact holds. Raises NotAllowed."""
        require_desk(caller)
        rotated = replace(self, version=self.version + 1, updated_at=by.now)
        return rotated, IdentitySecretRotated(**_said(rotated, by))

    @property
    def snapshot(self) -> AssistantSnapshot:
        """The assistant as those who run the desk see it."""
        return AssistantSnapshot(
            id=self.id,
            name=self.name,
            widget=self.widget,
            version=self.version,
            created_at=self.created_at,
            updated_at=self.updated_at,
        )


def _said(assistant: Assistant, by: By) -> dict[str, Any]:
    record = Subject(kind=KIND, id=str(assistant.id), version=assistant.version)
    return said(assistant.workspace_id, record, Audience.ADMINS, by)


def said(workspace_id: str, subject: Subject, audience: Audience, by: By) -> dict[str, Any]:
    """Return what every fact about a record says: who, why, when and to whom."""
    return {
        "at": by.now,
        "workspace_id": workspace_id,
        "actor": by.actor,
        "via": by.via,
        "cause": by.cause,
        "audience": audience,
        "subject": subject,
    }
