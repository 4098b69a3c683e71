"""What happens by the clock: what is over is forgotten, mails and example tickets are asked for, NATS is told."""

from collections.abc import Callable, Sequence
from typing import Protocol

from chassis.logs import get_logger
from chassis.service import Service
from services.gateway.usecases.beginnings import Beginnings
from services.gateway.usecases.integrations import Integrations
from services.gateway.usecases.resets import Resets

log = get_logger()


class Forgetful(Protocol):
    """What keeps things for a while."""

    async def purge(self) -> dict[str, int]:
        """Forget what is over; returns how many of what."""


def tick(
    service: Service,
    forgetful: Sequence[Forgetful],
    resets: Resets,
    beginnings: Beginnings,
    reset_link: Callable[[str], str],
    *,
    integrations: Integrations,
) -> None:
    """Set the clocks of whichever replica leads."""

    @service.every(600, "purge")
    async def purge() -> None:
        purged = {what: many for each in forgetful for what, many in (await each.purge()).items() if many}
        if purged:
            log.info("gateway.purged", **purged)

    @service.every(2, "reset_mails")
    async def send_reset_mails() -> None:
        if sent := await resets.send_due(reset_link):
            log.info("gateway.reset_mails_sent", many=sent)

    @service.every(2, "integrations")
    async def settle() -> None:
        await integrations.settle()

    @service.every(3600, "consumers")
    async def keep() -> None:
        await integrations.keep()

    @service.every(30, "renewal")
    async def renew() -> None:
        await integrations.renew()

    @service.every(5, "examples")
    async def examples() -> None:
        await beginnings.write_examples()
