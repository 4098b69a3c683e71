"""A desk of its own: how it begins, changes and ends."""

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass, replace

from contracts.base import Role, Subject
from contracts.gateway import MemberJoined, WorkspaceChanged, WorkspaceCreated, WorkspaceDeleted, WorkspaceNames
from contracts.refusals import Invalid, NotAllowed
from services.gateway.domain.members import Member, join
from services.gateway.domain.people import Acting, Cause, User, told

_SLUG = re.compile(r"[a-z0-9-]{2,40}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_LONGEST_SLUG = 40


@dataclass(frozen=True, slots=True)
class Workspace:
    """A desk of its own: nothing in it is seen from another."""

    id: str
    slug: str
    name: str
    version: int
    created_at: dt.datetime

    @property
    def record(self) -> Subject:
        """The workspace as the subject of a fact."""
        return Subject(kind="workspace", id=self.id, version=self.version)

    @property
    def names(self) -> WorkspaceNames:
        """What it is called."""
        return WorkspaceNames(name=self.name, slug=self.slug)


def workspace_reference(text: str) -> str | None:
    """Return the id or slug that `text` may be, or None where it can be neither."""
    if _UUID.fullmatch(text):
        return text.lower()
    return text if _SLUG.fullmatch(text) else None


def slug_of(name: str) -> str:
    """Return what a workspace of this name may be called in addresses; too short where it has no plain letters."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")


def check_slug(slug: str) -> None:
    """Refuse a slug that can't stand in an address, or that could be taken for an id."""
    if not _SLUG.fullmatch(slug):
        raise Invalid.field("slug", "pattern", "must be 2 to 40 of a-z, 0-9 and the hyphen")
    if _UUID.fullmatch(slug):
        raise Invalid.field("slug", "pattern", "must not look like an id")


def found(
    id: str, slug: str, name: str, maker: User, cause: Cause
) -> tuple[Workspace, Member, WorkspaceCreated, MemberJoined]:
    """Make a workspace; its maker is its owner."""
    check_slug(slug)
    workspace = Workspace(id=id, slug=slug, name=name, version=1, created_at=cause.at)
    created = WorkspaceCreated(**told(id, maker.actor, cause), subject=workspace.record, name=name, slug=slug)
    owner, joined = join(id, maker, Role.OWNER, cause)
    return workspace, owner, created, joined


def change_workspace(
    workspace: Workspace, *, name: str | None, slug: str | None, by: Acting, cause: Cause
) -> tuple[Workspace, WorkspaceChanged | None]:
    """Call the workspace something else; None leaves a name as it is, and the names that it has are no change."""
    if not by.role.runs_the_desk:
        raise NotAllowed("Only owners and admins may change the workspace.")
    if slug is not None:
        check_slug(slug)
    changed = replace(
        workspace, name=workspace.name if name is None else name, slug=workspace.slug if slug is None else slug
    )
    if changed == workspace:
        return workspace, None
    changed = replace(changed, version=workspace.version + 1)
    return changed, WorkspaceChanged(
        **told(workspace.id, by.actor, cause), subject=changed.record, old=workspace.names, new=changed.names
    )


def delete_workspace(workspace: Workspace, confirm: str, *, by: Acting, cause: Cause) -> WorkspaceDeleted:
    """End the workspace for everybody in it; `confirm` must be its slug, so that nobody ends another by mistake."""
    if by.role is not Role.OWNER:
        raise NotAllowed("Only an owner may delete the workspace.")
    if confirm != workspace.slug:
        raise Invalid.field("confirm", "not_the_slug", "must be the slug of the workspace")
    return WorkspaceDeleted(
        **told(workspace.id, by.actor, cause),
        subject=replace(workspace, version=workspace.version + 1).record,
        old=workspace.names,
    )
