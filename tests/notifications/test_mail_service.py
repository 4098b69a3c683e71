"""Mail through the whole service: asked for over NATS by the gateway, and sent by its leader."""

import datetime as dt
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

from chassis.provision import PROVISIONER, provision
from chassis.requests import ask
from contracts.base import now, uuid7
from contracts.notifications import SendPasswordReset
from services.notifications import app
from services.notifications.settings import Settings
from tests.notifications.postbox import a_postbox
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, PostgresServer
from tests.support.replicas import as_user


async def test_a_reset_that_the_gateway_asks_for_is_sent_once_and_only_the_gateway_may_ask(
    own_nats: Callable[[], Awaitable[NatsServer]], postgres_server: PostgresServer
) -> None:
    nats, urls = await own_nats(), await postgres_server.migrated_database("notifications")
    await provision(nats.url_for(PROVISIONER), apply=True)
    async with AsyncExitStack() as stack:
        box = await stack.enter_async_context(a_postbox())
        settings = Settings(
            nats_url=nats.url_for("notifications"),
            database_url=urls.app,
            smtp_url=box.url,
            mail_from="desk@example.com",
        )
        for service in (app.build(settings), app.build(settings)):
            await service.start()
            stack.push_async_callback(service.stop)
        request = SendPasswordReset(
            mail_id=uuid7(),
            to_email="ada@example.org",
            to_name="Ada",
            url="https://desk.example.com/reset/s3cret",
            expires_at=now() + dt.timedelta(hours=1),
        )
        gateway = await stack.enter_async_context(as_user(nats, "gateway"))
        assert (await ask(gateway, request)).mail_id == request.mail_id
        assert (await ask(gateway, request)).mail_id == request.mail_id

        await eventually(lambda: box.taken, within=10)
        assert (await ask(gateway, request)).mail_id == request.mail_id
        later = request.model_copy(update={"mail_id": uuid7()})
        await ask(gateway, later)
        await eventually(lambda: len(box.taken) == 2, within=10)
        assert box.mails[1]["Message-ID"] == f"<{later.mail_id}@example.com>"

        stranger = await stack.enter_async_context(as_user(nats, "tickets"))
        with pytest.raises((NatsTimeoutError, NoRespondersError)):
            await stranger.request(request.SUBJECT, request.model_dump_json().encode(), timeout=0.5)
        assert stranger.told  # type: ignore[attr-defined]  # it is no matter of silence: the server refused it
