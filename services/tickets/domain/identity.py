"""Whom a customer's site vouches for: its signature, checked in constant time, within its time, once."""

import datetime as dt
import hashlib
import hmac
from uuid import UUID

from contracts.refusals import NotAllowed
from contracts.tickets import Identity

LONGEST = dt.timedelta(hours=24)
"""How far ahead a signature may end."""


def signature(secret: str, assistant_id: UUID, identity: Identity) -> str:
    """Return what the site has to write in `hmac`."""
    lines = (
        str(assistant_id),
        identity.user_id,
        str(identity.exp),
        identity.nonce,
        identity.name or "",
        identity.email or "",
    )
    return hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()


def check(identity: Identity, secret: str, assistant_id: UUID, now: dt.datetime) -> dt.datetime:
    """Return when the signature ends; raises NotAllowed for one that is wrong, over, or good for too long.

    Whether its nonce was used before is for the store to tell.
    """
    if not hmac.compare_digest(signature(secret, assistant_id, identity), identity.hmac):
        raise NotAllowed("The identity is not signed with this assistant's secret.")
    left = identity.exp - now.timestamp()
    if left <= 0:
        raise NotAllowed("The identity has expired; sign a new one.")
    if left > LONGEST.total_seconds():
        raise NotAllowed("The identity is good for more than 24 hours; sign one that ends sooner.")
    return dt.datetime.fromtimestamp(identity.exp, dt.UTC)
