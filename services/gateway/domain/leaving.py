"""Who may carry a workspace out of the desk, and what is told of it."""

from uuid import UUID

from contracts.base import Subject
from contracts.gateway import WorkspaceExported
from contracts.refusals import NotAllowed
from services.gateway.domain.people import Acting, Cause, told


def export_workspace(workspace_id: str, id: UUID, *, by: Acting, cause: Cause) -> WorkspaceExported:
    """Carry out everything; raises NotAllowed for whoever does not run the desk."""
    if not by.role.runs_the_desk:
        raise NotAllowed("Only owners and admins may export the workspace.")
    return WorkspaceExported(
        **told(workspace_id, by.actor, cause), subject=Subject(kind="export", id=str(id), version=1)
    )
