"""What the gateway is told by its environment."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chassis.callout import issuer_of
from chassis.connection import servers
from chassis.settings import NatsUrl, ServiceSettings
from contracts.texts import Email


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query):
        msg = "must be http:// or https:// and a host, without a path"
        raise ValueError(msg)
    return url.rstrip("/")


def _listed(given: object) -> object:
    return [each.strip() for each in given.split(",") if each.strip()] if isinstance(given, str) else given


_NATS_SCHEMES = ("nats", "tls", "ws", "wss")


def _nats_address(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in _NATS_SCHEMES or not parts.hostname or parts.username or parts.path.strip("/")):
        msg = f"must be {', '.join(f'{scheme}://' for scheme in _NATS_SCHEMES)} and a host, without user or path"
        raise ValueError(msg)
    return url.rstrip("/")


def _issuer(seed: SecretStr) -> SecretStr:
    try:
        right = not seed or issuer_of(seed.get_secret_value()).startswith("A")
    except Exception:  # noqa: BLE001 - what nkeys raises for a seed that is none has no common kind
        right = False
    if not right:
        msg = "must be the seed of an account key: SA and 56 letters and digits"
        raise ValueError(msg)
    return seed


class Settings(ServiceSettings):
    """The shared settings, where the desk is reached, and what its first start makes."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    public_url: Annotated[str, AfterValidator(_origin)] = ""
    """Where people reach the desk, such as `https://desk.example.com`; with https cookies become `Secure`.
    Empty: wherever a request says it came to."""
    trusted_proxies: Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_listed)] = ()
    """The networks, such as `10.0.0.0/8, fd00::/8`, whose `X-Forwarded-For` says where a request comes from.
    Empty: limits go by the address that connects."""
    nats_public_url: Annotated[str, AfterValidator(_nats_address)] = ""
    """Where other systems reach NATS, such as `tls://nats.example.com:4222`. Empty: where the gateway does."""
    callout_nats_url: NatsUrl = Field("", repr=False)
    """As whom it answers NATS servers about other systems. These four go together; empty: none is let in."""
    keeper_nats_url: NatsUrl = Field("", repr=False)
    """As whom it makes and takes away their consumers."""
    kicker_nats_url: NatsUrl = Field("", repr=False)
    """As whom it cuts them off."""
    nats_issuer: Annotated[SecretStr, AfterValidator(_issuer)] = SecretStr("")
    """The seed of the account key that it signs their rights with."""
    integration: str = ""
    """An integration of the first workspace that stands in the configuration of NATS."""
    workspace: str = "demo"
    """Slug of the first workspace."""
    workspace_id: UUID | None = None
    """Its id, where it must be known beforehand."""
    owner_email: Email | None = None
    """Who owns it; without an address no workspace is made."""
    owner_password: SecretStr | None = None
    """Their password, at the first start; a weak one is warned of and taken."""
    demo: bool = True
    """Whether it begins with example tickets, and colleagues whom nobody can sign in as."""

    @model_validator(mode="after")
    def _all_that_lets_others_in_or_nothing(self) -> Self:
        together = (self.callout_nats_url, self.keeper_nats_url, self.kicker_nats_url, bool(self.nats_issuer))
        if any(together) and not all(together):
            msg = "callout_nats_url, keeper_nats_url, kicker_nats_url and nats_issuer go together"
            raise ValueError(msg)
        return self

    @property
    def nats_address(self) -> str:
        """Where other systems reach NATS."""
        return self.nats_public_url or servers(self.nats_url)[0].rstrip("/")

    @model_validator(mode="after")
    def _an_owner_has_a_password(self) -> Self:
        if (self.owner_email is None) != (self.owner_password is None):
            msg = "owner_email and owner_password go together"
            raise ValueError(msg)
        return self
