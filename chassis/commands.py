"""Commands: each takes effect once, and those of a workspace that have queued behind a commit share the next one.

A group has one transaction and no savepoints. A refusal that has written nothing is answered by itself; whatever else
goes wrong takes the whole group back, and each of it is tried alone. A group waits less long for what another holds
than PostgreSQL takes to look for a deadlock: it can be no part of one for long.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from chassis.database import Database, Named, Transaction
from chassis.logs import get_logger
from chassis.together import Together
from contracts.base import Command
from contracts.refusals import Refusal

log = get_logger()

_PATIENCE = 0.8

type Handler = Callable[[Any, Transaction], Awaitable[BaseModel]]


@dataclass(frozen=True, slots=True)
class _Work:
    command: Command[Any]
    handler: Handler
    context: Context = field(default_factory=copy_context)
    """What it is logged and traced under."""

    @property
    def named(self) -> Named:
        caller = self.command.caller
        return Named.of(f"{caller.kind}:{caller.id}", self.command.key)


class Commands:
    """Lets commands take effect; an answer is given when it is committed."""

    def __init__(self, database: Database) -> None:
        """Work in `database`."""
        self._database = database
        self._together: Together[str, _Work, str | Refusal | None] = Together(self._share)

    async def together(self, command: Command[Any], handler: Handler) -> str | None:
        """Return the answer's JSON, committed with others or not; None where it is to be tried alone.

        Raises why it is refused, and why it failed where it shared with nobody.
        """
        told = await self._together(command.caller.workspace_id, _Work(command, handler))
        if isinstance(told, Refusal):
            raise told
        return told

    async def alone(self, command: Command[Any], handler: Handler) -> str:
        """Return the answer's JSON, committed by itself; raises why it is refused or fails."""
        work = _Work(command, handler)
        async with self._database.transaction(command.caller.workspace_id, [named := work.named]) as tx:
            return await tx.once_as_json(named, lambda: handler(command, tx))

    def abandon(self) -> None:
        """Break off what is not committed."""
        self._together.abandon()

    async def _share(self, workspace_id: str, group: Sequence[_Work]) -> Sequence[str | Refusal | None]:
        patience = _PATIENCE if len(group) > 1 else None
        names = [work.named for work in group]
        try:
            async with self._database.transaction(workspace_id, names, patience=patience) as tx:
                return [await self._act(tx, work, named) for work, named in zip(group, names, strict=True)]
        except Exception as error:
            if len(group) == 1:
                if isinstance(error, Refusal):
                    return [error]
                raise
            log.info("commands.parted", workspace=workspace_id, commands=len(group), error=repr(error))
            return [None] * len(group)

    @staticmethod
    async def _act(tx: Transaction, work: _Work, named: Named) -> str | Refusal:
        before = tx.mark()
        acting = tx.once_as_json(named, lambda: work.handler(work.command, tx))
        try:
            return await asyncio.create_task(acting, context=work.context)
        except Refusal as refusal:
            if tx.undo(before):
                return refusal
            raise
