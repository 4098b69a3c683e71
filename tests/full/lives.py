"""What happens on a desk in years: lives of tickets, decided by the domain once for each pattern and told of many.

Everything follows from the seed: whoever asks again for as many tickets gets the same ones, to the byte.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any, Final
from uuid import UUID, uuid5

from contracts.base import Actor, ActorKind, Caller, Person, Role, TicketEvent, Via
from contracts.texts import digest, replace_at, sealed_texts
from contracts.tickets import NoteAdded, NoteKind, Priority, Status, StatusChanged, TicketChange, TicketCreated
from services.activity import domain as record
from services.activity import store as books
from services.tickets.domain import By, Contact, Ticket
from services.tickets.store.rows import values_of

_BASE: Final = dt.datetime(2001, 1, 1, 0, 0, 0, 1, dt.UTC)
_TICKET, _CONTACT, _NOTE = (UUID(int=n << 96 | 7 << 76 | 2 << 62 | n) for n in (0xF1, 0xF2, 0xF3))
_NUMBER, _SEQ = 2_000_000_011, 2_000_000_017
_SUBJECT, _DESCRIPTION, _NAME = "<subject>", "<description>", "<name>"
_PATTERNS: Final = 192
_AGENTS: Final = 20
PER_CONTACT: Final = 5
"""Tickets of one contact."""

_MANY: Final = """
    invoice payment printer refund login password delivery parcel account export report button screen battery
    order mobile browser update crash slow error charge receipt address courier warranty cable router signal invite
    team seat plan trial renewal coupon tax currency transfer bank card webhook token widget import sync calendar
    photo upload download archive filter search sort column label colour font theme dark mode keyboard mouse monitor
    headset camera speaker dock adapter charger fuse lamp switch sensor valve pump filterbag wheel brake saddle pedal
    tent stove boot jacket zipper seam size return exchange gift voucher store pickup locker customs duty weight
    fragile missing broken late wrong double twice never again still anyway please urgent question request feedback
