"""What somebody chose has a version: who chooses by what they no longer see is told so."""

from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Count from here on; whoever has no row yet is at the first."""
    op.execute("alter table correspondents add version int not null default 1 check (version > 0)")
    op.execute("comment on column correspondents.version is 'Of all that they chose: what they hear of too'")
