"""What keeps a service from starting is said in one line of its log, in our own words, which hold no secret."""

import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from chassis.logs import configure, get_logger
from chassis.settings import ServiceSettings, wrongs

log = get_logger()

WRONGLY_TOLD = 2
"""Exit status of a process whose settings are missing or wrong."""


class Refused(RuntimeError):
    """A service does not work with what it found; its words say why."""


@contextmanager
def refusing(user: str) -> Iterator[None]:
    """Raise Refused where NATS will not do for this user: it is too old, speaks no TLS, or can't be trusted."""
    try:
        yield
    except RuntimeError as error:
        msg = f"{user}: {error}"
        raise Refused(msg) from error
    except ssl.SSLCertVerificationError as error:
        msg = f"{user}: NATS's certificate can't be trusted: {error.verify_message}"
        raise Refused(msg) from error


def told[S: ServiceSettings](service: str, read: Callable[[], S]) -> S:
    """Return what the environment says; ends the process with 2 where that is wrong, and names each variable."""
    try:
        return read()
    except ValidationError as error:
        configure(service)
        for variable, why in wrongs(error):
            log.critical("settings.wrong", variable=variable, why=why)
        sys.exit(WRONGLY_TOLD)
