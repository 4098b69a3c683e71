"""How much came in lately for an address is counted before more is taken."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the indexes that it is counted by."""
    op.execute("create index inbound_mails_lately on inbound_mails (token, received_at)")
    op.execute("create index inbound_mails_strangers on inbound_mails (received_at) where workspace_id is null")
