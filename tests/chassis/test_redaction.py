"""Whatever is planted, wherever a log line may hold it, comes out hidden; what tells an operator something stays."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from pydantic import BaseModel, ValidationError

from chassis import logs
from chassis.redaction import HIDDEN, without_secrets
from chassis.settings import ServiceSettings

SEED = "SA" + "ABCD2345" * 7
RANDOM = "Ab3" + "kLm9-Qr_" * 5
SECRETS = {
    "a NATS URL": ("nats://tickets:n4ts-pass-word@10.0.0.1:4222", "n4ts-pass-word"),
    "a NATS token": ("nats://t0ken-without-name@10.0.0.1", "t0ken-without-name"),
    "a PostgreSQL URL": ("postgresql://tickets_app:pg-p4ss@db/tickets", "pg-p4ss"),
    "a driver's URL": ("postgresql+asyncpg://u:pg-p4ss-2@/x?host=/run", "pg-p4ss-2"),
    "an SMTP URL": ("smtps://desk%40example.com:sm7p-pass@mail.example.com:465", "sm7p-pass"),
    "a webhook's userinfo": ("https://hook:h00k-pass@example.com/x", "h00k-pass"),
    "a bearer": ("Authorization: Bearer short-s3cret-1", "short-s3cret-1"),
    "basic access": ("authorization=Basic b3duZXI6cGFzcw==", "b3duZXI6cGFzcw=="),
    "a bare bearer": ("the header was Bearer an0ther.b34rer/x==", "an0ther.b34rer/x=="),
    "a cookie": ("Cookie: counterfoil_session=c00kie-value", "c00kie-value"),
    "a cookie that is set": ("set-cookie: __Host-session=c00kie-2; Secure", "c00kie-2"),
    "an API token": ("cf_abcdefghijklmnopqrstuvwxyz0123456789abcdefg", "cf_abcdefghij"),
    "an integration's password": ("cfn_abcdefghijklmnopqrstuvwxyz0123456789abcdefg", "cfn_abcdefghij"),
    "the seed of an issuer": (f"seed {SEED} is signed with", SEED),
    "a webhook's secret": ("signed with whsec_c2VjcmV0IGJ5dGVz+/=", "c2VjcmV0IGJ5dGVz"),
    "an address for answers": ("to reply+k3x7token@in.example.com", "k3x7token"),
    "a session": (f"session {RANDOM} ended", RANDOM),
    "an invitation": ("GET /invitations/inv1te-t0ken-lower", "inv1te-t0ken-lower"),
    "a new password": ("https://desk/password-resets/r3set-t0ken-x", "r3set-t0ken-x"),
    "an unsubscription": ("POST /unsubscribe/uns0b-t0ken-lower", "uns0b-t0ken-lower"),
    "a signed identity": ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI3In0.c2lnbmF0dXJl", "eyJzdWIiOiI3In0"),
    "a password in words": ("password=hunter2-in-words", "hunter2-in-words"),
    "a password in JSON": ('{"password": "hunter3-in-json"}', "hunter3-in-json"),
    "a new password in JSON": ("{'new_password': 'hunter4-in-repr'}", "hunter4-in-repr"),
    "a token in a query": ("/x?a=1&access_token=qu3ry-t0ken&b=2", "qu3ry-t0ken"),
    "a CSRF token": ("X-CSRF-Token: csrf-v4lue-here", "csrf-v4lue-here"),
    "an API key": ("api_key: ap1-k3y-value", "ap1-k3y-value"),
    "a signature": ("identity_signature=f00dfeed0badcafe", "f00dfeed0badcafe"),
    "an identity secret": ("identity-secret: 1dent1ty-words", "1dent1ty-words"),
    "a private key": ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----", "MIIEvQ"),
    "somebody's address": ("mail for grace.hopper+x@navy.example", "grace.hopper"),
    "a passphrase": ("passphrase = correct-horse-battery", "correct-horse-battery"),
    "a credential": ("credentials='cr3dential-x'", "cr3dential-x"),
}
TELLING = (
    "PostgresConnectionError('connection to server at \"127.0.0.1\", port 5432 failed')",
    'nats: permissions violation for publish to "$js.api.stream.delete.tickets"',
    "0192f3c4-7d5a-7c3e-9d2b-0123456789ab",
    "0af7651916cd43dd8448eb211c80319c",
    "tickets.events.v1.ticket_created.0192f3c4-7d5a-7c3e-9d2b-0123456789ab",
    "/api/v1/workspaces/{workspace:str}/tickets/{ticket:str}",
    "TICKETS.tickets: max_ack_pending is 1, should be 20000",
)


@pytest.fixture(params=["json", "pretty"])
def said(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a service configured as in production writes, its own lines and the libraries'."""
    known, sink, hook = structlog.get_config(), io.StringIO(), sys.excepthook
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", sink)
    logs.configure("tickets", "debug", request.param)
    yield sink
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    structlog.configure(**known)
    structlog.contextvars.clear_contextvars()


