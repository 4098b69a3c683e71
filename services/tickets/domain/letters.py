"""What is said of a dead letter that somebody has settled."""

from contracts.base import DeadLetter, Subject
from contracts.tickets import DeadLetterDropped, DeadLetterRetried
from services.tickets.domain.facts import By, of_record


def settled[Fact: (DeadLetterDropped, DeadLetterRetried)](
    kind: type[Fact], letter: DeadLetter, workspace_id: str, by: By
) -> Fact:
    """Return the fact that a letter was settled; it has one such fact at most."""
    subject = Subject(kind="dead_letter", id=str(letter.id), version=1)
    said = of_record(kind, workspace_id, subject, by)
    return kind(**said, letter_subject=letter.subject, reason=letter.reason)
