"""What is said of a dead letter that somebody has settled."""

import datetime as dt
from dataclasses import dataclass

from contracts.base import Actor, DeadLetter, Subject
from contracts.gateway import LetterDropped, LetterRetried
from services.gateway.domain.people import Cause, told


@dataclass(frozen=True, slots=True)
class Settled:
    """A letter that is there no more since somebody settled it."""

    applied: bool
    """Whether it was tried again and applied; else it was dropped."""
    at: dt.datetime


def settled_letter(
    kind: type[LetterRetried | LetterDropped], letter: DeadLetter, workspace_id: str, actor: Actor, cause: Cause
) -> LetterRetried | LetterDropped:
    """Return the fact that a letter was settled; it has one such fact at most."""
    return kind(
        **told(workspace_id, actor, cause),
        subject=Subject(kind="dead_letter", id=str(letter.id), version=1),
        service=letter.service,
        letter_subject=letter.subject,
        reason=letter.reason,
    )
