"""Through which door a message came, and who a mail says it is from where nobody vouches for it."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Give each message room for both; of older ones it is not known."""
    op.execute("alter table messages add via text, add unverified_sender text")
