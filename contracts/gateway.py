"""What gateway announces: workspaces, people and roles. Owner: services/gateway."""

from uuid import UUID

from contracts.base import DeadLetter, ReadLog, RecordEvent, Role
from contracts.streams import Stream
from contracts.texts import FreeText, PersonName

GATEWAY = Stream("GATEWAY", ("gateway.events.>",), max_bytes=256 << 20, max_msg_size=64 * 1024, batches=True)

_RECORDED = ("activity", "notifications")


class WorkspaceCreated(RecordEvent, subject="gateway.events.v1.workspace_created", heard_by=("tickets", *_RECORDED)):
    """Sent when a workspace came to be; its maker's `member_joined` follows."""

    name: FreeText
    slug: str


class MemberInvited(RecordEvent, subject="gateway.events.v1.member_invited", heard_by=_RECORDED):
    """Sent when somebody was asked in. The secret of the link is in no event."""

    email: PersonName
    name: PersonName
    role: Role


class MemberJoined(RecordEvent, subject="gateway.events.v1.member_joined", heard_by=_RECORDED):
    """Sent when a person became a member, as the maker of the workspace or by an invitation."""

    user_id: UUID
    name: PersonName
    email: PersonName
    role: Role


class RoleChanged(RecordEvent, subject="gateway.events.v1.role_changed", heard_by=_RECORDED):
    """Sent when a member got another role."""

    user_id: UUID
    name: PersonName
    old: Role
    new: Role


class MemberRemoved(RecordEvent, subject="gateway.events.v1.member_removed", heard_by=_RECORDED):
    """Sent when a member left or was removed; their tickets stay as they are."""

    user_id: UUID
    name: PersonName
    old: Role
    new: None = None


class GatewayDeadLetter(DeadLetter, subject="gateway.deadletters.v1.buried"):
    """Kept when gateway could not apply a message."""


class ReadPeopleLog(ReadLog, subject="gateway.requests.v1.read_log"):
    """Read the facts about people again."""
