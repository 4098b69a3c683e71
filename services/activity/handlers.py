"""Ears: what is asked and heard, and which use case it is."""

from functools import partial

from chassis.bus import Bus, Transaction
from contracts.activity import (
    Book,
    DropActivityLetter,
    ExportBook,
    Feed,
    GetActivityLetter,
    History,
    ListActivityLetters,
    ReadAudit,
    ReadHeads,
    Report,
    RetryActivityLetter,
    Verify,
)
from contracts.base import DeadLetter
from contracts.transfer import ImportEntries
from services.activity import usecases
from services.activity.domain import OWNERS


def listen(bus: Bus) -> None:
    """Answer, and record what the owners of the two books tell."""
    bus.answers(History)(usecases.history)
    bus.answers(Feed)(usecases.feed)
    bus.answers(ReadHeads)(usecases.read_heads)
    bus.answers(Verify)(usecases.verify)
    bus.answers(Report)(usecases.report)
    bus.answers(ReadAudit)(usecases.audit)
    bus.answers(ListActivityLetters)(usecases.list_letters)
    bus.answers(GetActivityLetter)(usecases.get_letter)
    bus.answers(DropActivityLetter)(usecases.drop_letter)
    bus.answers(ExportBook)(usecases.export)
    bus.answers(ImportEntries)(usecases.import_entries)

    @bus.answers(RetryActivityLetter)
    async def retry_letter(command: RetryActivityLetter, tx: Transaction) -> DeadLetter:
        return await usecases.retry_letter(command, tx, bus.retry)

    for book in Book:
        bus.records(OWNERS[book])(partial(usecases.record, book))
