"""What gateway announces: workspaces, people and roles. Owner: services/gateway."""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import DeadLetter, Model, ReadLog, RecordEvent, Role, Token
from contracts.streams import Stream
from contracts.texts import FreeText, PersonName

GATEWAY = Stream("GATEWAY", ("gateway.events.>",), max_bytes=256 << 20, max_msg_size=64 * 1024, batches=True)

_RECORDED = ("activity", "notifications")


class WorkspaceCreated(RecordEvent, subject="gateway.events.v1.workspace_created", heard_by=("tickets", *_RECORDED)):
    """Sent when a workspace came to be; its maker's `member_joined` follows."""

    name: FreeText
    slug: str


class WorkspaceNames(Model):
    """What a workspace is called: by people, and in addresses."""

    name: FreeText
    slug: str


class WorkspaceChanged(RecordEvent, subject="gateway.events.v1.workspace_changed", heard_by=_RECORDED):
    """Sent when a workspace got another name or slug."""

    old: WorkspaceNames
    new: WorkspaceNames


class WorkspaceDeleted(RecordEvent, subject="gateway.events.v1.workspace_deleted", heard_by=("tickets", *_RECORDED)):
    """Sent when a workspace ended: nobody is a member of it any more, and its slug may be another's.

    It is the last fact of the workspace; its members, tokens and integrations end with it and are not told of one by
    one.
    """

    old: WorkspaceNames
    new: None = None


class MemberInvited(RecordEvent, subject="gateway.events.v1.member_invited", heard_by=_RECORDED):
    """Sent when somebody was asked in. The secret of the link is in no event."""

    email: PersonName
    name: PersonName
    role: Role


class InvitationRevoked(RecordEvent, subject="gateway.events.v1.invitation_revoked", heard_by=("activity",)):
    """Sent when an invitation that nobody had followed was taken back."""

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


class MemberRenamed(RecordEvent, subject="gateway.events.v1.member_renamed", heard_by=("tickets", *_RECORDED)):
    """Sent to each workspace of a person who is called something else now; what was recorded keeps the name it had."""

    user_id: UUID
    old: PersonName
    new: PersonName


class MemberRemoved(RecordEvent, subject="gateway.events.v1.member_removed", heard_by=_RECORDED):
    """Sent when a member left or was removed; their tickets stay as they are."""

    user_id: UUID
    name: PersonName
    old: Role
    new: None = None


class SignedIn(RecordEvent, subject="gateway.events.v1.signed_in", heard_by=("activity",)):
    """Sent to each workspace of a person who signed in with their password; `subject` is the session."""

    user_id: UUID


class PasswordChanged(RecordEvent, subject="gateway.events.v1.password_changed", heard_by=("activity",)):
    """Sent to each workspace of a person whose password is another now; their other sessions have ended."""

    user_id: UUID
    by_reset: bool
    """Whether by the link in a mail, instead of by the password before."""


class TokenCreated(RecordEvent, subject="gateway.events.v1.token_created", heard_by=("activity",)):
    """Sent when an API token was made. Its secret is in no event."""

    name: FreeText
    role: Role
    scopes: tuple[str, ...]
    expires_at: AwareDatetime


class TokenRevoked(RecordEvent, subject="gateway.events.v1.token_revoked", heard_by=("activity",)):
    """Sent when an API token ended before its time: it was revoked, or its maker may no longer do as much."""

    name: FreeText
    role: Role
    scopes: tuple[str, ...]


class LetterRetried(RecordEvent, subject="gateway.events.v1.dead_letter_retried", heard_by=("activity",)):
    """Sent when somebody had a dead letter of any service tried again and it was applied; `subject` is the letter."""

    service: str
    """Who had kept it."""
    letter_subject: str
    """Where it had come in."""
    reason: str


class LetterDropped(RecordEvent, subject="gateway.events.v1.dead_letter_dropped", heard_by=("activity",)):
    """Sent when somebody dropped a dead letter of any service: what it asked for is never done."""

    service: str
    letter_subject: str
    reason: str


class HookCreated(RecordEvent, subject="gateway.events.v1.webhook_created", heard_by=("activity",)):
    """Sent when somebody had added a webhook. Its secret is in no event, nor is more of its address than the host."""

    host: FreeText
    event_types: tuple[str, ...]


class HookChanged(RecordEvent, subject="gateway.events.v1.webhook_changed", heard_by=("activity",)):
    """Sent when somebody had a webhook lead elsewhere or be told of something else, or turned it on or off."""

    host: FreeText
    event_types: tuple[str, ...]
    enabled: bool


class HookDeleted(RecordEvent, subject="gateway.events.v1.webhook_deleted", heard_by=("activity",)):
    """Sent when somebody had removed a webhook."""

    host: FreeText


class HookSecretRotated(RecordEvent, subject="gateway.events.v1.webhook_secret_rotated", heard_by=("activity",)):
    """Sent when somebody had another secret drawn for a webhook."""

    host: FreeText


class IntegrationCreated(RecordEvent, subject="gateway.events.v1.integration_created", heard_by=("activity",)):
    """Sent when another system was let in to NATS. Its password is in no event."""

    name: Token
    internal: bool
    """Whether it reads what is the team's own."""


class IntegrationRevoked(RecordEvent, subject="gateway.events.v1.integration_revoked", heard_by=("activity",)):
    """Sent when another system was shut out of NATS. What it did stays, and its name is never another's."""

    name: Token
    internal: bool


class IntegrationReplayed(RecordEvent, subject="gateway.events.v1.integration_replayed", heard_by=("activity",)):
    """Sent when another system was set back, to read again what it has read."""

    name: Token
    sequence: int
    """The sequence of the stream from which on it reads again."""


class WorkspaceExported(RecordEvent, subject="gateway.events.v1.workspace_exported", heard_by=("activity",)):
    """Sent when somebody carried out the whole workspace as a file; `subject` is the export."""


class WorkspaceImported(RecordEvent, subject="gateway.events.v1.workspace_imported", heard_by=("activity",)):
    """Sent when an owner began to put the file of a workspace into this one; `subject` is the export."""

    from_workspace: Token


class GatewayDeadLetter(DeadLetter, subject="gateway.deadletters.v1.buried", followed_by=("notifications",)):
    """Kept when gateway could not apply a message."""


class ReadPeopleLog(ReadLog, subject="gateway.requests.v1.read_log"):
    """Read the facts about people again."""
