"""Links that let somebody in, once."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from contracts.base import Role, Subject
from contracts.gateway import InvitationRevoked, MemberInvited
from contracts.refusals import Conflict, NotAllowed, NotFound
from services.gateway.domain.people import Acting, Cause, told

INVITATION_LIFE = dt.timedelta(hours=72)


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
        if not self.is_open(now):
            raise no_such_invitation()

    def is_open(self, now: dt.datetime) -> bool:
        """Tell whether it lets anybody in."""
        return self.used_at is None and now < self.expires_at


def no_such_invitation() -> NotFound:
    """Return the one answer to a link that opens nothing."""
    return NotFound("This invitation is not there, was used, or has expired; ask for a new one.")


def check_may_invite(inviter: Role) -> None:
    """Refuse whoever does not run the desk."""
    if not inviter.runs_the_desk:
        raise NotAllowed("Only owners and admins may invite people.")


def invite(
    id: UUID, workspace_id: str, email: str, name: str, role: Role, *, by: Acting, is_member: bool, cause: Cause
) -> tuple[Invitation, MemberInvited]:
    """Ask somebody in; nobody grants more than they have themselves."""
    check_may_invite(by.role)
    if role is Role.OWNER and by.role is not Role.OWNER:
        raise NotAllowed("Only an owner may make somebody an owner.")
    if is_member:
        raise Conflict("This person is a member already.")
    invitation = Invitation(
        id=id, workspace_id=workspace_id, email=email, name=name, role=role, expires_at=cause.at + INVITATION_LIFE
    )
    invited = MemberInvited(
        **told(workspace_id, by.actor, cause), subject=_record(invitation, 1), email=email, name=name, role=role
    )
    return invitation, invited


def revoke_invitation(invitation: Invitation, *, by: Acting, cause: Cause) -> InvitationRevoked:
    """Take an open invitation back; one that would make an owner is an owner's."""
    check_may_invite(by.role)
    if invitation.role is Role.OWNER and by.role is not Role.OWNER:
        raise NotAllowed("Only an owner may take this invitation back.")
    if not invitation.is_open(cause.at):
        raise NotFound
    return InvitationRevoked(
        **told(invitation.workspace_id, by.actor, cause),
        subject=_record(invitation, 2),
        email=invitation.email,
        name=invitation.name,
        role=invitation.role,
    )


def _record(invitation: Invitation, version: int) -> Subject:
    return Subject(kind="invitation", id=str(invitation.id), version=version)
