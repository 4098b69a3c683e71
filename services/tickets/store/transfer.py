"""Which rows of a workspace leave with it."""

from chassis.transfer import Table

TABLES = (
    Table("settings", "ticket_settings", ("workspace_id text",)),
    Table("contact", "contacts", ("id uuid",), without=("email_key", "words")),
    Table("contact_name", "contact_sources", ("source text", "external_id text")),
    Table("assistant", "assistants", ("id uuid",), without=("identity_secret",)),
    Table("conversation", "conversations", ("id uuid",)),
    Table("visitor", "visitors", ("conversation_id uuid",)),
    Table("message", "messages", ("conversation_id uuid", "seq int")),
    Table("ticket", "tickets", ("id uuid",), without=("priority_rank",)),
    Table("link", "ticket_conversations", ("ticket_id uuid", "conversation_id uuid")),
    Table("note", "notes", ("id uuid",)),
    Table("request", "intake_sources", ("integration text", "kind text", "external_id text")),
    Table("heard", "inbox", ("source text", "message_id text")),
)
"""In an order in which each row comes after those that it names."""

POSITION = Table("position", "positions", ("workspace_id text",))
"""How far the log of facts goes."""
