"""What lets a visitor of a site back into their own conversation, for a day, and nowhere else."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from contracts.base import ActorKind, Caller, Role
from contracts.refusals import NotFound, Unauthenticated

VISIT_LIFE = dt.timedelta(hours=24)
NOBODY_YET = "Visitor"
"""What a visitor is called to other services, who know better where there is a better name."""


@dataclass(frozen=True, slots=True)
class VisitorToken:
    """A key to one conversation. The secret itself is known to the visitor's browser alone."""

    id: UUID
    workspace_id: str
    assistant_id: UUID
    conversation_id: UUID
    expires_at: dt.datetime

    @property
    def caller(self) -> Caller:
        """The visitor as other services are told of them: their conversation is all that they are."""
        return visitor(self.workspace_id, self.conversation_id)

    def check_open(self, now: dt.datetime) -> None:
        """Refuse a key that is a day old."""
        if now >= self.expires_at:
            raise Unauthenticated("This conversation's token has expired; start a new conversation.")

    def check_opens(self, assistant_id: UUID, conversation_id: UUID | None) -> None:
        """Refuse another assistant and another conversation as if they were not there."""
        if self.assistant_id != assistant_id or conversation_id not in (None, self.conversation_id):
            raise NotFound


def visitor(workspace_id: str, id: UUID) -> Caller:
    """Return a visitor as a caller: `id` is their conversation, or the assistant while they have none."""
    return Caller(workspace_id=workspace_id, kind=ActorKind.CONTACT, id=str(id), name=NOBODY_YET, role=Role.GUEST)
