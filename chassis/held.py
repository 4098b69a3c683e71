"""A message on its way to its effect: what was fetched, who will apply it, and what they are told."""

import datetime as dt
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from nats.aio.msg import Msg
from pydantic import TypeAdapter

from chassis.telemetry import Part, span, traced
from contracts.base import Intake, LoggedFact, Message, now
from contracts.refusals import Invalid

_INTAKE_PARTS = 6
_POSITION = re.compile(r"[1-9][0-9]{0,15}")
_BODY: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


def heard(subject: str) -> AbstractContextManager[object]:
    """Record that a message is applied."""
    about = {"messaging.system": "nats", "messaging.operation.type": "process", "messaging.destination.name": subject}
    return span(Part.CONSUMER, f"hear {subject.rpartition('.')[2]}", about)


class NotYet(Exception):
    """Raised by a handler: try again in a moment, and give up (a dead letter) when the message is this old."""

    def __init__(self, detail: str, *, give_up_after: float) -> None:
        """Say what is missing, and how many seconds after it was sent the message is hopeless."""
        super().__init__(detail)
        self.give_up_after = give_up_after


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an intake message comes from, by its subject (which NATS permissions guard) and its envelope."""

    workspace_id: str
    integration: str
    id: str
    """`ce-id`, or "" where none was given."""


@dataclass(frozen=True, slots=True)
class Ear:
    """A handler and what it understands."""

    message: type[Message]
    handler: Callable[..., Awaitable[None]]
    read: TypeAdapter[Any]


@dataclass(frozen=True, slots=True)
class Told:
    """A fact as its owner told it, whatever its type: what a record is kept of."""

    id: str
    type: str
    """The subject without workspace."""
    position: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that the broker does not bring, from its owner's log or our own dead letters; nothing is to ack."""

    subject: str
    headers: dict[str, str]
    data: bytes

    @classmethod
    def fact(cls, fact: LoggedFact) -> "Kept":
        """Give a fact the form in which the broker would have brought it."""
        headers = {"ce-id": str(fact.id), "ce-type": fact.type, "ce-position": str(fact.position)}
        return cls(f"{fact.type}.{fact.workspace_id}", headers, _BODY.dump_json(fact.body))

    async def ack(self) -> None: ...
    async def nak(self, delay: float) -> None: ...
    async def term(self) -> None: ...
    async def in_progress(self) -> None: ...


@dataclass(slots=True)
class Held:
    """A message that is not settled."""

    msg: Msg | Kept
    sequence: int
    stored: dt.datetime
    """When the broker stored it: a stream that was made anew begins its sequence again."""
    base: str
    workspace: str
    integration: str
    position: int
    trace: str
    outcome: str = "known"
    beaten: float = field(default_factory=time.monotonic)
    """When the broker was last told, or knew by itself, that it is not forgotten."""

    @property
    def place(self) -> tuple[int, int]:
        """What its lane is sorted by."""
        return self.position, self.sequence

    @classmethod
    def of(cls, msg: Msg, *, copied: bool = False) -> "Held":
        """Hold what the broker delivered; what comes by a copy in parts has its first subject and sequence again."""
        sequence = msg.metadata.sequence.stream
        if copied and (source := (msg.headers or {}).get("Nats-Stream-Source")):
            sequence, msg.subject = int(source.split()[1]), msg.subject.partition(".")[2]
        return cls._placed(msg, sequence, msg.metadata.timestamp)

    @classmethod
    def kept(cls, letter: "Kept", sequence: int, stored: dt.datetime) -> "Held":
        """Hold a message that was buried, as it came."""
        return cls._placed(letter, sequence, stored)

    @classmethod
    def _placed(cls, msg: "Msg | Kept", sequence: int, stored: dt.datetime) -> "Held":
        """Read subject and place; an unusable subject, or a fact without position, has no workspace."""
        parts, headers = msg.subject.split("."), msg.headers or {}
        intake = len(parts) > 1 and parts[1] == Intake.KIND
        given = headers.get("ce-position", "")
        position = int(given) if not intake and _POSITION.fullmatch(given) else 0
        fits = len(parts) == _INTAKE_PARTS if intake else len(parts) == _INTAKE_PARTS - 1 and position > 0
        with traced(headers.get("traceparent")) as trace:
            pass
        return cls(
            msg=msg,
            sequence=sequence,
            stored=stored,
            base=".".join(parts[:4]),
            workspace=parts[4] if fits else "",
            integration=parts[5] if fits and intake else "",
            position=position,
            trace=trace,
        )

    @classmethod
    def again(cls, fact: LoggedFact) -> "Held":
        """Hold a fact that its owner told again; it has no place in a stream, so its id stands for one."""
        return cls(
            msg=Kept.fact(fact),
            sequence=-(fact.id.int >> 66),
            stored=now(),
            base=fact.type,
            workspace=fact.workspace_id,
            integration="",
            position=fact.position,
            trace="",
        )

    def told(self, id: str, data: bytes) -> Told:
        """Return the fact without asking what it means; raises Invalid for a body that is no JSON object."""
        try:
            return Told(id=id, type=self.base, position=self.position, body=_BODY.validate_json(data))
        except ValueError as error:
            raise Invalid("the body is not a JSON object") from error
