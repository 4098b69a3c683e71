"""Ears: what is asked and heard, and which use case it is."""

from chassis.bus import Bus
from contracts.gateway import (
    MemberInvited,
    MemberJoined,
    MemberRemoved,
    RoleChanged,
    WorkspaceCreated,
    WorkspaceDeleted,
)
from contracts.notifications import CountUnread, MarkRead, ReadInbox
from contracts.tickets import (
    AgentReplied,
    Assigned,
    CommentAdded,
    ContactLinked,
    ContactUnlinked,
    ConversationLinked,
    ConversationUnlinked,
    CustomerMessage,
    DescriptionChanged,
    FollowUpOpened,
    NoteAdded,
    NotePinned,
    PriorityChanged,
    StatusChanged,
    SubjectChanged,
    TagsChanged,
    TicketCreated,
    TicketDeleted,
    TicketRestored,
    Unassigned,
)
from services.notifications import usecases

_NOBODY_IS_TOLD = (
    PriorityChanged,
    DescriptionChanged,
    TagsChanged,
    ContactLinked,
    ContactUnlinked,
    ConversationLinked,
    ConversationUnlinked,
    CustomerMessage,
    AgentReplied,
    TicketDeleted,
    TicketRestored,
    FollowUpOpened,
    NotePinned,
    WorkspaceCreated,
    MemberInvited,
)
"""Named one by one: a fact that nobody has thought about stops the service at its start."""


def listen(bus: Bus) -> None:
    """Answer and hear."""
    bus.answers(ReadInbox)(usecases.read_inbox)
    bus.answers(CountUnread)(usecases.count_unread)
    bus.answers(MarkRead)(usecases.mark_read)

    bus.hears(TicketCreated)(usecases.ticket_created)
    bus.hears(SubjectChanged)(usecases.subject_changed)
    bus.hears(Assigned)(usecases.assigned)
    bus.hears(Unassigned)(usecases.unassigned)
    bus.hears(StatusChanged)(usecases.tell)
    bus.hears(NoteAdded)(usecases.tell)
    bus.hears(CommentAdded)(usecases.tell)

    bus.hears(MemberJoined)(usecases.member_joined)
    bus.hears(RoleChanged)(usecases.role_changed)
    bus.hears(MemberRemoved)(usecases.member_removed)
    bus.hears(WorkspaceDeleted)(usecases.workspace_deleted)
    for fact in _NOBODY_IS_TOLD:
        bus.hears(fact)(usecases.tell_nobody)
