"""A setting comes from an argument, the environment, or a file that the environment names: in this order."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from chassis.settings import ServiceSettings, wrongs
from services.notifications.settings import Settings as MailSettings


class Wider(ServiceSettings):
    """A service's own settings."""

    mail_password: str = ""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NATS_URL", "DATABASE_URL", "MAIL_PASSWORD", "LOG_LEVEL", "HTTP_PORT", "DRAIN_SECONDS"):
        for twin in ("", "_FILE"):
            monkeypatch.delenv(f"COUNTERFOIL_{name}{twin}", raising=False)


def test_every_setting_may_be_a_file_whose_last_line_break_does_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("nats_url", "nats://u:p@h"), ("database_url", "postgresql://d"), ("mail_password", "s3cret ")):
        (tmp_path / name).write_text(f"{value}\n", encoding="utf-8")
        monkeypatch.setenv(f"COUNTERFOIL_{name.upper()}_FILE", str(tmp_path / name))
    (tmp_path / "port").write_text("8123", encoding="utf-8")
    monkeypatch.setenv("COUNTERFOIL_HTTP_PORT_FILE", str(tmp_path / "port"))

    settings = Wider()

    assert (settings.nats_url, settings.database_url) == ("nats://u:p@h", "postgresql://d")
    assert (settings.mail_password, settings.http_port) == ("s3cret", 8123)


def test_an_argument_goes_before_the_environment_and_that_before_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("nats_url", "database_url", "log_level"):
        (tmp_path / name).write_text("error" if name == "log_level" else "postgresql://file", encoding="utf-8")
        monkeypatch.setenv(f"COUNTERFOIL_{name.upper()}_FILE", str(tmp_path / name))
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://environment")
    monkeypatch.setenv("COUNTERFOIL_NATS_URL", "nats://environment")

    settings = ServiceSettings(nats_url="nats://argument")

    assert (settings.nats_url, settings.database_url, settings.log_level) == (
        *("nats://argument", "postgresql://environment", "error"),
    )


def test_what_is_missing_or_wrong_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="nats_url"):
        ServiceSettings(database_url="postgresql://d")
    with pytest.raises(ValidationError, match="log_level"):
        ServiceSettings(nats_url="nats://n", database_url="postgresql://d", log_level="loud")  # type: ignore[arg-type]  # as above
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL_FILE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("COUNTERFOIL_MAIL_PASSWORD_FILE", str(tmp_path))
    (tmp_path / "bytes").write_bytes(b"\xff")
    monkeypatch.setenv("COUNTERFOIL_LOG_LEVEL_FILE", str(tmp_path / "bytes"))
    with pytest.raises(ValidationError) as unread:
        Wider(nats_url="nats://n")
    assert dict(wrongs(unread.value)) == {
        "COUNTERFOIL_DATABASE_URL_FILE": f"{tmp_path / 'nowhere'} can't be read: No such file or directory",
        "COUNTERFOIL_MAIL_PASSWORD_FILE": f"{tmp_path} can't be read: Is a directory",
        "COUNTERFOIL_LOG_LEVEL_FILE": f"{tmp_path / 'bytes'} can't be read: it is not UTF-8",
    }


def test_settings_that_do_not_agree_are_named_by_their_variables() -> None:
    with pytest.raises(ValidationError) as apart:
        MailSettings(nats_url="nats://n", database_url="postgresql://d", smtp_url="smtp://u:p4ss-w0rd@h")
    assert list(wrongs(apart.value)) == [
        ("settings", "COUNTERFOIL_MAIL_FROM must be an address once COUNTERFOIL_SMTP_URL is set")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            {"nats_url": url}
            for url in ("", "h:4222", "http://h", "nats://", "nats://u:[p4ss@h", "nats://h,nats://u:p4/ss@h")
        ),
        *({"database_url": url} for url in ("", "mysql://h/d", "postgresql://u:p4/ss@h/d", "postgresql://u:[p4ss@h/d")),
    ],
)
def test_what_is_no_address_is_said_without_the_password_in_it(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as told:
        ServiceSettings(**({"nats_url": "nats://n", "database_url": "postgresql://d"} | wrong))  # type: ignore[arg-type]  # all are words
    ((variable, why),) = wrongs(told.value)
    assert variable == f"COUNTERFOIL_{next(iter(wrong)).upper()}"
    assert "p4" not in why


@pytest.mark.parametrize("pem", ["p4ss", "-----BEGIN CERTIFICATE-----\np4\n-----END CERTIFICATE-----\n", "é"])
def test_an_authority_that_is_no_certificate_is_said_before_anybody_is_asked(pem: str) -> None:
    with pytest.raises(ValidationError) as told:
        ServiceSettings(nats_url="nats://n", database_url="postgresql://d", nats_ca=pem)
    ((variable, why),) = wrongs(told.value)
    assert variable == "COUNTERFOIL_NATS_CA"
    assert why.endswith("holds no certificate as PEM")


@pytest.mark.parametrize("url", ["postgresql://u:p%2F@/d?host=/run/pg", "postgres://u@h1:1,h2:2/d?sslmode=require"])
def test_what_libpq_reads_is_an_address(url: str) -> None:
    assert ServiceSettings(nats_url="nats://u:p@h:1, tls://h2:2", database_url=url).database_url == url
