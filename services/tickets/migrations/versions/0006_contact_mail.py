"""Which mail a workspace sends to its contacts."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the settings."""
    op.execute("""
        alter table ticket_settings
            add mail_received boolean not null default true,
            add mail_replied boolean not null default true,
            add mail_resolved boolean not null default true""")
