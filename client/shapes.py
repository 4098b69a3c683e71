"""What the desk tells of other systems; all else that it tells stands in the contracts."""

from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import Model


class Integration(Model):
    """Another system that enters NATS."""

    id: UUID
    name: str
    internal: bool
    maker_id: UUID | None
    created_at: AwareDatetime
    seen_at: AwareDatetime | None
    pending: int | None
    subjects: tuple[str, ...]
    stream: str
    consumer: str
    inbox_prefix: str


class IntegrationMade(Integration):
    """A new one, with its password, which is told this once."""

    workspace_id: str
    nats_url: str

    @property
    def access(self) -> dict[str, str]:
        """What its programs read, by name."""
        return {
            "NATS_URL": self.nats_url,
            "NATS_INBOX_PREFIX": self.inbox_prefix,
            "WORKSPACE_ID": self.workspace_id,
            "INTEGRATION": self.name,
        }


class IntegrationPage(Model):
    """One page of them."""

    items: tuple[Integration, ...]
    next_cursor: str | None
