"""What notifications is told by its environment."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The shared settings; notifications has none of its own yet."""
