"""Commands: each takes effect once, and those of a workspace that have queued behind a commit share the next one.

A group has one transaction and no savepoints. A refusal that has written nothing is answered by itself; whatever else
goes wrong takes the whole group back, and each of it is tried alone. A group waits less long for what another holds
than PostgreSQL takes to look for a deadlock: it can be no part of one for long.
"""

import asyncio
import itertools
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
type Ahead = Callable[[Sequence[Any], Transaction], Awaitable[None]]
"""Reads at once what commands that follow one another are going to need, and holds it for them."""


@dataclass(frozen=True, slots=True)
class _Work:
    command: Command[Any]
    handler: Handler
    ahead: Ahead | None
    context: Context = field(default_factory=copy_context)
    """What it is logged and traced under."""


def _named(command: Command[Any]) -> Named:
    """Return the name that a command's repeats have too."""
    return Named.of(f"{command.caller.kind}:{command.caller.id}", command.key)


class Commands:
    """Lets commands take effect; an answer is given when it is committed."""

    def __init__(self, database: Database) -> None:
        """Work in `database`."""
        self._database = database
        self._together: Together[str, _Work, str | Refusal | None] = Together(self._share)

    async def together(self, command: Command[Any], handler: Handler, ahead: Ahead | None = None) -> str | None:
        """Return the answer's JSON, committed with others or not; None where it is to be tried alone.

        `ahead` is asked for those that follow one another and have the same one.

        Raises why it is refused, and why it failed where it shared with nobody.
        """
        told = await self._together(command.caller.workspace_id, _Work(command, handler, ahead))
        if isinstance(told, Refusal):
            raise told
        return told

    async def alone(self, command: Command[Any], handler: Handler) -> str:
        """Return the answer's JSON, committed by itself; raises why it is refused or fails."""
        named = _named(command)
        async with self._database.transaction(command.caller.workspace_id, [named]) as tx:
            return await tx.once_as_json(named, lambda: handler(command, tx))

    def abandon(self) -> None:
        """Break off what is not committed."""
        self._together.abandon()

    async def _share(self, workspace_id: str, group: Sequence[_Work]) -> Sequence[str | Refusal | None]:
        patience = _PATIENCE if len(group) > 1 else None
        names = [_named(work.command) for work in group]
        try:
            async with self._database.transaction(workspace_id, names, patience=patience) as tx:
                told: list[str | Refusal | None] = []
                for ahead, run in itertools.groupby(zip(group, names, strict=True), lambda each: each[0].ahead):
                    told += await self._act_on(tx, ahead, list(run))
                return told
        except Exception as error:
            if len(group) == 1:
                if isinstance(error, Refusal):
                    return [error]
                raise
            log.info("commands.parted", workspace=workspace_id, commands=len(group), error=repr(error))
            return [None] * len(group)

    async def _act_on(
        self, tx: Transaction, ahead: Ahead | None, run: Sequence[tuple[_Work, Named]]
    ) -> list[str | Refusal]:
        new = [work.command for work, named in run if tx.is_new(named)]
        if ahead is not None and len(new) > 1:
            await ahead(new, tx)
        told = [await self._act(tx, work, named) for work, named in run]
        tx.ahead.clear()
        return told

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
