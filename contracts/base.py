"""What every message is: a pydantic model that declares its own subject, known to one registry.

<owner>.<kind>.v<n>.<name>                            requests (request and reply, core NATS)
<owner>.<kind>.v<n>.<name>.<workspace>                events (facts, JetStream)
<owner>.<kind>.v<n>.<name>.<workspace>.<integration>  intake (what other systems publish to us, JetStream)
<owner>.<kind>.v<n>.<name>.<workspace>                deadletters (what could not be applied, with its reason)
"""

import datetime as dt
import os
import re
import time
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
)

from contracts.texts import PersonName, formed

Token = Annotated[str, formed(r"^[a-z0-9_-]{1,64}$", "must be 1 to 64 lower-case letters, digits, _ and -")]
"""A workspace id or an integration's name: one plain token of a subject, without dot, wildcard or space."""

SERVICES = ("tickets", "activity", "notifications", "gateway")
KINDS = ("requests", "events", "intake", "deadletters")
_GRAMMAR = re.compile(rf"(?P<owner>{'|'.join(SERVICES)})\.(?P<kind>{'|'.join(KINDS)})\.v[1-9][0-9]*\.[a-z][a-z_]*")


def uuid7() -> UUID:
    """Return a UUID of version 7 (RFC 9562 section 5.7): 48 bits of milliseconds, 12 of their fraction, then chance."""
    at, rest = divmod(time.time_ns(), 10**6)
    return UUID(int=at << 80 | 7 << 76 | (rest << 12) // 10**6 << 64 | 2 << 62 | int.from_bytes(os.urandom(8)) >> 2)


def now() -> dt.datetime:
    """Return the time in UTC."""
    return dt.datetime.now(dt.UTC)


class Model(BaseModel):
    """A part of a message: frozen, built when it is first used, and a reader ignores what it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Change(Model):
    """Which fields of a record get another value: one that is not set stays as it is, null takes a value away."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was not mentioned."""
        return {field: value for field, value in dump(self).items() if field in self.model_fields_set}


class Message(Model):
    """Something that travels. A class that names its subject joins the registry.

    Raises TypeError at import for a subject outside the grammar, of a kind that is not the class's, or claimed twice.
    """

    registry: ClassVar[dict[str, type["Message"]]] = {}
    KIND: ClassVar[str] = ""
    SUBJECT: ClassVar[str] = ""
    OWNER: ClassVar[str] = ""
    """The service that the subject belongs to."""
    TYPE: ClassVar[str] = ""
    """The subject's last token, such as `status_changed`: the entry's `type` everywhere else."""
    HEARD_BY: ClassVar[tuple[str, ...]] = ()
    """Who applies each of these, in order and once."""
    FOLLOWED_BY: ClassVar[tuple[str, ...]] = ()
    """Whose replicas are told of these as a hint."""

    def __init_subclass__(
        cls,
        *,
        subject: str | None = None,
        heard_by: tuple[str, ...] = (),
        followed_by: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        """Claim the subject."""
        super().__init_subclass__(**kwargs)
        if subject is None:
            return
        parts = _GRAMMAR.fullmatch(subject)
        if parts is None or parts["kind"] != cls.KIND:
            raise TypeError(f"{cls.__name__}: {subject!r} is not <owner>.{cls.KIND or '<kind>'}.v<n>.<name>")
        if subject in Message.registry:
            raise TypeError(f"{cls.__name__}: {subject!r} belongs to {Message.registry[subject].__name__}")
        if stranger := {*heard_by, *followed_by} - set(SERVICES):
            raise TypeError(f"{cls.__name__}: heard by {sorted(stranger)}, which are no services")
        cls.SUBJECT, cls.OWNER, cls.TYPE = subject, parts["owner"], subject.rpartition(".")[2]
        cls.HEARD_BY, cls.FOLLOWED_BY = heard_by, followed_by
        Message.registry[subject] = cls

    @classmethod
    def of_kind(cls, owner: str | None = None) -> list[type[Self]]:
        """Return the registered subclasses of this class, in the order of their subjects."""
        found = (known for _, known in sorted(Message.registry.items()) if issubclass(known, cls))
        return [known for known in found if owner in (None, known.OWNER)]


class Request[Reply: BaseModel](Message):
    """A question with a typed answer. `class GetTicket(Request[TicketSnapshot], subject=…)`."""

    KIND: ClassVar[str] = "requests"
    ASKED_BY: ClassVar[tuple[str, ...]] = ("gateway",)
    """Who may ask; NATS permissions are made of it."""

    @classmethod
    def reply(cls) -> type[Reply]:
        """Return the class of the answer."""
        for base in cls.__mro__:
            args = getattr(base, "__pydantic_generic_metadata__", {}).get("args")
            if args and isinstance(args[0], type):
                return args[0]
        raise TypeError(f"{cls.__name__} names no reply")


class LookUp[Reply: BaseModel](Request[Reply]):
    """A question whose asker does not know the workspace: answered over all of them, and changes nothing."""

    PURPOSE: ClassVar[str]
    """Why it may see every workspace; a test lists the purposes."""


class Errand[Reply: BaseModel](Request[Reply]):
    """A command that belongs to no workspace; its handler knows a repeat by an id in it and does it once."""

    PURPOSE: ClassVar[str]


class Role(StrEnum):
    """What a person is in a workspace, highest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    GUEST = "guest"

    @property
    def runs_the_desk(self) -> bool:
        """Whether this role is owner or admin."""
        return self in (Role.OWNER, Role.ADMIN)


class Audience(StrEnum):
    """Who may see a fact; decided once, by its owner."""

    EVERYONE = "everyone"
    TEAM = "team"
    """All but guests."""
    ADMINS = "admins"

    def includes(self, role: Role) -> bool:
        """Tell whether a reader of this role may see the fact."""
        if self is Audience.ADMINS:
            return role.runs_the_desk
        return self is Audience.EVERYONE or role is not Role.GUEST


class Via(StrEnum):
    """The door that a command came through."""

    WEB = "web"
    API = "api"
    WIDGET = "widget"
    INTAKE = "intake"
    MAIL = "mail"
    MCP = "mcp"
    RULE = "rule"
    TIMER = "timer"


class ActorKind(StrEnum):
    """What sort of somebody acts."""

    USER = "user"
    CONTACT = "contact"
    INTEGRATION = "integration"
    RULE = "rule"
    SYSTEM = "system"


class Actor(Model):
    """Who did it."""

    kind: ActorKind
    id: str
    name: PersonName


class Person(Model):
    """A member of the workspace, as the gateway knew them when the command was made."""

    id: UUID
    name: PersonName
    role: Role


class Caller(Model):
    """On whose behalf a request is made: a person, as the gateway says, or the service itself that asks."""

    workspace_id: Token
    kind: ActorKind
    id: str
    name: PersonName
    role: Role
    scopes: tuple[str, ...] = ()
    behind: UUID | None = None
    """Of a program with a token: the member who let it in; tickets that are theirs are its own."""

    @property
    def actor(self) -> Actor:
        """The caller as the actor of a fact."""
        return Actor(kind=self.kind, id=self.id, name=self.name)


class IdempotencyKey(Model):
    """A client's promise that two sends are one command: its key, where it was used, and what was said."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    route: str
    fingerprint: str


class Query[Reply: BaseModel](Request[Reply]):
    """A request that changes nothing."""

    caller: Caller


class Command[Reply: BaseModel](Request[Reply]):
    """A request that changes something, once: a repeat with the same key is given the first answer again."""

    caller: Caller
    command_id: UUID = Field(default_factory=uuid7)
    via: Via = Via.API
    idempotency: IdempotencyKey | None = None

    @property
    def key(self) -> IdempotencyKey:
        """The client's key, else the command's own id, so that the gateway's retry is the same command too."""
        return self.idempotency or IdempotencyKey(key=str(self.command_id), route=self.SUBJECT, fingerprint="")


class Subject(Model):
    """The record that a fact is about where that is no ticket."""

    kind: str
    id: str
    version: int


class Event(Message):
    """A fact, told after it is committed. Old and new values are codes, never sentences."""

    KIND: ClassVar[str] = "events"
    AUDIENCE: ClassVar[Audience] = Audience.EVERYONE
    """Who may see facts of this type."""

    id: UUID = Field(default_factory=uuid7)
    """The same fact has it for ever."""
    at: AwareDatetime = Field(default_factory=now)
    """When it was decided."""
    workspace_id: Token
    actor: Actor
    via: Via
    cause: str
    """Id of the command or event behind it."""
    audience: Audience
    """Who may see it."""
    salts: dict[str, str] = Field(default_factory=dict)
    """Salt (128 bits, hex) of each free text and person's name, by JSON pointer; drawn when the fact is written."""

    @property
    def about(self) -> Subject:
        """The record whose version this fact is."""
        raise NotImplementedError

    @classmethod
    def subject_for(cls, workspace_id: str) -> str:
        """Return the full subject in this workspace."""
        return f"{cls.SUBJECT}.{workspace_id}"


class TicketEvent(Event):
    """A fact about a ticket: its version says which step of the ticket's life this is (1, 2, 3 … without holes)."""

    ticket_id: UUID
    version: int = Field(ge=1)
    """Which step of the ticket's life this is: 1, 2, 3 … without holes."""

    @property
    def about(self) -> Subject:
        """The ticket."""
        return Subject(kind="ticket", id=str(self.ticket_id), version=self.version)


class RecordEvent(Event):
    """A fact about another record: people, settings."""

    AUDIENCE: ClassVar[Audience] = Audience.ADMINS

    ticket_id: None = None
    version: None = None
    subject: Subject
    """The record, and which step of its life this is."""

    @property
    def about(self) -> Subject:
        """The record."""
        return self.subject


class Intake(Message):
    """What another system asks of us. Workspace and actor are named by the subject, never by the body."""

    KIND: ClassVar[str] = "intake"

    workspace_id: Token | None = None
    """May be repeated here; another than the subject's is refused."""

    @classmethod
    def subject_for(cls, workspace_id: str, integration: str) -> str:
        """Return the full subject for this integration."""
        return f"{cls.SUBJECT}.{workspace_id}.{integration}"


class DeadLetter(Message):
    """A message that could not be applied: as it came, where it came from, and why it was refused."""

    KIND: ClassVar[str] = "deadletters"

    id: UUID
    at: AwareDatetime
    service: str
    """Who could not apply it."""
    workspace_id: Token | None
    stream: str
    sequence: int
    """Its place in that stream."""
    subject: str
    reason: str
    """A refusal's code, such as `invalid`."""
    detail: str
    headers: dict[str, str]
    size: int
    """Bytes of the whole body."""
    body: str
    """The body as base64 (RFC 4648); of a body over 150 KiB, its beginning."""


class LoggedFact(Model):
    """A fact as its owner keeps it, its words put back; words that were erased stay digests."""

    id: UUID
    type: str
    """The subject without workspace."""
    workspace_id: Token
    position: int
    body: dict[str, Any]


class LogPage(Model):
    """One page of an event log, by workspace and position."""

    items: tuple[LoggedFact, ...]
    more: bool


class ReadLog(LookUp[LogPage]):
    """Read an owner's event log again: to close a gap, or to rebuild what was made of it.

    With `workspace_id` that one's facts after the position, without it everybody's; none from before `since`.
    """

    PURPOSE: ClassVar[str] = "tell the log again"
    ASKED_BY: ClassVar[tuple[str, ...]] = ("tickets", "activity", "notifications")

    workspace_id: Token | None = None
    after_workspace: str = ""
    after: int = 0
    since: AwareDatetime | None = None
    limit: int = Field(default=100, ge=1, le=500)

    @classmethod
    def of(cls, owner: str) -> type["ReadLog"]:
        """Return the request that this owner answers; raises StopIteration for one without a log."""
        return next(kind for kind in Message.registry.values() if issubclass(kind, ReadLog) and owner == kind.OWNER)
