"""Ears: what is asked, heard and taken in, and which use case it is."""

from chassis.bus import Bus
from contracts.gateway import WorkspaceCreated
from contracts.tickets import (
    AddNote,
    ChangeTicket,
    CreateTicket,
    GetDeadLetter,
    GetTicket,
    ListDeadLetters,
    ListNotes,
    ListTickets,
    TicketRequested,
)
from services.tickets import usecases


def listen(bus: Bus) -> None:
    """Answer, hear and take in."""
    bus.answers(CreateTicket)(usecases.create_ticket)
    bus.answers(GetTicket)(usecases.get_ticket)
    bus.answers(ListTickets)(usecases.list_tickets)
    bus.answers(ChangeTicket)(usecases.change_ticket)
    bus.answers(AddNote)(usecases.add_note)
    bus.answers(ListNotes)(usecases.list_notes)
    bus.answers(ListDeadLetters)(usecases.list_dead_letters)
    bus.answers(GetDeadLetter)(usecases.get_dead_letter)

    bus.hears(TicketRequested)(usecases.request_ticket)
    bus.hears(WorkspaceCreated)(usecases.remember_workspace)
