"""Ears: what is asked and heard, and which use case it is."""

from chassis.bus import Bus, Transaction
from contracts.base import DeadLetter
from contracts.erasing import ContactErased, MemberErased
from contracts.gateway import (
    MemberInvited,
    MemberJoined,
    MemberRemoved,
    MemberRenamed,
    RoleChanged,
    WorkspaceChanged,
    WorkspaceCreated,
    WorkspaceDeleted,
)
from contracts.mail import GetMail, LiftSuppression, ListMails, ListSuppressed, ResendMail, SendInvitation
from contracts.notifications import (
    CountUnread,
    DropNotificationLetter,
    GetMute,
    GetNotificationLetter,
    GetWatchers,
    ListNotificationLetters,
    ListUnreadTickets,
    MarkRead,
    MuteTicket,
    ReadInbox,
    ReadNotices,
    RetryNotificationLetter,
    SendPasswordReset,
    UnmuteTicket,
    Unsubscribe,
    UnwatchTicket,
    Watchers,
    WatchTicket,
)
from contracts.preferences import ChangePreferences, GetPreferences
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
    FieldsChanged,
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
from contracts.transfer import ExportNotifications, ImportIntoNotifications
from contracts.webhooks import (
    ChangeWebhook,
    CreateWebhook,
    DeleteWebhook,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Redeliver,
    ReplayEvents,
    RotateWebhookSecret,
    SendTest,
)
from services.notifications.usecases import (
    erasing,
    facts,
    inbox,
    letters,
    mails,
    news,
    preferences,
    transfer,
    watching,
    webhooks,
)
from services.notifications.usecases.postroom import Postroom
from services.notifications.usecases.webhooks import Webhooks

_NOBODY_IS_TOLD = (
    DescriptionChanged,
    TagsChanged,
    FieldsChanged,
    ContactLinked,
    ContactUnlinked,
    ConversationLinked,
    ConversationUnlinked,
    NotePinned,
    MemberInvited,
)
"""Named one by one: a fact that nobody has thought about stops the service at its start."""


def listen(bus: Bus, *, mails_leave: bool = False) -> None:
    """Answer and hear; `mails_leave`: there is a server that takes them."""

    async def get_watchers(query: GetWatchers, tx: Transaction) -> Watchers:
        """Read a page of those who watch."""
        return await watching.get_watchers(query, tx, mails_leave=mails_leave)

    bus.answers(ReadInbox)(inbox.read_inbox)
    bus.answers(ReadNotices)(inbox.read_notices)
    bus.answers(CountUnread)(inbox.count_unread)
    bus.answers(ListUnreadTickets)(inbox.list_unread_tickets)
    bus.answers(MarkRead)(inbox.mark_read)
    bus.answers(ListNotificationLetters)(letters.list_letters)
    bus.answers(GetNotificationLetter)(letters.get_letter)
    bus.answers(DropNotificationLetter)(letters.drop_letter)

    @bus.answers(RetryNotificationLetter)
    async def retry_letter(command: RetryNotificationLetter, tx: Transaction) -> DeadLetter:
        return await letters.retry_letter(command, tx, bus.retry)

    bus.answers(WatchTicket)(watching.watch)
    bus.answers(UnwatchTicket)(watching.unwatch)
    bus.answers(GetWatchers)(get_watchers)
    bus.answers(MuteTicket)(watching.mute)
    bus.answers(UnmuteTicket)(watching.unmute)
    bus.answers(GetMute)(watching.get_mute)
    bus.answers(GetPreferences)(preferences.get_preferences)
    bus.answers(ChangePreferences)(preferences.change_preferences)
    bus.answers(SendPasswordReset)(mails.queue)
    bus.answers(SendInvitation)(mails.queue_invitation)
    bus.hears(ContactErased)(erasing.person_erased)
    bus.hears(MemberErased)(erasing.person_erased)
    bus.answers(ExportNotifications)(transfer.export)
    bus.answers(ImportIntoNotifications)(transfer.import_rows)
    bus.answers(Unsubscribe)(news.unsubscribe)

    bus.hears(TicketCreated)(facts.ticket_created)
    bus.hears(SubjectChanged)(facts.subject_changed)
    bus.hears(Assigned)(facts.assigned)
    bus.hears(Unassigned)(facts.unassigned)
    bus.hears(StatusChanged)(facts.status_changed)
    bus.hears(AgentReplied)(facts.agent_replied)
    bus.hears(PriorityChanged)(facts.tell)
    bus.hears(NoteAdded)(facts.noted)
    bus.hears(CommentAdded)(facts.noted)
    bus.hears(CustomerMessage)(facts.tell)
    bus.hears(FollowUpOpened)(facts.tell)
    bus.hears(TicketDeleted)(facts.ticket_deleted)
    bus.hears(TicketRestored)(facts.ticket_restored)

    bus.hears(MemberJoined)(facts.member_joined)
    bus.hears(MemberRenamed)(facts.member_renamed)
    bus.hears(WorkspaceCreated)(facts.workspace_created)
    bus.hears(WorkspaceChanged)(facts.workspace_changed)
    bus.hears(RoleChanged)(facts.role_changed)
    bus.hears(MemberRemoved)(facts.member_removed)
    bus.hears(WorkspaceDeleted)(facts.workspace_deleted)
    for fact in _NOBODY_IS_TOLD:
        bus.hears(fact)(facts.tell_nobody)


def answer_for_webhooks(bus: Bus, hooks: Webhooks) -> None:
    """Answer what is asked about webhooks."""
    bus.answers(ListWebhooks)(webhooks.list_page)
    bus.answers(GetWebhook)(webhooks.get)
    bus.answers(CreateWebhook)(hooks.create)
    bus.answers(ChangeWebhook)(hooks.change)
    bus.answers(DeleteWebhook)(webhooks.delete)
    bus.answers(RotateWebhookSecret)(webhooks.rotate)
    bus.answers(ListDeliveries)(webhooks.deliveries)
    bus.answers(Redeliver)(webhooks.redeliver)
    bus.answers(SendTest)(webhooks.test)
    bus.answers(ReplayEvents, alone=True)(webhooks.replay)


def answer_for_mail(bus: Bus, postroom: Postroom) -> None:
    """Answer about a workspace's mail."""
    bus.answers(ListMails)(postroom.list)
    bus.answers(GetMail)(postroom.get)
    bus.answers(ResendMail)(postroom.resend)
    bus.answers(ListSuppressed)(postroom.suppressed)
    bus.answers(LiftSuppression)(postroom.lift)
