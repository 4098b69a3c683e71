"""People come in, found workspaces and ask others in: load, decide, save, announce."""

import datetime as dt
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from uuid import UUID

from pydantic import BaseModel

from chassis import cursors
from chassis.database import Database, Transaction
from contracts.base import IdempotencyKey, Person, Role, Via, now, uuid7
from contracts.refusals import Conflict, Malformed, NotFound, StaleVersion, Unauthenticated
from services.gateway import domain, store
from services.gateway.domain import Cause, Member, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.passwords import Passwords

# Why a transaction may see every workspace.
LOOK_UP = "session look-up"
SIGN_IN = "sign-in"
ANSWER_INVITATION = "invitation look-up"
NEW_WORKSPACE = "new workspace"
PURGE = "purge of sessions and invitations"


class People:
    """Everything that people may do with themselves and with one another."""

    def __init__(self, database: Database, passwords: Passwords, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep people in `database`."""
        self._database = database
        self._passwords = passwords
        self._clock = clock

    async def sign_in(self, email: str, password: str) -> answers.SignedIn:
        """Begin a session. An unknown address and a wrong password are refused alike, in words and in time."""
        async with self._database.every_workspace(SIGN_IN) as tx:
            known = await store.credentials(tx, email)
        matches = await self._passwords.verify(password, known.password_hash if known else None)
        if known is None or not matches:
            raise _wrong()
        async with self._database.every_workspace(SIGN_IN) as tx:
            return await self._signed_in(tx, known.user)

    async def sign_out(self, visitor: Visitor) -> None:
        """End the visitor's session, for every replica at once."""
        async with self._database.every_workspace(SIGN_IN) as tx:
            await store.end_session(tx, visitor.session.id)

    async def visitor(self, token: str, reference: str | None, via: Via) -> Visitor:
        """Return whose session this is, and what they are in the workspace of this id or slug."""
        at = self._clock()
        async with self._database.every_workspace(LOOK_UP) as tx:
            found = await store.session(tx, domain.token_hash(token), reference)
            if found is None or found.session.is_over(at):
                raise Unauthenticated
            if found.session.is_due(at):
                await store.seen(tx, found.session, at)
        return Visitor(found.session, found.user, via, found.workspace, found.role)

    async def me(self, visitor: Visitor, token: str) -> answers.Me:
        """Tell the visitor who they are."""
        async with self._database.every_workspace(LOOK_UP) as tx:
            workspaces = await self._workspaces(tx, visitor.user)
        return answers.Me(
            user=answers.User.of(visitor.user), workspaces=workspaces, csrf_token=domain.csrf_token(token)
        )

    async def found_workspace(
        self, visitor: Visitor, name: str, slug: str, key: IdempotencyKey | None
    ) -> answers.Workspace:
        """Make a workspace that belongs to the visitor."""
        cause = self._cause(visitor.via)

        async def act() -> answers.Workspace:
            workspace, owner, created, joined = domain.found(str(uuid7()), slug, name, visitor.user, cause)
            await store.add_workspace(tx, workspace)
            await store.add_member(tx, workspace.id, owner)
            tx.announce(created, joined)
            return answers.Workspace.of(workspace, owner.role)

        async with self._database.every_workspace(NEW_WORKSPACE) as tx:
            return await _once(tx, str(visitor.user.id), key, answers.Workspace, act)

    async def members(self, visitor: Visitor, cursor: str | None, limit: int) -> answers.MemberPage:
        """Return one page of the workspace's members."""
        workspace, role = visitor.here
        scope = f"{workspace.id} members"
        after = _place(scope, cursor) if cursor else None
        async with self._database.transaction(workspace.id) as tx:
            rows = await store.members(tx, workspace.id, after, limit + 1)
        page = rows[:limit]
        more = len(rows) > limit
        addresses = domain.sees_addresses(role)
        return answers.MemberPage(
            items=tuple(answers.Member.of(member, address=addresses or member.user == visitor.user) for member in page),
            next_cursor=cursors.encode(scope, [page[-1].user.name, str(page[-1].user.id)]) if more else None,
        )

    async def change_role(
        self, visitor: Visitor, user_id: UUID, role: Role, versions: Sequence[int], key: IdempotencyKey | None
    ) -> answers.Member:
        """Give a member another role; `versions` are those of the membership that the visitor means, empty for any."""

        async def act(tx: Transaction, by: Member, member: Member, owners: int) -> answers.Member:
            changed, told = domain.change_role(
                tx.workspace_id, member, role, by=by, owners=owners, cause=self._cause(visitor.via)
            )
            if told is not None:
                await store.save_member(tx, tx.workspace_id, changed)
                tx.announce(told)
            return answers.Member.of(changed, address=True)

        return await self._manage(visitor, user_id, versions, key, act)

    async def remove_member(
        self, visitor: Visitor, user_id: UUID, versions: Sequence[int], key: IdempotencyKey | None
    ) -> answers.Member:
        """Take a member out; returns what they were."""

        async def act(tx: Transaction, by: Member, member: Member, owners: int) -> answers.Member:
            told = domain.remove(tx.workspace_id, member, by=by, owners=owners, cause=self._cause(visitor.via))
            await store.remove_member(tx, tx.workspace_id, user_id)
            tx.announce(told)
            return answers.Member.of(member, address=True)

        return await self._manage(visitor, user_id, versions, key, act)

    async def _manage(
        self,
        visitor: Visitor,
        user_id: UUID,
        versions: Sequence[int],
        key: IdempotencyKey | None,
        act: Callable[[Transaction, Member, Member, int], Awaitable[answers.Member]],
    ) -> answers.Member:
        """Act on a member while nobody else does: who asks may have been demoted a moment ago."""
        workspace, role = visitor.here
        domain.check_may_manage(role)

        async def managed() -> answers.Member:
            owners = await store.manage_members(tx, workspace.id)
            by = await store.member(tx, workspace.id, visitor.user.id)
            member = await store.member(tx, workspace.id, user_id)
            if by is None or member is None:
                raise NotFound
            if versions and member.version not in versions:
                missed = await store.member_since(tx, member, max(versions))
                raise StaleVersion(version=member.version, missed=missed)
            return await act(tx, by, member, owners)

        async with self._database.transaction(workspace.id) as tx:
            return await _once(tx, str(visitor.user.id), key, answers.Member, managed)

    async def still_here(self, asked: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Role]:
        """Return which of these (session, workspace) still are, and as what; to look is no use of the session."""
        at = self._clock()
        async with self._database.every_workspace(LOOK_UP) as tx:
            found = await store.present(tx, asked)
        return {(session.id, workspace): role for session, workspace, role in found if not session.is_over(at)}

    async def assignee(self, visitor: Visitor, user_id: UUID) -> Person:
        """Return the member who is to work on a ticket; raises Invalid for anybody else."""
        workspace, _ = visitor.here
        async with self._database.transaction(workspace.id) as tx:
            return domain.check_assignable(await store.member(tx, workspace.id, user_id))

    async def mentioned(self, visitor: Visitor, user_ids: Iterable[UUID]) -> tuple[Person, ...]:
        """Return the members whom a note calls, each once; raises Invalid for anybody else."""
        workspace, _ = visitor.here
        async with self._database.transaction(workspace.id) as tx:
            found = [await store.member(tx, workspace.id, user_id) for user_id in dict.fromkeys(user_ids)]
        return tuple(domain.check_mentioned(member) for member in found)

    async def names(self, visitor: Visitor, user_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Return the names of those who are members here now."""
        workspace, _ = visitor.here
        async with self._database.transaction(workspace.id) as tx:
            found = [await store.member(tx, workspace.id, user_id) for user_id in user_ids]
        return {member.user.id: member.user.name for member in found if member is not None}

    async def invite(
        self,
        visitor: Visitor,
        email: str,
        name: str,
        role: Role,
        *,
        key: IdempotencyKey | None,
        link: Callable[[str], str],
    ) -> answers.InvitationMade:
        """Ask somebody in; `link` makes an address of the token."""
        workspace, inviter_role = visitor.here
        domain.check_may_invite(inviter_role)
        cause = self._cause(visitor.via)

        async def act() -> answers.InvitationMade:
            token = secrets.token_urlsafe(32)
            invitation, invited = domain.invite(
                uuid7(),
                workspace.id,
                email,
                name,
                role,
                inviter=visitor.user,
                inviter_role=inviter_role,
                is_member=await store.is_member(tx, workspace.id, email),
                cause=cause,
            )
            await store.add_invitation(tx, invitation, domain.token_hash(token))
            tx.announce(invited)
            return answers.InvitationMade(
                id=invitation.id, token=token, url=link(token), expires_at=invitation.expires_at
            )

        async with self._database.transaction(workspace.id) as tx:
            return await _once(
                tx, str(visitor.user.id), key, answers.InvitationMade, act, secret_id=lambda made: str(made.id)
            )

    async def accept(self, token: str, password: str, key: IdempotencyKey | None, via: Via) -> answers.SignedIn:
        """Make whoever holds the link a member; an address that is known already must prove it with its password."""
        if not domain.looks_like_a_token(token):
            raise domain.no_such_invitation()
        token_hash, cause = domain.token_hash(token), self._cause(via)
        async with self._database.every_workspace(ANSWER_INVITATION) as tx:
            invitation = await store.invitation(tx, token_hash)
            known = await store.credentials(tx, invitation.email) if invitation else None
        if invitation is None:
            raise domain.no_such_invitation()
        if key is None or invitation.used_at is None:
            invitation.check_open(cause.at)
        if known is None:
            domain.check_new_password(password, invitation.email)
            user = domain.User(id=uuid7(), email=invitation.email, name=invitation.name)
            password_hash = await self._passwords.hash(password)
        elif await self._passwords.verify(password, known.password_hash):
            user, password_hash = known.user, known.password_hash
        else:
            raise _wrong()

        async def act() -> answers.SignedIn:
            held = await store.invitation(tx, token_hash, lock=True)
            if held is None:
                raise domain.no_such_invitation()
            held.check_open(cause.at)
            if known is None and not await store.add_user(tx, user, password_hash, cause.at):
                raise Conflict("Somebody signed up with this address at this moment; try again.")
            told = await store.member_version(tx, held.workspace_id, user.id)
            member, joined = domain.join(held.workspace_id, user, held.role, cause, version=told + 1)
            if await store.add_member(tx, held.workspace_id, member):
                tx.announce(joined)
            await store.use_invitation(tx, held, cause.at)
            return await self._signed_in(tx, user)

        async with self._database.transaction(invitation.workspace_id) as tx:
            signed_in = await _once(
                tx,
                f"invitation {invitation.id}",
                key,
                answers.SignedIn,
                act,
                secret_id=lambda begun: str(begun.user.id),
            )
        # The transaction saw one workspace only.
        async with self._database.every_workspace(SIGN_IN) as tx:
            return signed_in.model_copy(update={"workspaces": await self._workspaces(tx, user)})

    async def purge(self) -> tuple[int, int]:
        """Forget sessions and invitations that are over; returns how many of each."""
        async with self._database.every_workspace(PURGE) as tx:
            return await store.purge(tx, self._clock())

    async def _signed_in(self, tx: Transaction, user: domain.User) -> answers.SignedIn:
        token = secrets.token_urlsafe(32)
        await store.add_session(tx, domain.begin_session(uuid7(), user, self._clock()), domain.token_hash(token))
        return answers.SignedIn(
            token=token,
            csrf_token=domain.csrf_token(token),
            user=answers.User.of(user),
            workspaces=await self._workspaces(tx, user),
        )

    async def _workspaces(self, tx: Transaction, user: domain.User) -> tuple[answers.WorkspaceRef, ...]:
        return tuple(
            answers.WorkspaceRef(id=workspace.id, slug=workspace.slug, name=workspace.name, role=role)
            for workspace, role in await store.workspaces_of(tx, user.id)
        )

    def _cause(self, via: Via) -> Cause:
        return Cause(command_id=uuid7(), via=via, at=self._clock())


async def _once[R: BaseModel](
    tx: Transaction,
    actor: str,
    key: IdempotencyKey | None,
    reply: type[R],
    act: Callable[[], Awaitable[R]],
    *,
    secret_id: Callable[[R], str] | None = None,
) -> R:
    return await act() if key is None else await tx.once(actor, key, reply, act, secret_id=secret_id)


def _wrong() -> Unauthenticated:
    return Unauthenticated("The e-mail address or the password is wrong.")


def _place(scope: str, cursor: str) -> tuple[str, UUID]:
    match cursors.decode(scope, cursor):
        case [str(name), str(id)]:
            return name, UUID(id)
        case _:
            raise Malformed("the cursor is broken")
