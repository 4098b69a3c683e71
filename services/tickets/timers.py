"""What happens by the clock: signatures that are void are forgotten."""

from chassis.service import Service
from services.tickets import usecases


def tick(service: Service) -> None:
    """Set the clocks of whichever replica leads."""

    @service.every(600, "forget_nonces")
    async def forget_nonces() -> None:
        async with service.database.every_workspace("purge of identity nonces") as tx:
            await usecases.forget_nonces(tx)
