"""What every service says of its dead letters."""

from typing import Annotated

from pydantic import Field

from contracts.base import DeadLetter, Model, Query, Token
from contracts.texts import formed

Reason = Annotated[str, formed(r"^[a-z_]{1,50}$", "must be a refusal's code, such as not_found")]
"""A refusal's code."""


class LetterGroup(Model):
    """Dead letters of one reason and one sender."""

    reason: str
    integration: str | None
    """None: one of our own services told it, or it came by mail."""
    count: int


class DeadLetterPage(Model):
    """One page of dead letters, newest first."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None
    away: tuple[str, ...] = ()
    """Services that could not be asked for theirs now."""
    groups: tuple[LetterGroup, ...] = ()
    """What there is in all, of the newest 10,000 of each service; told with a first page."""


class ListLetters(Query[DeadLetterPage]):
    """What is asked of every service alike; each has this question under a subject of its own."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    reason: Reason | None = None
    integration: Token | None = None
    oldest_first: bool = False
