"""Ears: what is asked, heard and taken in, and which use case it is."""

from chassis.bus import Bus, Transaction
from chassis.erasing import read_erasure
from contracts.base import DeadLetter
from contracts.erasing import EraseContact, MemberErased, ReadTicketsErasure
from contracts.gateway import MemberRenamed, WorkspaceCreated, WorkspaceDeleted
from contracts.tickets import (
    AddNote,
    ChangeAssistant,
    ChangeContact,
    ChangeSettings,
    ChangeTicket,
    ChangeTickets,
    CountTickets,
    CreateAssistant,
    CreateContact,
    CreateTicket,
    DeleteAssistant,
    DeleteContact,
    DeleteTicket,
    DropDeadLetter,
    FindAssistant,
    GetAssistant,
    GetBulk,
    GetContact,
    GetConversation,
    GetCorrespondence,
    GetDeadLetter,
    GetIdentitySecret,
    GetSettings,
    GetTicket,
    LinkConversation,
    ListAssistants,
    ListContacts,
    ListConversations,
    ListDeadLetters,
    ListNotes,
    ListTags,
    ListTickets,
    MakeTicket,
    MarkNotSpam,
    MessageReceived,
    OpenVisitorTicket,
    PinNote,
    PostMessage,
    PostVisitorMessage,
    ReadVisitorConversation,
    ReplyOnTicket,
    RestoreTicket,
    RetryDeadLetter,
    RotateIdentitySecret,
    StartConversation,
    TakeReply,
    TicketRequested,
    TicketUpdated,
    UnlinkConversation,
)
from contracts.transfer import ExportTickets, ImportIntoTickets
from services.tickets import usecases
from services.tickets.usecases import erasing, transfer


def listen(bus: Bus) -> None:
    """Answer, hear and take in."""
    bus.answers(CreateTicket)(usecases.create_ticket)
    bus.answers(GetTicket)(usecases.get_ticket)
    bus.answers(ListTickets)(usecases.list_tickets)
    bus.answers(ListTags)(usecases.list_tags)
    bus.answers(CountTickets)(usecases.count_tickets)
    bus.answers(ChangeTicket, ahead=usecases.take_up)(usecases.change_ticket)
    bus.answers(DeleteTicket, ahead=usecases.take_up)(usecases.delete_ticket)
    bus.answers(RestoreTicket, ahead=usecases.take_up)(usecases.restore_ticket)
    bus.answers(MarkNotSpam, ahead=usecases.take_up)(usecases.mark_not_spam)
    bus.answers(ChangeTickets, alone=True)(usecases.change_tickets)
    bus.answers(GetBulk)(usecases.get_bulk)
    bus.answers(GetSettings)(usecases.get_settings)
    bus.answers(ChangeSettings)(usecases.change_settings)
    bus.answers(AddNote, ahead=usecases.take_up)(usecases.add_note)
    bus.answers(PinNote, ahead=usecases.take_up)(usecases.pin_note)
    bus.answers(ListNotes)(usecases.list_notes)
    bus.answers(ListDeadLetters)(usecases.list_dead_letters)
    bus.answers(GetDeadLetter)(usecases.get_dead_letter)
    _assistants(bus)
    _visitors(bus)
    bus.answers(CreateContact)(usecases.create_contact)
    bus.answers(ChangeContact)(usecases.change_contact)
    bus.answers(DeleteContact)(usecases.delete_contact)
    bus.answers(GetContact)(usecases.get_contact)
    bus.answers(ListContacts)(usecases.list_contacts)
    bus.answers(ListConversations)(usecases.list_conversations)
    bus.answers(GetConversation)(usecases.get_conversation)
    bus.answers(GetCorrespondence)(usecases.get_correspondence)
    bus.answers(PostMessage)(usecases.post_message)
    bus.answers(ReplyOnTicket)(usecases.reply_on_ticket)
    bus.answers(MakeTicket)(usecases.make_ticket)
    bus.answers(LinkConversation)(usecases.link_conversation)
    bus.answers(UnlinkConversation)(usecases.unlink_conversation)
    bus.answers(TakeReply)(usecases.take_reply)
    bus.answers(ExportTickets)(transfer.export)
    bus.answers(ImportIntoTickets)(transfer.import_rows)
    bus.answers(EraseContact)(erasing.erase_contact)
    bus.answers(ReadTicketsErasure)(read_erasure)
    bus.hears(MemberErased)(erasing.member_erased)
    bus.answers(DropDeadLetter)(usecases.drop_dead_letter)

    @bus.answers(RetryDeadLetter)
    async def retry_dead_letter(command: RetryDeadLetter, tx: Transaction) -> DeadLetter:
        return await usecases.retry_dead_letter(command, tx, bus.retry)

    bus.hears(TicketRequested)(usecases.request_ticket)
    bus.hears(TicketUpdated)(usecases.update_ticket)
    bus.hears(MessageReceived)(usecases.receive_message)
    bus.hears(MemberRenamed)(usecases.rename_member)
    bus.hears(WorkspaceCreated)(usecases.remember_workspace)
    bus.hears(WorkspaceDeleted)(usecases.forget_workspace)


def _assistants(bus: Bus) -> None:
    bus.answers(CreateAssistant)(usecases.create_assistant)
    bus.answers(GetAssistant)(usecases.get_assistant)
    bus.answers(ListAssistants)(usecases.list_assistants)
    bus.answers(ChangeAssistant)(usecases.change_assistant)
    bus.answers(DeleteAssistant)(usecases.delete_assistant)
    bus.answers(GetIdentitySecret)(usecases.get_identity_secret)
    bus.answers(RotateIdentitySecret)(usecases.rotate_identity_secret)
    bus.answers(FindAssistant)(usecases.find_assistant)


def _visitors(bus: Bus) -> None:
    bus.answers(StartConversation)(usecases.start_conversation)
    bus.answers(PostVisitorMessage)(usecases.post_visitor_message)
    bus.answers(OpenVisitorTicket)(usecases.open_visitor_ticket)
    bus.answers(ReadVisitorConversation)(usecases.read_visitor_conversation)
