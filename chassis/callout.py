"""Who comes from outside is asked about: nats-server's auth callout, answered with rights that we sign.

A server asks about everybody whom its configuration doesn't name; any replica answers. Silence would cost whoever
comes the whole wait, so that every question has an answer.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import uuid4

import nkeys  # type: ignore[import-untyped]
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from chassis.connection import flushed
from chassis.logs import get_logger
from chassis.provision import AUTH_SECONDS, AUTH_SUBJECT, CALLOUT, OUT, Outsider, outsider_says
from chassis.telemetry import Metrics

log = get_logger()

LIFE: Final = 600
"""Seconds until a server cuts whoever came in, whatever happens: it asks again when they come back."""
_MOST_SUBSCRIPTIONS: Final = 100
_MOST_AT_ONCE: Final = 200
_MOST_LOOKUPS: Final = 4
"""How many connections to the store strangers may take from those who work at the desk."""

type Admits = Callable[[str, str], Awaitable[Outsider | None]]
"""Tells who has this name and password."""


def draw_issuer() -> str:
    """Draw the seed that rights are signed with."""
    return str(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_ACCOUNT).decode())


def issuer_of(seed: str) -> str:
    """Return the public key that servers check what was signed by."""
    return str(nkeys.from_seed(seed.encode()).public_key.decode())


class Callout:
    """Answers for the servers of one NATS system."""

    def __init__(self, seed: str, admits: Admits, metrics: Metrics, clock: Callable[[], float] = time.time) -> None:
        """Sign with `seed`, and count what comes of it."""
        self._key = nkeys.from_seed(seed.encode())
        self._admits = admits
        self._answers = metrics.counter("callouts", "Answers to who wants to come in", "outcome")
        self._clock = clock
        self._lookups = asyncio.Semaphore(_MOST_LOOKUPS)
        self._ear: Subscription | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def listen(self, client: Client) -> None:
        """Answer whatever this connection, of the callout's own user, is asked."""
        self._ear = await client.subscribe(AUTH_SUBJECT, queue=CALLOUT, cb=self._asked)
        await flushed(client)

    async def hush(self, client: Client) -> None:
        """Be asked nothing more, and answer what was asked."""
        if self._ear is not None and client.is_connected:
            await self._ear.unsubscribe()
            await flushed(client, AUTH_SECONDS)
        await asyncio.gather(*self._answering)

    async def _asked(self, question: Msg) -> None:
        # nats-py calls back one by one: many come at once, and one that waits for the store must not hold up the rest.
        busy = len(self._answering) >= _MOST_AT_ONCE
        task = asyncio.create_task(self._answer(question, busy=busy))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, question: Msg, *, busy: bool) -> None:
        try:
            asked = read_question(question.data.decode())
        except (ValueError, KeyError, TypeError, BadSignatureError):
            log.warning("callout.unreadable")
            return
        about = asked["connect_opts"]
        said: dict[str, Any] = {"type": "authorization_response", "version": 2}
        outsider, outcome = await self._known(about.get("user") or "", about.get("pass") or "", busy=busy)
        self._answers.labels(outcome).inc()
        if outsider is None:
            said["error"] = "unknown user or wrong password"
        else:
            said["jwt"] = self._sign(self._rights(asked["user_nkey"], outsider))
        answer = {"sub": asked["user_nkey"], "aud": asked["server_id"]["id"], "nats": said}
        await question.respond(self._sign(answer).encode())

    async def _known(self, user: str, password: str, *, busy: bool) -> tuple[Outsider | None, str]:
        if busy:
            return None, "busy"
        try:
            async with asyncio.timeout(AUTH_SECONDS), self._lookups:
                found = await self._admits(user, password)
        except Exception as error:  # noqa: BLE001 - whatever is away: nobody comes in, and is told at once
            log.warning("callout.failed", error=repr(error))
            return None, "failed"
        return found, "admitted" if found else "refused"

    def _rights(self, nkey: str, outsider: Outsider) -> dict[str, Any]:
        return {
            "sub": nkey,
            "aud": OUT,
            "name": outsider.user,
            "exp": int(self._clock()) + LIFE,
            "nats": {
                "type": "user",
                "version": 2,
                "pub": {"allow": outsider_says(outsider)},
                "sub": {"allow": [f"{outsider.inbox_prefix}.>"]},
                "subs": _MOST_SUBSCRIPTIONS,
                # Zero is a limit; these have none beside the server's own.
                "data": -1,
                "payload": -1,
                "allowed_connection_types": ["STANDARD", "WEBSOCKET"],
            },
        }

    def _sign(self, claims: dict[str, Any]) -> str:
        head = _encoded(json.dumps({"typ": "JWT", "alg": "ed25519-nkey"}).encode())
        whole = claims | {"iss": self._key.public_key.decode(), "iat": int(self._clock()), "jti": uuid4().hex}
        signed = f"{head}.{_encoded(json.dumps(whole).encode())}"
        return f"{signed}.{_encoded(self._key.sign(signed.encode()))}"


def read_question(token: str) -> dict[str, Any]:
    """Return what a server asks; raises where it is not signed by the server that it names."""
    head, body, signature = token.split(".")
    claims = json.loads(_decoded(body))
    asked: dict[str, Any] = claims["nats"]
    if claims["iss"] != asked["server_id"]["id"]:
        msg = "it is signed by another server"
        raise ValueError(msg)
    # A public nkey is a byte that says of what, the key itself, and a checksum.
    key = base64.b32decode(claims["iss"])[1:33]
    VerifyKey(key).verify(f"{head}.{body}".encode(), _decoded(signature))
    return asked


def _encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
