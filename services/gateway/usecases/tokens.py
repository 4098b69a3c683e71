"""API tokens: made, listed and revoked by whoever runs the desk."""

import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from uuid import UUID

from chassis import cursors
from chassis.database import Database
from contracts.base import IdempotencyKey, Role, now, uuid7
from contracts.refusals import NotFound
from services.gateway import domain, store
from services.gateway.domain import Cause, Scope, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.accounts import place
from services.gateway.usecases.acting import acting, once

PREFIX = "cf_"


class Tokens:
    """Everything about the programs that may come in."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep tokens in `database`."""
        self._database = database
        self._clock = clock

    async def make(
        self,
        visitor: Visitor,
        *,
        name: str,
        role: Role,
        scopes: Sequence[Scope],
        life: dt.timedelta,
        key: IdempotencyKey | None,
    ) -> answers.TokenMade:
        """Let a program in; the secret is told this once."""
        workspace, own = visitor.here
        domain.check_may_use_tokens(own)

        async def act() -> answers.TokenMade:
            # Who is demoted meanwhile loses the tokens that are there: none may come to be behind that.
            await store.manage_members(tx, workspace.id)
            secret = PREFIX + secrets.token_urlsafe(32)
            parent = visitor.token
            token, told = domain.make_token(
                uuid7(),
                workspace.id,
                name=name,
                role=role,
                scopes=scopes,
                life=life,
                by=await acting(tx, visitor),
                maker_id=parent.maker_id if parent else visitor.user.id,
                parent=parent,
                cause=self._cause(visitor),
            )
            await store.add_token(tx, token, domain.token_hash(secret))
            tx.announce(told)
            return answers.TokenMade(**answers.Token.of(token).model_dump(), token=secret)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, answers.TokenMade, act, secret_id=lambda made: str(made.id))

    async def list(self, visitor: Visitor, cursor: str | None, limit: int) -> answers.TokenPage:
        """Return one page of tokens, newest first."""
        workspace, role = visitor.here
        domain.check_may_use_tokens(role)
        scope = f"{workspace.id} tokens"
        before = place(scope, cursor)
        async with self._database.transaction(workspace.id) as tx:
            rows = await store.tokens(tx, workspace.id, before, limit + 1)
        page = rows[:limit]
        return answers.TokenPage(
            items=tuple(answers.Token.of(each) for each in page),
            next_cursor=cursors.encode(scope, [str(page[-1].id)]) if len(rows) > limit else None,
        )

    async def revoke(self, visitor: Visitor, id: UUID, key: IdempotencyKey | None) -> answers.Token:
        """End a token and those that were made with it, for every replica at once; returns what it was."""
        workspace, role = visitor.here
        domain.check_may_use_tokens(role)

        async def act() -> answers.Token:
            await store.manage_members(tx, workspace.id)
            by = await acting(tx, visitor)
            domain.check_may_use_tokens(by.role)
            ended = await store.remove_token(tx, workspace.id, id)
            token = next((each for each in ended if each.id == id), None)
            if token is None:
                raise NotFound
            cause = self._cause(visitor)
            tx.announce(*(domain.revoke_token(each, actor=by.actor, cause=cause) for each in ended))
            return answers.Token.of(token)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, answers.Token, act)

    def _cause(self, visitor: Visitor) -> Cause:
        return Cause(command_id=uuid7(), via=visitor.via, at=self._clock())
