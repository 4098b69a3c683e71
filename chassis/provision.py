"""Streams, durable consumers and the rights of NATS users: all derived from the contracts' registry, by one hand.

Services never declare or alter a stream; they lack the right, and compare instead (`drift`).
"""

import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client

from chassis.bus import wake_subject
from chassis.connection import connect, inbox_prefix
from chassis.jetstream import call, differences, ensure, is_missing, refused
from chassis.parts import copy_config, copy_name, parts
from contracts.base import SERVICES, Audience, DeadLetter, Event, Intake, Message, Request, TicketEvent
from contracts.signals import SIGNALS
from contracts.streams import DEADLETTERS, STREAMS, Stream, stream_of

PROVISIONER, OPERATOR = "provisioner", "operator"
KEEPER, CALLOUT, KICKER = "keeper", "callout", "kicker"
"""Whom the gateway enters as for other systems: it keeps their consumers, lets them in, and cuts them off."""
AUTH_SECONDS = 2
"""How long a server waits for a word on who wants to come in."""
AUTH_SUBJECT = "$SYS.REQ.USER.AUTH"
OUT = "OUT"
"""The account in which other systems live."""
_KEPT = ("DURABLE.CREATE", "INFO", "DELETE", "RESET")
_ACK_WAIT = dt.timedelta(seconds=30)
_MOST_UNACKED = 20_000


class Drift(Exception):
    """What is there differs from what the contracts say; nothing was changed."""

    def __init__(self, findings: Sequence[str]) -> None:
        """Name each difference."""
        self.findings = tuple(findings)
        super().__init__("; ".join(findings))


@dataclass(frozen=True, slots=True)
class Outsider:
    """Another system's NATS user: one workspace, one integration, in an account where nothing of ours lives."""

    workspace_id: str
    integration: str
    password: str = ""
    """Only of one that stands in the configuration; any other is known by the callout."""
    internal: bool = False
    """Whether it may read what is the team's own."""

    @property
    def user(self) -> str:
        """The name it signs in with."""
        return f"{self.integration}_{self.workspace_id}"

    @property
    def inbox_prefix(self) -> str:
        """The prefix of the only inboxes it may read."""
        return inbox_prefix(self.user)

    @property
    def durable(self) -> str:
        """The consumer that is made for it."""
        return f"int_{self.user}"


def users() -> tuple[str, ...]:
    """Return every user of ours; each needs a password, and enters whoever is away."""
    return (*SERVICES, PROVISIONER, OPERATOR, KEEPER, CALLOUT, KICKER)


# What is there


def stream_config(stream: Stream, replicas: int = 1) -> dict[str, Any]:
    """Return a stream as JetStream's API describes it: full means refused, never forgotten."""
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "storage": "file",
        "retention": "limits",
        "discard": "new",
        # By these too facts could be refused or thrown away: that there is no such limit is a part of the shape.
        "max_msgs": -1,
        "max_msgs_per_subject": -1,
        "no_ack": False,
        "allow_rollup_hdrs": False,
        "max_bytes": stream.max_bytes,
        "max_msg_size": stream.max_msg_size,
        "max_age": _nanoseconds(stream.max_age),
        "duplicate_window": _nanoseconds(stream.duplicate_window),
        "num_replicas": replicas,
        "allow_atomic": stream.batches,
    }


def consumer_config(durable: str, filters: Sequence[str] = ()) -> dict[str, Any]:
    """Return a durable pull consumer: acked by hand, delivered until it is."""
    config: dict[str, Any] = {
        "durable_name": durable,
        "ack_policy": "explicit",
        "deliver_policy": "all",
        "ack_wait": _nanoseconds(_ACK_WAIT),
        "max_deliver": -1,
        "headers_only": False,
        "max_ack_pending": _MOST_UNACKED,
    }
    return config | ({"filter_subjects": list(filters)} if filters else {})


def heard_streams(service: str) -> list[Stream]:
    """Return the streams that a service has a durable on. It hears a whole stream, so that a gap in positions shows."""
    heard = {stream_of(f"{m.SUBJECT}.w").name for m in Message.registry.values() if service in m.HEARD_BY}
    return [stream for stream in STREAMS if stream.name in heard]


