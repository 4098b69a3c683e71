"""What tickets is told by its environment."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The shared settings; tickets has none of its own yet."""
