"""Assembles tickets: the one place that knows all its parts."""

from chassis.erasing import Erasing
from chassis.service import Service
from chassis.starting import told
from contracts.erasing import PersonKind
from services.tickets.handlers import listen
from services.tickets.settings import Settings
from services.tickets.timers import tick
from services.tickets.usecases.erasing import Eraser


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    service = Service("tickets", settings)
    listen(service.bus)
    eraser = Eraser(service.bus, service.database)
    owners = dict.fromkeys(PersonKind, ("tickets",))
    Erasing(service, owners=owners, do=eraser.do)
    tick(service)
    return service


def settings() -> Settings:
    """Read what the environment says, for whoever does not run the service."""
    return Settings()


def main() -> None:
    """Run tickets until it is told to stop."""
    build(told("tickets", settings)).run()
