"""What happens by the clock: announcements that everybody has heard are forgotten."""

from chassis.logs import get_logger
from chassis.service import Service
from services.activity import usecases

log = get_logger()


def tick(service: Service) -> None:
    """Set the clocks of whichever replica leads."""

    @service.every(3600, "prune")
    async def prune() -> None:
        while pruned := await usecases.prune(service.database):
            log.info("activity.pruned", announcements=pruned)
