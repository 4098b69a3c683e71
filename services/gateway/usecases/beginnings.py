"""The first start: the workspace and owner that the environment names and, where wanted, tickets to look at."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from chassis.bus import Bus
from chassis.database import Database
from chassis.logs import get_logger
from contracts.base import ActorKind, Caller, Person, Role, Via, now, uuid7
from contracts.refusals import Refusal
from contracts.tickets import (
    AddNote,
    ChangeTicket,
    CreateAssistant,
    CreateTicket,
    NewContact,
    NoteKind,
    Priority,
    Status,
    TicketChange,
    WidgetSettings,
)
from services.gateway import domain, store
from services.gateway.usecases.passwords import Passwords

log = get_logger()

FIRST_WORKSPACE = "first workspace"
EXAMPLES = "example tickets"


@dataclass(frozen=True, slots=True)
class First:
    """The workspace and owner to begin with."""

    slug: str
    email: str
    password: str
    workspace_id: str | None = None
    examples: bool = False


class Beginnings:
    """Makes the first workspace once, however often and in however many replicas it is asked to."""

    def __init__(
        self, database: Database, bus: Bus, passwords: Passwords, clock: Callable[[], dt.datetime] = now
    ) -> None:
        """Keep people in `database`, ask for tickets through `bus`."""
        self._database = database
        self._bus = bus
        self._passwords = passwords
        self._clock = clock
        self._written = False

    async def first_workspace(self, first: First) -> bool:
        """Make the workspace unless there is one already; True when this call made it."""
        async with self._database.every_workspace(FIRST_WORKSPACE) as tx:
            if await store.has_workspaces(tx):
                return False
        try:
            domain.check_new_password(first.password, first.email)
        except Refusal as refusal:
            # Whoever sets up the machine decides; a desk that does not start helps nobody.
            log.warning("gateway.weak_owner_password", why=refusal.facts["errors"][0]["detail"])
        password_hash = await self._passwords.hash(first.password)
        cause = domain.Cause(command_id=uuid7(), via=Via.API, at=self._clock())
        name = first.email.partition("@")[0].replace(".", " ").replace("_", " ").title()
        maker = domain.User(id=uuid7(), email=first.email, name=name)
        async with self._database.every_workspace(FIRST_WORKSPACE) as tx:
            await store.alone(tx, FIRST_WORKSPACE)
            if await store.has_workspaces(tx):
                return False
            if not await store.add_user(tx, maker, password_hash, cause.at) and (
                known := await store.credentials(tx, first.email)
            ):
                maker = known.user
            workspace, owner, created, joined = domain.found(
                first.workspace_id or str(uuid7()), first.slug, first.slug.replace("-", " ").title(), maker, cause
            )
            await store.add_workspace(tx, workspace, examples_due=first.examples)
            await store.add_member(tx, workspace.id, owner)
            tx.announce(created, joined)
        log.info("gateway.first_workspace", workspace_id=workspace.id, slug=workspace.slug)
        return True

    async def write_examples(self) -> None:
        """Ask for the first tickets where they are still due; what was asked for before is not made again."""
        if self._written:
            return
        async with self._database.every_workspace(EXAMPLES) as tx:
            due = await store.examples_due(tx)
        if due is not None:
            workspace_id, owner = due
            try:
                await self._ask_for(workspace_id, owner)
            except Refusal as refusal:
                log.warning("gateway.examples_delayed", code=refusal.code)
                return
            async with self._database.transaction(workspace_id) as tx:
                await store.examples_done(tx, workspace_id)
            log.info("gateway.examples_written", workspace_id=workspace_id)
        self._written = True

    async def _ask_for(self, workspace_id: str, owner: domain.User) -> None:
        person = Person(id=owner.id, name=owner.name, role=Role.OWNER)
        caller = Caller(
            workspace_id=workspace_id, kind=ActorKind.USER, id=str(owner.id), name=owner.name, role=Role.OWNER
        )
        await self._bus.ask(
            CreateAssistant(
                caller=caller,
                command_id=_named(workspace_id, 0, "create assistant"),
                assistant_id=demo_assistant(workspace_id),
                name="Fern & Kettle",
                widget=WidgetSettings(allow_ticket_creation=True, title="Ask Fern & Kettle", greeting=_GREETING),
            )
        )
        for number, example in enumerate(_EXAMPLES):
            ticket_id = _named(workspace_id, number, "ticket")
            await self._bus.ask(
                CreateTicket(
                    caller=caller,
                    command_id=_named(workspace_id, number, "create"),
                    ticket_id=ticket_id,
                    subject=example.subject,
                    description=example.description,
                    priority=example.priority,
                    contact=NewContact(name=example.contact, email=example.email),
                    tags=tuple(example.tags),
                )
            )
            changes = [TicketChange(assignee=person)] if example.assigned else []
            changes += [TicketChange(status=status) for status in example.moves]
            for step, change in enumerate(changes):
                await self._bus.ask(
                    ChangeTicket(
                        caller=caller,
                        command_id=_named(workspace_id, number, f"change {step}"),
                        ticket=str(ticket_id),
                        change=change,
                    )
                )
            if example.note:
                await self._bus.ask(
                    AddNote(
                        caller=caller,
                        command_id=_named(workspace_id, number, "note"),
                        ticket=str(ticket_id),
                        note_id=_named(workspace_id, number, "note id"),
                        body=example.note,
                        kind=NoteKind.NOTE,
                    )
                )


def demo_assistant(workspace_id: str) -> UUID:
    """Return the id of the assistant that the examples of a workspace begin with."""
    return _named(workspace_id, 0, "assistant")


def _named(workspace_id: str, number: int, what: str) -> UUID:
    """Return the same id each time: whoever tries again asks for the same thing."""
    return uuid5(UUID(workspace_id), f"example {number} {what}")


_GREETING = "Hello! Ask us about tea, kettles, or an order that is on its way."


@dataclass(frozen=True, slots=True)
class _Example:
    subject: str
    description: str
    contact: str
    email: str
    priority: Priority = Priority.NORMAL
    tags: Sequence[str] = ()
    assigned: bool = False
    moves: Sequence[Status] = field(default=())
    note: str = ""


_EXAMPLES = (
    _Example(
        "Can't sign in after the password change",
        "I changed my password this morning and since then every sign-in ends with *session expired*.\n\n"
        "I tried Firefox and Chrome, both fresh windows.",
        "Mira Anand",
        "mira.anand@example.com",
        Priority.HIGH,
        ("login",),
        assigned=True,
        moves=(Status.IN_PROGRESS,),
        note="Happens only to accounts with a recovery address on the old domain. Looking at the redirect.",
    ),
    _Example(
        "Invoice 2041 shows the wrong address",
        "Our office moved in March. The invoice still has the old street, and accounting sends it back.",
        "Jonas Weber",
        "jonas.weber@example.org",
        tags=("billing",),
        assigned=True,
        moves=(Status.WAITING_ON_CUSTOMER,),
        note="Asked for the VAT number that goes with the new address.",
    ),
    _Example(
        "Checkout returns an error for orders above 10,000",
        "Three customers called within the hour. Smaller orders go through.\n\n```\nHTTP 502 at POST /checkout\n```",
        "Priya Nair",
        "priya.nair@example.net",
        Priority.CRITICAL,
        ("checkout", "outage"),
        moves=(Status.OPEN,),
    ),
    _Example(
        "Export contacts as CSV",
        "Is there a way to get all contacts out as one file? We want to compare them with our newsletter list.",
        "Lea Fontaine",
        "lea.fontaine@example.com",
        Priority.LOW,
        ("question",),
    ),
    _Example(
        "E-mail notifications arrive twice",
        "Since Monday each of us gets every notification two times, a minute apart.",
        "Tomás Oliveira",
        "tomas.oliveira@example.org",
        tags=("notifications",),
        assigned=True,
        moves=(Status.IN_PROGRESS, Status.RESOLVED),
        note="Two rules matched the same change. Removed the older one.",
    ),
    _Example(
        "Please remove my old account",
        "I have two accounts by accident. Please remove the one with the old address.",
        "Hanna Lindqvist",
        "hanna.lindqvist@example.net",
        Priority.LOW,
        ("privacy",),
        assigned=True,
        moves=(Status.RESOLVED, Status.CLOSED),
    ),
)
