"""A doctor says in words what is wrong with what a service lives on, and only that."""

import os
import re
import secrets
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from chassis import doctor
from chassis.callout import issuer_of
from chassis.doctor import Finding, Verdict
from chassis.provision import CALLOUT, KEEPER, KICKER
from services.gateway.app import look_at_the_entrance
from services.gateway.settings import Settings as GatewaySettings
from services.notifications.app import look_at_mail
from services.notifications.settings import Settings as NotificationsSettings
from services.tickets.settings import Settings as TicketsSettings
from tests.notifications.postbox import a_postbox
from tests.support.infra import NatsServer, PostgresServer, Urls
from tests.support.replicas import CHAOS, a_broker, api, as_user


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    async with a_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
async def urls(postgres_server: PostgresServer) -> Urls:
    return await postgres_server.migrated_database("tickets")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def ill(findings: list[Finding]) -> dict[str, str]:
    return {finding.what: finding.words for finding in findings if finding.verdict is Verdict.WRONG}


async def test_what_is_well_is_said_to_be_well(broker: NatsServer, urls: Urls) -> None:
    found = [*await doctor.store("tickets", urls.app), *await doctor.broker("tickets", broker.url_for("tickets"))]
    assert ill(found) == {}
    assert any(re.fullmatch(r"ok +nats: nats-server [0-9]+[.][0-9]+[.][0-9]+ answers", str(each)) for each in found)
    assert {finding.what for finding in found} >= {
        *("database", "schema", "outbox", "dead letters", "role", "clock", "nats", "streams", "rights")
    }


async def test_each_thing_that_can_be_wrong_with_the_database_is_named(
    postgres_server: PostgresServer, urls: Urls
) -> None:
    place = urlsplit(urls.app).netloc.rpartition("@")[2]
    away = "postgresql://tickets_app:s3cret-pass@127.0.0.1:9/tickets"
    assert "can't be entered" in ill(await doctor.store("tickets", away))["database"]
    assert "s3cret-pass" not in str([str(each) for each in await doctor.store("tickets", away)])
    stranger = urls.app.replace(f"@{place}", f"x@{place}")
    assert "refuses the password of this role" in ill(await doctor.store("tickets", stranger))["database"]
    nowhere = ill(await doctor.store("tickets", urlsplit(urls.app)._replace(path="/nowhere").geturl()))["database"]
    assert "no database of this name" in nowhere
    assert "owns" in ill(await doctor.store("tickets", urls.owner))["role"]

    empty = await postgres_server.fresh_database("tickets")
    assert "there are no tables" in ill(await doctor.store("tickets", empty.app))["schema"]

    old = await postgres_server.migrated_database("tickets")
    owner = await asyncpg.connect(old.owner)
    await owner.execute("update alembic_version set version_num = '0001'")
    assert "needs" in ill(await doctor.store("tickets", old.app))["schema"]
    await owner.execute("update alembic_version set version_num = '9999'")
    await owner.execute("select set_config('app.ws', 'w', false)")
    await owner.execute(
        "insert into event_log (workspace_id, id, type, about_kind, about_id, version, at, audience, body)"
        " values ('w', gen_random_uuid(), 't', 'ticket', '1', 1, now() - interval '1 hour', 'team', '{}')"
    )
    await owner.close()
    found = await doctor.store("tickets", old.app)
    assert [each.verdict for each in found if each.what == "schema"] == [Verdict.NOTE]
    assert "36" in ill(found)["outbox"]


async def test_each_thing_that_can_be_wrong_with_nats_is_named(broker: NatsServer) -> None:
    assert "can't be entered" in ill(await doctor.broker("tickets", "nats://tickets:x@127.0.0.1:9"))["nats"]
    url = broker.url_for("tickets")
    stranger = url.replace(broker.passwords["tickets"], secrets.token_hex(8))
    assert "authorization" in ill(await doctor.broker("tickets", stranger))["nats"].lower()
    assert "hear everything" in ill(await doctor.broker("tickets", broker.url_for(CHAOS)))["rights"]
    async with a_broker(provisioned=False) as bare:
        assert "missing" in ill(await doctor.broker("tickets", bare.url_for("tickets")))["streams"]
    async with as_user(broker, CHAOS) as chaos:
        config = (await api(chaos, "STREAM.INFO.TICKETS"))["config"]
        await api(chaos, "STREAM.UPDATE.TICKETS", config | {"max_bytes": config["max_bytes"] - 1})
    assert "max_bytes" in ill(await doctor.broker("tickets", url))["streams"]


