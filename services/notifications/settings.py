"""What notifications is told by its environment."""

from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from chassis.settings import ServiceSettings


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
