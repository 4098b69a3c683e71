"""Assembles notifications: the one place that knows all its parts."""

from chassis.service import Service
from services.notifications.channels import Smtp
from services.notifications.handlers import listen
from services.notifications.settings import Settings
from services.notifications.timers import tick


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    service = Service("notifications", settings)
    listen(service.bus)
    outlet = Smtp(settings.smtp_url, settings.mail_from) if settings.smtp_url else None
    tick(service, outlet, settings.public_url or "http://localhost:8080")
    return service


def settings() -> Settings:
    """Read what the environment says, for whoever does not run the service."""
    return Settings()


def main() -> None:
    """Run notifications until it is told to stop."""
    build(settings()).run()
