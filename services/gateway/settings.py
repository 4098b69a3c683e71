"""What the gateway is told by its environment."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.settings import ServiceSettings
from contracts.texts import Email


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query):
        msg = "must be http:// or https:// and a host, without a path"
        raise ValueError(msg)
    return url.rstrip("/")


def _listed(given: object) -> object:
    return [each.strip() for each in given.split(",") if each.strip()] if isinstance(given, str) else given


class Settings(ServiceSettings):
    """The shared settings, where the desk is reached, and what its first start makes."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    public_url: Annotated[str, AfterValidator(_origin)] = ""
    """Where people reach the desk, such as `https://desk.example.com`; with https cookies become `Secure`.
    Empty: wherever a request says it came to."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_listed)] = ()
    """The networks, such as `10.0.0.0/8, fd00::/8`, whose `X-Forwarded-For` says where a request comes from.
    Empty: limits go by the address that connects."""
    workspace: str = "demo"
    """Slug of the first workspace."""
    workspace_id: UUID | None = None
    """Its id, where it must be known beforehand."""
    owner_email: Email | None = None
    """Who owns it; without an address no workspace is made."""
    owner_password: SecretStr | None = None
    demo: bool = True
    """Whether it begins with example tickets."""

    @model_validator(mode="after")
    def _an_owner_has_a_password(self) -> Self:
        if (self.owner_email is None) != (self.owner_password is None):
            msg = "owner_email and owner_password go together"
            raise ValueError(msg)
        return self
