"""Rows as what they stand for, and what a database's "no" means."""

import datetime as dt
from typing import Any, cast

from asyncpg import UniqueViolationError
from sqlalchemy import TextClause

from chassis.database import Row, Transaction
from contracts.base import Role
from contracts.refusals import Conflict
from services.gateway.domain import Member, User, Workspace


async def unless(refusal: Conflict, tx: Transaction, statement: TextClause, values: dict[str, Any]) -> None:
    """Run a statement; a unique value that is another's becomes the refusal, and the transaction is lost."""
    try:
        await tx.execute(statement, values)
    except UniqueViolationError as error:
        raise refusal from error


def workspace_of(row: Row) -> Workspace:
    """Return the workspace of a row."""
    return Workspace(
        id=row["workspace_id"],
        slug=row["slug"],
        name=row["name"],
        version=row["version"],
        created_at=row["created_at"],
    )


def member_of(row: Row) -> Member:
    """Return the member of a row."""
    return Member(
        user=User(id=row["id"], email=row["email"], name=row["name"]),
        role=Role(row["role"]),
        version=row["version"],
        joined_at=cast(dt.datetime, row["joined_at"]),
    )
