"""What people and programs are told of workspaces and of who is in them."""

from uuid import UUID

from pydantic import AwareDatetime

from chassis.provision import Outsider, intake_subjects, outsider_stream, public_subjects
from contracts.base import Model, Role
from contracts.tickets import VisitorConversation
from services.gateway import domain


class User(Model):
    """Whoever is signed in."""

    id: UUID
    email: str
    name: str

    @classmethod
    def of(cls, user: domain.User) -> "User":
        """Describe a user to themself."""
        return cls(id=user.id, email=user.email, name=user.name)


class WorkspaceRef(Model):
    """A workspace that the user is a member of, and as what."""

    id: str
    slug: str
    name: str
    role: Role


class SignedIn(Model):
    """A new session. The token is told this once; what is stored can't be turned back into it."""

    token: str
    csrf_token: str
    user: User
    workspaces: tuple[WorkspaceRef, ...]


class Me(Model):
    """Who the caller is, and where they may go."""

    user: User
    workspaces: tuple[WorkspaceRef, ...]
    csrf_token: str
    """What `X-CSRF-Token` must say when this session comes in a cookie."""


class View(Model):
    """A list of tickets by name."""

    id: UUID
    name: str
    query: str
    """What its address asks for, in the shortest form."""
    shared: bool
    owner_id: UUID
    """The member who made it, and who alone changes it."""
    version: int
    created_at: AwareDatetime

    @classmethod
    def of(cls, view: domain.View) -> "View":
        """Describe a view to those who see it."""
        return cls(
            id=view.id,
            name=view.name,
            query=view.query,
            shared=view.shared,
            owner_id=view.owner_id,
            version=view.version,
            created_at=view.created_at,
        )


class ViewPage(Model):
    """One page of views, by name."""

    items: tuple[View, ...]
    next_cursor: str | None


class Workspace(Model):
    """A workspace as one of its members sees it."""

    id: str
    slug: str
    name: str
    role: Role
    """What the caller is in it."""
    version: int
    created_at: AwareDatetime

    @classmethod
    def of(cls, workspace: domain.Workspace, role: Role) -> "Workspace":
        """Describe a workspace to somebody of this role."""
        return cls(
            id=workspace.id,
            slug=workspace.slug,
            name=workspace.name,
            role=role,
            version=workspace.version,
            created_at=workspace.created_at,
        )


class Member(Model):
    """A member of the workspace."""

    id: UUID
    name: str
    email: str | None
    """Null for guests, who see no addresses but their own."""
    role: Role
    version: int
    joined_at: AwareDatetime

    @classmethod
    def of(cls, member: domain.Member, *, address: bool) -> "Member":
        """Describe a member, with their e-mail address or without."""
        return cls(
            id=member.user.id,
            name=member.user.name,
            email=member.user.email if address else None,
            role=member.role,
            version=member.version,
            joined_at=member.joined_at,
        )


class MemberPage(Model):
    """One page of members, by name."""

    items: tuple[Member, ...]
    next_cursor: str | None


class InvitationMade(Model):
    """A link that lets somebody in, once, within 72 hours. It is told this once."""

    id: UUID
    token: str
    url: str
    expires_at: AwareDatetime


class Invitation(Model):
    """An invitation that nobody has followed yet; its link is not told again."""

    id: UUID
    email: str
    name: str
    role: Role
    expires_at: AwareDatetime

    @classmethod
    def of(cls, invitation: domain.Invitation) -> "Invitation":
        """Describe an invitation."""
        return cls(
            id=invitation.id,
            email=invitation.email,
            name=invitation.name,
            role=invitation.role,
            expires_at=invitation.expires_at,
        )


class Welcome(Model):
    """An invitation, to whoever holds its link."""

    workspace: str
    """What the workspace is called."""
    email: str
    name: str
    role: Role
    expires_at: AwareDatetime

    @classmethod
    def of(cls, invitation: domain.Invitation, workspace: domain.Workspace) -> "Welcome":
        """Describe an invitation to whom it is for."""
        return cls(
            workspace=workspace.name,
            email=invitation.email,
            name=invitation.name,
            role=invitation.role,
            expires_at=invitation.expires_at,
        )


class InvitationPage(Model):
    """One page of open invitations, newest first."""

    items: tuple[Invitation, ...]
    next_cursor: str | None


