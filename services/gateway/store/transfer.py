"""Which rows of a workspace leave with it."""

from chassis.transfer import Table

TABLES = (
    Table("workspace", "workspaces", ("workspace_id text",), without=("examples_due", "deleted_at")),
    Table(
        "member",
        "(select m.workspace_id, u.id, u.name, u.email, m.role, m.version, m.joined_at"
        " from memberships as m join users as u on u.id = m.user_id)",
        ("id uuid",),
    ),
    Table("invitation", "invitations", ("id uuid",), without=("token_hash",)),
    Table("token", "api_tokens", ("id uuid",), without=("token_hash",)),
    Table("integration", "integrations", ("id uuid",), without=("token_hash", "seen_at", "settled_at")),
    Table("view", "views", ("id uuid",)),
)

POSITION = Table("position", "positions", ("workspace_id text",))
"""How far the log of facts goes."""
