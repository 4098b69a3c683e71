"""Who is in a workspace, and as what."""

import datetime as dt
from dataclasses import dataclass, replace

from contracts.base import Person, Role, Subject
from contracts.gateway import MemberJoined, MemberRemoved, RoleChanged
from contracts.refusals import Conflict, Invalid, NotAllowed
from services.gateway.domain.people import Acting, Cause, User, told


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a workspace."""

    user: User
    role: Role
    version: int
    joined_at: dt.datetime

    @property
    def record(self) -> Subject:
        """The membership as the subject of a fact."""
        return Subject(kind="member", id=str(self.user.id), version=self.version)

    @property
    def person(self) -> Person:
        """The member as another service is told of them."""
        return Person(id=self.user.id, name=self.user.name, role=self.role)

    @property
    def acting(self) -> Acting:
        """The member as one who does something."""
        return Acting(self.user.actor, self.role, self.user.id)


def join(workspace_id: str, user: User, role: Role, cause: Cause, *, version: int = 1) -> tuple[Member, MemberJoined]:
    """Make a user a member; for one who was here before, `version` goes on where it ended."""
    member = Member(user=user, role=role, version=version, joined_at=cause.at)
    joined = MemberJoined(
        **told(workspace_id, user.actor, cause),
        subject=member.record,
        user_id=user.id,
        name=user.name,
        email=user.email,
        role=role,
    )
    return member, joined


def check_may_manage(manager: Role) -> None:
    """Refuse whoever does not run the desk."""
    if not manager.runs_the_desk:
        raise NotAllowed("Only owners and admins may say who is here, and as what.")


def change_role(
    workspace_id: str, member: Member, role: Role, *, by: Acting, owners: int, cause: Cause
) -> tuple[Member, RoleChanged | None]:
    """Give a member another role; the role that they have is no change. `owners` is how many there are."""
    check_may_manage(by.role)
    _check_owners(member, role, by, owners)
    if role is member.role:
        return member, None
    return _become(workspace_id, member, role, by, cause)


def hand_over(
    workspace_id: str, owner: Member, heir: Member, stay_as: Role, *, cause: Cause
) -> tuple[Member, Member, list[RoleChanged]]:
    """Make another member an owner in the place of this one; returns the heir and the former owner."""
    if owner.role is not Role.OWNER:
        raise NotAllowed("Only an owner may hand over the ownership.")
    if heir.user.id == owner.user.id:
        raise Invalid.field("user_id", "yourself", "must be somebody else")
    if stay_as is Role.OWNER:
        raise Invalid.field("stay_as", "enum", "must be what you are afterwards: admin, member or guest")
    facts = []
    if heir.role is not Role.OWNER:
        heir, raised = _become(workspace_id, heir, Role.OWNER, owner.acting, cause)
        facts.append(raised)
    former, lowered = _become(workspace_id, owner, stay_as, owner.acting, cause)
    return heir, former, [*facts, lowered]


def remove(workspace_id: str, member: Member, *, by: Acting, owners: int, cause: Cause) -> MemberRemoved:
    """Take a member out; what they did stays. Everybody may leave by themself. `owners` is how many there are."""
    if by.user_id != member.user.id:
        check_may_manage(by.role)
    _check_owners(member, None, by, owners)
    return MemberRemoved(
        **told(workspace_id, by.actor, cause),
        subject=replace(member, version=member.version + 1).record,
        user_id=member.user.id,
        name=member.user.name,
        old=member.role,
    )


def _become(workspace_id: str, member: Member, role: Role, by: Acting, cause: Cause) -> tuple[Member, RoleChanged]:
    changed = replace(member, role=role, version=member.version + 1)
    return changed, RoleChanged(
        **told(workspace_id, by.actor, cause),
        subject=changed.record,
        user_id=member.user.id,
        name=member.user.name,
        old=member.role,
        new=role,
    )


def _check_owners(member: Member, role: Role | None, by: Acting, owners: int) -> None:
    """Refuse an admin who touches an owner or makes one, and whatever would leave nobody to own the desk."""
    if Role.OWNER in (member.role, role) and by.role is not Role.OWNER:
        raise NotAllowed("Only an owner may make, change or remove an owner.")
    if member.role is Role.OWNER and role is not Role.OWNER and owners <= 1:
        raise Conflict("The last owner can't leave, be demoted or removed; make somebody else an owner first.")


def nobody_here(field: str) -> Invalid:
    """Return the one answer to an id of nobody and of somebody in another workspace."""
    return Invalid.field(field, "not_found", "is nobody in this workspace")


def check_assignable(member: Member | None) -> Person:
    """Return the member as an assignee; a guest works on no ticket."""
    if member is None:
        raise nobody_here("assignee_id")
    if member.role is Role.GUEST:
        raise Invalid.field("assignee_id", "not_assignable", "a guest can't be given tickets")
    return member.person


def check_mentioned(member: Member | None) -> Person:
    """Return the member as somebody whom a note calls; whether they may read it is decided where they are told."""
    if member is None:
        raise Invalid.field("mentions", "not_found", "names somebody who is not in this workspace")
    return member.person


def sees_addresses(role: Role) -> bool:
    """Tell whether this role is shown other people's e-mail addresses."""
    return role is not Role.GUEST