class Session(Model):
    """A place where the caller is signed in."""

    id: UUID
    created_at: AwareDatetime
    seen_at: AwareDatetime
    """The last use, to the minute."""
    expires_at: AwareDatetime
    client: str
    """The sort of program, such as "Firefox on Linux"; empty where it is not known."""
    current: bool
    """Whether this request came with it."""

    @classmethod
    def of(cls, session: domain.Session, *, current: bool) -> "Session":
        """Describe a session to whoever it is of."""
        return cls(
            id=session.id,
            created_at=session.created_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
            client=session.client,
            current=current,
        )


class SessionPage(Model):
    """One page of sessions, newest first."""

    items: tuple[Session, ...]
    next_cursor: str | None


class Token(Model):
    """An API token, without its secret."""

    id: UUID
    name: str
    role: Role
    scopes: tuple[domain.Scope, ...]
    maker_id: UUID
    """The member who made it; it ends when they leave, or may no longer do as much."""
    created_at: AwareDatetime
    expires_at: AwareDatetime
    used_at: AwareDatetime | None
    """The last use, to the minute."""

    @classmethod
    def of(cls, token: domain.ApiToken) -> "Token":
        """Describe a token."""
        return cls(
            id=token.id,
            name=token.name,
            role=token.role,
            scopes=token.scopes,
            maker_id=token.maker_id,
            created_at=token.created_at,
            expires_at=token.expires_at,
            used_at=token.used_at,
        )


class TokenMade(Token):
    """A new API token. The secret is told this once."""

    token: str


class TokenPage(Model):
    """One page of tokens, newest first."""

    items: tuple[Token, ...]
    next_cursor: str | None


class Integration(Model):
    """Another system that enters NATS, without its password."""

    id: UUID
    name: str
    internal: bool
    """Whether it reads notes, comments and what else is the team's."""
    maker_id: UUID | None
    """The member who made it, and whom it outlasts; null where it stands in the configuration of NATS.

    Such a one is taken out there.
    """
    created_at: AwareDatetime
    seen_at: AwareDatetime | None
    """When it last came in, to the minute; what stays connected comes in anew every few minutes."""
    pending: int | None
    """How many facts it has not acknowledged yet; null where that is not known at the moment."""
    subjects: tuple[str, ...]
    """Where it may publish (`intake`), and what its consumer brings (`events`)."""
    stream: str
    consumer: str
    """The durable pull consumer that it reads with."""
    inbox_prefix: str
    """The prefix of its inboxes, without which no reply reaches it."""

    @classmethod
    def of(cls, integration: domain.Integration, outsider: Outsider, pending: int | None = None) -> "Integration":
        """Describe an integration."""
        return cls(
            id=integration.id,
            name=integration.name,
            internal=integration.internal,
            maker_id=integration.maker_id,
            created_at=integration.created_at,
            seen_at=integration.seen_at,
            pending=pending,
            subjects=(
                *intake_subjects(outsider),
                *public_subjects(outsider.workspace_id, internal=outsider.internal),
            ),
            stream=outsider_stream(),
            consumer=outsider.durable,
            inbox_prefix=outsider.inbox_prefix,
        )


class IntegrationMade(Integration):
    """A new integration. Its password is told this once."""

    workspace_id: str
    nats_url: str
    """Where it enters NATS, with its user and its password."""


class IntegrationPage(Model):
    """One page of integrations, newest first."""

    items: tuple[Integration, ...]
    next_cursor: str | None


class ConversationBegun(VisitorConversation):
    """A conversation that has begun. The token is told this once, opens nothing else, and counts for 24 hours."""

    visitor_token: str
    expires_at: AwareDatetime


class LetterSettled(Model):
    """A dead letter that is none any more."""

    id: UUID


class LetterRefused(Model):
    """A dead letter that was refused again, and why."""

    id: UUID
    code: str
    detail: str


class LettersDropped(Model):
    """What became of dead letters that were dropped together."""

    dropped: int
    """How many are forgotten."""
    refused: tuple[LetterRefused, ...]
    """Those that are still there, or were not there any more."""
    next_cursor: str | None
    """There are more: say it as `cursor` to go on."""
    away: tuple[str, ...]
    """Services that could not be asked for theirs now."""


class LettersRetried(Model):
    """What became of dead letters that were tried again."""

    retried: int
    """How many were applied, and are dead letters no more."""
    refused: tuple[LetterRefused, ...]
    next_cursor: str | None
    """There are more: say it as `cursor` to go on."""
    away: tuple[str, ...]
    """Services that could not be asked for theirs now."""
