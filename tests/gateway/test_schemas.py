"""What the messages look like is told to everybody, and told in a moment to those who know it already."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from jsonschema import Draft202012Validator

from contracts.base import Message
from contracts.catalogue import SAMPLES, asyncapi, json_schemas
from tests.gateway.house import House, door, is_problem
from tests.support.each import for_each

ADDRESSES = ["/api/asyncapi.json", "/api/schemas/", "/api/schemas/tickets.events.v1.status_changed.json"]


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A stranger: nobody is signed in."""
    async with door(house) as client:
        yield client


async def test_a_stranger_reads_how_the_messages_travel(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/asyncapi.json")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == asyncapi()
    assert answer.json()["asyncapi"] == "3.0.0"


@pytest.mark.parametrize("address", ["/api/schemas/", "/api/schemas"])
async def test_the_index_leads_to_every_schema(client: httpx.AsyncClient, address: str) -> None:
    items = (await client.get(address)).json()["items"]
    found = {item["name"]: (await client.get(item["address"])).json() for item in items}

    assert found == json_schemas()
    assert [item["title"] for item in items] == [schema["title"] for schema in found.values()]


@for_each("subject", Message.registry)
async def test_the_name_of_a_schema_is_the_subject(client: httpx.AsyncClient, subject: str) -> None:
    answer = await client.get(f"/api/schemas/{subject}.json")

    assert answer.headers["content-type"] == "application/schema+json"
    sample = json.loads((SAMPLES / f"{subject}.json").read_bytes())
    assert Draft202012Validator(answer.json()).is_valid(sample)


@pytest.mark.parametrize("address", ADDRESSES)
async def test_who_has_it_is_not_told_again(client: httpx.AsyncClient, address: str) -> None:
    first = await client.get(address)
    again = await client.get(address, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    stale = await client.get(address, headers={"if-none-match": '"other"'})

    assert first.headers["cache-control"].startswith("public, max-age=")
    assert (again.status_code, again.content) == (304, b"")
    assert (again.headers["etag"], again.headers["cache-control"]) == (
        first.headers["etag"],
        first.headers["cache-control"],
    )
    assert (stale.status_code, stale.content) == (200, first.content)


@pytest.mark.parametrize(
    "name",
    [
        "tickets.events.v1.status_changed",
        "tickets.events.v9.status_changed.json",
        "nothing.json",
        ".json",
        "..%2fasyncapi.json",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    ],
)
async def test_a_schema_that_does_not_exist_is_not_there(client: httpx.AsyncClient, name: str) -> None:
    is_problem(await client.get(f"/api/schemas/{name}"), 404, "not_found")


@pytest.mark.parametrize("address", ADDRESSES)
async def test_nobody_changes_what_is_said(client: httpx.AsyncClient, address: str) -> None:
    is_problem(await client.post(address, json={}), 405, "method_not_allowed")


async def test_the_front_page_names_them(client: httpx.AsyncClient) -> None:
    front = (await client.get("/")).json()

    assert (front["asyncapi"], front["schemas"]) == ("/api/asyncapi.json", "/api/schemas")
