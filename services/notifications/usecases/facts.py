"""What notifications do about the facts they hear: load, decide, save, announce."""

from collections.abc import Mapping
from uuid import UUID

from chassis.database import Transaction
from contracts.base import Audience, Event, Role, Subject, TicketEvent, now
from contracts.gateway import (
    MemberJoined,
    MemberRemoved,
    MemberRenamed,
    RoleChanged,
    WorkspaceChanged,
    WorkspaceCreated,
    WorkspaceDeleted,
)
from contracts.notifications import Kind, Notified, Reason
from contracts.tickets import (
    AgentReplied,
    Assigned,
    CommentAdded,
    NoteAdded,
    StatusChanged,
    SubjectChanged,
    TicketCreated,
    TicketDeleted,
    TicketRestored,
    Unassigned,
)
from services.notifications import domain, store
from services.notifications.domain import News, Way
from services.notifications.store import Told
from services.notifications.usecases import contacts


async def ticket_created(event: TicketCreated, tx: Transaction) -> None:
    """Know the ticket, who watches it from now on, and tell its first assignee."""
    watchers = {}
    if (creator := domain.user_of(event.actor)) is not None:
        watchers[Reason.CREATOR] = creator
    if event.assignee is not None:
        watchers[Reason.ASSIGNEE] = event.assignee.id
    store.ticket(tx, event.ticket_id, event.number, event.subject, watchers)
    await tell(event, tx)
    await contacts.hear(event, tx)


async def status_changed(event: StatusChanged, tx: Transaction) -> None:
    """Tell who watches, and the contact whose ticket is resolved."""
    await tell(event, tx)
    await contacts.hear(event, tx)


async def agent_replied(event: AgentReplied, tx: Transaction) -> None:
    """Tell the contact what they were answered."""
    await contacts.hear(event, tx)


async def subject_changed(event: SubjectChanged, tx: Transaction) -> None:
    """Know what the ticket is called now."""
    await store.subject(tx, event.ticket_id, event.new)


async def assigned(event: Assigned, tx: Transaction) -> None:
    """Let the new assignee watch in the old one's place, also one who chose not to before, and tell them."""
    await store.require_ticket(tx, event.ticket_id)
    await store.unwatch(tx, event.ticket_id, Reason.ASSIGNEE)
    await store.watch(tx, event.ticket_id, [event.new.id], Reason.ASSIGNEE)
    await store.hear_again(tx, event.ticket_id, event.new.id, event.version)
    await tell(event, tx)


async def unassigned(event: Unassigned, tx: Transaction) -> None:
    """Let nobody watch as assignee, and tell who was it."""
    await store.unwatch(tx, event.ticket_id, Reason.ASSIGNEE)
    await tell(event, tx)


async def noted(event: NoteAdded | CommentAdded, tx: Transaction) -> None:
    """Tell who watches and who is mentioned, who watch from now on."""
    await tell(event, tx)
    await store.watch(tx, event.ticket_id, domain.becomes_watcher(event), Reason.MENTIONED)


async def ticket_deleted(event: TicketDeleted, tx: Transaction) -> None:
    """Hide what inboxes hold of the ticket."""
    await store.deleted(tx, event.ticket_id, deleted=True)


async def ticket_restored(event: TicketRestored, tx: Transaction) -> None:
    """Show it again."""
    await store.deleted(tx, event.ticket_id, deleted=False)


async def tell(event: TicketEvent, tx: Transaction) -> None:
    """Tell whom it concerns and who may see it; what is for somebody not known yet waits for them."""
    if isinstance(event, TicketCreated):
        listeners = await store.curious(tx, domain.news_kind(event), event.at)
    else:
        listeners = await store.watchers(tx, event.ticket_id, event.at if tx.retells else now())
    reasons = domain.concerned(event, listeners)
    if not reasons:
        return
    for person in await store.muted(tx, event.ticket_id, reasons, event.at):
        del reasons[person]
    preferences = await store.preferences(tx, reasons, event.at)
    inbox = domain.wanted(reasons, preferences, Way.INBOX)
    if inbox:
        await _tell_inboxes(event, tx, inbox)
    if not tx.retells and event.at > now() - domain.NEWS_LIFE:
        await _tell_by_mail(event, tx, domain.wanted(reasons, preferences, Way.MAIL))


