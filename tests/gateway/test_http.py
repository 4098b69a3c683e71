"""The door: who gets in, what is read, and how a "no" sounds."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from chassis.bus import Bus
from chassis.database import Database
from chassis.telemetry import Metrics
from contracts.base import Role
from contracts.texts import FORMS
from services.gateway.routes import _HANDLERS, web
from services.gateway.routes.bodies import Given
from services.gateway.routes.operations import describe
from services.gateway.usecases.accounts import Accounts
from tests.gateway.house import PASSWORD, House, desk_of, door, is_problem, without_trace
from tests.support.each import for_each

API = "/api/v1"
SAFETY = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
OPERATIONS = [
    (path, method.upper(), described)
    for path, methods in describe(_HANDLERS, "/")["paths"].items()
    for method, described in methods.items()
]


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with door(house) as client:
        yield client


@pytest.fixture
async def secure(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with door(house, "https://desk.example.com") as client:
        yield client


def concrete(path: str, workspace: str = "no-such-desk", **others: str) -> str:
    known = {"workspace": workspace, "ticket": "1", "token": "A" * 43, **others}
    return re.sub(r"{(\w+)}", lambda name: known.get(name[1], "0192f3c8-1111-7aaa-8bbb-0123456789ab"), path)


def body_of(described: dict[str, Any]) -> dict[str, Any]:
    """Return how a request of this operation sends a body, where it takes one."""
    return {"json": {}} if "requestBody" in described else {}


# Signing in and out


async def test_signing_in_gives_a_token_and_a_cookie(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    answer = await client.post(f"{API}/sessions", json={"email": ada.user.email, "password": PASSWORD})

    assert answer.status_code == 201
    body = answer.json()
    assert body["user"] == {"id": str(ada.user.id), "email": ada.user.email, "name": ada.user.name}
    assert body["workspaces"] == [{"id": workspace.id, "slug": workspace.slug, "name": workspace.name, "role": "owner"}]
    assert answer.headers["set-cookie"] == (
        f"counterfoil_session={body['token']}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"
    )
    me = await client.get(f"{API}/me", headers={"authorization": f"Bearer {body['token']}"})
    assert me.json()["csrf_token"] == body["csrf_token"]


async def test_by_tls_the_cookie_belongs_to_this_host_alone(house: House, secure: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    answer = await secure.post(f"{API}/sessions", json={"email": ada.user.email, "password": PASSWORD})

    assert answer.headers["set-cookie"].startswith("__Host-counterfoil=")
    assert answer.headers["set-cookie"].endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert (await secure.get(f"{API}/me")).status_code == 200


async def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()

    wrong = await client.post(f"{API}/sessions", json={"email": ada.user.email, "password": "wrong password"})
    unknown = await client.post(f"{API}/sessions", json={"email": "nobody@example.com", "password": "wrong password"})

    is_problem(wrong, 401, "unauthenticated")
    assert without_trace(wrong) == without_trace(unknown)
    assert len(wrong.content) == len(unknown.content)
    assert wrong.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_that_a_stranger_planted_is_never_taken_over(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    answer = await client.post(
        f"{API}/sessions",
        json={"email": ada.user.email, "password": PASSWORD},
        headers={"cookie": f"counterfoil_session={ada.token}"},
    )

    assert answer.json()["token"] != ada.token


async def test_after_signing_out_the_token_opens_nothing(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    answer = await client.delete(f"{API}/sessions/current", headers=ada.bearer)

    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    is_problem(await client.get(f"{API}/me", headers=ada.bearer), 401, "unauthenticated")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer "},
        {"authorization": "Bearer " + "A" * 43},
        {"authorization": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."},
        {"authorization": "Basic YWRhOnBhc3N3b3Jk"},
        {"cookie": "counterfoil_session="},
        {"cookie": "counterfoil_session=" + "A" * 43},
    ],
)
async def test_without_a_session_nobody_is_signed_in(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    is_problem(await client.get(f"{API}/me", headers=headers), 401, "unauthenticated")


async def test_a_token_in_the_address_is_not_read(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    for name in ("token", "access_token", "authorization", "counterfoil_session"):
        is_problem(await client.get(f"{API}/me", params={name: ada.token}), 401, "unauthenticated")


async def test_a_bearer_token_wins_over_the_cookie(house: House, client: httpx.AsyncClient) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    cookie = {"cookie": f"counterfoil_session={ada.token}"}

    both = await client.get(f"{API}/me", headers=cookie | bob.bearer)
    broken = await client.get(f"{API}/me", headers=cookie | {"authorization": "Bearer nonsense"})

    assert both.json()["user"]["name"] == "Bob"
    is_problem(broken, 401, "unauthenticated")


@for_each("described", OPERATIONS)
async def test_every_operation_but_the_open_ones_needs_a_session(
    client: httpx.AsyncClient, described: tuple[str, str, dict[str, Any]]
) -> None:
    path, method, operation = described
    answer = await client.request(method, concrete(path, assistant="nobody"), **body_of(operation))

    if operation.get("security") == [] or path.startswith("/widget/"):
        assert answer.status_code in (404, 422)
    else:
        is_problem(answer, 401, "unauthenticated")


# Cookies


OWN = "http://desk.test"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-csrf-token": "wrong"}, 403),
        ({"x-csrf-token": "ümlaut".encode("latin-1").decode("latin-1")}, 403),
        ({"x-csrf-token": "right"}, 201),
        ({"x-csrf-token": "right", "origin": OWN, "sec-fetch-site": "same-origin"}, 201),
        ({"x-csrf-token": "right", "origin": "http://desk.test:80"}, 201),
        ({"x-csrf-token": "right", "sec-fetch-site": "none"}, 201),
        ({"x-csrf-token": "right", "origin": "http://evil.test"}, 403),
        ({"x-csrf-token": "right", "origin": "http://desk.test.evil.test"}, 403),
        ({"x-csrf-token": "right", "origin": "http://desk.test:8080"}, 403),
        ({"x-csrf-token": "right", "origin": "null"}, 403),
        ({"x-csrf-token": "right", "origin": ""}, 403),
        ({"x-csrf-token": "right", "sec-fetch-site": "cross-site"}, 403),
        ({"x-csrf-token": "right", "sec-fetch-site": "same-site"}, 403),
    ],
)
async def test_a_cookie_alone_changes_nothing(
    house: House, client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    ada = await house.somebody()
    given = {key: ada.csrf if value == "right" else value for key, value in headers.items()}
    given = {key: value.encode("latin-1") for key, value in given.items()}  # type: ignore[misc]

    answer = await client.post(
        f"{API}/workspaces",
        json={"name": "Mine", "slug": f"s-{ada.user.id.hex[-8:]}"},
        headers={"cookie": f"x=1; counterfoil_session={ada.token}", **given},
    )

    assert answer.status_code == status, answer.text
    if status == 403:
        is_problem(answer, 403, "csrf_failed")


async def test_a_cookie_alone_may_read(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    cookie = {"cookie": f"counterfoil_session={ada.token}", "sec-fetch-site": "cross-site"}

    assert (await client.get(f"{API}/me", headers=cookie)).status_code == 200


async def test_a_program_with_a_bearer_token_needs_no_proof(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    headers = {**ada.bearer, "origin": "http://evil.test"}

    answer = await client.post(
        f"{API}/workspaces", json={"name": "Mine", "slug": f"s-{ada.user.id.hex[-8:]}"}, headers=headers
    )

    assert answer.status_code == 201


async def test_behind_a_proxy_the_public_address_is_our_own(house: House, secure: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    headers = {
        "cookie": f"__Host-counterfoil={ada.token}",
        "x-csrf-token": ada.csrf,
        "origin": "https://desk.example.com",
        "host": "10.0.0.7:8080",
    }

    answer = await secure.post(
        f"{API}/workspaces", json={"name": "Mine", "slug": f"s-{ada.user.id.hex[-8:]}"}, headers=headers
    )

    assert answer.status_code == 201


async def test_another_site_can_not_sign_a_browser_in(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    body = {"email": ada.user.email, "password": PASSWORD}

    answer = await client.post(f"{API}/sessions", json=body, headers={"origin": "http://evil.test"})

    is_problem(answer, 403, "csrf_failed")
    assert "set-cookie" not in answer.headers


# Workspaces and people


async def test_a_workspace_is_made_read_and_has_a_version(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    slug = f"s-{ada.user.id.hex[-8:]}"

    made = await client.post(f"{API}/workspaces", json={"name": "Support", "slug": slug}, headers=ada.bearer)
    read = await client.get(made.headers["location"], headers=ada.bearer)
    same = await client.get(made.headers["location"], headers={**ada.bearer, "if-none-match": made.headers["etag"]})

    assert made.status_code == 201
    assert made.headers["etag"] == read.headers["etag"] == '"1"'
    assert read.content == made.content
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"1"')
    is_problem(
        await client.post(f"{API}/workspaces", json={"name": "B", "slug": slug}, headers=ada.bearer), 409, "taken"
    )


async def test_a_repeat_with_the_same_key_gets_the_same_bytes(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    headers = {**ada.bearer, "idempotency-key": "the-first"}
    body = {"name": "Support", "slug": f"s-{ada.user.id.hex[-8:]}"}

    first = await client.post(f"{API}/workspaces", json=body, headers=headers)
    # The same words in another order are the same body.
    again = await client.post(f"{API}/workspaces", json=dict(reversed(body.items())), headers=headers)
    other = await client.post(f"{API}/workspaces", json={**body, "name": "Other"}, headers=headers)

    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert first.headers["location"] == again.headers["location"]
    is_problem(other, 422, "idempotency_key_reused")


async def test_an_invitation_is_followed_once(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    body = {"email": f"new@{workspace.slug}.example.com", "name": "Newcomer", "role": "member"}
    headers = {**ada.bearer, "idempotency-key": "k"}

    made = await client.post(f"{API}/workspaces/{workspace.slug}/invitations", json=body, headers=headers)
    again = await client.post(f"{API}/workspaces/{workspace.slug}/invitations", json=body, headers=headers)
    accept = f"{API}/invitations/{made.json()['token']}/accept"
    short = await client.post(accept, json={"password": "too short"})
    joined = await client.post(accept, json={"password": "long enough to do"})
    twice = await client.post(accept, json={"password": "long enough to do"})

    assert made.status_code == 201
    assert made.json()["url"] == f"http://desk.test/invitations/{made.json()['token']}"
    assert is_problem(again, 409, "already_answered")["id"] == made.json()["id"]
    assert is_problem(short, 422, "invalid")["errors"][0]["field"] == "password"
    assert "too short" not in short.text
    assert joined.status_code == 201
    assert joined.json()["workspaces"][0]["slug"] == workspace.slug
    assert "set-cookie" in joined.headers
    is_problem(twice, 404, "not_found")
    names = await client.get(f"{API}/workspaces/{workspace.slug}/members", headers=ada.bearer)
    assert [member["name"] for member in names.json()["items"]] == ["Ada Lovelace", "Newcomer"]


@pytest.mark.parametrize(
    ("role", "wanted", "status"),
    [(Role.ADMIN, "owner", 403), (Role.ADMIN, "admin", 201), (Role.MEMBER, "guest", 403), (Role.GUEST, "guest", 403)],
)
async def test_nobody_grants_more_than_they_have(
    house: House, client: httpx.AsyncClient, role: Role, wanted: str, status: int
) -> None:
    workspace = await house.workspace(await house.somebody())
    inviter = await house.member(workspace, role)

    answer = await client.post(
        f"{API}/workspaces/{workspace.id}/invitations",
        json={"email": "new@example.com", "name": "New", "role": wanted},
        headers=inviter.bearer,
    )

    assert answer.status_code == status


@pytest.mark.parametrize(
    "described", [pytest.param(each, id=each[2]["operationId"]) for each in OPERATIONS if "{workspace}" in each[0]]
)
async def test_a_foreign_workspace_answers_as_one_that_does_not_exist(
    house: House, client: httpx.AsyncClient, described: tuple[str, str, dict[str, Any]]
) -> None:
    path, method, operation = described
    eve = await house.somebody("Eve")
    foreign = await house.workspace(await house.somebody())

    answers = [
        await client.request(method, concrete(path, reference), headers=eve.bearer, **body_of(operation))
        for reference in (foreign.id, foreign.slug, "no-such-desk", "01930000-0000-7000-8000-000000000001", "x", "A B")
    ]

    is_problem(answers[0], 404, "not_found")
    assert {len(answer.content) for answer in answers} == {len(answers[0].content)}
    assert all(without_trace(answer) == without_trace(answers[0]) for answer in answers)
    assert all(answer.headers.keys() == answers[0].headers.keys() for answer in answers)


@pytest.mark.parametrize(
    "form", ["{%s}", "urn:uuid:%s", "%s%%0A", " %s", "%s-"], ids=["braces", "urn", "newline", "space", "more"]
)
@pytest.mark.parametrize("place", ["assistants", "contacts", "conversations", "bulk", "dead-letters"])
async def test_an_id_has_one_form_in_an_address(house: House, client: httpx.AsyncClient, place: str, form: str) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    address = f"/api/v1/workspaces/{workspace.id}/{place}/{form % '01930000-0000-7000-8000-000000000001'}"

    is_problem(await client.get(address, headers=ada.bearer), 404, "not_found")


# What is read


async def test_nobody_is_told_a_pattern(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = {"name": "Bob", "email": "nowhere", "role": "member"}
    refused = await client.post(f"/api/v1/workspaces/{workspace.id}/invitations", headers=ada.bearer, json=bob)

    (error,) = is_problem(refused, 422, "invalid")["errors"]
    assert error == {
        "field": "email",
        "code": "string_pattern_mismatch",
        "detail": "must be an e-mail address, such as name@example.com",
    }


def test_whoever_writes_another_form_is_told_which() -> None:
    untold = {
        (given.__name__, pattern)
        for given in _below(Given)
        for pattern in _patterns(given.model_rebuild(force=True) and given.__pydantic_core_schema__)
        if pattern not in FORMS
    }
    assert not untold


def _below(kind: type[Given]) -> Iterator[type[Given]]:
    for each in kind.__subclasses__():
        yield from (each, *_below(each))


def _patterns(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if schema.get("type") == "str" and "pattern" in schema:
            yield schema["pattern"]
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for each in schema:
            yield from _patterns(each)


async def test_a_field_that_is_not_named_is_refused_everywhere(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    refused = []

    for path, method, operation in OPERATIONS:
        if not takes_json(operation) or path.startswith("/widget/"):  # an assistant is looked for first
            continue
        for field, value in (("role", "owner"), ("is_admin", True), ("password_hash", "x"), ("workspace_id", "w")):
            if field == "role" and operation["operationId"] in ("invite", "change_role", "make_token"):
                continue
            answer = await client.request(
                method, concrete(path, workspace.slug), json={field: value}, headers=ada.bearer
            )
            errors = is_problem(answer, 422, "invalid")["errors"]
            assert {"field": field, "code": "extra_forbidden"}.items() <= next(
                each for each in errors if each["field"] == field
            ).items()
            refused.append(operation["operationId"])

    assert len(set(refused)) >= 6


@pytest.mark.parametrize("key", ["", "k" * 256, "k k", "ümlaut", "a\x00b", "a\nb", "a\tb", "\x7f"])
async def test_a_key_must_be_visible_ascii(house: House, client: httpx.AsyncClient, key: str) -> None:
    ada = await house.somebody()

    answer = await client.post(
        f"{API}/workspaces",
        json={"name": "Support", "slug": f"s-{ada.user.id.hex[-8:]}"},
        headers=[(b"authorization", ada.bearer["authorization"].encode()), (b"idempotency-key", key.encode("latin-1"))],
    )

    is_problem(answer, 400, "malformed")


async def test_a_key_is_checked_where_there_is_no_body_too(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    answer = await client.delete(f"{API}/sessions/current", headers={**ada.bearer, "idempotency-key": "k k"})

    is_problem(answer, 400, "malformed")
    assert (await client.get(f"{API}/me", headers=ada.bearer)).status_code == 200


async def test_a_key_of_255_characters_will_do_and_two_keys_will_not(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    body = {"name": "Support", "slug": f"s-{ada.user.id.hex[-8:]}"}
    bearer = ("authorization", ada.bearer["authorization"])

    two = await client.post(
        f"{API}/workspaces", json=body, headers=[bearer, ("idempotency-key", "a"), ("idempotency-key", "b")]
    )
    long = await client.post(f"{API}/workspaces", json=body, headers=[bearer, ("idempotency-key", "!" * 255)])

    is_problem(two, 400, "malformed")
    assert long.status_code == 201


GOOD = {"name": "Support", "slug": "support"}

UGLY = {
    "empty": b"",
    "not json": b"name=Support",
    "trailing comma": b'{"name": "Support", "slug": "support",}',
    "single quotes": b"{'name': 'x'}",
    "comment": b'{"name": "x" /* y */}',
    "two values": b"{} {}",
    "deep arrays": b"[" * 10_000 + b"]" * 10_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "deep inside": b'{"name": ' + b"[" * 30 + b"]" * 30 + b"}",
    "unclosed": b"[" * 200_000,
    "many keys": b"{" + b",".join(b'"k%d":1' % n for n in range(60_000)) + b"}",
    "many items": b'{"name": [' + b"1," * 400_000 + b"1]}",
    "duplicate keys": b'{"name": "a", "name": "b", "slug": "support"}',
    "duplicate keys inside": b'{"name": {"a": 1, "a": 2}}',
    "too large a number": b'{"name": 1e999}',
    "very long number": b'{"name": ' + b"9" * 5_000 + b"}",
    "nan": b'{"name": NaN}',
    "infinity": b'{"name": -Infinity}',
    "lone surrogate": b'{"name": "\\ud800", "slug": "support"}',
    "lone surrogate key": b'{"\\udfff": 1}',
    "nul": b'{"name": "a\\u0000b", "slug": "support"}',
    "raw nul": b'{"name": "a\x00b"}',
    "control": b'{"name": "a\\u001bb", "slug": "support"}',
    "line break": b'{"name": "a\\nb", "slug": "support"}',
    "utf-16": json.dumps(GOOD).encode("utf-16"),
    "utf-32": json.dumps(GOOD).encode("utf-32-le"),
    "latin-1": b'{"name": "M\xfcller", "slug": "support"}',
    "bom": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "null": b"null",
    "array": b"[]",
    "number": b"1",
    "string": b'"name"',
    "null field": b'{"name": null, "slug": "support"}',
    "number for text": b'{"name": 1, "slug": "support"}',
    "backslashes": b'{"name": "' + b'\\"' * 100_000,
    "quotes": b'"' * 300_001,
}


@pytest.mark.parametrize("raw", [pytest.param(raw, id=name) for name, raw in UGLY.items()])
async def test_ugly_json_is_refused_and_never_a_crash(house: House, client: httpx.AsyncClient, raw: bytes) -> None:
    ada = await house.somebody()

    answer = await client.post(
        f"{API}/workspaces", content=raw, headers={**ada.bearer, "content-type": "application/json"}
    )

    assert answer.status_code in (400, 422)
    is_problem(answer, answer.status_code, "malformed" if answer.status_code == 400 else "invalid")


async def test_text_with_many_brackets_and_colons_is_no_deep_json(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    name = '[[[[{{{{"\\' * 9 + ":" * 90

    answer = await client.post(
        f"{API}/workspaces", json={"name": name, "slug": f"s-{ada.user.id.hex[-8:]}"}, headers=ada.bearer
    )

    assert answer.status_code == 201
    assert answer.json()["name"] == name


@pytest.mark.parametrize(
    "media",
    [
        None,
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/merge-patch+json",
        "application/jsonx",
    ],
)
async def test_only_json_is_read(house: House, client: httpx.AsyncClient, media: str | None) -> None:
    ada = await house.somebody()
    headers = {"cookie": f"counterfoil_session={ada.token}", "x-csrf-token": ada.csrf}

    answer = await client.post(
        f"{API}/workspaces",
        content=json.dumps(GOOD).encode(),
        headers=headers | ({} if media is None else {"content-type": media}),
    )

    is_problem(answer, 415, "unsupported_media_type")


async def test_a_compressed_body_is_not_read(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    headers = {**ada.bearer, "content-type": "application/json", "content-encoding": "gzip"}

    is_problem(
        await client.post(f"{API}/workspaces", content=b"\x1f\x8b", headers=headers), 415, "unsupported_media_type"
    )


async def test_a_body_over_one_mebibyte_is_refused_however_it_comes(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    headers = {**ada.bearer, "content-type": "application/json"}

    def pieces() -> Iterator[bytes]:
        for _ in range(17):
            yield b" " * 65_536

    async def chunks() -> AsyncIterator[bytes]:
        for piece in pieces():
            yield piece

    announced = await client.post(f"{API}/workspaces", content=b" " * (1024 * 1024 + 1), headers=headers)
    chunked = await client.post(f"{API}/workspaces", content=chunks(), headers=headers)

    is_problem(announced, 413, "too_large")
    is_problem(chunked, 413, "too_large")


@pytest.mark.parametrize(
    "request_of",
    [
        {"headers": {"x-filler": "f" * 65_536}},
        {"headers": {f"x-filler-{n}": "f" * 400 for n in range(60)}},
        {"params": {"q": "f" * 20_000}},
    ],
    ids=["one", "many", "address"],
)
async def test_headers_over_16_kib_are_refused(client: httpx.AsyncClient, request_of: dict[str, Any]) -> None:
    is_problem(await client.get(f"{API}/me", **request_of), 431, "headers_too_large")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        ("role=owner&workspace_id=w", "role"),
        ("cursor=", "cursor"),
    ],
)
async def test_a_query_that_says_something_else_is_refused_by_name(
    house: House, client: httpx.AsyncClient, query: str, field: str
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    answer = await client.get(f"{API}/workspaces/{workspace.slug}/members?{query}", headers=ada.bearer)

    assert field in [each["field"] for each in is_problem(answer, 422, "invalid")["errors"]]


@pytest.mark.parametrize("query", ["cursor=AAAA", "cursor=" + "A" * 500, "limit=%ff", "limit=%c3%28"])
async def test_a_broken_cursor_or_query_is_malformed(house: House, client: httpx.AsyncClient, query: str) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    answer = await client.get(f"{API}/workspaces/{workspace.slug}/members?{query}", headers=ada.bearer)

    is_problem(answer, 400, "malformed")


@pytest.mark.parametrize(
    ("path", "query", "fields"),
    [
        ("tickets", "status=lost", {"status.0"}),
        ("tickets", "status=new&status=lost&priority=urgent", {"status.1", "priority.0"}),
        ("tickets", "assignee=somebody", {"assignee"}),
        ("tickets", "sort=id;drop", {"sort"}),
        ("tickets", "q=a%00b&tag=%00", {"q", "tag"}),
        ("tickets", "q=" + "x" * 201, {"q"}),
        ("tickets", "include=internal", {"include"}),
        ("tickets", "deleted=yes", {"deleted"}),
        ("tickets/1/notes", "include=internal", {"include"}),
        ("tickets/1/notes", "pinned=1", {"pinned"}),
        ("conversations", "linked=on&awaits_reply=TRUE", {"linked", "awaits_reply"}),
        ("notifications", "unread=t", {"unread"}),
        ("dead-letters", "limit=1000", {"limit"}),
        *((path, "planted=1", {"planted"}) for path in ("export", "erasures", "imports", "tickets/1/notes", "")),
        ("tickets/1/activity", "type=note_added&type=*&min_version=-1&after=x", {"type.1", "min_version", "after"}),
        ("feed", "after=-1&limit=101&role=owner", {"after", "limit", "role"}),
        ("audit/people", "after=1&after=2", {"after"}),
        ("audit/verify", "head=tickets:1:abc", {"head.0"}),
        ("events", "after=-1", {"after"}),
        ("events", "after=1&token=x", {"token"}),
    ],
)
async def test_a_list_is_asked_for_in_known_words_only(
    house: House, client: httpx.AsyncClient, path: str, query: str, fields: set[str]
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    answer = await client.get(f"{API}/workspaces/{workspace.slug}/{path}?{query}", headers=ada.bearer)

    assert {each["field"] for each in is_problem(answer, 422, "invalid")["errors"]} == fields


async def test_a_status_that_is_none_of_the_seven_is_refused_with_a_list_of_them(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    answer = await client.patch(
        f"{API}/workspaces/{workspace.slug}/tickets/1", json={"status": "done"}, headers=ada.bearer
    )

    (error,) = is_problem(answer, 422, "invalid")["errors"]
    assert error["field"] == "status"
    assert "waiting_on_customer" in error["detail"]
    assert "done" not in answer.text


@pytest.mark.parametrize("tag", ['"x"', "7", '"7', "W/7", '"0"', '"7", nonsense', "", '*, "7"'])
async def test_a_condition_that_can_not_be_read_is_malformed(house: House, client: httpx.AsyncClient, tag: str) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    answer = await client.patch(
        f"{API}/workspaces/{workspace.slug}/tickets/1",
        json={"subject": "x"},
        headers={**ada.bearer, "if-match": tag},
    )

    is_problem(answer, 400, "malformed")


# How a "no" sounds


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/api/v1", 404, "not_found"),
        ("GET", "/api/v2/me", 404, "not_found"),
        ("GET", "/schema", 404, "not_found"),
        ("GET", "/api/v1/../../etc/passwd", 404, "not_found"),
        ("PUT", "/api/v1/me", 405, "method_not_allowed"),
        ("POST", "/", 405, "method_not_allowed"),
        ("TRACE", "/api/v1/me", 405, "method_not_allowed"),
    ],
)
async def test_an_address_or_method_that_is_not_there_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await client.request(method, path)

    is_problem(answer, status, code)
    if status == 405:
        assert answer.headers["allow"]


async def test_every_answer_carries_the_headers_of_safety(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    answers = [
        await client.get("/"),
        await client.get("/api/openapi.json"),
        await client.get(f"{API}/me"),
        await client.get(f"{API}/me", headers=ada.bearer),
        await client.get("/nothing"),
        await client.get(f"{API}/me", headers={"x-filler": "f" * 65_536}),
        await client.options(f"{API}/me"),
        await client.delete(f"{API}/sessions/current", headers=ada.bearer),
    ]

    for answer in answers:
        assert SAFETY.items() <= dict(answer.headers).items()
        assert "strict-transport-security" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
        assert "server" not in answer.headers
    assert answers[2].headers["cache-control"] == answers[3].headers["cache-control"] == "no-store"


async def test_browsers_are_told_to_insist_on_tls_where_there_is_tls(secure: httpx.AsyncClient) -> None:
    assert "max-age" in (await secure.get("/")).headers["strict-transport-security"]


async def test_a_crash_tells_the_caller_nothing_but_a_trace(
    house: House, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await house.somebody()

    async def crash(*_: object) -> None:
        raise RuntimeError("select password_hash from users /var/lib/secret.txt")

    monkeypatch.setattr(Accounts, "me", crash)
    with capture_logs() as logs:
        answer = await client.get(f"{API}/me", headers=ada.bearer)

    problem = is_problem(answer, 500, "internal")
    assert problem.keys() == {"type", "title", "status", "detail", "code", "trace_id"}
    assert not re.search(r"select|secret|Traceback|\.py|/", answer.text.replace("trace_id", ""))
    crashed = next(line for line in logs if line["event"] == "http.crashed")
    assert "RuntimeError" in crashed["error"]
    assert "secret" not in str(crashed)


async def test_a_store_that_is_away_is_a_reason_to_come_back() -> None:
    database = Database("postgresql://nobody:x@127.0.0.1:9/none", "gateway")
    async with door(House(database)) as client:
        answer = await client.get(f"{API}/me", headers={"authorization": "Bearer " + "A" * 43})

    is_problem(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_trace_that_was_begun_elsewhere_is_continued(client: httpx.AsyncClient) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"

    continued = await client.get(f"{API}/me", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    broken = await client.get(f"{API}/me", headers={"traceparent": "00-xyz"})

    assert continued.json()["trace_id"] == continued.headers["x-trace-id"] == trace
    assert re.fullmatch("[0-9a-f]{32}", broken.headers["x-trace-id"])


async def test_each_request_is_one_line_in_the_log_and_no_secret_is_in_any(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    secrets = ["hunter2-planted", "planted-query", "planted-name", "planted-key", ada.token, ada.csrf, ada.user.email]

    with capture_logs() as logs:
        await client.post(f"{API}/sessions", json={"email": ada.user.email, "password": "hunter2-planted"})
        begun = await client.post(f"{API}/sessions", json={"email": ada.user.email, "password": PASSWORD})
        secrets.append(begun.json()["token"])
        await client.get(f"{API}/workspaces/{workspace.slug}/members?cursor=planted-query", headers=ada.bearer)
        await client.get(f"{API}/me?token=planted-query", headers={"cookie": f"counterfoil_session={ada.token}"})
        made = await client.post(
            f"{API}/workspaces/{workspace.slug}/invitations",
            json={"email": "planted@example.com", "name": "planted-name", "role": "guest"},
            headers={**ada.bearer, "idempotency-key": "planted-key"},
        )
        secrets += [made.json()["token"], "planted@example.com"]
        await client.post(f"{API}/invitations/{made.json()['token']}/accept", json={"password": "hunter2-planted"})

    lines = [line for line in logs if line["event"] == "http.answered"]
    assert [line["status"] for line in lines] == [401, 201, 400, 422, 201, 201]
    assert lines[2]["route"] == "/api/v1/workspaces/{workspace}/members"
    assert lines[2]["user_id"] == str(ada.user.id)
    assert lines[2]["workspace_id"] == workspace.id
    assert lines[5]["route"] == "/api/v1/invitations/{token}/accept"
    assert [secret for secret in secrets if secret in str(logs)] == []


async def test_requests_are_measured_by_template_and_never_by_id(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    metrics = Metrics("gateway")
    bus = Bus("", "gateway", house.database, metrics)
    app: Any = web(desk_of(house, bus), metrics)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=OWN) as client:
        await client.get(f"{API}/workspaces/{workspace.id}", headers=ada.bearer)
        await client.get(f"/{workspace.id}")
        await client.request("BREW", f"/{workspace.id}")

    told = generate_latest(metrics.registry).decode()
    assert 'route="/api/v1/workspaces/{workspace}",status="200"' in told
    assert 'method="other",route="unknown"' in told
    assert workspace.id not in told


# What the API says of itself

ONCE_BY_NATURE = {
    *("sign_in", "change_password", "forget_password", "reset_password", "rename_me"),
    *("retry_dead_letters", "drop_dead_letters", "replay_integration", "import_workspace"),
}
"""A repeat finds the session, password, link or letters that it needs gone, only begins one more session or mail, goes
on where it ended, or changes nothing any more."""

ONES_OWN = {"rename_me"}
"""What nobody else changes has no version to be insisted on."""


def takes_json(operation: dict[str, Any]) -> bool:
    return "application/json" in operation.get("requestBody", {}).get("content", {})


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


async def test_the_description_is_whole(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/openapi.json")
    document = answer.json()

    assert answer.headers["content-type"] == "application/json"
    assert document["openapi"].startswith("3.1")
    names = [described["operationId"] for _, _, described in OPERATIONS]
    assert len(names) == len(set(names))
    assert len(names) >= 16
    for target in references(document):
        node: Any = document
        for step in target.removeprefix("#/").split("/"):
            node = node[step]
    hosts = set(re.findall(r"https?://[^\"/ `]+", answer.text))
    assert {host for host in hosts if not host.endswith("example.com")} <= {"https://", "http://"}


@for_each("described", OPERATIONS)
def test_an_operation_says_what_it_takes_and_what_it_answers(described: tuple[str, str, dict[str, Any]]) -> None:
    path, method, operation = described
    parameters = [each["name"] for each in operation["parameters"] if "name" in each]
    taken = [each["$ref"].rpartition("/")[2] for each in operation["parameters"] if "$ref" in each]
    statuses = {int(status) for status in operation["responses"]}

    assert operation["tags"]
    assert operation["summary"]
    assert [name for name in re.findall(r"{(\w+)}", path) if name not in parameters] == []
    assert {status for status in statuses if status < 300} <= {200, 201, 202, 204}
    assert min(statuses) < 300
    for status, answer in operation["responses"].items():
        if int(status) >= 400:
            assert answer["content"] == {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            }
    if operation.get("security") != []:
        assert 401 in statuses
    if takes_json(operation):
        assert {400, 413, 415, 422} <= statuses
    if method in ("POST", "PATCH") and operation["operationId"] not in ONCE_BY_NATURE:
        assert "Idempotency-Key" in taken
    if method == "PATCH" and operation["operationId"] not in ONES_OWN:
        assert "If-Match" in taken
    if "{workspace}" in path:
        assert 404 in statuses


def test_every_route_of_the_api_is_described() -> None:
    assert [handler.handler_name for handler in _HANDLERS if "operation" not in handler.opt] == []


def test_every_model_that_is_sent_refuses_strangers() -> None:
    schemas = describe(_HANDLERS, "/")["components"]["schemas"]
    sent = [
        operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for _, _, operation in OPERATIONS
        if takes_json(operation)
    ]

    assert [name for name in [*sent, "TicketContact"] if schemas[name]["additionalProperties"] is not False] == []
