"""An assistant: how its widget looks and what it lets visitors do. Every change is told whole."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

from contracts.base import Caller, RecordEvent, Subject
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
from services.tickets.domain.facts import By, of_record
from services.tickets.domain.policy import require_desk

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
        return made, AssistantCreated(**_said(AssistantCreated, made, by), name=name, new=widget)

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
        fact = AssistantChanged(
            **_said(AssistantChanged, changed, by),
            old_name=self.name,
            name=name,
            old=self.widget,
            new=widget,
        )
        return changed, fact

    def delete(self, caller: Caller, by: By) -> tuple["Assistant", AssistantDeleted]:
        """Remove it. Raises NotAllowed."""
        require_desk(caller)
        gone = replace(self, version=self.version + 1, updated_at=by.now)
        return gone, AssistantDeleted(**_said(AssistantDeleted, gone, by), name=self.name)

    def rotate(self, caller: Caller, by: By) -> tuple["Assistant", IdentitySecretRotated]:
        """Let it have another identity secret, which no fact holds. Raises NotAllowed."""
        require_desk(caller)
        rotated = replace(self, version=self.version + 1, updated_at=by.now)
        return rotated, IdentitySecretRotated(**_said(IdentitySecretRotated, rotated, by))

    @property
    def subject(self) -> Subject:
        """The assistant as its own facts name it."""
        return Subject(kind=KIND, id=str(self.id), version=self.version)

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


def _said(kind: type[RecordEvent], assistant: Assistant, by: By) -> dict[str, Any]:
    return of_record(kind, assistant.workspace_id, assistant.subject, by)
