"""Integrations: other systems that enter NATS, let in, set back and shut out by whoever runs the desk."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable
from uuid import UUID

from chassis import cursors
from chassis.database import Database
from chassis.logs import get_logger
from chassis.outside import NothingThere, Outside, OutsideAccess
from chassis.provision import Outsider
from chassis.telemetry import Metrics
from contracts.base import IdempotencyKey, now, uuid7
from contracts.refusals import Invalid, NotFound, Unavailable
from services.gateway import domain, store
from services.gateway.domain import Cause, Integration, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.accounts import place
from services.gateway.usecases.acting import acting, once

log = get_logger()

PREFIX = "cfn_"
SETTLE = "integrations that NATS must be told of"
_GRACE = dt.timedelta(seconds=5)
"""How long whoever made an integration may take to have its consumer made."""
_AT_ONCE = 100


class Integrations:
    """Everything about other systems that enter NATS."""

    def __init__(
        self,
        database: Database,
        access: OutsideAccess | None,
        metrics: Metrics,
        public_url: str,
        clock: Callable[[], dt.datetime] = now,
    ) -> None:
        """Keep integrations in `database`; other systems find NATS at `public_url`, without a user."""
        self._database = database
        self._public_url = public_url
        self._clock = clock
        self._outside = Outside(access, self.admit, metrics) if access else None

    async def start(self) -> None:
        """Let other systems in from now on."""
        if self._outside is not None:
            await self._outside.start()

    async def close(self) -> None:
        """Leave it to other replicas."""
        if self._outside is not None:
            await self._outside.close()

    async def admit(self, user: str, password: str) -> Outsider | None:
        """Return who has this name and password."""
        name, _, workspace_id = user.rpartition("_")
        if not domain.looks_like_an_integration_password(password):
            return None
        if domain.workspace_reference(workspace_id) != workspace_id:
            return None
        at = self._clock()
        async with self._database.transaction(workspace_id) as tx:
            found = await store.integration_by_password(tx, workspace_id, name, domain.token_hash(password))
            if found is not None and found.is_due(at):
                await store.integration_seen(tx, found, at)
        return _outsider(found) if found else None

    async def make(
        self, visitor: Visitor, name: str, key: IdempotencyKey | None, *, internal: bool
    ) -> answers.IntegrationMade:
        """Let another system in; its password is told this once."""
        workspace, role = visitor.here
        domain.check_may_use_integrations(role)
        outside = self._there()
        made: list[Integration] = []

        async def act() -> answers.IntegrationMade:
            # Whoever deletes the workspace ends the integrations that are there: none may come to be behind that.
            await store.manage_members(tx, workspace.id)
            password = PREFIX + secrets.token_urlsafe(32)
            integration, told = domain.make_integration(
                uuid7(),
                workspace.id,
                name,
                internal=internal,
                there=await store.integrations_there(tx, workspace.id),
                by=await acting(tx, visitor),
                maker_id=visitor.token.maker_id if visitor.token else visitor.user.id,
                cause=self._cause(visitor),
            )
            await store.add_integration(tx, integration, domain.token_hash(password))
            tx.announce(told)
            made.append(integration)
            outsider = _outsider(integration)
            scheme, _, host = self._public_url.partition("://")
            return answers.IntegrationMade(
                **answers.Integration.of(integration, outsider).model_dump(),
                workspace_id=workspace.id,
                nats_url=f"{scheme}://{outsider.user}:{password}@{host}",
            )

        async with self._database.transaction(workspace.id) as tx:
            answer = await once(tx, visitor.id, key, answers.IntegrationMade, act, secret_id=lambda new: str(new.id))
        for each in made:
            await self._try_to_settle(outside, each)
        return answer

    async def list(self, visitor: Visitor, cursor: str | None, limit: int) -> answers.IntegrationPage:
        """Return one page of integrations, newest first, and how much each has still to read."""
        workspace, role = visitor.here
        domain.check_may_use_integrations(role)
        scope = f"{workspace.id} integrations"
        before = place(scope, cursor)
        async with self._database.transaction(workspace.id) as tx:
            rows = await store.integrations(tx, workspace.id, before, limit + 1)
        page = rows[:limit]
        return answers.IntegrationPage(
            items=tuple(await asyncio.gather(*(self._shown(each) for each in page))),
            next_cursor=cursors.encode(scope, [str(page[-1].id)]) if len(rows) > limit else None,
        )

    async def one(self, visitor: Visitor, id: UUID) -> answers.Integration:
        """Return one integration, and how much it has still to read."""
        workspace, role = visitor.here
        domain.check_may_use_integrations(role)
        async with self._database.transaction(workspace.id) as tx:
            found = await store.integration(tx, workspace.id, id)
        if found is None:
            raise NotFound
        return await self._shown(found)

    async def replay(self, visitor: Visitor, id: UUID, since: dt.datetime | int) -> answers.Integration:
        """Set another system back, or forward, to read from a time or a sequence of the stream on."""
        workspace, role = visitor.here
        domain.check_may_use_integrations(role)
        outside, at = self._there(), self._clock()
        if isinstance(since, dt.datetime) and since > at:
            raise Invalid.field("from", "range", "is a time that is yet to come")
        async with self._database.transaction(workspace.id) as tx:
            domain.check_may_use_integrations((await acting(tx, visitor)).role)
            found = await store.integration(tx, workspace.id, id)
        if found is None:
            raise NotFound
        try:
            sequence = await outside.replay(_outsider(found), since)
        except NothingThere:
            raise Invalid.field("from", "range", "is a sequence that the stream has not reached") from None
        async with self._database.transaction(workspace.id) as tx:
            by = await acting(tx, visitor)
            found = await store.integration(tx, workspace.id, id)
            if found is None:
                raise NotFound
            replayed, told = domain.replay_integration(found, sequence, by=by, cause=self._cause(visitor))
            await store.save_integration(tx, replayed)
            tx.announce(told)
        return await self._shown(replayed)

    async def revoke(self, visitor: Visitor, id: UUID, key: IdempotencyKey | None) -> answers.Integration:
        """Shut another system out: what it holds open is cut on every server, and its consumer is gone."""
        workspace, role = visitor.here
        domain.check_may_use_integrations(role)
        ended: list[Integration] = []

        async def act() -> answers.Integration:
            by = await acting(tx, visitor)
            found = await store.integration(tx, workspace.id, id)
            if found is None:
                raise NotFound
            revoked, told = domain.revoke_integration(found, by=by, cause=self._cause(visitor))
            await store.save_integration(tx, revoked)
            tx.announce(told)
            ended.append(revoked)
            return answers.Integration.of(revoked, _outsider(revoked))

        async with self._database.transaction(workspace.id) as tx:
            answer = await once(tx, visitor.id, key, answers.Integration, act)
        for each in ended:
            if self._outside is not None:
                await self._try_to_settle(self._outside, each)
        return answer

    async def know_fixed(self, workspace_id: str, name: str) -> None:
        """List an integration that stands in the configuration of NATS, so that nobody else gets its name."""
        async with self._database.transaction(workspace_id) as tx:
            await store.add_fixed_integration(tx, workspace_id, uuid7(), name, self._clock())

    async def settle(self) -> int:
        """Bring NATS in line with every row that was changed; returns how many are done."""
        outside = self._outside
        if outside is None:
            return 0
        async with self._database.glance(SETTLE) as tx:
            due = await store.unsettled_integrations(tx, self._clock() - _GRACE, _AT_ONCE)
        return sum(await asyncio.gather(*(self._try_to_settle(outside, each) for each in due)))

    async def keep(self) -> None:
        """Have every integration's consumer be there and bring what it may read, also of facts that are new to us."""
        after = UUID(int=0)
        while self._outside is not None:
            async with self._database.every_workspace(SETTLE) as tx:
                page = await store.live_integrations(tx, after, _AT_ONCE)
            if not page:
                return
            for each in page:
                try:
                    await self._outside.keep(_outsider(each))
                except Unavailable:
                    log.warning("integrations.not_kept", integration_id=str(each.id))
            after = page[-1].id

    async def renew(self) -> int:
        """Have those whose rights end soon come in again; returns how many."""
        try:
            return await self._outside.renew() if self._outside is not None else 0
        except Unavailable:
            return 0

    async def _try_to_settle(self, outside: Outside, integration: Integration) -> bool:
        """Tell NATS what the row says. What fails, and whoever may still be on their way in, is for the next turn."""
        outsider, at = _outsider(integration), self._clock()
        try:
            if integration.revoked_at is None:
                await outside.keep(outsider)
            else:
                await outside.cut(outsider)
                await outside.forget(outsider)
        except Unavailable:
            return False
        if integration.revoked_at is not None and not integration.was_cut_long_enough(at):
            return False
        async with self._database.transaction(integration.workspace_id) as tx:
            await store.settle_integration(tx, integration, at)
        return True

    async def _shown(self, integration: Integration) -> answers.Integration:
        outsider = _outsider(integration)
        pending = await self._outside.pending(outsider) if self._outside is not None else None
        return answers.Integration.of(integration, outsider, pending)

    def _there(self) -> Outside:
        if self._outside is None:
            raise Unavailable("This desk is set up without a door for other systems to NATS.")
        return self._outside

    def _cause(self, visitor: Visitor) -> Cause:
        return Cause(command_id=uuid7(), via=visitor.via, at=self._clock())


def _outsider(integration: Integration) -> Outsider:
    return Outsider(integration.workspace_id, integration.name, internal=integration.internal)
