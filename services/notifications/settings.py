"""What notifications is told by its environment."""

import re
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings

_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*", re.IGNORECASE)


class Settings(ServiceSettings):
    """The shared settings, where mail goes, and where webhooks may."""

    smtp_url: str = Field(default="", repr=False)
    """`smtp://user:password@host:587`, or `smtps://` for TLS from the start. Empty: mail is kept and not sent."""
    mail_from: str = ""
    """Who mail is from: `desk@example.com` or `Support <desk@example.com>`."""
    public_url: str = ""
    """Where people find the desk, as the gateway is told: links in mail begin with it."""
    webhook_allow: str = ""
    """Networks beside the public internet that webhooks may lead to, over plain http too: `10.1.0.0/16,fd12::/48`."""

    inbound_url: str = ""
    """Where answers by mail are taken: `lmtp://127.0.0.1:8024`, or `smtp://`. Empty: nowhere."""
    inbound_domain: str = ""
    """What the address for answers ends with: `reply+<token>@inbound_domain`."""

    @property
    def opened(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of `webhook_allow`."""
        return tuple(ip_network(each.strip()) for each in self.webhook_allow.split(",") if each.strip())

    @model_validator(mode="after")
    def _opened_are_networks(self) -> Self:
        try:
            _ = self.opened
        except ValueError as error:
            msg = f"webhook_allow must name networks, such as 10.1.0.0/16: {error}"
            raise ValueError(msg) from None
        return self

    @model_validator(mode="after")
    def _answers_have_a_place_and_a_domain(self) -> Self:
        if self.inbound_url:
            parts = urlsplit(self.inbound_url)
            if parts.scheme not in ("lmtp", "smtp") or not parts.hostname or parts.port is None:
                msg = "inbound_url must be lmtp://address:port or smtp://address:port"
                raise ValueError(msg)
        if bool(self.inbound_url) != bool(self.inbound_domain):
            msg = "inbound_url and inbound_domain go together"
            raise ValueError(msg)
        if self.inbound_domain and not _DOMAIN.fullmatch(self.inbound_domain):
            msg = "inbound_domain must be a domain, such as in.example.com"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _mail_has_a_sender_and_a_server(self) -> Self:
        if self.smtp_url:
            parts = urlsplit(self.smtp_url)
            if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
                msg = "smtp_url must be smtp://host or smtps://host, with user, password and port where needed"
                raise ValueError(msg)
            if "@" not in parseaddr(self.mail_from)[1]:
                msg = "mail_from must be an address once smtp_url is set"
                raise ValueError(msg)
        return self
