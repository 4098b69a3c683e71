"""Assembles the gateway: the one place that knows all its parts."""

from chassis.service import Service
from services.gateway.routes import Desk, web
from services.gateway.settings import Settings
from services.gateway.timers import tick
from services.gateway.usecases.beginnings import Beginnings, First
from services.gateway.usecases.live import Live
from services.gateway.usecases.passwords import Passwords
from services.gateway.usecases.people import People


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    passwords = Passwords()
    service = Service(
        "gateway",
        settings,
        web=lambda service: web(Desk(people, service.bus, settings.public_url, live), service.metrics),
    )
    people = People(service.database, passwords)
    beginnings = Beginnings(service.database, service.bus, passwords)
    live = Live(service.bus, people)
    tick(service, people, beginnings)

    @service.at_start
    async def watch() -> None:
        service.background(live.watch(), "live")

    service.at_stop(live.close)

    if settings.owner_email is not None and settings.owner_password is not None:
        first = First(
            slug=settings.workspace,
            email=settings.owner_email,
            password=settings.owner_password.get_secret_value(),
            workspace_id=str(settings.workspace_id) if settings.workspace_id else None,
            examples=settings.demo,
        )

        @service.at_start
        async def begin() -> None:
            await beginnings.first_workspace(first)

    return service


def main() -> None:
    """Run the gateway until it is told to stop."""
    build(Settings()).run()
