"""Who should hear what, said once more in plain Python: it knows the contracts and none of the services' code.

It is fed what happened, in order: the facts of tickets and of members, and what people chose. It says what is in each
inbox, and which mails a member is sent when the minute is over in which news is gathered.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

STRONGEST_FIRST: Final = (
    "mention",
    "assigned",
    "unassigned",
    "note",
    "follow_up",
    "message",
    "status",
    "priority",
    "created",
    "arrived",
)
AT_FIRST: Final = {
    "inbox": frozenset(STRONGEST_FIRST) - {"priority", "created", "arrived"},
    "mail": frozenset({"mention", "assigned"}),
}
"""What somebody hears of who never chose."""
HEARD_BY_WATCHERS: Final = {
    "status_changed": "status",
    "priority_changed": "priority",
    "customer_message": "message",
    "follow_up_opened": "follow_up",
    "note_added": "note",
    "comment_added": "note",
}
OUTSIDE: Final = ("widget", "intake")

type Fact = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that one person is told."""

    person: str
    cause: str
    kind: str
    ticket: str
    actor: str
    old: str | None
    new: str | None


@dataclass(slots=True)
class Ticket:
    """What is to be known of a ticket, to tell of it."""

    number: int
    subject: str
    creator: str | None
    assignee: str | None
    mentioned: set[str] = field(default_factory=set)
    chosen: set[str] = field(default_factory=set)
    left: dict[str, int] = field(default_factory=dict)
    """Who watches no more, since which version."""
    muted: set[str] = field(default_factory=set)
    deleted: bool = False

    @property
    def watchers(self) -> set[str]:
        reasons = {self.creator, self.assignee} | self.mentioned | self.chosen
        return {person for person in reasons if person is not None and person not in self.left}


