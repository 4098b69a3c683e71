"""What replicas of a service tell one another of the moment: heard at most once, and kept nowhere."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from contracts.base import Model, Token
from contracts.texts import PersonName

SIGNALS: "list[type[Signal]]" = []
"""Every signal; one joins by naming its subject."""


class Signal(Model):
    """Something of the moment that replicas tell one another; no contract with anybody else."""

    SUBJECT: ClassVar[str]
    OWNER: ClassVar[str]
    """The service whose replicas say and hear it; NATS permissions are made of it."""

    workspace_id: Token

    def __init_subclass__(cls, *, subject: str) -> None:
        """Join the registry."""
        super().__init_subclass__()
        cls.SUBJECT, cls.OWNER = subject, subject.partition(".")[0]
        SIGNALS.append(cls)


class AtTicket(StrEnum):
    """What somebody does at a ticket."""

    HERE = "here"
    WRITING = "writing"
    GONE = "gone"


class Present(Signal, subject="gateway.signals.v1.presence"):
    """Somebody of the team looks at a ticket, writes there, or has left it."""

    ticket_id: UUID
    user_id: UUID
    name: PersonName
    state: AtTicket


class Broken(Signal, subject="gateway.signals.v1.broken"):
    """Somebody had the record verified, and a fault was found."""
