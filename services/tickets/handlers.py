"""Ears: what is asked, heard and taken in, and which use case it is."""

from typing import Any

from chassis.bus import Bus, Origin, Transaction
from contracts.base import Intake, Message, ReadLog, Request
from contracts.gateway import WorkspaceCreated, WorkspaceDeleted
from contracts.refusals import NotFound
from contracts.tickets import (
    AddNote,
    ChangeSettings,
    ChangeTicket,
    ChangeTickets,
    CountTickets,
    CreateTicket,
    DeleteTicket,
    GetBulk,
    GetDeadLetter,
    GetSettings,
    GetTicket,
    ListDeadLetters,
    ListNotes,
    ListTickets,
    MarkNotSpam,
    RestoreTicket,
    TicketRequested,
)
from services.tickets import usecases


def listen(bus: Bus) -> None:
    """Answer, hear and take in."""
    bus.answers(CreateTicket)(usecases.create_ticket)
    bus.answers(GetTicket)(usecases.get_ticket)
    bus.answers(ListTickets)(usecases.list_tickets)
    bus.answers(CountTickets)(usecases.count_tickets)
    bus.answers(ChangeTicket)(usecases.change_ticket)
    bus.answers(DeleteTicket)(usecases.delete_ticket)
    bus.answers(RestoreTicket)(usecases.restore_ticket)
    bus.answers(MarkNotSpam)(usecases.mark_not_spam)
    bus.answers(ChangeTickets)(usecases.change_tickets)
    bus.answers(GetBulk)(usecases.get_bulk)
    bus.answers(GetSettings)(usecases.get_settings)
    bus.answers(ChangeSettings)(usecases.change_settings)
    bus.answers(AddNote)(usecases.add_note)
    bus.answers(ListNotes)(usecases.list_notes)
    bus.answers(ListDeadLetters)(usecases.list_dead_letters)
    bus.answers(GetDeadLetter)(usecases.get_dead_letter)

    bus.hears(TicketRequested)(usecases.request_ticket)
    bus.hears(WorkspaceCreated)(usecases.remember_workspace)
    bus.hears(WorkspaceDeleted)(usecases.forget_workspace)
    _not_built_yet(bus)


def _not_built_yet(bus: Bus) -> None:
    if not hasattr(bus, "_answers"):
        return

    async def nothing(_: Any, __: Transaction) -> Any:  # noqa: ANN401
        raise NotFound

    async def refuse(_: Any, __: Origin, ___: Transaction) -> None:  # noqa: ANN401
        raise NotFound

    for message in Message.registry.values():
        if issubclass(message, Request) and message.OWNER == "tickets" and not issubclass(message, ReadLog):
            if message.SUBJECT not in bus._answers._endpoints:  # noqa: SLF001
                bus.answers(message)(nothing)
        elif issubclass(message, Intake) and message.SUBJECT not in bus._ears:  # noqa: SLF001
            bus.hears(message)(refuse)
