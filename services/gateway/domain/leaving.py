"""Who may carry a workspace out of the desk, and what is told of it."""

from uuid import UUID

from contracts.base import Role, Subject
from contracts.gateway import WorkspaceExported, WorkspaceImported
from contracts.refusals import NotAllowed
from services.gateway.domain.people import Acting, Cause, told


def export_workspace(workspace_id: str, id: UUID, *, by: Acting, cause: Cause) -> WorkspaceExported:
    """Carry out everything; raises NotAllowed for whoever does not run the desk."""
    if not by.role.runs_the_desk:
        raise NotAllowed("Only owners and admins may export the workspace.")
    return WorkspaceExported(
        **told(workspace_id, by.actor, cause), subject=Subject(kind="export", id=str(id), version=1)
    )


def import_workspace(
    workspace_id: str, export: UUID, from_workspace: str, *, by: Acting, cause: Cause
) -> WorkspaceImported:
    """Put the file of a workspace into this one; raises NotAllowed for whoever does not own it."""
    if by.role is not Role.OWNER:
        raise NotAllowed("Only an owner may import.")
    return WorkspaceImported(
        **told(workspace_id, by.actor, cause),
        subject=Subject(kind="import", id=str(export), version=1),
        from_workspace=from_workspace,
    )
