"""What activity is told by its environment."""

from chassis.settings import ServiceSettings


class Settings(ServiceSettings):
    """The shared settings; activity has none of its own yet."""
