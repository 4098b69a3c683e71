"""What an example is made of: people, a ticket, and the steps of its story."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.base import Role
from contracts.tickets import Priority, Status

OWNER: Final = "owner"
"""Whoever the workspace was made for."""


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody who works here, and has no password: nobody signs in as them."""

    name: str
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody who asks."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Step:
    """What one of us does next with a ticket."""

    who: str


@dataclass(frozen=True, slots=True)
class Assign(Step):
    """They give it to somebody."""

    to: str


@dataclass(frozen=True, slots=True)
class Move(Step):
    """They move it to another status."""

    to: Status


@dataclass(frozen=True, slots=True)
class Note(Step):
    """They write a standing note."""

    words: str
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Comment(Step):
    """They say something to the team."""

    words: str
    calls: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Reply(Step):
    """They answer the customer."""

    words: str
    then: Status | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the customer says next."""

    words: str


@dataclass(frozen=True, slots=True)
class Example:
    """A ticket and its story."""

    subject: str
    words: str
    customer: str
    priority: Priority = Priority.NORMAL
    tags: Sequence[str] = ()
    assignee: str | None = None
    story: Sequence[Step | Answer] = ()
    chat: bool = False
    """Whether the customer came through the widget; else one of us wrote down what they asked."""


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation of which nobody made a ticket."""

    customer: str
    story: Sequence[Reply | Answer]
