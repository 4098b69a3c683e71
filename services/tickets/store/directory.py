"""Finds contacts, a page at a time, by name."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Transaction
from contracts.refusals import Malformed
from contracts.tickets import ListContacts
from services.tickets.domain import KnownContact
from services.tickets.store.contacts import NAMES, known_of
from services.tickets.store.pages import WILDCARDS, fitting
from services.tickets.store.tickets import folded

_ROW = 700
"""Bytes of a contact beside name, address and names elsewhere, at most."""


async def contact_page(tx: Transaction, wanted: ListContacts) -> tuple[Sequence[KnownContact], str | None]:
    """Return a page of contacts, no more than fit, and the next cursor; raises Malformed."""
    conditions, values = _filters(wanted)
    scope = json.dumps(["contacts", tx.workspace_id, conditions, values], sort_keys=True)
    if wanted.cursor is not None:
        conditions.append("(c.name, c.id) > (:after, cast(:after_id as uuid))")
        values |= _place(cursors.decode(scope, wanted.cursor))
    where = " and ".join(["c.workspace_id = :ws", *conditions])
    statement = ("select c.*,", NAMES, "from contacts c where", where, "order by c.name, c.id limit :many")
    rows = await tx.all(text(" ".join(statement)), {"ws": tx.workspace_id, "many": wanted.limit + 1, **values})
    found = [known_of(row) for row in rows[: wanted.limit]]
    found = found[: fitting([_ROW + len(known.fields.model_dump_json().encode()) for known in found])]
    more = len(rows) > len(found)
    return found, cursors.encode(scope, [found[-1].name, str(found[-1].id)]) if more else None


def _filters(wanted: ListContacts) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for nth, word in enumerate(dict.fromkeys(folded(wanted.q).split())):
        conditions.append(f"c.words like :word{nth}")
        values[f"word{nth}"] = f"%{word.translate(WILDCARDS)}%"
    if wanted.email is not None:
        conditions.append("c.email_key = :email_key")
        values["email_key"] = folded(wanted.email)
    called = {"source": wanted.source, "external_id": wanted.external_id}
    if given := {column: value for column, value in called.items() if value is not None}:
        names = " and ".join(f"n.{column} = :{column}" for column in given)
        conditions.append(
            "c.id in (select n.contact_id from contact_sources n"  # noqa: S608 - constants
            f" where n.workspace_id = :ws and {names})"
        )
        values |= given
    return conditions, values


def _place(values: Sequence[Any]) -> dict[str, Any]:
    try:
        name, id = values
        return {"after": str(name), "after_id": UUID(id)}
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the cursor is broken") from error
