"""Who comes, who is here, and who may say so: load, decide, save, announce."""

import datetime as dt
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from uuid import UUID

from chassis import cursors
from chassis.database import Database, Transaction
from chassis.together import Together
from contracts.base import IdempotencyKey, Person, Role, Via, now, uuid7
from contracts.refusals import Malformed, NotFound, StaleVersion, Unauthenticated
from services.gateway import domain, store
from services.gateway.domain import Acting, ApiToken, Cause, Member, Visitor, Workspace
from services.gateway.usecases import answers
from services.gateway.usecases.acting import acting, once, revoke_above

# Why a transaction may see every workspace.
LOOK_UP = "session look-up"
PURGE = "purge of what is over"

_AT_ONCE = 64


class People:
    """Who comes, who is here, and who may say so."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep people in `database`."""
        self._database = database
        self._clock = clock
        # What is revoked opens nothing from that moment on: each request is looked up after it came, though not alone.
        self._sessions = Together(self._find_sessions, most=_AT_ONCE)
        self._tokens = Together(self._find_tokens, most=_AT_ONCE)

    async def visitor(self, token: str, reference: str | None, via: Via) -> Visitor:
        """Return whose session or API token this is, and what they are in the workspace of this id or slug."""
        if domain.looks_like_an_api_token(token):
            visitor = await self.program(token, via)
            here = visitor.workspace is not None and reference in (visitor.workspace.id, visitor.workspace.slug)
            return visitor if here else replace(visitor, workspace=None, role=None)
        found = await self._sessions(LOOK_UP, (domain.token_hash(token), reference))
        if found is None or found.session.is_over(self._clock()):
            raise Unauthenticated
        return Visitor(found.session, found.user, via, found.workspace, found.role)

    async def program(self, token: str, via: Via) -> Visitor:
        """Return the program whose API token this is, in the one workspace that it may come into."""
        found = await self._tokens(LOOK_UP, domain.token_hash(token))
        if found is None or found[0].is_over(self._clock()):
            raise Unauthenticated
        held, workspace = found
        return Visitor(held, None, via, workspace, held.role)

    async def _find_sessions(self, _: str, asked: Sequence[tuple[bytes, str | None]]) -> Sequence[store.Found | None]:
        return await self._find(asked, store.find_sessions, lambda found: found.session, store.seen)

    async def _find_tokens(self, _: str, hashes: Sequence[bytes]) -> Sequence[tuple[ApiToken, Workspace] | None]:
        return await self._find(hashes, store.find_tokens, lambda found: found[0], store.used)

    async def _find[Asked, Found, Held: (domain.Session, ApiToken)](
        self,
        asked: Sequence[Asked],
        find: Callable[[Transaction, Sequence[Asked]], Awaitable[Sequence[Found | None]]],
        holds: Callable[[Found], Held],
        used: Callable[[Transaction, Held, dt.datetime], Awaitable[None]],
    ) -> Sequence[Found | None]:
        """Look each up once, however many ask for it, and note the use of what has not been noted for long."""
        at, named = self._clock(), list(dict.fromkeys(asked))
        async with self._database.glance(LOOK_UP) as tx:
            found = dict(zip(named, await find(tx, named), strict=True))
        held = {each.id: each for each in (holds(one) for one in found.values() if one is not None)}
        # In one order, or two who note the same would wait for each other.
        if due := [held[id] for id in sorted(held) if held[id].is_due(at) and not held[id].is_over(at)]:
            async with self._database.every_workspace(LOOK_UP) as tx:
                for each in due:
                    await used(tx, each, at)
        return [found[each] for each in asked]

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
            items=tuple(
                answers.Member.of(member, address=addresses or member.user == visitor.person) for member in page
            ),
            next_cursor=cursors.encode(scope, [page[-1].user.name, str(page[-1].user.id)]) if more else None,
        )

    async def change_role(
        self, visitor: Visitor, user_id: UUID, role: Role, versions: Sequence[int], key: IdempotencyKey | None
    ) -> answers.Member:
        """Give a member another role; `versions` are those of the membership that the visitor means, empty for any."""

        async def act(tx: Transaction, by: Acting, member: Member, owners: int) -> answers.Member:
            cause = self._cause(visitor.via)
            changed, told = domain.change_role(tx.workspace_id, member, role, by=by, owners=owners, cause=cause)
            if told is not None:
                await store.save_member(tx, tx.workspace_id, changed)
                tx.announce(told)
                await revoke_above(tx, visitor, user_id, cause)
            return answers.Member.of(changed, address=True)

        return await self._manage(visitor, user_id, versions, key, act)

    async def remove_member(
        self, visitor: Visitor, user_id: UUID, versions: Sequence[int], key: IdempotencyKey | None
    ) -> answers.Member:
        """Take a member out, or leave; returns what they were."""

        async def act(tx: Transaction, by: Acting, member: Member, owners: int) -> answers.Member:
            cause = self._cause(visitor.via)
            told = domain.remove(tx.workspace_id, member, by=by, owners=owners, cause=cause)
            await store.remove_member(tx, tx.workspace_id, user_id)
            tx.announce(told)
            await revoke_above(tx, visitor, user_id, cause)
            return answers.Member.of(member, address=True)

        return await self._manage(visitor, user_id, versions, key, act)

    async def hand_over(
        self, visitor: Visitor, user_id: UUID, stay_as: Role, key: IdempotencyKey | None
    ) -> answers.Member:
        """Make another member an owner in the visitor's place; returns what the visitor is now."""
        workspace, _ = visitor.here
        me = visitor.user.id

        async def act() -> answers.Member:
            await store.manage_members(tx, workspace.id)
            owner = await store.member(tx, workspace.id, me)
            if owner is None:
                raise NotFound
            heir = owner if user_id == me else await store.member(tx, workspace.id, user_id)
            cause = self._cause(visitor.via)
            if heir is None:
                raise domain.nobody_here("user_id")
            heir, former, told = domain.hand_over(workspace.id, owner, heir, stay_as, cause=cause)
            for member in (heir, former):
                await store.save_member(tx, workspace.id, member)
            tx.announce(*told)
            await revoke_above(tx, visitor, me, cause)
            return answers.Member.of(former, address=True)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, str(me), key, answers.Member, act)

    async def _manage(
        self,
        visitor: Visitor,
        user_id: UUID,
        versions: Sequence[int],
        key: IdempotencyKey | None,
        act: Callable[[Transaction, Acting, Member, int], Awaitable[answers.Member]],
    ) -> answers.Member:
        """Act on a member while nobody else does."""
        workspace, role = visitor.here
        if visitor.person is None or visitor.person.id != user_id:
            domain.check_may_manage(role)

        async def managed() -> answers.Member:
            owners = await store.manage_members(tx, workspace.id)
            by = await acting(tx, visitor)
            member = await store.member(tx, workspace.id, user_id)
            if member is None:
                raise NotFound
            if versions and member.version not in versions:
                missed = await store.member_since(tx, member, max(versions))
                raise StaleVersion(version=member.version, missed=missed)
            return await act(tx, by, member, owners)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, answers.Member, managed)

    async def still_here(self, asked: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Role]:
        """Return which of these (session or token, workspace) still are, and as what; to look is no use of them."""
        at = self._clock()
        async with self._database.glance(LOOK_UP) as tx:
            found = await store.present(tx, asked)
            tokens = await store.present_tokens(tx, asked)
        here = {(session.id, workspace): role for session, workspace, role in found if not session.is_over(at)}
        return here | {(token.id, token.workspace_id): token.role for token in tokens if not token.is_over(at)}

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
            return await store.names(tx, workspace.id, user_ids)

    async def purge(self) -> dict[str, int]:
        """Forget sessions, invitations and tokens that are over; returns how many of each."""
        async with self._database.every_workspace(PURGE) as tx:
            sessions, invitations = await store.purge(tx, self._clock())
            tokens = await store.purge_tokens(tx, self._clock() - domain.TOKEN_KEPT)
        return {"sessions": sessions, "invitations": invitations, "tokens": tokens}

    def _cause(self, via: Via) -> Cause:
        return Cause(command_id=uuid7(), via=via, at=self._clock())


def _place(scope: str, cursor: str) -> tuple[str, UUID]:
    match cursors.decode(scope, cursor):
        case [str(name), str(id)]:
            return name, UUID(id)
        case _:
            raise Malformed("the cursor is broken")
