"""What happens by the clock: mail and webhooks are sent, and forgotten when that is over."""

from chassis.logs import get_logger
from chassis.service import Service
from services.notifications.channels import Outlet
from services.notifications.usecases import mails, sending
from services.notifications.usecases.sending import Sender

log = get_logger()


def tick(service: Service, outlet: Outlet | None, sender: Sender) -> None:
    """Set the clock of whichever replica leads; without an outlet mail is kept, and read by an operator."""

    @service.every(60, "forget_mail")
    async def forget() -> None:
        if forgotten := await mails.forget(service.database):
            log.info("mail.forgotten", mails=forgotten)

    if outlet is not None:

        @service.every(2, "send_mail")
        async def send() -> None:
            await mails.send_due(service.database, outlet)

    @service.every(3600, "forget_webhooks")
    async def forget_webhooks() -> None:
        if forgotten := await sending.forget(service.database):
            log.info("webhook.forgotten", deliveries=forgotten)

    # It ends only where something is away.
    service.every(1, "send_webhooks")(sender.run)
