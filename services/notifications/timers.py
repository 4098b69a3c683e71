"""What happens by the clock: news is gathered, mail is sent, and its words are forgotten when it is over."""

from chassis.logs import get_logger
from chassis.service import Service
from contracts.base import now
from services.notifications.channels import Outlet
from services.notifications.usecases import mails, news, sending
from services.notifications.usecases.contacts import Scribe
from services.notifications.usecases.counting import Counts
from services.notifications.usecases.inbound import Inlet
from services.notifications.usecases.sending import Sender

log = get_logger()


def tick(service: Service, outlet: Outlet | None, scribe: Scribe, counts: Counts, public_url: str) -> None:
    """Set the clock of whichever replica leads; without an outlet mail is kept, and read by an operator."""

    @service.every(10, "count")
    async def count() -> None:
        await counts.look(service.database, now(), sends=outlet is not None)

    service.stepping_down(counts.step_down)

    @service.every(60, "forget_mail")
    async def forget() -> None:
        if forgotten := await mails.forget(service.database):
            log.info("mail.forgotten", mails=forgotten)
        await scribe.forget()

    @service.every(2, "gather_news")
    async def gather() -> None:
        await news.gather(service.database)

    @service.every(2, "write_to_contacts")
    async def write() -> None:
        await scribe.write_due()

    if outlet is not None:
        post = mails.Post(service.database, outlet, scribe, public_url, counts=counts)

        @service.every(2, "send_mail")
        async def send() -> None:
            await mails.send_due(post)


def send_webhooks(service: Service, sender: Sender) -> None:
    """Let whichever replica leads tell webhooks what happens."""

    @service.every(3600, "forget_webhooks")
    async def forget() -> None:
        if forgotten := await sending.forget(service.database):
            log.info("webhook.forgotten", deliveries=forgotten)

    # It ends only where something is away.
    service.every(1, "send_webhooks")(sender.run)


def take_in(service: Service, inlet: Inlet) -> None:
    """Let whichever replica leads deliver what came in by mail."""

    @service.every(1, "deliver_inbound")
    async def deliver() -> None:
        await inlet.deliver()

    @service.every(3600, "forget_inbound")
    async def forget() -> None:
        if forgotten := await inlet.forget():
            log.info("inbound.forgotten", mails=forgotten)