@dataclass(slots=True)
class Hearing:
    """The whole desk, as far as it decides who hears what."""

    roles: dict[str, str] = field(default_factory=dict)
    """Of those who are members now."""
    tickets: dict[str, Ticket] = field(default_factory=dict)
    wanted: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    """What was chosen, by person, kind and way."""
    paused: set[str] = field(default_factory=set)
    inboxes: list[tuple[Told, str]] = field(default_factory=list)
    """Everything that anybody was told, in order, with the audience of its fact."""
    waiting: dict[str, list[tuple[Told, str]]] = field(default_factory=lambda: defaultdict(list))
    """What is to go by mail when the minute is over."""

    # What happens

    def happens(self, type: str, fact: Fact) -> None:
        """Hear a fact, as its owner's log has it."""
        match type:
            case "member_joined":
                self.roles[fact["user_id"]] = fact["role"]
            case "role_changed":
                self.roles[fact["user_id"]] = fact["new"]
            case "member_removed":
                del self.roles[fact["user_id"]]
            case _ if fact.get("ticket_id"):
                self._of_ticket(type, fact)

    def _of_ticket(self, type: str, fact: Fact) -> None:
        if type == "ticket_created":
            assignee = fact["assignee"] and fact["assignee"]["id"]
            made = Ticket(fact["number"], fact["subject"], _user(fact), assignee)
            self.tickets[fact["ticket_id"]] = made
        ticket = self.tickets[fact["ticket_id"]]
        match type:
            case "subject_changed":
                ticket.subject = fact["new"]
            case "assigned":
                ticket.assignee = fact["new"]["id"]
                if ticket.left.get(ticket.assignee, fact["version"]) < fact["version"]:
                    del ticket.left[ticket.assignee]
            case "unassigned":
                ticket.assignee = None
            case "ticket_deleted":
                ticket.deleted = True
            case "ticket_restored":
                ticket.deleted = False
        self._tell(type, fact, ticket)
        if type in ("note_added", "comment_added"):
            ticket.mentioned |= {each["id"] for each in fact["mentions"] if _sees(each["role"], fact["audience"])}

    # What people choose

    def chooses(self, person: str, kind: str, way: str, *, wants: bool) -> None:
        """Let somebody want to hear of this kind in this way, or not."""
        self.wanted[person, kind, way] = wants

    def pauses(self, person: str, *, paused: bool) -> None:
        """Let somebody get no mail at all, or some again."""
        (self.paused.add if paused else self.paused.discard)(person)

    def watches(self, person: str, ticket: str) -> None:
        """Let somebody watch by choice."""
        self.tickets[ticket].chosen.add(person)
        self.tickets[ticket].left.pop(person, None)

    def leaves(self, person: str, ticket: str, version: int) -> None:
        """Let somebody watch no more who has seen this version."""
        self.tickets[ticket].chosen.discard(person)
        self.tickets[ticket].left[person] = version

    def mutes(self, person: str, ticket: str, *, muted: bool) -> None:
        """Let somebody hear nothing of a ticket, or of it again."""
        (self.tickets[ticket].muted.add if muted else self.tickets[ticket].muted.discard)(person)

    # What comes of it

    def sees(self, person: str) -> list[Told]:
        """Return what somebody finds in their inbox now, newest first."""
        role = self.roles[person]
        return [
            told
            for told, audience in reversed(self.inboxes)
            if told.person == person and _sees(role, audience) and not self.tickets[told.ticket].deleted
        ]

    def minute_is_over(self) -> dict[str, list[Told]]:
        """Return what each person's mail tells now of what has waited, by person; who gets none is left out."""
        mails = {}
        for person, news in self.waiting.items():
            if person in self.roles and person not in self.paused:
                mails[person] = [
                    told
                    for told, audience in news
                    if _sees(self.roles[person], audience)
                    and not self.tickets[told.ticket].deleted
                    and person not in self.tickets[told.ticket].muted
                ]
        self.waiting.clear()
        return {person: told for person, told in mails.items() if told}

    def _tell(self, type: str, fact: Fact, ticket: Ticket) -> None:
        concerned: dict[str, set[str]] = defaultdict(set)
        for person, kind in self._reasons(type, fact, ticket):
            concerned[person].add(kind)
        for person, kinds in concerned.items():
            if person == _user(fact) or person in ticket.muted:
                continue
            inbox, mail = (self._strongest(person, kinds, way) for way in ("inbox", "mail"))
            if inbox and _sees(self.roles.get(person), fact["audience"]):
                self.inboxes.append((_told(person, inbox, type, fact), fact["audience"]))
            if mail:
                self.waiting[person].append((_told(person, mail, type, fact), fact["audience"]))

    def _reasons(self, type: str, fact: Fact, ticket: Ticket) -> Iterator[tuple[str, str]]:
        if type == "ticket_created":
            kind = "arrived" if fact["via"] in OUTSIDE else "created"
            yield from ((person, kind) for person in self.roles)
        woken = type == "status_changed" and fact["actor"]["kind"] == "contact"
        if type in HEARD_BY_WATCHERS and not woken:
            yield from ((person, HEARD_BY_WATCHERS[type]) for person in ticket.watchers)
        if type == "ticket_created" and fact["assignee"]:
            yield fact["assignee"]["id"], "assigned"
        if type == "assigned":
            yield fact["new"]["id"], "assigned"
        if type in ("assigned", "unassigned") and fact["old"]:
            yield fact["old"]["id"], "unassigned"
        yield from ((each["id"], "mention") for each in fact.get("mentions") or ())

    def _strongest(self, person: str, kinds: set[str], way: str) -> str | None:
        return next((kind for kind in STRONGEST_FIRST if kind in kinds and self._wants(person, kind, way)), None)

    def _wants(self, person: str, kind: str, way: str) -> bool:
        kind = "message" if kind == "follow_up" else kind
        return self.wanted.get((person, kind, way), kind in AT_FIRST[way])


def _told(person: str, kind: str, type: str, fact: Fact) -> Told:
    old = new = None
    if type in ("status_changed", "priority_changed"):
        old, new = fact["old"], fact["new"]
    elif type == "follow_up_opened":
        new = str(fact["new"]["number"])
    return Told(person, fact["id"], kind, fact["ticket_id"], fact["actor"]["name"], old, new)


def _user(fact: Fact) -> str | None:
    return fact["actor"]["id"] if fact["actor"]["kind"] == "user" else None


def _sees(role: str | None, audience: str) -> bool:
    if role is None:
        return False
    return audience == "everyone" or role in (
        ("owner", "admin") if audience == "admins" else ("owner", "admin", "member")
    )
