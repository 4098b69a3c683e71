"""The first start: the workspace and owner that the environment names and, where wanted, tickets to look at."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from chassis.bus import Bus
from chassis.database import Database, Transaction
from chassis.logs import get_logger
from contracts.base import Person, Role, Via, now, uuid7
from contracts.refusals import Refusal
from services.gateway import domain, store
from services.gateway.usecases.examples import COLLEAGUES, OWNER, TICKETS, Telling
from services.gateway.usecases.passwords import Passwords

log = get_logger()

FIRST_WORKSPACE = "first workspace"
EXAMPLES = "example tickets"
_MANY = 100


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
            if first.examples:
                await _add_colleagues(tx, workspace.id, self._passwords.of_nobody, cause)
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
                await Telling(self._bus, workspace_id, await self._people(workspace_id, owner)).tell(TICKETS)
            except Refusal as refusal:
                log.warning("gateway.examples_delayed", code=refusal.code)
                return
            async with self._database.transaction(workspace_id) as tx:
                await store.examples_done(tx, workspace_id)
            log.info("gateway.examples_written", workspace_id=workspace_id)
        self._written = True

    async def _people(self, workspace_id: str, owner: domain.User) -> dict[str, Person]:
        """Return who speaks in the examples; the owner, and those of the colleagues who are still there."""
        async with self._database.transaction(workspace_id) as tx:
            here = {each.user.email: each.person for each in await store.members(tx, workspace_id, None, _MANY)}
        known = {who: here[colleague.email] for who, colleague in COLLEAGUES.items() if colleague.email in here}
        return known | {OWNER: Person(id=owner.id, name=owner.name, role=Role.OWNER)}


async def _add_colleagues(tx: Transaction, workspace_id: str, password_hash: str, cause: domain.Cause) -> None:
    for colleague in COLLEAGUES.values():
        user = domain.User(id=uuid7(), email=colleague.email, name=colleague.name)
        if await store.add_user(tx, user, password_hash, cause.at):
            member, joined = domain.join(workspace_id, user, colleague.role, cause)
            await store.add_member(tx, workspace_id, member)
            tx.announce(joined)