@pytest.mark.parametrize("what", SECRETS)
def test_what_is_planted_is_hidden_and_the_rest_stays(what: str) -> None:
    words, secret = SECRETS[what]
    cleaned = without_secrets(f"before {words} after")
    assert secret not in cleaned
    assert HIDDEN in cleaned
    assert cleaned.startswith("before ")


def test_what_tells_an_operator_something_is_left_as_it_is() -> None:
    assert [without_secrets(words) for words in TELLING] == list(TELLING)


async def test_no_way_into_a_log_line_lets_a_secret_through(said: io.StringIO) -> None:
    log = logs.get_logger()
    library = logging.getLogger("some.library")

    async def forgotten(words: str) -> None:
        raise RuntimeError(words)

    for words, _ in SECRETS.values():
        log.warning("test.planted", why=words, error=repr(OSError(words)), deep={"in": [words], "token": "x" + words})
        log.info("test.planted", **{"password": words, "x-csrf-token": words})
        library.error("it failed with %s", words)
        library.error(words)
        for tell in (log.exception, library.exception):
            try:
                try:
                    raise KeyError(words)  # noqa: TRY301
                except KeyError as error:
                    raise ExceptionGroup(words, [ValueError(words), error]) from error
            except ExceptionGroup:
                tell("test.failed")
        sys.excepthook(OSError, OSError(words), None)
        task = asyncio.ensure_future(forgotten(words))
        await asyncio.wait([task])
        del task

    written = said.getvalue()
    assert [secret for _, secret in SECRETS.values() if secret in written] == []
    assert written.count("test.planted") == 2 * len(SECRETS)
    assert "process.crashed" in written
    assert "exceptiongroup" in written.lower()
    assert "test_redaction.py:" in written


class Broken(io.StringIO):
    """What a pipe is whose other end is gone."""

    tried = 0

    def write(self, _: str) -> int:
        self.tried += 1
        raise BrokenPipeError


@pytest.mark.usefixtures("said")
def test_a_line_that_nobody_reads_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Broken()
    monkeypatch.setattr(sys, "stderr", pipe)
    logs.configure("tickets")
    logs.get_logger().info("test.unread")
    assert pipe.tried == 1


def test_a_line_stays_whole_and_in_its_form(said: io.StringIO) -> None:
    logs.get_logger().info("test.whole", ms=1.5, rows=3, ok=True, nothing=None, of=["a", 1], why="two\nlines\x1b[31m")
    (line,) = said.getvalue().splitlines()
    if line.startswith("{"):
        told = json.loads(line)
        assert (told["ms"], told["rows"], told["ok"], told["nothing"], told["of"]) == (1.5, 3, True, None, ["a", 1])
        assert (told["event"], told["service"], told["level"]) == ("test.whole", "tickets", "info")
    assert "\x1b[31m" not in line.replace("\\x1b", "")


def test_settings_that_are_wrong_are_named_and_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_NATS_URL", "nats://tickets:planted@x")
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://x:planted@y/z")
    monkeypatch.setenv("COUNTERFOIL_DRAIN_SECONDS", "planted")
    with pytest.raises(ValidationError) as refused:
        ServiceSettings()
    assert "drain_seconds" in str(refused.value)
    assert "planted" not in str(refused.value)
    monkeypatch.setenv("COUNTERFOIL_DRAIN_SECONDS", "3")
    settings: BaseModel = ServiceSettings()
    assert "planted" not in repr(settings)
