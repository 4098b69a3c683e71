"""Rows to tickets and back."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from chassis.database import Row
from contracts.base import Person, Role
from contracts.tickets import ConversationRef, Priority, Status, TicketRef, TicketSettings
from services.tickets.domain import Contact, Ticket, TicketState, field_values, fields_of

TICKET = """
    t.id, t.workspace_id, t.number, t.version, t.subject, t.status, t.status_before_spam, t.priority,
    t.assignee_id, t.assignee_name, t.assignee_role, t.contact_id, t.tags, t.fields,
    t.created_at, t.updated_at, t.first_response_at, t.resolved_at, t.closed_at, t.deleted_at, t.follow_up_of
"""
"""The columns of a ticket `t`, but for its description."""

BESIDE = """
    c.name as contact_name, c.email as contact_email,
    (select json_agg(json_build_object('id', v.id, 'external_id', v.external_id, 'url', v.url)
         order by l.ticket_version)
     from ticket_conversations l
     join conversations v on v.workspace_id = l.workspace_id and v.id = l.conversation_id
     where l.workspace_id = t.workspace_id and l.ticket_id = t.id) as conversations,
    (select o.number from tickets o where o.workspace_id = t.workspace_id and o.id = t.follow_up_of) as followed_number,
    (select row_to_json(s) from ticket_settings s where s.workspace_id = :ws) as rules
"""
"""What lies beside a ticket `t` in other tables, its contact as `c`, and what its workspace has settled."""

CONTACT = "left join contacts c on c.workspace_id = t.workspace_id and c.id = t.contact_id"


def ticket_of(row: Row) -> Ticket:
    """Return the ticket that a row tells of, under the rules of its workspace."""
    return tickets_of([row])[0]


def tickets_of(rows: Sequence[Row]) -> list[Ticket]:
    """Return the tickets that rows of one workspace tell of, under its rules."""
    rules = rules_of(rows[0]["rules"]) if rows else TicketSettings()
    return [Ticket(state_of(row), rules) for row in rows]


def rules_of(row: Mapping[str, Any] | None) -> TicketSettings:
    """Return what a workspace has settled; None where it has never been asked."""
    return TicketSettings.model_validate(row or {})


def state_of(row: Row) -> TicketState:
    """Return the ticket that a row tells of."""
    return TicketState(
        id=row["id"],
        workspace_id=row["workspace_id"],
        number=row["number"],
        version=row["version"],
        subject=row["subject"],
        description=row["description"],
        status=Status(row["status"]),
        status_before_spam=Status(row["status_before_spam"]) if row["status_before_spam"] else None,
        priority=Priority(row["priority"]),
        assignee=_assignee(row),
        contact=Contact(row["contact_id"], row["contact_name"], row["contact_email"]) if row["contact_id"] else None,
        tags=tuple(row["tags"]),
        fields=fields_of(row["fields"]),
        conversations=tuple(ConversationRef.model_validate(each) for each in row["conversations"] or ()),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        first_response_at=row["first_response_at"],
        resolved_at=row["resolved_at"],
        closed_at=row["closed_at"],
        follow_up_of=TicketRef(id=row["follow_up_of"], number=row["followed_number"]) if row["follow_up_of"] else None,
        deleted_at=row["deleted_at"],
    )


def values_of(state: TicketState) -> dict[str, Any]:
    """Return the columns of a ticket, but for its description."""
    assignee, contact = state.assignee, state.contact
    return {
        "id": state.id,
        "ws": state.workspace_id,
        "number": state.number,
        "version": state.version,
        "subject": state.subject,
        "status": state.status.value,
        "status_before_spam": state.status_before_spam.value if state.status_before_spam else None,
        "priority": state.priority.value,
        "assignee_id": assignee.id if assignee else None,
        "assignee_name": assignee.name if assignee else None,
        "assignee_role": assignee.role.value if assignee else None,
        "contact_id": contact.id if contact else None,
        "tags": list(state.tags),
        "fields": json.dumps(field_values(state.fields)),
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "first_response_at": state.first_response_at,
        "resolved_at": state.resolved_at,
        "closed_at": state.closed_at,
        "follow_up_of": state.follow_up_of.id if state.follow_up_of else None,
        "deleted_at": state.deleted_at,
    }


def _assignee(row: Row) -> Person | None:
    if row["assignee_id"] is None:
        return None
    return Person(id=row["assignee_id"], name=row["assignee_name"], role=Role(row["assignee_role"]))
