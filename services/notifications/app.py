"""Assembles notifications: the one place that knows all its parts."""

from chassis.service import Service
from services.notifications.handlers import listen
from services.notifications.settings import Settings


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    service = Service("notifications", settings)
    listen(service.bus)
    return service


def main() -> None:
    """Run notifications until it is told to stop."""
    build(Settings()).run()
