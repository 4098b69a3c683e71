"""Labels stay bounded however strangers ask: a path, an id, a method or a code that they made up is in no metric."""

import asyncio
import secrets

import httpx
from prometheus_client.parser import text_string_to_metric_families

from contracts.base import SERVICES, Message, Request
from tests.support.stack import Desk, Stack

MARK = "zebra"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"}


async def series(stack: Stack, service: str) -> list[tuple[str, dict[str, str]]]:
    """Return every series that a service tells, by its health port."""
    address = stack.running[service]["health"].replace("/health/ready", "/metrics")
    async with httpx.AsyncClient(timeout=15) as http:
        text = (await http.get(address)).text
    return [(s.name, s.labels) for family in text_string_to_metric_families(text) for s in family.samples]


async def test_a_flood_of_made_up_paths_ids_and_methods_makes_no_label(stack: Stack, desk: Desk) -> None:
    made_up = [f"{MARK}{secrets.token_hex(4)}" for _ in range(40)]

    async def strange(http: httpx.AsyncClient, word: str) -> None:
        where = f"/api/v1/workspaces/demo/tickets/{word}"
        for method, path in (
            ("GET", f"/{word}"),
            ("GET", where),
            ("GET", f"/api/v1/workspaces/{word}/tickets"),
            ("PATCH", where),
            ("DELETE", f"/static/{word}/../../{word}"),
            (word.upper(), where),
            ("PURGE", where),
            ("GET", f"/password-resets/{word}"),
            ("GET", f"/widget/v1/{word}/config"),
            ("POST", f"{where}/{word}?{word}={word}"),
        ):
            await http.request(method, path, headers={"traceparent": word, "x-request-id": word})

    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as http:
        http.headers["authorization"] = f"Bearer {desk.token}"
        await strange(http, made_up[0])
        before = await series(stack, "gateway")
        await asyncio.gather(*(strange(http, word) for word in made_up[1:]))

    told = {service: await series(stack, service) for service in SERVICES}
    assert len(told["gateway"]) <= len(before) * 1.1
    assert [each for each in told.values() if MARK in str(each).lower()] == []
    methods = {labels["method"] for name, labels in told["gateway"] if name == "counterfoil_http_seconds_count"}
    assert "other" in methods
    assert methods <= METHODS
    known = {kind.TYPE for kind in Message.registry.values() if issubclass(kind, Request)}
    types = {
        labels["type"] for each in told.values() for name, labels in each if name.startswith("counterfoil_request")
    }
    assert types <= known
    everything = [labels for each in told.values() for _, labels in each]
    assert {name for labels in everything for name in labels} <= {
        *("le", "type", "outcome", "stream", "timer", "method", "route", "status", "reason"),
    }
