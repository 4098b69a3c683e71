"""Who should hear what, said once more in plain Python: it knows the contracts and none of the services' code.

It is fed what happened, in order: the facts of tickets and of members, and what people chose. It says what is in each
inbox, and which mails a member is sent when the minute is over in which news is gathered.
"""

import datetime as dt
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
A_MINUTE: Final = dt.timedelta(seconds=60)
ALONE_AT_MOST: Final = 10
TICKETS_AT_MOST: Final = 20
"""More causes than these within a minute are one item of an inbox."""

type Fact = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One fact that one person is told."""

    person: str
    cause: str
    command: str
    """What brought it about, with other facts perhaps: these are told as one."""
    kind: str
    ticket: str
    actor: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Seen:
    """An item as its reader finds it."""

    told: Told
    """What matters most in it."""
    count: int
    tickets: tuple[tuple[str, int], ...]
    """Of how many causes it tells, by ticket: those that matter most, the newest first, and no more than fit."""
    more_tickets: int
    parts: tuple[tuple[str, str | None, str | None], ...]


@dataclass(slots=True)
class Inbox:
    """Everything that somebody was told, as items, each with the audience of its fact; oldest first."""

    items: list[list[tuple[Told, str]]] = field(default_factory=list)
    since: dt.datetime | None = None
    """When the last minute began."""
    minute: list[list[tuple[Told, str]]] = field(default_factory=list)
    """Its items."""
    commands: set[str] = field(default_factory=set)
    """What brought them about."""

    def enters(self, told: Told, audience: str, at: dt.datetime) -> None:
        """Let a fact in: to what its command did before, to the digest of its minute, or by itself."""
        for item in self.items:
            if any(other.command == told.command for other, _ in item):
                item.append((told, audience))
                return
        if self.since is None or at >= self.since + A_MINUTE:
            self.since, self.minute, self.commands = at, [], set()
        self.commands.add(told.command)
        if len(self.commands) > ALONE_AT_MOST:
            first, *others = self.minute
            for other in others:
                first += other
                self.items.remove(other)
            first.append((told, audience))
            self.minute = [first]
        else:
            self.items.append([(told, audience)])
            self.minute.append(self.items[-1])


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
    """Every fact that anybody was told, in order, with its audience."""
    shown: dict[str, Inbox] = field(default_factory=lambda: defaultdict(Inbox))
    """The same by person, as they are shown it."""
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

    def sees(self, person: str) -> list[Seen]:
        """Return what somebody finds in their inbox now, newest first."""
        role, found = self.roles[person], []
        place = {told: nth for nth, (told, _) in enumerate(self.inboxes)}
        for item in reversed(self.shown[person].items):
            left = [told for told, audience in item if _sees(role, audience) and not self.tickets[told.ticket].deleted]
            if left:
                found.append(_seen(sorted(left, key=place.__getitem__)))
        return found

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
                told = _told(person, inbox, type, fact)
                self.inboxes.append((told, fact["audience"]))
                self.shown[person].enters(told, fact["audience"], dt.datetime.fromisoformat(fact["at"]))
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
    return Told(person, fact["id"], fact["cause"], kind, fact["ticket_id"], fact["actor"]["name"], old, new)


def _seen(told: list[Told]) -> Seen:
    commands: dict[str, set[str]] = defaultdict(set)
    strength = dict.fromkeys((each.ticket for each in told), len(STRONGEST_FIRST))
    for each in told:
        commands[each.ticket].add(each.command)
        strength[each.ticket] = min(strength[each.ticket], STRONGEST_FIRST.index(each.kind))
    tickets = sorted(dict.fromkeys(each.ticket for each in reversed(told)), key=strength.__getitem__)
    count = len({each.command for each in told})
    said = sorted(told, key=lambda each: STRONGEST_FIRST.index(each.kind))
    parts = dict.fromkeys((each.kind, each.old, each.new) for each in said) if count == 1 else {}
    strongest = min(reversed(told), key=lambda each: STRONGEST_FIRST.index(each.kind))
    shown = tuple((ticket, len(commands[ticket])) for ticket in tickets[:TICKETS_AT_MOST])
    return Seen(strongest, count, shown, len(tickets) - len(shown), tuple(parts))


def _user(fact: Fact) -> str | None:
    return fact["actor"]["id"] if fact["actor"]["kind"] == "user" else None


def _sees(role: str | None, audience: str) -> bool:
    if role is None:
        return False
    return audience == "everyone" or role in (
        ("owner", "admin") if audience == "admins" else ("owner", "admin", "member")
    )
