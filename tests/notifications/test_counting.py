"""Mail and webhooks that fail are counted by why, and what waits is seen, without a word of anybody's."""

import datetime as dt

from chassis.database import Database
from chassis.telemetry import Metrics
from contracts.base import now, uuid7
from contracts.notifications import SendPasswordReset
from services.notifications import store
from services.notifications.channels import Smtp
from services.notifications.usecases import mails
from services.notifications.usecases.counting import Counts
from tests.notifications.builders import created
from tests.notifications.correspondents import nobody_to_ask
from tests.notifications.office import Office
from tests.notifications.post import Post
from tests.notifications.postbox import a_postbox
from tests.notifications.receiver import a_receiver
from tests.support.infra import PostgresServer

MINUTE = dt.timedelta(minutes=1)


def said(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"counterfoil_{name}", labels) or 0.0


async def test_calls_of_webhooks_are_counted_by_what_came_of_them(office: Office) -> None:
    post, metrics = Post(office), Metrics("notifications")
    counts = post.sender._counts = Counts(metrics)
    async with a_receiver() as receiver:
        webhook = await post.webhook(receiver.url)
        receiver.does = 500
        await post.happens(created())
        await post.round()
        assert said(metrics, "webhook_failures_total", reason="status") == 1
        assert said(metrics, "webhook_seconds_count", outcome="failed") == 1
        await counts.look(office.database, post.now + MINUTE)
        assert said(metrics, "webhooks_failing") >= 1
        assert said(metrics, "webhook_waiting_seconds") > 30

        receiver.does = 410
        post.now += MINUTE
        await post.round()
        assert said(metrics, "webhooks_disabled_total", reason="gone") == 1
        assert not (await post.seen(webhook)).enabled

        receiver.does = 200
        await post.webhook(receiver.url)
        await post.happens(created())
        await post.round()
        assert said(metrics, "webhook_seconds_count", outcome="taken") == 1
        counts.step_down()
        assert said(metrics, "webhook_waiting_seconds") == said(metrics, "webhooks_failing") == 0
    async with office.database.transaction(office.workspace) as tx:
        await store.delete_webhooks(tx)


async def test_mails_are_counted_by_how_they_ended(postgres_server: PostgresServer) -> None:
    database = Database((await postgres_server.migrated_database("notifications")).app, "notifications", pool=2)
    counts = Counts(metrics := Metrics("notifications"))
    async with a_postbox() as box:

        async def write(to_rcpt: str, to_data: str = "250 OK") -> None:
            box.to_rcpt, box.to_data = to_rcpt, to_data
            async with database.every_workspace("test") as tx:
                await mails.queue(
                    SendPasswordReset(
                        mail_id=uuid7(),
                        to_email="ada@example.org",
                        to_name="Ada",
                        url="https://desk.example.com/reset/s3cret",
                        expires_at=now() + 60 * MINUTE,
                    ),
                    tx,
                )
            smtp = Smtp(box.url, "Desk <desk@example.com>")
            await mails.send_due(mails.Post(database, smtp, nobody_to_ask(database), counts=counts))

        await write("250 OK")
        await write("550 no such user")
        await write("450 later")
        await write("250 OK", "torn")
        await counts.look(database, now() + 30 * MINUTE, sends=False)
        assert said(metrics, "mail_waiting_seconds") == 0
        await counts.look(database, now() + 30 * MINUTE)
    await database.close()
    ends = {end: said(metrics, "mails_total", outcome=end) for end in ("sent", "failed", "pending", "uncertain")}
    assert ends == {"sent": 1, "failed": 1, "pending": 1, "uncertain": 1}
    assert said(metrics, "mail_waiting_seconds") > 60
