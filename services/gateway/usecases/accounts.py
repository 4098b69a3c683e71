"""What a person does with their own account: sign in and out, see where they are signed in, change their password."""

import datetime as dt
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from chassis import cursors
from chassis.database import Database, Transaction
from contracts.base import Via, now, uuid7
from contracts.refusals import Invalid, Malformed, NotFound, Unauthenticated
from services.gateway import domain, store
from services.gateway.domain import Cause, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.guards import Guard
from services.gateway.usecases.passwords import Passwords

# Why a transaction may see every workspace.
SIGN_IN = "sign-in"
ACCOUNT = "own account"


@dataclass(frozen=True, slots=True)
class Came:
    """From where somebody comes, as far as it is known."""

    address: str
    """The network address that limits go by."""
    client: str
    """The sort of program."""
    via: Via


class Accounts:
    """Everything that a person may do with their own account."""

    def __init__(
        self, database: Database, passwords: Passwords, guard: Guard, clock: Callable[[], dt.datetime] = now
    ) -> None:
        """Keep people in `database`."""
        self._database = database
        self._passwords = passwords
        self._guard = guard
        self._clock = clock

    async def sign_in(self, email: str, password: str, came: Came) -> answers.SignedIn:
        """Begin a session. An unknown address and a wrong password are refused alike, in words and in time."""
        async with self._database.every_workspace(SIGN_IN) as tx:
            known = await store.credentials(tx, email)
        knows = await self._guard.knows(email, password, known.password_hash if known else None, came.address)
        if known is None or not knows:
            raise wrong_password()
        async with self._database.every_workspace(SIGN_IN) as tx:
            if await store.password_hash(tx, known.user.id) != known.password_hash:
                raise wrong_password()
            return await begin(tx, known.user, came, self._clock())

    async def sign_out(self, visitor: Visitor) -> None:
        """End the visitor's session, for every replica at once."""
        async with self._database.every_workspace(SIGN_IN) as tx:
            await store.end_session(tx, visitor.user.id, visitor.session.id)

    async def me(self, visitor: Visitor, token: str) -> answers.Me:
        """Tell the visitor who they are."""
        async with self._database.every_workspace(ACCOUNT) as tx:
            workspaces = await workspaces_of(tx, visitor.user)
        return answers.Me(
            user=answers.User.of(visitor.user), workspaces=workspaces, csrf_token=domain.csrf_token(token)
        )

    async def rename(self, visitor: Visitor, name: str) -> answers.User:
        """Call the visitor something else from now on, and tell each of their workspaces."""
        user = replace(visitor.user, name=name)
        cause = Cause(uuid7(), visitor.via, self._clock())
        async with self._database.every_workspace(ACCOUNT) as tx:
            old = await store.rename_user(tx, user.id, name)
            for workspace, _ in await store.workspaces_of(tx, user.id) if old != name else ():
                version = await store.account_version(tx, workspace.id, user.id) + 1
                tx.announce(domain.renamed(workspace.id, version, user, old, cause))
        return answers.User.of(user)

    async def sessions(self, visitor: Visitor, cursor: str | None, limit: int) -> answers.SessionPage:
        """Return one page of the visitor's sessions, newest first."""
        scope = f"sessions of {visitor.user.id}"
        before = place(scope, cursor)
        async with self._database.every_workspace(ACCOUNT) as tx:
            rows = await store.sessions(tx, visitor.user.id, before, limit + 1, self._clock())
        page = rows[:limit]
        return answers.SessionPage(
            items=tuple(answers.Session.of(each, current=each.id == visitor.session.id) for each in page),
            next_cursor=cursors.encode(scope, [str(page[-1].id)]) if len(rows) > limit else None,
        )

    async def end_session(self, visitor: Visitor, session_id: UUID) -> None:
        """End one of the visitor's sessions; raises NotFound where they have none of this id."""
        async with self._database.every_workspace(ACCOUNT) as tx:
            if not await store.end_session(tx, visitor.user.id, session_id):
                raise NotFound

    async def end_other_sessions(self, visitor: Visitor) -> None:
        """End every session of the visitor but this one."""
        async with self._database.every_workspace(ACCOUNT) as tx:
            await store.end_other_sessions(tx, visitor.user.id, visitor.session.id)

    async def change_password(self, visitor: Visitor, current: str, new: str, came: Came) -> answers.SignedIn:
        """Take another password: every session ends, and this one goes on as a new one."""
        user = visitor.user
        domain.check_new_password(new, user.email, "new")
        async with self._database.every_workspace(ACCOUNT) as tx:
            known = await store.credentials(tx, user.email)
        if known is None:
            raise Unauthenticated
        if not await self._guard.knows(user.email, current, known.password_hash, came.address):
            raise Invalid.field("current", "wrong", "is not your password")
        fresh = await self._passwords.hash(new)
        async with self._database.every_workspace(ACCOUNT) as tx:
            if await store.password_hash(tx, user.id) != known.password_hash:
                raise Invalid.field("current", "wrong", "is not your password any more")
            at = self._clock()
            await replace_password(tx, user, fresh, Cause(uuid7(), visitor.via, at), by_reset=False)
            return await begin(tx, user, came, at, told=False)


async def replace_password(tx: Transaction, user: domain.User, fresh: str, cause: Cause, *, by_reset: bool) -> None:
    """Remember another password: every session ends, and every link that was mailed. The user's row is held."""
    await store.set_password(tx, user.id, fresh)
    await store.end_sessions(tx, user.id)
    await store.forget_resets(tx, user.id)
    for workspace, _ in await store.workspaces_of(tx, user.id):
        version = await store.account_version(tx, workspace.id, user.id) + 1
        tx.announce(domain.password_changed(workspace.id, version, user, cause, by_reset=by_reset))


async def begin(
    tx: Transaction, user: domain.User, came: Came, at: dt.datetime, *, told: bool = True
) -> answers.SignedIn:
    """Begin a session; with `told` the person's workspaces learn of it. Needs a transaction over all of them."""
    token = secrets.token_urlsafe(32)
    session = domain.begin_session(uuid7(), user, at, came.client)
    await store.add_session(tx, session, domain.token_hash(token))
    workspaces = await workspaces_of(tx, user)
    if told:
        cause = Cause(uuid7(), came.via, at)
        tx.announce(*(domain.signed_in(workspace.id, session, user, cause) for workspace in workspaces))
    return answers.SignedIn(
        token=token, csrf_token=domain.csrf_token(token), user=answers.User.of(user), workspaces=workspaces
    )


async def workspaces_of(tx: Transaction, user: domain.User) -> tuple[answers.WorkspaceRef, ...]:
    """Return where a person may go."""
    return tuple(
        answers.WorkspaceRef(id=workspace.id, slug=workspace.slug, name=workspace.name, role=role)
        for workspace, role in await store.workspaces_of(tx, user.id)
    )


def place(scope: str, cursor: str | None) -> UUID | None:
    """Return the id that a list goes on behind; raises Malformed for a cursor of another list."""
    if cursor is None:
        return None
    match cursors.decode(scope, cursor):
        case [str(id)]:
            return UUID(id)
        case _:
            raise Malformed("the cursor is broken")


def wrong_password() -> Unauthenticated:
    """Return the one answer to a wrong password and to an address that nobody has."""
    return Unauthenticated("The e-mail address or the password is wrong.")
