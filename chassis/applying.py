"""One message and its handler: whether it is new, what it says, and once more after it was buried."""

import uuid
from collections.abc import Awaitable, Callable, Mapping

from pydantic import ValidationError

from chassis import inbox
from chassis.database import Transaction
from chassis.held import Ear, Held, Kept, NotYet, Origin, heard
from chassis.requests import invalid
from chassis.swallowed import named
from chassis.telemetry import traced
from contracts.base import DeadLetter, Event, Intake, Message
from contracts.envelope import Received, open_envelope, require_unique_names
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound, UnknownMessage


async def is_first(tx: Transaction, stream: str, held: Held) -> bool:
    """Tell whether a message of another system is new.

    One without an id is known by its words where NATS was given one, else by its place in the stream.
    """
    id = open_envelope(held.msg.headers, held.msg.data).id
    if id:
        return await inbox.first_sight(tx, held.integration, id)
    if words := named(held.msg):
        return await inbox.first_sight(tx, f"{held.integration} words", words)
    return await inbox.first_sight(tx, f"{stream}.sequence", f"{held.sequence} {held.stored.isoformat()}")


async def apply(tx: Transaction, ears: Mapping[str, Ear], held: Held) -> None:
    """Let the handler that it is meant for apply a message; raises what it raises, or why it can't be read."""
    received = open_envelope(held.msg.headers, held.msg.data)
    ear = ears.get(held.base)
    if ear is None:
        raise UnknownMessage
    if received.type not in ("", held.base, ear.message.TYPE):
        raise UnknownMessage(f"ce-type must be {held.base}")
    with traced(received.traceparent) as held.trace, heard(held.base):
        message = _read(ear, received, held)
        if isinstance(message, Intake):
            await ear.handler(message, Origin(held.workspace, held.integration, received.id), tx)
        else:
            await ear.handler(message, tx)


async def retry_letter(
    tx: Transaction,
    service: str,
    ears: Mapping[str, Ear],
    id: uuid.UUID,
    recorded: Callable[[Held], Awaitable[None]] | None = None,
) -> DeadLetter:
    """Apply a dead letter of this workspace as it came, and forget it; return what it was.

    `recorded` stands for the handler where facts are recorded whatever they are.

    Whoever sent it may have sent it again meanwhile: what took effect then takes none now, and the letter is forgotten
    all the same. Raises NotFound, Conflict where too little of it was kept, and its refusal if it is refused again.
    """
    row = await inbox.take_letter(tx, id)
    if row is None:
        raise NotFound
    if inbox.LEFT_OUT in row["headers"]:
        raise Conflict("Some headers of this message were too long to be kept, so it can't be tried again as it came.")
    held = Held.kept(Kept(row["subject"], row["headers"], row["body"]), row["sequence"], row["stored_at"])
    # A fact is known by its position, which was passed when it was buried: the letter alone says that it is due.
    if held.position or await is_first(tx, row["stream"], held):
        try:
            await (apply(tx, ears, held) if recorded is None else recorded(held))
        except NotYet as reason:
            raise Invalid(str(reason)) from reason
    await inbox.forget_letter(tx, id)
    return inbox.dead_letter_of(service, row)


def _read(ear: Ear, received: Received, held: Held) -> Message:
    if issubclass(ear.message, Intake):
        require_unique_names(received.data)
    try:
        message: Message = ear.read.validate_json(received.data)
    except ValidationError as error:
        raise invalid(error) from error
    if isinstance(message, Event | Intake) and message.workspace_id not in (None, held.workspace):
        raise NotAllowed("the body names another workspace than the subject")
    return message
