"""Laws of the source that imports cannot express. Each is shown sinners and saints first, so that none is kept idly."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = {
    path.relative_to(ROOT): path.read_text(encoding="utf-8")
    for top in ("client", "contracts", "chassis", "services", "tests")
    for path in sorted((ROOT / top).rglob("*.py"))
}

type Lines = Iterator[int]


def name_of(node: ast.expr) -> str:
    """Return the word a reader would call it by: `broker` for both `broker` and `self._broker`."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_")
        case _:
            return ""


def calls(source: str, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and name_of(node.func) in names:
            yield node


def methods(source: str, *names: str, of: set[str]) -> Lines:
    for call in calls(source, *names):
        if isinstance(call.func, ast.Attribute) and name_of(call.func.value) in of:
            yield call.lineno


def imports(source: str) -> Iterator[tuple[int, str, str]]:
    """Yield the line, the module and the name taken from it, if any."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name, "") for alias in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from ((node.lineno, module, alias.name) for alias in names)


def says(call: ast.Call, keyword: str, value: object) -> bool:
    return any(
        each.arg == keyword and isinstance(each.value, ast.Constant) and each.value.value is value
        for each in call.keywords
    )


def subjects_written_by_hand(source: str) -> Lines:
    tree = ast.parse(source)
    prose = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if node not in prose:
                if re.search(r"\.(requests|events|intake)\.v(\d|$)", text):
                    yield node.lineno


def publishing_past_the_outbox(source: str) -> Lines:
    return methods(source, "publish", "publish_async", "request", of={"broker", "jetstream", "js", "nats", "nc"})


def clock_and_chance(source: str) -> Lines:
    makers = {"uuid1", "uuid4", "uuid6", "uuid7", "urandom"}
    for line, module, name in imports(source):
        if module in {"random", "secrets", "time"} or name in makers:
            yield line
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in makers:
                yield node.lineno
            case ast.Attribute(value=owner, attr="now" | "today" | "utcnow") if name_of(owner) in {"date", "datetime"}:
                yield node.lineno


def registrations(source: str) -> Iterator[ast.Call]:
    return (call for call in calls(source, "subscriber") if isinstance(call.func, ast.Attribute))


def subscribers(source: str) -> Lines:
    return (call.lineno for call in registrations(source))


def careless_subscribers(source: str) -> Lines:
    for call in registrations(source):
        if not {"ack_policy", "decoder", "pull_sub", "stream"} <= {keyword.arg for keyword in call.keywords}:
            yield call.lineno
    for call in calls(source, "PullSub"):
        if not says(call, "batch", value=True):
            yield call.lineno
    for call in calls(source, "JStream"):
        if not says(call, "declare", value=False):
            yield call.lineno
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.keyword(arg="max_deliver", value=ast.Constant(value=int(times))) if times < 1000:
                yield node.lineno


def sleeping(source: str) -> Lines:
    clocks = {"anyio", "asyncio", "time"}
    yield from methods(source, "sleep", of=clocks)
    yield from (line for line, module, name in imports(source) if module in clocks and name == "sleep")


def sql_of_more_than_constants(source: str) -> Lines:
    """Find where the linter was told not to mind how SQL is put together, without a word that it is of constants."""
    for number, line in enumerate(source.splitlines(), 1):
        if re.search(r"noqa: [A-Z0-9, ]*S608(?! - (constants|as above))", line):
            yield number


def growing_past_400(source: str) -> Lines:
    if len(source.splitlines()) > 400:
        yield 401


def guests(*welcome: str) -> Callable[[str], Lines]:
    at_home = {*sys.stdlib_module_names, *welcome}
    return lambda source: (line for line, module, _ in imports(source) if module.partition(".")[0] not in at_home)


def room(path: PurePath) -> tuple[str, ...]:
    return path.with_suffix("").parts


@dataclass(frozen=True)
class Law:
    sentence: str
    holds_in: Callable[[PurePath], bool]
    sins: Callable[[str], Lines]
    sinners: list[str]
    saints: list[str] = field(default_factory=list)


LAWS = [
    Law(
        "only contracts spell a subject",
        lambda path: room(path)[0] in {"chassis", "services"},
        subjects_written_by_hand,
        sinners=['x = "tickets.requests.v1.assign"', 'x = f"{owner}.events.v1.{name}"', 'x = f"{owner}.intake.v{n}"'],
        saints=['"""Hears tickets.events.v1.assigned."""', 'x = f"{owner}.events.>"', 'x = "/api/v1/events"'],
    ),
    Law(
        "nothing leaves a service but by its outbox",
        lambda path: room(path)[0] in {"contracts", "services"},
        publishing_past_the_outbox,
        sinners=["await self._broker.publish(x)", "js.publish(x)", "await nc.request(x)", "broker.publish_async(x)"],
        saints=["await tx.publish(x)", "await bus.ask(x)", "httpx.request(x)"],
    ),
    Law(
        "the domain knows neither the time nor chance",
        lambda path: room(path)[0] == "services" and "domain" in room(path),
        clock_and_chance,
        sinners=[
            "import random",
            "from time import time",
            "from uuid import uuid4",
            "ticket_id = uuid.uuid7()",
            "at = dt.datetime.now(dt.UTC)",
            "at: datetime = field(default_factory=datetime.now)",
            "on = date.today()",
        ],
        saints=["from uuid import UUID", "from datetime import time", "due = now + timedelta(hours=1)"],
    ),
    Law(
        "the domain is made of the standard library and contracts",
        lambda path: room(path)[0] == "services" and "domain" in room(path),
        guests("contracts", "services"),
        sinners=["import sqlalchemy as sa", "from chassis.database import Transaction", "from pydantic import Field"],
        saints=["import enum", "from contracts.tickets import TicketCreated", "from services.tickets.domain import x"],
    ),
    Law(
        "contracts need pydantic alone",
        lambda path: room(path)[0] == "contracts",
        guests("contracts", "pydantic", "pydantic_core"),
        sinners=["import nats", "from chassis import bus"],
        saints=["from pydantic import BaseModel", "from uuid import UUID"],
    ),
    Law(
        "only consumers subscribe",
        lambda path: room(path)[0] != "tests" and room(path)[:2] != ("chassis", "consumers"),
        subscribers,
        sinners=["@broker.subscriber('x')\nasync def hear(): ..."],
        saints=["@bus.hears(TicketCreated)\nasync def hear(): ..."],
    ),
    Law(
        "no subscriber trusts a default that loses messages",
        lambda path: room(path)[0] == "chassis",
        careless_subscribers,
        sinners=[
            "broker.subscriber('x')",
            "broker.subscriber('x', decoder=raw, pull_sub=pull, stream=stream)",
            "broker.subscriber('x', ack_policy=policy, pull_sub=pull, stream=stream)",
            "broker.subscriber('x', ack_policy=policy, decoder=raw, stream=stream)",
            "broker.subscriber('x', ack_policy=policy, decoder=raw, pull_sub=pull)",
            "broker.subscriber('x', **options)",
            "PullSub(batch_size=10)",
            "PullSub(batch_size=10, batch=False)",
            "JStream('TICKETS')",
            "ConsumerConfig(max_deliver=5)",
        ],
        saints=[
            "broker.subscriber('x', ack_policy=policy, decoder=raw, pull_sub=pull, stream=stream)",
            "PullSub(batch_size=100, batch=True)",
            "JStream('TICKETS', declare=False)",
            "subscriber(handler)",
            "ConsumerConfig(max_deliver=-1)",
        ],
    ),
    Law(
        "a test waits only by eventually",
        lambda path: room(path)[0] == "tests" and room(path)[:2] != ("tests", "support"),
        sleeping,
        sinners=["time.sleep(1)", "await asyncio.sleep(0)", "from asyncio import sleep"],
        saints=["await eventually(lambda: done, within=2)", "from time import monotonic"],
    ),
    Law(
        "SQL is put together of constants alone",
        lambda path: room(path)[0] in {"chassis", "services"},
        sql_of_more_than_constants,
        sinners=['q = f"select {x}"  # noqa: S608', 'q = f"select {x}"  # noqa: E501, S608 - a filter'],
        saints=['q = f"select {_X}"  # noqa: S608 - constants', 'q = f"select {_X}"  # noqa: S608 - as above'],
    ),
    Law(
        "no room is longer than 400 lines",
        lambda path: room(path)[0] != "tests",
        growing_past_400,
        sinners=["\n" * 401],
        saints=["\n" * 400],
    ),
]

every_law = pytest.mark.parametrize("law", LAWS, ids=lambda law: law.sentence.replace(" ", "-"))


@every_law
def test_a_law_knows_a_sinner_when_it_sees_one(law: Law) -> None:
    assert [source for source in law.sinners if not [*law.sins(source)]] == []


@every_law
def test_a_law_leaves_a_saint_in_peace(law: Law) -> None:
    assert [source for source in law.saints if [*law.sins(source)]] == []


@every_law
def test_the_house_keeps_the_law(law: Law) -> None:
    guarded = {path: source for path, source in SOURCES.items() if law.holds_in(path)}

    assert guarded, "nothing is left for this law to guard"
    assert [f"{path}:{line}" for path, source in guarded.items() for line in law.sins(source)] == []
