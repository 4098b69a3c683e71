"""What a service is told by its environment; each `COUNTERFOIL_X` may be a file: `COUNTERFOIL_X_FILE`."""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "COUNTERFOIL_"


class _Files(PydanticBaseSettingsSource):
    """Reads `<PREFIX><FIELD>_FILE`: secrets belong in files, where no process list shows them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's signature
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        return (Path(path).read_text(encoding="utf-8").strip() if path else None), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class ServiceSettings(BaseSettings):
    """Settings that all services share."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    nats_url: str = Field(repr=False)
    """Where NATS is, with the service's own user and password; with commas between the servers of a cluster, and
    `tls://` where they speak TLS."""
    nats_ca: str = ""
    """The authority that signed NATS's certificate, as PEM; `COUNTERFOIL_NATS_CA_FILE` names its file.
    Empty: those that the machine trusts."""
    database_url: str = Field(repr=False)
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
