"""A service that does not start says why in a line of its log, names what is wrong, and tells no secret."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import uvloop
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from chassis.database import Database, is_weather
from chassis.logs import hear_of_lost
from chassis.outside import Outside, OutsideAccess
from chassis.provision import CALLOUT, KEEPER, KICKER, Outsider
from chassis.telemetry import Metrics
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import CHAOS, a_broker, a_gateway, api, as_user, settings_for

ELSEWHERE = {"NATS_URL": "nats://x:y@127.0.0.1:9", "DATABASE_URL": "postgresql://x:y@127.0.0.1:9/x"}


async def ends(service: str, told: dict[str, str], *verb: str) -> tuple[int | None, list[dict[str, Any]]]:
    """Run it until it ends by itself; returns its status and its log, which is whole lines of JSON and nothing else."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"services.{service}", *verb),
        cwd=PROJECT,
        env=kept | {f"COUNTERFOIL_{name}": value for name, value in told.items()},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 60)
    assert b"p4ss-w0rd" not in said
    return process.returncode, [json.loads(line) for line in said.splitlines()]


async def test_settings_that_are_wrong_are_named_one_a_line(tmp_path: Path) -> None:
    mail, rights, tool = await asyncio.gather(
        ends("notifications", ELSEWHERE | {"SMTP_URL": "smtp://u:p4ss-w0rd@h"}),
        ends(
            "gateway",
            {"DATABASE_URL_FILE": str(tmp_path / "nowhere"), "NATS_ISSUER": "p4ss-w0rd", "HTTP_PORT": "p4ss-w0rd"},
        ),
        ends("activity", ELSEWHERE | {"NATS_ISSUER": "", "HTTP_PORT": "p4ss-w0rd"}, "verify"),
    )
    assert [(status, {line["event"] for line in log}) for status, log in (mail, rights, tool)] == [
        (2, {"settings.wrong"})
    ] * 3
    assert mail[1][0]["why"] == "COUNTERFOIL_MAIL_FROM must be an address once COUNTERFOIL_SMTP_URL is set"
    assert [(line["variable"], line["why"]) for line in rights[1]] == [
        ("COUNTERFOIL_DATABASE_URL_FILE", f"{tmp_path / 'nowhere'} can't be read: No such file or directory")
    ]
    assert [line["variable"] for line in tool[1]] == ["COUNTERFOIL_HTTP_PORT"]
    status, log = await ends("gateway", ELSEWHERE | {"NATS_ISSUER": "p4ss-w0rd"})
    assert (status, [line["variable"] for line in log]) == (2, ["COUNTERFOIL_NATS_ISSUER"])
    assert "the seed of an account key" in log[0]["why"]


async def test_a_service_that_refuses_what_it_found_says_why(tickets_urls: Urls) -> None:
    async with a_broker() as broker, as_user(broker, CHAOS) as chaos:
        config = (await api(chaos, "STREAM.INFO.TICKETS"))["config"]
        await api(chaos, "STREAM.UPDATE.TICKETS", config | {"max_bytes": config["max_bytes"] - 1})
        url, store = broker.url_for("tickets"), {"DATABASE_URL": tickets_urls.app}
        altered, bare = await asyncio.gather(
            ends("tickets", store | {"NATS_URL": url}),
            ends("tickets", store | {"NATS_URL": url.replace("nats://", "tls://")}),
        )
    for (status, log), words in ((altered, "TICKETS: max_bytes is"), (bare, "NATS does not speak TLS")):
        assert status == 1
        assert [line["event"] for line in log] == ["service.refused"], log
        assert words in log[0]["why"]
        assert "exception" not in log[0]


async def test_whose_password_is_wrong_is_said() -> None:
    async with a_broker() as broker:
        access = OutsideAccess(
            callout_url=broker.url_for(CALLOUT).replace(broker.passwords[CALLOUT], "wrong"),
            keeper_url=broker.url_for(KEEPER),
            kicker_url=broker.url_for(KICKER),
            issuer_seed=broker.issuer,
        )

        async def admits(_: str, __: str) -> Outsider | None:
            return None

        outside = Outside(access, admits, Metrics("gateway"))
        with capture_logs(processors=[merge_contextvars]) as said:
            starting = asyncio.create_task(outside.start())
            line = await eventually(lambda: next((each for each in said if each["event"] == "nats.error"), None))
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
        await outside.close()
    assert line is not None
    assert line["nats_user"] == CALLOUT
    assert "authorization" in line["error"].lower()


async def test_whose_database_password_is_wrong_is_told_so_and_starts_once_it_is_right(
    postgres_server: PostgresServer,
) -> None:
    urls = await plumbed(postgres_server, "gateway")
    role, right = urlsplit(urls.app).username, urlsplit(urls.app).password
    superuser = await asyncpg.connect(postgres_server.superuser_url)
    async with a_broker() as broker:
        gateway = a_gateway(settings_for(broker, "gateway", urls))
        try:
            await superuser.execute(f"alter role \"{role}\" password 'p4ss-w0rd'")
            with capture_logs() as said:
                starting = asyncio.create_task(gateway.start())
                line = await eventually(lambda: next(iter(said), None))
            assert line == {
                "event": "database.refused",
                "log_level": "error",
                "why": "PostgreSQL refuses the password of this role",
            }
            await superuser.execute(f"alter role \"{role}\" password '{right}'")
            await starting

            # Renewed while it works: what is under way goes on, what comes is asked to come again.
            await superuser.execute(f"alter role \"{role}\" password 'p4ss-w0rd'")
            assert (await gateway.health.ready())[1]["database"] == line["why"]
            lost = Database(urls.app, "gateway")
            with pytest.raises(asyncpg.InvalidPasswordError) as raised:
                async with lost.transaction("w"):
                    pass
            assert is_weather(raised.value)
        finally:
            await gateway.stop()
            await superuser.close()


def test_a_name_that_is_not_found_when_nobody_waits_any_more_is_no_lost_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def gives_up() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(hear_of_lost)
        # No name server is asked about this one.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.open_connection("::1", 4222, family=socket.AF_INET), 1e-6)
        await eventually(lambda: said)
        loop.create_future().set_exception(socket.herror("lost"))

    with capture_logs() as said:
        uvloop.run(gives_up())
    assert [(line["event"], line["log_level"]) for line in said] == [("name.unresolved", "warning")]
    assert [record.message.splitlines()[0] for record in caplog.records] == ["Future exception was never retrieved"]
