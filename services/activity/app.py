"""Assembles activity: the one place that knows all its parts."""

from chassis.erasing import OWNERS, Erasing, copies
from chassis.service import Service
from chassis.starting import told
from services.activity import usecases
from services.activity.handlers import listen
from services.activity.settings import Settings
from services.activity.timers import tick


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    service = Service("activity", settings)
    listen(service.bus)
    do = copies(service.bus, service.database, usecases.erase)
    Erasing(service, owners=OWNERS, do=do)
    tick(service)
    return service


def settings() -> Settings:
    """Read what the environment says, for whoever does not run the service."""
    return Settings()


def main() -> None:
    """Run activity until it is told to stop."""
    build(told("activity", settings)).run()