"""
_CALLED: Final = "Ada Ben Cleo Dan Eve Finn Gina Hugo Ida Jan Kim Leo Mia Nils Ola Pia Quinn Rosa Sam Tove"
_AND: Final = "Berg Costa Diaz Ek Falk Gruber Holm Ivanov Jones Kern Lund Moreau Novak Okafor Park Rossi"
_WORDS, _FIRST, _LAST = (tuple(words.split()) for words in (_MANY, _CALLED, _AND))
TAGS: Final = tuple(f"{kind}-{n}" for kind in ("billing", "shipping", "hardware", "access") for n in range(10))
_OVER: Final = (Status.RESOLVED, Status.CLOSED)
_DAY: Final = dt.timedelta(days=1)
_NOTE_SAYS: Final = "Seen before: tell them what helped."
_DELETED, _NOTED = {"deleted": True}, {"note": True}
_AT_WORK: Final = (_DAY / 6, {"assignee": None, "status": Status.IN_PROGRESS})
_FATES: Final = (
    (40, (_AT_WORK, (_DAY, {"status": Status.RESOLVED}), (3 * _DAY, {"status": Status.CLOSED}))),
    (84, ((_DAY, {"status": Status.CLOSED}),)),
    (88, ((_DAY / 6, {"status": Status.SPAM}),)),
    (90, ((_DAY / 6, _DELETED),)),
    (94, ((_DAY / 6, {"assignee": None}), (_DAY, {"status": Status.RESOLVED}))),
    (95, ()),
    (97, ((_DAY / 6, {"assignee": None, "status": Status.OPEN}), (_DAY / 8, _NOTED))),
    (98, (_AT_WORK,)),
    (100, ((_DAY / 6, {"assignee": None, "status": Status.WAITING_ON_CUSTOMER}),)),
)
"""Up to which of a hundred tickets what happens, and within which time each."""


@dataclass(frozen=True, slots=True)
class World:
    """Whose desk it is, and until when."""

    workspace_id: str
    owner: Person
    many: int
    seed: int
    until: dt.datetime
    years: float = 2

    def agents(self) -> Sequence[Person]:
        """Return who works there; all but the owner left since."""
        rest = (uuid5(_TICKET, f"{self.seed} agent {n}") for n in range(1, _AGENTS))
        named = (Person(id=id, name=f"{_FIRST[n]} {_LAST[n % 16]}", role=Role.ADMIN) for n, id in enumerate(rest))
        return (self.owner, *named)

    @property
    def contacts(self) -> int:
        """How many people have asked."""
        return max(10, self.many // PER_CONTACT)

    def contact(self, nth: int) -> Contact:
        """Return one of them."""
        name = f"{_FIRST[nth % 20]} {_LAST[nth // 20 % 16]} {nth}"
        return Contact(uuid5(_CONTACT, f"{self.seed} {nth}"), name, f"contact{nth}@example.com")


class Text:
    """A text with places in it."""

    def __init__(self, text: str, places: Mapping[str, str]) -> None:
        """`places`: what stands in the text where something else is to stand, and the name of that."""
        text = text.replace("%", "%%")
        for found, name in places.items():
            text = text.replace(found, f"%({name})s")
        self._text = text

    def with_(self, values: Mapping[str, str]) -> str:
        """Return it filled."""
        return self._text % values


@dataclass(frozen=True, slots=True)
class Step:
    """One fact of a pattern."""

    kind: type[TicketEvent]
    version: int
    after: dt.timedelta
    audience: str
    body: Text
    entry: Text
    texts: Sequence[tuple[str, str]]
    """JSON pointer and text, or which of the copy's texts."""
    note: Mapping[str, Any] | None
    counted: str | None
    """As what reports count it."""
    agent: str | None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A life, but for the names in it."""

    steps: Sequence[Step]
    row: Mapping[str, Any]
    """The ticket's row at the end of it."""

    @property
    def span(self) -> dt.timedelta:
        """How long it takes."""
        return self.steps[-1].after


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact of a ticket, as the stores keep it; where it stands in the log is known once all are in order."""

    step: Step
    id: UUID
    at: dt.datetime
    values: dict[str, str]
    texts: Sequence[tuple[str, str, str]]
    """JSON pointer, salt and text."""


@dataclass(frozen=True, slots=True)
class Life:
    """One ticket as it is, and what happened to it."""

    row: Mapping[str, Any]
    contact: Contact
    facts: Sequence[Fact]


class Desk:
    """All lives of a desk, oldest first."""

    def __init__(self, world: World) -> None:
        """Begin."""
        self.world = world
        self._random = Random(world.seed)

    @cached_property
    def _patterns(self) -> Sequence[Pattern]:
        return [_pattern(self.world, nth, self._random) for nth in range(_PATTERNS)]

    def lives(self) -> Iterator[Life]:
        """Tell them."""
        world, patterns = self.world, self._patterns
        short = [pattern for pattern in patterns if pattern.span < _DAY / 4]
        for number in range(1, world.many + 1):
            left = _DAY * 365 * world.years * (1 - (number - 1) / world.many)
            pattern = self._random.choice(patterns)
            if pattern.span > left:
                pattern = self._random.choice(short)
            yield self._life(number, pattern, world.until - max(left, pattern.span))

    def _life(self, number: int, pattern: Pattern, begins: dt.datetime) -> Life:
        world, chance = self.world, self._random
        ticket, note = self._id(begins), self._id(begins)
        contact = world.contact(chance.randrange(world.contacts))
        subject = self._subject()
        words = {"subject": subject, "description": f"{subject}. {self._words(12)}.", "name": contact.name}
        base = {"ticket": str(ticket), "contact": str(contact.id), "number": str(number), "note": str(note)}
        base |= {f"at{nth}": _said(begins + step.after) for nth, step in enumerate(pattern.steps)}
        facts = []
        for step in pattern.steps:
            at = begins + step.after
            id = self._id(at)
            texts = [
                (pointer, f"{chance.getrandbits(128):032x}", words.get(text, text)) for pointer, text in step.texts
            ]
            seals = {f"seal{nth}": digest(salt, text) for nth, (_, salt, text) in enumerate(texts)}
            facts.append(Fact(step, id, at, base | seals | {"id": str(id)}, texts))
        times = {
            name: _said(begins + (value - _BASE))
            for name, value in pattern.row.items()
            if isinstance(value, dt.datetime)
        }
        named = {
            "id": str(ticket),
            "number": number,
            "contact_id": str(contact.id),
            "description": words["description"],
        }
        return Life({**pattern.row, **named, **times, "subject": subject}, contact, facts)

    def _subject(self) -> str:
        return f"{self._words(4).capitalize()} {self._random.getrandbits(40):010x}"

    def _words(self, many: int) -> str:
        # Some words are said far more often than others.
        return " ".join(_WORDS[int(len(_WORDS) * self._random.random() ** 2)] for _ in range(many))

    def _id(self, at: dt.datetime) -> UUID:
        fraction, rest = self._random.getrandbits(12), self._random.getrandbits(62)
        return UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | rest)


def _said(at: dt.datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _pattern(world: World, nth: int, chance: Random) -> Pattern:
    ticket, facts = _lived(world, chance, nth / _PATTERNS)
    times = {_said(fact.at): f"at{n}" for n, fact in enumerate(facts)}
    row = values_of(ticket.state)
    row["workspace_id"] = row.pop("ws")
    return Pattern([_step(fact, times) for fact in facts], row | {"fields": {}})


def _counted(fact: TicketEvent) -> str | None:
    match fact:
        case TicketCreated():
            return "created"
        case StatusChanged(old=old, new=new) if new in _OVER and old not in (*_OVER, Status.SPAM):
            return "resolved"
    return None


def _step(fact: TicketEvent, times: Mapping[str, str]) -> Step:
    texts = list(sealed_texts(fact))
    said = fact.model_dump(mode="json", exclude={"salts"})
    marks = {f"sha256:{n:064x}": f"seal{n}" for n in range(len(texts))}
    for (pointer, _), mark in zip(texts, marks, strict=True):
        replace_at(said, pointer, mark)
    places = {
        **marks,
        **times,
        str(fact.id): "id",
        str(_TICKET): "ticket",
        str(_CONTACT): "contact",
        str(_NOTE): "note",
        str(_NUMBER): "number",
        str(_SEQ): "seq",
    }
    entry, _ = record.entry_of(str(fact.id), fact.SUBJECT, _SEQ, said)
    names = {_SUBJECT: "subject", _DESCRIPTION: "description", _NAME: "name"}
    return Step(
        kind=type(fact),
        version=fact.version,
        after=fact.at - _BASE,
        audience=fact.audience.value,
        body=Text(json.dumps(said, ensure_ascii=False), places),
        entry=Text(books.canonical(entry), places),
        texts=[(pointer, names.get(text, text)) for pointer, text in texts],
        note={"author": fact.actor, "body": fact.body} if isinstance(fact, NoteAdded) else None,
        counted=_counted(fact),
        agent=fact.actor.id if fact.actor.kind is ActorKind.USER else None,
    )


def _lived(world: World, chance: Random, share: float) -> tuple[Ticket, Sequence[TicketEvent]]:
    """Let the domain decide what becomes of a ticket; `share` of all patterns come before this one."""
    agents = world.agents()
    agent = chance.choice(agents)
    caller = Caller(
        workspace_id=world.workspace_id, kind=ActorKind.USER, id=str(agent.id), name=agent.name, role=agent.role
    )
    at = _BASE
    ticket, said = Ticket.begin(
        id=_TICKET,
        workspace_id=world.workspace_id,
        number=_NUMBER,
        subject=_SUBJECT,
        description=_DESCRIPTION,
        by=By(Actor(kind=ActorKind.CONTACT, id=str(_CONTACT), name=_NAME), Via.WIDGET, str(_TICKET), at),
        priority=chance.choices(tuple(Priority), (2, 8, 75, 15))[0],
        contact=Contact(_CONTACT, _NAME),
        tags=chance.choices(TAGS, range(len(TAGS), 0, -1), k=chance.randrange(4)),
    )
    for within, what in next(steps for upto, steps in _FATES if share * 100 < upto):
        at += within * (0.1 + 0.9 * chance.random())
        by = By(caller.actor, Via.WEB, str(_TICKET), at)
        if what is _DELETED:
            said += ticket.delete(caller, by)
        elif what is _NOTED:
            said += ticket.add_note(id=_NOTE, body=_NOTE_SAYS, kind=NoteKind.NOTE, caller=caller, by=by)
        else:
            fields: dict[str, Any] = {name: agent if name == "assignee" else value for name, value in what.items()}
            said += ticket.change(TicketChange(**fields), caller, by)
    return ticket, said
