"""Assembles tickets: the one place that knows all its parts."""

from chassis.service import Service
from services.tickets.handlers import listen
from services.tickets.settings import Settings
from services.tickets.timers import tick


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    service = Service("tickets", settings)
    listen(service.bus)
    tick(service)
    return service


def main() -> None:
    """Run tickets until it is told to stop."""
    build(Settings()).run()