async def test_a_server_that_takes_the_call_and_says_nothing_is_named_with_how_long_it_was_waited_for(
    monkeypatch: pytest.MonkeyPatch, roomy_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_PATIENCE", 1.0)
    # Whoever listens and never accepts is as a server whose process is stopped.
    with socket.create_server(("127.0.0.1", 0)) as far, socket.socket(socket.AF_UNIX) as near:
        near.bind(str(roomy_path / ".s.PGSQL.5432"))
        near.listen()
        place = f"127.0.0.1:{far.getsockname()[1]}"
        looked = {
            f"nats://{place}": await doctor.broker("tickets", f"nats://tickets:s3cret@{place}"),
            place: await doctor.store("tickets", f"postgresql://tickets_app:s3cret@{place}/tickets"),
            str(roomy_path): await doctor.store(
                "tickets", f"postgresql://tickets_app:s3cret@/tickets?host={roomy_path}"
            ),
        }
    for where, (found,) in looked.items():
        assert found.verdict is Verdict.WRONG
        assert found.words.startswith(f"{where} did not answer within 1 s: see whether the server's process is stopped")


async def test_each_of_those_who_let_others_in_is_looked_at(broker: NatsServer) -> None:
    def told(**wrong: str) -> GatewaySettings:
        return GatewaySettings(
            nats_url=broker.url_for("gateway"), database_url="postgresql://x", **(broker.outside | wrong)
        )

    (none,) = await look_at_the_entrance(
        GatewaySettings(nats_url=broker.url_for("gateway"), database_url="postgresql://x")
    )
    assert none.verdict is Verdict.NOTE
    found = await look_at_the_entrance(told())
    assert ([each.what for each in found], ill(found)) == ([CALLOUT, KEEPER, KICKER, "issuer"], {})
    assert issuer_of(broker.issuer) in str(found[-1])
    assert broker.issuer not in str(found[-1])
    for user in (CALLOUT, KEEPER, KICKER):
        shut = broker.url_for(user).replace(broker.passwords[user], "wr0ng-p4ss")
        named = ill(await look_at_the_entrance(told(**{f"{user}_nats_url": shut})))
        assert named.keys() == {user}
        assert "authorization" in named[user].lower()
    swapped = ill(await look_at_the_entrance(told(callout_nats_url=broker.url_for(KEEPER))))
    assert swapped == {CALLOUT: "its address must name the user callout, and names another"}


def test_secrets_that_others_may_read_are_named(tmp_path: Path) -> None:
    inner = tmp_path / "secrets"
    inner.mkdir(mode=0o700)
    kept = inner / "nats-url"
    kept.write_text("nats://u:p@x")
    kept.chmod(0o644)
    told = {"COUNTERFOIL_NATS_URL_FILE": str(kept)}
    assert [each.verdict for each in doctor.secrets_at_hand(told)] == [Verdict.OK], "its directory is shut"
    gone = {"COUNTERFOIL_DATABASE_URL_FILE": str(inner / "none")}
    assert "there is no file" in ill(doctor.secrets_at_hand(gone))["COUNTERFOIL_DATABASE_URL_FILE"]
    plain = doctor.secrets_at_hand({"COUNTERFOIL_SMTP_URL": "smtp://u:hidden-p4ss@x"})
    assert [each.verdict for each in plain] == [Verdict.NOTE]
    assert "hidden-p4ss" not in str([str(each) for each in plain])
    (well,) = doctor.secrets_at_hand({})
    assert str(well) == "ok     secrets: nobody else may read them", "its own words are not hidden"
    assert "s3cret-w0rd" not in str(doctor.wrong("secrets", "one is password=s3cret-w0rd"))


def test_a_file_that_everybody_reaches_is_named(roomy_path: Path) -> None:
    kept = roomy_path / "nats-url"
    kept.write_text("nats://u:p@x")
    kept.chmod(0o644)
    told = {"COUNTERFOIL_NATS_URL_FILE": str(kept)}
    assert "others on this machine may read" in ill(doctor.secrets_at_hand(told))["COUNTERFOIL_NATS_URL_FILE"]
    kept.chmod(0o600)
    assert ill(doctor.secrets_at_hand(told)) == {}
    (whom_to_trust,) = doctor.secrets_at_hand({"COUNTERFOIL_NATS_CA_FILE": str(roomy_path)})
    assert whom_to_trust.verdict is Verdict.OK, "everybody may know it"


def test_settings_that_are_missing_or_wrong_are_named_and_nothing_else_is_tried(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("COUNTERFOIL_DRAIN_SECONDS", "soon")
    assert doctor.run("tickets", TicketsSettings) == 1
    said = capsys.readouterr().out
    assert "WRONG  COUNTERFOIL_NATS_URL: Field required" in said
    assert "WRONG  COUNTERFOIL_DRAIN_SECONDS" in said
    assert "soon" not in said
    environment.setenv("COUNTERFOIL_NATS_URL_FILE", "/run/secrets/nope")
    assert doctor.run("tickets", TicketsSettings) == 1
    said = capsys.readouterr().out
    assert said == "WRONG  COUNTERFOIL_NATS_URL_FILE: /run/secrets/nope can't be read: No such file or directory\n"


async def test_a_mail_server_that_does_not_take_us_is_named() -> None:
    def settings(url: str) -> NotificationsSettings:
        here = "nats://x@127.0.0.1:9"
        return NotificationsSettings(
            nats_url=here, database_url="postgresql://x", smtp_url=url, mail_from="desk@example.com"
        )

    async with a_postbox() as box:
        (well,) = await look_at_mail(settings(box.url))
        (shut,) = await look_at_mail(settings(box.url.replace("smtp://", "smtp://desk:wrong-p4ss@")))
    (away,) = await look_at_mail(settings("smtp://127.0.0.1:9"))
    (none,) = await look_at_mail(settings(""))
    assert [each.verdict for each in (well, shut, away, none)] == [
        *(Verdict.OK, Verdict.WRONG, Verdict.WRONG, Verdict.NOTE)
    ]
    assert "wrong-p4ss" not in str(shut)
