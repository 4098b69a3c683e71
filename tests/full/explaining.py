"""What the database does for each question that lists, counts or finds tickets: asked by the services' own roles.

The stores' own functions are called with a transaction that has each statement explained before it is run, so that no
copy of a statement can grow old here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import TextClause

from chassis.database import Database, Transaction
from chassis.statements import prepared


@dataclass(slots=True)
class Cost:
    """What was done for one question, all its statements together."""

    pages: int = 0
    """Of 8 KiB, found in memory or read."""
    rows: int = 0
    """Looked at, kept or not."""
    took: float = 0
    """Milliseconds, planning included."""
    plans: list[str] = field(default_factory=list)
    indexes: set[str] = field(default_factory=set)


class Explained(Transaction):
    """A transaction that asks what each statement costs."""

    def __init__(self, inner: Transaction) -> None:
        """Look at what `inner` would do."""
        super().__init__(inner._connection, inner.workspace_id)
        self.cost = Cost()

    async def _run(self, run: Callable[..., Awaitable[Any]], statement: TextClause, *values: Any) -> Any:
        sql = prepared(statement).sql
        for form in ("json", "text"):
            rows = await self._connection.fetch(f"explain (analyze, buffers, format {form}) {sql}", *values)
            found = [row["QUERY PLAN"] for row in rows]
            if form == "json":
                self._sum(found[0])
            else:
                self.cost.plans.append("\n".join(found))
        return await super()._run(run, statement, *values)

    def _sum(self, explained: Sequence[Any]) -> None:
        whole = explained[0]
        plan = whole["Plan"]
        self.cost.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self.cost.took += whole["Planning Time"] + whole["Execution Time"]
        self._look(plan)

    def _look(self, plan: Any) -> None:
        if not plan.get("Plans"):
            seen = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
            self.cost.rows += int(plan["Actual Loops"] * seen)
        if name := plan.get("Index Name"):
            self.cost.indexes.add(name)
        for each in plan.get("Plans", ()):
            self._look(each)


@asynccontextmanager
async def explained(database: Database, workspace_id: str) -> AsyncIterator[Explained]:
    """Open a transaction of a workspace whose statements are explained."""
    async with database.transaction(workspace_id) as tx:
        yield Explained(tx)


async def cost(database: Database, workspace_id: str, ask: Callable[[Transaction], Awaitable[object]]) -> Cost:
    """Return what a question costs the second time, when what it needs is in memory."""
    async with database.transaction(workspace_id) as tx:
        await ask(tx)
    async with explained(database, workspace_id) as tx:
        await ask(tx)
        return tx.cost
