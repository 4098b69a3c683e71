"""Which tickets were opened from a conversation, and which were only tied to it later."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Tell the one link from the other; a link that is a ticket's second fact was made with it."""
    op.execute("alter table ticket_conversations add opened boolean not null default false")
    op.execute("alter table ticket_conversations no force row level security")
    op.execute("update ticket_conversations set opened = ticket_version = 2")
    op.execute("alter table ticket_conversations force row level security, alter opened drop default")
