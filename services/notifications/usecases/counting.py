"""What is counted of mail and webhooks, beside what every service counts."""

import datetime as dt

from chassis.database import Database
from chassis.telemetry import Metrics
from contracts.mail import MailState
from contracts.webhooks import Trouble
from services.notifications import store

# Why a transaction may see every workspace.
COUNT = "count what waits"


class Counts:
    """What went out and what did not; reasons are codes, never a server's words or an address.

    Attributes:
        mails: mails whose turn came, by outcome (a state; `pending` will be tried again)
        mail_waiting: seconds that the mail which is longest due has waited
        webhooks: seconds per call of a webhook, by outcome (`taken` or `failed`)
        webhook_failures: calls of webhooks that failed, by reason
        webhooks_disabled: webhooks that were turned off, by reason
        webhook_waiting: seconds that the call which is longest due has waited
        webhooks_failing: enabled webhooks whose last call failed

    """

    def __init__(self, metrics: Metrics) -> None:
        """Count among the service's own metrics."""
        self.mails = metrics.counter("mails", "Mails whose turn came", "outcome")
        self.mail_waiting = metrics.gauge("mail_waiting_seconds", "Age of the mail that is longest due")
        self.webhooks = metrics.histogram("webhook_seconds", "Calls of webhooks", "outcome")
        self.webhook_failures = metrics.counter("webhook_failures", "Calls of webhooks that failed", "reason")
        self.webhooks_disabled = metrics.counter("webhooks_disabled", "Webhooks that were turned off", "reason")
        self.webhook_waiting = metrics.gauge("webhook_waiting_seconds", "Age of the call that is longest due")
        self.webhooks_failing = metrics.gauge("webhooks_failing", "Enabled webhooks whose last call failed")
        # A first one that appears as 1 is no increase to Prometheus.
        for state in MailState:
            self.mails.labels(state.value)
        for trouble in Trouble:
            self.webhooks_disabled.labels(trouble.value)

    async def look(self, database: Database, now: dt.datetime, *, sends: bool = True) -> None:
        """See what waits; a desk that sends no mail keeps it, and is not late."""
        async with database.glance(COUNT) as tx:
            self.mail_waiting.set(await store.mail_waits(tx, now) if sends else 0)
            waiting, failing = await store.webhooks_wait(tx, now)
        self.webhook_waiting.set(waiting)
        self.webhooks_failing.set(failing)

    def step_down(self) -> None:
        """Say no more what only a leader knows."""
        for gauge in (self.mail_waiting, self.webhook_waiting, self.webhooks_failing):
            gauge.set(0)
