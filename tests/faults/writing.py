"""Which mail contacts are sent, said once more in plain Python: it knows the contracts and none of the services' code.

It is fed what happened, in order. It says which mails go out when the minute is over in which answers are gathered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MOST_ANSWERS: Final = 10
FIXED: Final = {
    "received": "We have received your request",
    "replied": "There is an answer to your request",
    "resolved": "Your request is resolved",
}
_RESOLVED = ("resolved", "closed")

type Fact = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Written:
    """What one mail to a contact says."""

    address: str
    subject: str
    answers: tuple[str, ...] = ()
    resolved: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is to be written of."""

    at: str
    kind: str
    cause: str
    ticket: str


@dataclass(slots=True)
class Asked:
    """A ticket, as far as its contact is written to."""

    number: int
    subject: str
    status: str
    contact: str | None
    conversation: str | None = None
    deleted: bool = False

    @property
    def in_sight(self) -> bool:
        return not self.deleted and self.status != "spam"


@dataclass(slots=True)
class Writing:
    """The contacts of a desk, and what they are to be written."""

    addresses: dict[str, str] = field(default_factory=dict)
    """By contact."""
    vouched: set[str] = field(default_factory=set)
    """Contacts whom an agent entered."""
    partners: dict[str, str] = field(default_factory=dict)
    """Contacts by conversation."""
    answers: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """What agents wrote in each conversation: message and words."""
    heard: set[str] = field(default_factory=set)
    """Messages that a ticket has heard."""
    tickets: dict[str, Asked] = field(default_factory=dict)
    waiting: list[Waiting] = field(default_factory=list)
    strangers: set[str] = field(default_factory=set)
    """Addresses that had their mail of the day."""

    def happens(self, type: str, fact: Fact) -> None:
        """Hear a fact, as its owner's log has it."""
        match type:
            case "contact_created":
                self.addresses[fact["contact_id"]] = fact["new"]["email"]
                if fact["actor"]["kind"] == "user":
                    self.vouched.add(fact["contact_id"])
            case "conversation_started" if fact["contact"]:
                self.partners[fact["new"]["id"]] = fact["contact"]["id"]
            case "message_posted" if fact["author"]["kind"] == "agent":
                said = self.answers.setdefault(fact["conversation_id"], [])
                said.append((fact["message_id"], fact["body"]))
            case "ticket_created":
                contact = fact["contact"] and fact["contact"]["id"]
                self.tickets[fact["ticket_id"]] = Asked(fact["number"], fact["subject"], fact["status"], contact)
                if fact["actor"]["kind"] == "contact":
                    self._wait("received", fact, fact["id"])
            case _ if fact.get("ticket_id"):
                self._changes(self.tickets[fact["ticket_id"]], type, fact)

    def _changes(self, ticket: Asked, type: str, fact: Fact) -> None:
        match type:
            case "conversation_linked":
                ticket.conversation = fact["new"]["id"]
            case "subject_changed":
                ticket.subject = fact["new"]
            case "status_changed":
                ticket.status = fact["new"]
                if fact["new"] == "resolved":
                    self._wait("resolved", fact, fact["id"])
            case "ticket_deleted" | "ticket_restored":
                ticket.deleted = type == "ticket_deleted"
            case "agent_replied" if fact["message_id"] not in self.heard:
                self.heard.add(fact["message_id"])
                self._wait("replied", fact, fact["message_id"])

    def minute_is_over(self) -> list[Written]:
        """Return what is sent now of all that has waited."""
        mails: list[Written] = []
        while self.waiting:
            each = min(self.waiting, key=lambda news: (news.at, news.kind, news.cause))
            self.waiting.remove(each)
            if mail := self._mail(each):
                mails.append(mail)
        return sorted(mails)

    def _wait(self, kind: str, fact: Fact, cause: str) -> None:
        self.waiting.append(Waiting(fact["at"], kind, cause, fact["ticket_id"]))

    def _mail(self, each: Waiting) -> Written | None:
        ticket = self._ticket(each)
        if ticket is None or (each.kind == "resolved" and ticket.status not in _RESOLVED):
            return None
        answers: list[str] = []
        if each.kind == "replied":
            said = next(all_ for all_ in self.answers.values() if each.cause in dict(all_))
            told = said[[id for id, _ in said].index(each.cause) :][:MOST_ANSWERS]
            answers = [words for _, words in told]
            self.waiting = [news for news in self.waiting if news.cause not in dict(told)]
        contact = self.partners.get(ticket.conversation or "") or ticket.contact
        if contact is None or not self.addresses.get(contact):
            return None
        address = self.addresses[contact]
        if contact not in self.vouched or each.kind == "received":
            return self._fixed(address, each.kind)
        if each.kind == "resolved":
            return Written(address, f"[#{ticket.number}] {FIXED['resolved']}")
        return Written(address, f"Re: [#{ticket.number}] {ticket.subject}", tuple(answers), self._says_so(ticket))

    def _fixed(self, address: str, kind: str) -> Written | None:
        if address in self.strangers:
            return None
        self.strangers.add(address)
        return Written(address, FIXED[kind])

    def _says_so(self, ticket: Asked) -> bool:
        """Tell whether an answer says that the ticket is resolved, in place of a mail that would."""
        others = [news for news in self.waiting if news.kind != "resolved" or self.tickets[news.ticket] is not ticket]
        waited = len(others) < len(self.waiting)
        if ticket.status in _RESOLVED:
            self.waiting = others
        return waited and ticket.status in _RESOLVED

    def _ticket(self, each: Waiting) -> Asked | None:
        ticket = self.tickets[each.ticket]
        if ticket.in_sight:
            return ticket
        if each.kind != "replied":
            return None
        linked = [one for one in self.tickets.values() if one.conversation == ticket.conversation and one.in_sight]
        return min(linked, key=lambda one: one.number, default=None)
