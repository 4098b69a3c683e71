"""What happens by the clock: sessions and invitations that are over are forgotten, example tickets are asked for."""

from chassis.logs import get_logger
from chassis.service import Service
from services.gateway.usecases.beginnings import Beginnings
from services.gateway.usecases.people import People

log = get_logger()


def tick(service: Service, people: People, beginnings: Beginnings) -> None:
    """Set the clocks of whichever replica leads."""

    @service.every(600, "purge")
    async def purge() -> None:
        sessions, invitations = await people.purge()
        if sessions or invitations:
            log.info("gateway.purged", sessions=sessions, invitations=invitations)

    @service.every(5, "examples")
    async def examples() -> None:
        await beginnings.write_examples()
