"""What a service is told by its environment; each `COUNTERFOIL_X` may be a file: `COUNTERFOIL_X_FILE`."""

import os
import re
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "COUNTERFOIL_"
_FIELD = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")


def _at(url: str, schemes: tuple[str, ...], *, host: bool) -> None:
    """Raise ValueError, in words that quote nothing, for what is no address: a password may stand in it."""
    try:
        parts = urlsplit(url)
        right = (
            parts.scheme in schemes and ("," in parts.netloc or parts.port != 0) and bool(parts.hostname or not host)
        )
    except ValueError:
        right = False
    if not right:
        these = " or ".join(f"{scheme}://" for scheme in schemes)
        msg = f"must be an address that begins with {these}; in a password write what is no letter or digit as %XX"
        raise ValueError(msg)


def _nats(urls: str) -> str:
    for each in urls.split(",") if urls else ():
        _at(each.strip(), ("nats", "tls"), host=True)
    return urls


def _authority(pem: str) -> str:
    try:
        if pem:
            ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):
        msg = "holds no certificate as PEM"
        raise ValueError(msg) from None
    return pem


def _database(url: str) -> str:
    _at(url, ("postgresql", "postgres"), host=False)
    return url


type NatsUrl = Annotated[str, AfterValidator(_nats)]
"""Where NATS is; empty where nothing is said."""


class _Files(PydanticBaseSettingsSource):
    """Reads `<PREFIX><FIELD>_FILE`: secrets belong in files, where no process list shows them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's signature
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found, unread = dict[str, Any](), list[InitErrorDetails]()
        for name, field in self.settings_cls.model_fields.items():
            try:
                value = self.get_field_value(field, name)[0]
            except (OSError, UnicodeDecodeError) as error:
                unread.append(_unread(f"{name}_file", error))
            else:
                found |= {} if value is None else {name: value}
        if unread:
            raise ValidationError.from_exception_data(self.settings_cls.__name__, unread, hide_input=True)
        return found


def _unread(place: str, error: OSError | UnicodeDecodeError) -> InitErrorDetails:
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    told = {"path": os.environ[PREFIX + place.upper()], "why": why}
    return InitErrorDetails(
        type=PydanticCustomError("file", "{path} can't be read: {why}", told), loc=(place,), input=None
    )


def wrongs(error: ValidationError) -> Iterator[tuple[str, str]]:
    """Yield each variable that is missing or wrong, and why, without a value; `settings` where several don't agree."""
    for each in error.errors(include_input=False, include_url=False):
        words = each["msg"].removeprefix("Value error, ")
        if each["loc"]:
            yield f"{PREFIX}{'_'.join(map(str, each['loc'])).upper()}", words
        else:
            yield "settings", _FIELD.sub(lambda field: PREFIX + field[0].upper(), words)


class ServiceSettings(BaseSettings):
    """Settings that all services share."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    nats_url: NatsUrl = Field(repr=False, min_length=1)
    """Where NATS is, with the service's own user and password; with commas between the servers of a cluster, and
    `tls://` where they speak TLS."""
    nats_ca: Annotated[str, AfterValidator(_authority)] = ""
    """The authority that signed NATS's certificate, as PEM; `COUNTERFOIL_NATS_CA_FILE` names its file.
    Empty: those that the machine trusts."""
    database_url: Annotated[str, AfterValidator(_database)] = Field(repr=False)
    """The service's own database, as its app role. As libpq reads it: `?sslmode=verify-full&sslrootcert=/ca.pem`
    asks for TLS and says who signed the server's certificate."""
    partitions: int = Field(1, ge=1, le=64)
    """In how many parts the tickets' facts are heard, each with a leader of its own; the same for every service, for
    `provision` and for `nats-accounts`."""
    http_host: str = "127.0.0.1"
    """The address to listen on."""
    http_port: int = 0
    """The port of health and metrics, for the gateway of the API and the pages too. 0 takes any free one."""
    metrics_token: str = Field("", repr=False)
    """Who may read `/metrics`, as `Authorization: Bearer …`. Empty: whoever reaches the port."""
    log_format: Literal["auto", "json", "pretty"] = "auto"
    """`json`, `pretty`, or `auto`: pretty on a terminal, JSON elsewhere."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is logged: `debug`, `info`, `warning` or `error`."""
    drain_seconds: float = 10
    """How long a stopping service may finish what it has begun."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then the files it names."""
        return init_settings, env_settings, _Files(settings_cls)
