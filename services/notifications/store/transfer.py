"""Which rows of a workspace leave with it."""

from chassis.transfer import Table

TABLES = (
    Table("preference", "preferences", ("user_id uuid", "kind text", "since timestamptz")),
    Table("correspondent", "correspondents", ("user_id uuid",), without=("leave_token",)),
    Table("watcher", "watchers", ("ticket_id uuid", "user_id uuid", "reason text")),
    Table("watch", "choices", ("ticket_id uuid", "user_id uuid", "since timestamptz")),
    Table("called_back", "called_back", ("ticket_id uuid", "user_id uuid")),
    Table("mute", "mutes", ("ticket_id uuid", "user_id uuid", "since timestamptz")),
    Table("inbox_item", "items", ("id uuid",), without=("hidden",)),
    Table("webhook", "webhooks", ("id uuid",), without=("secret", "old_secret", "old_secret_until")),
    Table("mail", "mails", ("id uuid",), without=("letter",)),
    Table("suppressed", "suppressed", ("id uuid",)),
)
"""In an order in which each row comes after those that it names."""

TICKETS_TABLE = Table("ticket", "tickets", ("id uuid",))
"""Our copy: tickets owns them."""

TAKEN_IN = frozenset({"preference", "watcher", "watch", "called_back", "mute", "suppressed"})
"""Kinds that are put into another workspace; inboxes begin empty there, and what has a secret is made anew."""
