"""Assembles notifications: the one place that knows all its parts."""

from chassis.doctor import Finding, Verdict
from chassis.erasing import Erasing
from chassis.service import Service
from chassis.starting import told
from services.notifications.channels import Egress, Listener, Smtp
from services.notifications.handlers import answer_for_mail, answer_for_webhooks, listen
from services.notifications.settings import Settings
from services.notifications.timers import send_webhooks, take_in, tick
from services.notifications.usecases.contacts import Scribe
from services.notifications.usecases.counting import Counts
from services.notifications.usecases.erasing import OWNERS, Eraser
from services.notifications.usecases.inbound import Inlet
from services.notifications.usecases.postroom import Postroom
from services.notifications.usecases.sending import Sender
from services.notifications.usecases.trouble import Undertaker
from services.notifications.usecases.webhooks import Webhooks


def build(settings: Settings) -> Service:
    """Assemble the service; nothing is opened yet."""
    service = Service("notifications", settings)
    public_url = settings.public_url or "http://localhost:8080"
    listen(service.bus, mails_leave=bool(settings.smtp_url))
    answer_for_mail(service.bus, Postroom(bool(settings.smtp_url), public_url))
    outlet = Smtp(settings.smtp_url, settings.mail_from) if settings.smtp_url else None
    service.every(1, "tell_of_dead_letters")(Undertaker(service.database, service.bus.letters).turn)
    counts = Counts(service.metrics)
    eraser = Eraser(service.bus, service.database)
    Erasing(service, owners=OWNERS, do=eraser.do)
    tick(service, outlet, Scribe(service.database, service.bus.ask, settings.inbound_domain), counts, public_url)
    egress = Egress(settings.opened)
    answer_for_webhooks(service.bus, Webhooks(egress))
    send_webhooks(service, Sender(service.database, service.bus.ask, egress, counts))
    inlet = Inlet(service.database, service.bus.ask)
    take_in(service, inlet)
    if settings.inbound_url:
        listener = Listener(settings.inbound_url, settings.inbound_domain, inlet.keep)
        service.at_start(listener.start)
        service.at_stop(listener.stop)
    return service


async def look_at_mail(settings: Settings) -> list[Finding]:
    """Tell a doctor whether the mail server takes us; nothing is sent."""
    if not settings.smtp_url:
        return [Finding("mail", Verdict.NOTE, "smtp_url is empty: mail is kept and not sent")]
    refused = await Smtp(settings.smtp_url, settings.mail_from).greeted()
    return [Finding("mail", Verdict.WRONG, refused) if refused else Finding("mail", Verdict.OK, "its server takes us")]


def settings() -> Settings:
    """Read what the environment says, for whoever does not run the service."""
    return Settings()


def main() -> None:
    """Run notifications until it is told to stop."""
    build(told("notifications", settings)).run()