def _heard(service: str, partitions: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the durables of a service: on whole streams, and on the parts of what is heard in parts."""
    for stream in heard_streams(service):
        yield stream.name, service, consumer_config(service)
        for part in parts(stream, partitions) if _is_copied(stream, partitions) else ():
            durable = part.durable(service)
            yield part.source, durable, consumer_config(durable, [part.subject])


def _is_copied(stream: Stream, partitions: int) -> bool:
    return stream.parted and partitions > 1


def relayed_streams(service: str) -> list[Stream]:
    """Return the streams that a service's relay publishes to."""
    facts = {stream_of(f"{event.SUBJECT}.w").name for event in Event.of_kind(service)}
    return [s for s in STREAMS if s.name in facts or (s is DEADLETTERS and DeadLetter.of_kind(service))]


def purged_streams(service: str) -> list[str]:
    """Return the streams that a service takes somebody's words out of.

    They are its own and, for who takes in what others send, these and what could not be applied of them.
    """
    own = {stream_of(f"{event.SUBJECT}.w").name for event in Event.of_kind(service)}
    intake = {stream_of(f"{message.SUBJECT}.w.i").name for message in Intake.of_kind(service)}
    return sorted(own | intake | ({DEADLETTERS.name} if intake else set()))


def public_subjects(workspace_id: str, *, internal: bool = False) -> list[str]:
    """Return the facts of a workspace that another system may read; the team's own only where an admin allows it."""
    seen = (Audience.EVERYONE, Audience.TEAM) if internal else (Audience.EVERYONE,)
    return [event.subject_for(workspace_id) for event in TicketEvent.of_kind() if event.AUDIENCE in seen]


def outsider_stream() -> str:
    """Return the name of the stream that other systems read."""
    return stream_of(f"{TicketEvent.of_kind()[0].SUBJECT}.w").name


def outsider_consumer(outsider: Outsider) -> dict[str, Any]:
    """Return the consumer that is made for another system."""
    return consumer_config(outsider.durable, public_subjects(outsider.workspace_id, internal=outsider.internal))


def _nanoseconds(span: dt.timedelta) -> int:
    return int(span.total_seconds() * 1_000_000_000)


def _durables(outsiders: Sequence[Outsider], partitions: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for service in SERVICES:
        yield from _heard(service, partitions)
    for outsider in outsiders:
        yield outsider_stream(), outsider.durable, outsider_consumer(outsider)


async def provision(
    nats_url: str,
    *,
    outsiders: Sequence[Outsider] = (),
    apply: bool = False,
    replicas: int = 1,
    partitions: int = 1,
    ca: str = "",
) -> None:
    """Make what is missing. What differs is refused (Drift), or brought in line with `apply`.

    `replicas` is on how many servers of a cluster each stream is kept, `partitions` in how many parts facts are heard.

    Raises RuntimeError for a server older than 2.14.
    """
    client = await connect(
        nats_url, PROVISIONER, closing=lambda: True, ca=ca, max_reconnect_attempts=10, connect_timeout=5
    )
    try:
        found: list[str] = []
        for stream in STREAMS:
            wanted = stream_config(stream, replicas)
            found += await ensure(client, f"STREAM.{{}}.{stream.name}", wanted, wanted, apply=apply)
        copies = [copy_config(each, partitions, replicas) for each in STREAMS if _is_copied(each, partitions)]
        # A copy forgets what nobody is there to hear: it is filled once its consumers are there.
        empty = [each for each in copies if await is_missing(client, each["name"])]
        for wanted in empty:
            found += await ensure(client, f"STREAM.{{}}.{wanted['name']}", {}, wanted | {"sources": []}, apply=False)
        for stream_name, durable, wanted in _durables(outsiders, partitions):
            body = {"stream_name": stream_name, "config": wanted}
            found += await ensure(client, f"CONSUMER.{{}}.{stream_name}.{durable}", wanted, body, apply=apply)
        for wanted in copies:
            apply_it = apply or wanted in empty
            found += await ensure(client, f"STREAM.{{}}.{wanted['name']}", wanted, wanted, apply=apply_it)
        if found:
            raise Drift(found)
    finally:
        await client.close()


async def drift(client: Client, service: str, partitions: int = 1) -> list[str]:
    """Return how the streams and durables that a service lives on differ from the contracts; empty when all is well."""
    found = _found(client, service, partitions)
    return [
        line async for name, wanted, answer in found for line in refused(name, answer) or _unlike(name, wanted, answer)
    ]


async def altered(client: Client, service: str, partitions: int = 1) -> list[str]:
    """Return the same of those that are there: what is missing may yet be made."""
    found = _found(client, service, partitions)
    return [line async for name, wanted, answer in found for line in _unlike(name, wanted, answer)]


def _unlike(name: str, wanted: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    return differences(name, wanted, answer["config"]) if "config" in answer else []


async def _found(
    client: Client, service: str, partitions: int
) -> AsyncIterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield the name of each stream and durable that a service lives on, how it should be, and what JetStream says."""
    heard = heard_streams(service)
    streams = {stream.name: stream_config(stream) for stream in (*heard, *relayed_streams(service))}
    copies = [copy_config(stream, partitions) for stream in heard if _is_copied(stream, partitions)]
    for name, config in (streams | {each["name"]: each for each in copies}).items():
        # How many copies there are is the operator's choice.
        wanted = {key: value for key, value in config.items() if key != "num_replicas"}
        yield name, wanted, await call(client, f"STREAM.INFO.{name}")
    for name, durable, wanted in _heard(service, partitions):
        yield f"{name}.{durable}", wanted, await call(client, f"CONSUMER.INFO.{name}.{durable}")


# Who may say what to whom


def rights(service: str, partitions: int = 1) -> tuple[list[str], list[str]]:
    """Return the subjects that a service may publish and subscribe to; replies to requests are allowed besides."""
    say = [f"{service}.{Event.KIND}.>", f"{service}.{DeadLetter.KIND}.>", wake_subject(service)]
    hear = [f"{inbox_prefix(service)}.>", wake_subject(service), "$SRV.>"]
    requests = [message for _, message in sorted(Message.registry.items()) if issubclass(message, Request)]
    say += [request.SUBJECT for request in requests if service in request.ASKED_BY]
    if any(service == request.OWNER for request in requests):
        hear += [f"{service}.{Request.KIND}.>"]
    if Intake.of_kind(service):
        say.append(intake_of(service))
        hear.append(intake_of(service))
    if service == "gateway":
        hear += [f"{owner}.{Event.KIND}.>" for owner in SERVICES if owner != "tickets"]
    hear += [f"{event.SUBJECT}.*" for event in Event.of_kind() if service in event.FOLLOWED_BY]
    signals = [f"{signal.SUBJECT}.*" for signal in SIGNALS if service == signal.OWNER]
    say += signals
    hear += signals
    heard = heard_streams(service)
    for name, durable, _ in _heard(service, partitions):
        one = f"{name}.{durable}"
        say += [f"$JS.API.CONSUMER.{verb}.{one}" for verb in ("INFO", "MSG.NEXT", "RESET")] + [f"$JS.ACK.{one}.>"]
    if any(service in letter.FOLLOWED_BY for letter in DeadLetter.of_kind()):
        say += [f"$JS.API.STREAM.MSG.GET.{DEADLETTERS.name}"]
    say += [f"$JS.API.STREAM.MSG.{verb}.{name}" for name in purged_streams(service) for verb in ("GET", "DELETE")]
    copies = {copy_name(stream, partitions) for stream in heard if _is_copied(stream, partitions)}
    streams = {stream.name for stream in (*heard, *relayed_streams(service))}
    say += [f"$JS.API.STREAM.INFO.{name}" for name in sorted(streams | copies)]
    return say, hear


def accounts(passwords: Mapping[str, str], issuer: str, outsiders: Sequence[Outsider] = (), partitions: int = 1) -> str:
    """Return who may enter NATS: `APP` for us, `OUT` for others, `AUTH` for the callout, `SYS` for who may cut off.

    Others live behind a wall, not only behind rights: rights don't cover the reply subject, and a system inside `APP`
    could have JetStream answer into `$JS.API.STREAM.DELETE.…`. Whoever is not named here is asked about; `issuer` is
    the public key of whoever answers.
    """
    app = [_user(service, passwords[service], *rights(service, partitions), responds=True) for service in SERVICES]
    api = [f"$JS.API.{verb}" for verb in ("INFO", "STREAM.CREATE.*", "STREAM.UPDATE.*", "STREAM.INFO.*")]
    api += [f"$JS.API.CONSUMER.{verb}" for verb in ("INFO.*.*", "DURABLE.CREATE.*.*")]
    app.append(_user(PROVISIONER, passwords[PROVISIONER], api, _own_inbox(PROVISIONER)))
    look = ["$SRV.>", "$JS.API.INFO"]
    look += [f"$JS.API.STREAM.{verb}" for verb in ("NAMES", "LIST", "INFO.*", "MSG.GET.*")]
    look += [f"$JS.API.CONSUMER.{verb}" for verb in ("NAMES.*", "LIST.*", "INFO.*.*")]
    app.append(_user(OPERATOR, passwords[OPERATOR], look, _own_inbox(OPERATOR)))
    stream = outsider_stream()
    keep = [f"$JS.API.CONSUMER.{verb}.{stream}.*" for verb in _KEPT]
    keep += [f"$JS.API.STREAM.{verb}.{stream}" for verb in ("INFO", "MSG.GET")]
    hands_off = [f"$JS.API.CONSUMER.{verb}.{stream}.{service}" for verb in _KEPT for service in SERVICES]
    app.append(_user(KEEPER, passwords[KEEPER], keep, _own_inbox(KEEPER), never=hands_off))
    out = [_user(o.user, o.password, outsider_says(o), [f"{o.inbox_prefix}.>"]) for o in outsiders]
    # An empty list of what is allowed would allow everything.
    inbox = _own_inbox(CALLOUT)
    auth = [_user(CALLOUT, passwords[CALLOUT], inbox, [f"{AUTH_SUBJECT} {CALLOUT}", *inbox], responds=True)]
    cut = [f"$SYS.REQ.ACCOUNT.{OUT}.CONNZ", "$SYS.REQ.SERVER.*.KICK"]
    system = [_user(KICKER, passwords[KICKER], cut, _own_inbox(KICKER))]
    doors = [
        *sorted({f"{message.OWNER}.{Intake.KIND}.>" for message in Intake.of_kind()}),
        f"$JS.API.CONSUMER.INFO.{stream}.*",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
        f"$JS.ACK.{stream}.>",
    ]
    exports = [
        f'{{ service: "{door}", accounts: [{OUT}]{", response_type: stream" if "MSG.NEXT" in door else ""} }}'
        for door in doors
    ]
    imports = [
        f'{{ service: {{ account: APP, subject: "{door}" }}{renamed} }}' for door in doors for renamed in _names(door)
    ]
    known = json.dumps([*users(), *(outsider.user for outsider in outsiders)])
    return "\n".join(
        [
            "system_account: SYS",
            "accounts {",
            *("  APP: {", "    jetstream: enabled", _block("users", app), _block("exports", exports), "  }"),
            *(f"  {OUT}: {{", _block("users", out), _block("imports", imports), "  }"),
            *("  AUTH: {", _block("users", auth), "  }"),
            *("  SYS: {", _block("users", system), "  }"),
            "}",
            "authorization {",
            f"  timeout: {AUTH_SECONDS}",
            f"  auth_callout {{ issuer: {issuer}, account: AUTH, auth_users: {known}, allowed_accounts: [{OUT}] }}",
            "}",
            "",
        ]
    )


def _own_inbox(user: str) -> list[str]:
    return [f"{inbox_prefix(user)}.>"]


def _names(door: str) -> list[str]:
    """Return under which names others find it.

    An account without JetStream can't be asked for INFO under the API's own name; `$JS.APP.API` is that of a domain, by
    which clients ask for everything once they are told it. Those that need no INFO ask for messages without it.
    """
    of_the_domain = f', to: "{door.replace("$JS.API", "$JS.APP.API")}"'
    if "MSG.NEXT" in door:
        return ["", of_the_domain]
    return [of_the_domain if "CONSUMER.INFO" in door else ""]


def outsider_says(outsider: Outsider) -> list[str]:
    """Return all that another system may publish to: its intake, and what it may ask of its own consumer."""
    stream = outsider_stream()
    return [
        *intake_subjects(outsider),
        f"$JS.APP.API.CONSUMER.INFO.{stream}.{outsider.durable}",
        f"$JS.APP.API.CONSUMER.MSG.NEXT.{stream}.{outsider.durable}",
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{outsider.durable}",
        f"$JS.ACK.{stream}.{outsider.durable}.>",
    ]


def intake_subjects(outsider: Outsider) -> list[str]:
    """Return where another system publishes what it wants of us."""
    versions = sorted({intake.SUBJECT.rpartition(".")[0] for intake in Intake.of_kind()})
    return [f"{version}.*.{outsider.workspace_id}.{outsider.integration}" for version in versions]


def intake_of(service: str) -> str:
    """Return all subjects on which other systems say what they want of a service."""
    return f"{service}.{Intake.KIND}.*.*.*.*"


def _user(
    name: str,
    password: str,
    say: Sequence[str],
    hear: Sequence[str],
    *,
    never: Sequence[str] = (),
    responds: bool = False,
) -> str:
    replies = ', allow_responses: { max: 1, expires: "1m" }' if responds else ""
    publish = f"allow: {json.dumps(list(say))}"
    publish += f", deny: {json.dumps(list(never))}" if never else ""
    allowed = f"publish: {{ {publish} }}, subscribe: {{ allow: {json.dumps(list(hear))} }}{replies}"
    return f"{{ user: {json.dumps(name)}, password: {json.dumps(password)}, permissions: {{ {allowed} }} }}"


def _block(name: str, items: Sequence[str]) -> str:
    return "\n".join([f"    {name}: [", *(f"      {item}" for item in items), "    ]"])