async def _tell_inboxes(event: TicketEvent, tx: Transaction, concerned: Mapping[UUID, Kind]) -> None:
    known = await store.standing(tx, concerned)
    if strangers := concerned.keys() - known.keys():
        known |= await store.expect(tx, strangers)
    members = {person: role for person, role in known.items() if role is not None}
    for person, kind in domain.who_hears(concerned, event.audience, members):
        if told := await store.add(tx, event, person, kind):
            _announce(tx, told)
    for person in concerned.keys() - known.keys():
        await store.add_waiting(tx, event, person, concerned[person])


async def _tell_by_mail(event: TicketEvent, tx: Transaction, concerned: Mapping[UUID, Kind]) -> None:
    """Keep news for them, whoever they are now: who may see it is asked when it is sent."""
    old, new = domain.codes_of(event)
    for person, kind in concerned.items():
        news = News(
            because=domain.because(event),
            kind=kind,
            audience=event.audience,
            at=event.at,
            actor_kind=event.actor.kind,
            actor_name=event.actor.name,
            old=old,
            new=new,
            ticket_id=event.ticket_id,
            number=None,
            subject=None,
            hidden=False,
        )
        await store.add_news(tx, person, event.id, news, now() + domain.GATHERED)


async def tell_nobody(event: Event, tx: Transaction) -> None:
    """Hear a fact that is in nobody's inbox."""


async def member_joined(event: MemberJoined, tx: Transaction) -> None:
    """Know a member, and tell them what has waited for them."""
    await _is_now(tx, event.user_id, event.role)
    await store.know(tx, event.user_id, event.name, event.email)


async def member_renamed(event: MemberRenamed, tx: Transaction) -> None:
    """Know what a member is called now."""
    await store.rename(tx, event.user_id, event.new)


async def workspace_created(event: WorkspaceCreated, tx: Transaction) -> None:
    """Know what the workspace is called, and where its pages are."""
    await store.workspace(tx, event.name, event.slug)


async def workspace_changed(event: WorkspaceChanged, tx: Transaction) -> None:
    """Know what the workspace is called now."""
    await store.workspace(tx, event.new.name, event.new.slug)


async def role_changed(event: RoleChanged, tx: Transaction) -> None:
    """Know what a member may see from now on."""
    await _is_now(tx, event.user_id, event.new)


async def member_removed(event: MemberRemoved, tx: Transaction) -> None:
    """Tell somebody nothing any more."""
    await _is_now(tx, event.user_id, None)


async def workspace_deleted(_: WorkspaceDeleted, tx: Transaction) -> None:
    """Tell nobody of this workspace anything any more, and no other system."""
    await store.forget_members(tx)
    await store.delete_webhooks(tx)
    await store.forget_reply_addresses(tx)


async def _is_now(tx: Transaction, person: UUID, role: Role | None) -> None:
    await store.remember(tx, person, role)
    for told in await store.release(tx, person, domain.audiences_of(role) if role else []):
        _announce(tx, told)


def _announce(tx: Transaction, told: Told) -> None:
    tx.announce(
        Notified(
            workspace_id=tx.workspace_id,
            actor=domain.OURSELVES,
            via=domain.BY_RULE,
            cause=str(told.cause),
            audience=Audience.ADMINS,
            subject=Subject(kind="inbox", id=str(told.recipient_id), version=told.nth),
            recipient_id=told.recipient_id,
            item_id=told.item_id,
            item_kind=told.kind,
            ticket_id_of=told.ticket_id,
        )
    )
