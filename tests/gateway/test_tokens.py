"""API tokens: what a program may do, where, for how long, and never more than whoever made it."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from contracts.base import ActorKind, Role
from services.gateway.domain import Scope, Workspace, outranks
from services.gateway.routes import _HANDLERS
from services.gateway.routes.operations import describe
from tests.gateway.house import House, Somebody, door, is_problem, without_trace

API = "/api/v1/workspaces"
EVERY = [scope.value for scope in Scope]


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with door(house) as client:
        yield client


def bearer(made: dict[str, Any]) -> dict[str, str]:
    return {"authorization": f"Bearer {made['token']}"}


async def ask(
    client: httpx.AsyncClient, workspace: Workspace, headers: dict[str, str], **fields: Any
) -> httpx.Response:
    body = {"name": "Nightly export", "role": "member", "scopes": ["people:read"], **fields}
    return await client.post(f"{API}/{workspace.slug}/tokens", json=body, headers=headers)


async def made(client: httpx.AsyncClient, workspace: Workspace, who: Somebody, **fields: Any) -> dict[str, Any]:
    answer = await ask(client, workspace, who.bearer, **fields)
    assert answer.status_code == 201, answer.text
    token: dict[str, Any] = answer.json()
    return token


async def can_read(client: httpx.AsyncClient, workspace: Workspace, token: dict[str, Any]) -> int:
    return (await client.get(f"{API}/{workspace.slug}/members", headers=bearer(token))).status_code


async def told(house: House, workspace: Workspace, *kinds: str) -> list[Any]:
    return [fact for fact in await house.facts(workspace.id) if fact["type"].rpartition(".")[2] in kinds]


async def test_a_token_is_told_once_and_only_its_hash_is_kept(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    with capture_logs() as logs:
        token = await made(client, workspace, ada, scopes=["people:read", "tickets:write", "tickets:read"])
        assert await can_read(client, workspace, token) == 200
    (listed,) = (await client.get(f"{API}/{workspace.slug}/tokens", headers=ada.bearer)).json()["items"]

    assert token["token"].startswith("cf_")
    assert len(token["token"]) == 46
    assert token["scopes"] == ["tickets:read", "tickets:write", "people:read"]
    assert listed == {key: value for key, value in token.items() if key != "token"} | {"used_at": listed["used_at"]}
    async with house.database.every_workspace("test") as tx:
        rows = [
            dict(row)
            for table in ("api_tokens", "event_log", "event_texts", "idempotency")
            for row in await tx.all(text(f"select * from {table} where workspace_id = :ws"), {"ws": workspace.id})
        ]
    for secret in (token["token"], token["token"].removeprefix("cf_")):
        assert secret not in str(rows)
        assert secret not in str(logs)
    (fact,) = await told(house, workspace, "token_created")
    assert (fact["audience"], fact["about_kind"], fact["about_id"]) == ("admins", "token", token["id"])
    assert (fact["body"]["role"], fact["body"]["scopes"]) == ("member", token["scopes"])
    assert "Nightly" not in str(fact)


async def test_a_repeat_with_the_same_key_names_the_token_and_not_its_secret(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    keyed = {**ada.bearer, "idempotency-key": "k"}

    first = await ask(client, workspace, keyed)
    again = await ask(client, workspace, keyed)

    problem = is_problem(again, 409, "already_answered")
    assert problem["id"] == first.json()["id"]
    assert first.json()["token"] not in again.text
    assert len((await client.get(f"{API}/{workspace.slug}/tokens", headers=ada.bearer)).json()["items"]) == 1


async def test_a_program_acts_under_its_own_name(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    token = await made(client, workspace, ada, role="admin", scopes=["people:write"])

    visitor = await house.people.visitor(token["token"], workspace.id, house.came().via)
    invited = await client.post(
        f"{API}/{workspace.slug}/invitations",
        json={"email": "new@example.com", "name": "New", "role": "guest"},
        headers=bearer(token),
    )

    caller = visitor.caller
    assert (caller.kind, caller.id, caller.name) == (ActorKind.INTEGRATION, f"token:{token['id']}", "Nightly export")
    assert (caller.role, caller.scopes) == (Role.ADMIN, ("people:write",))
    assert invited.status_code == 201, invited.text
    (fact,) = await told(house, workspace, "member_invited")
    assert (fact["body"]["actor"]["kind"], fact["body"]["actor"]["id"]) == ("integration", f"token:{token['id']}")


async def test_elsewhere_a_token_finds_nothing(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace, other = await house.workspace(ada), await house.workspace(ada)
    token = await made(client, workspace, ada, role="admin", scopes=EVERY)

    foreign = await client.get(f"{API}/{other.slug}/members", headers=bearer(token))
    missing = await client.get(f"{API}/no-such-desk/members", headers=bearer(token))

    is_problem(foreign, 404, "not_found")
    assert without_trace(foreign) == without_trace(missing)


OPERATIONS = [
    (path, method.upper(), described)
    for path, methods in describe(_HANDLERS, "/")["paths"].items()
    for method, described in methods.items()
]


def concrete(path: str, workspace: Workspace) -> str:
    nobody = "0192f3c8-1111-7aaa-8bbb-0123456789ab"
    names = {part[1:-1] for part in path.split("/") if part.startswith("{")}
    return path.format(**dict.fromkeys(names, nobody) | {"workspace": workspace.slug})


async def test_each_operation_takes_its_scope_and_no_other(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    tried = set()
    for path, method, described in OPERATIONS:
        match described.get("security"):
            case [{"bearer": [scope]}, _]:
                others = [each for each in EVERY if each != scope]
            case None:
                scope, others = None, EVERY
            case _:
                continue
        token = await made(client, workspace, ada, role="admin", scopes=others)
        refused = await client.request(method, concrete(path, workspace), headers=bearer(token))
        is_problem(refused, 403, "not_allowed")
        tried.add(scope)

    assert {None, "people:read", "people:write", "settings:write", "tickets:read", "audit:read"} <= tried


async def test_a_scope_lets_its_operation_through(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    base = f"{API}/{workspace.slug}"
    for scope, path in (
        ("people:read", "/members"),
        ("people:read", "/invitations"),
        ("people:read", "/tokens"),
        ("settings:read", ""),
    ):
        token = await made(client, workspace, ada, role="admin", scopes=[scope])
        assert (await client.get(f"{base}{path}", headers=bearer(token))).status_code == 200, path
    writes = await made(client, workspace, ada, role="admin", scopes=["settings:write"])
    renamed = await client.patch(base, json={"name": "Support"}, headers=bearer(writes))
    assert renamed.json()["name"] == "Support"


@pytest.mark.parametrize("path", ["/me", "/sessions", "/workspaces", "/password"])
async def test_no_program_uses_an_account(house: House, client: httpx.AsyncClient, path: str) -> None:
    ada = await house.somebody()
    token = await made(client, await house.workspace(ada), ada, role="admin", scopes=EVERY)
    method = "POST" if path in ("/workspaces", "/password") else "GET"

    answer = await client.request(method, f"/api/v1{path}", headers=bearer(token), json={})

    is_problem(answer, 403, "not_allowed")


@pytest.mark.parametrize(("own", "role"), list(itertools.product(Role, Role)))
async def test_h8_nobody_gives_a_token_more_than_they_have(
    house: House, client: httpx.AsyncClient, own: Role, role: Role
) -> None:
    workspace = await house.workspace(await house.somebody())
    who = await house.member(workspace, own)

    answer = await ask(client, workspace, who.bearer, role=role.value)

    if own.runs_the_desk and role is not Role.OWNER:
        assert answer.status_code == 201, answer.text
    else:
        is_problem(answer, 403, "not_allowed")
        is_problem(await client.get(f"{API}/{workspace.slug}/tokens", headers=who.bearer), 403, "not_allowed") if (
            not own.runs_the_desk
        ) else None


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": None},
        {"expires_in_days": 0},
        {"expires_in_days": 366},
        {"expires_in_days": "90"},
        {"name": ""},
        {"role": "superuser"},
        {"workspace_id": "w"},
        {"maker_id": "0192f3c8-1111-7aaa-8bbb-0123456789ab"},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(
    house: House, client: httpx.AsyncClient, fields: dict[str, Any]
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    is_problem(await ask(client, workspace, ada.bearer, **fields), 422, "invalid")
    assert await told(house, workspace, "token_created") == []


async def test_a_token_ends_after_ninety_days_unless_told_otherwise(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    usual = await made(client, workspace, ada)
    short, long = [await made(client, workspace, ada, expires_in_days=days) for days in (1, 365)]

    house.clock.passes(hours=24)
    assert [await can_read(client, workspace, each) for each in (short, usual, long)] == [401, 200, 200]
    house.clock.passes(days=89)
    assert [await can_read(client, workspace, each) for each in (usual, long)] == [401, 200]
    house.clock.passes(days=275)
    assert await can_read(client, workspace, long) == 401
    house.clock.passes(days=31)
    assert (await house.people.purge())["tokens"] >= 3


async def test_the_last_use_is_known_to_the_minute(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    token = await made(client, workspace, ada)

    async def used_at() -> Any:
        return (await client.get(f"{API}/{workspace.slug}/tokens", headers=ada.bearer)).json()["items"][0]["used_at"]

    never = await used_at()
    await can_read(client, workspace, token)
    first = await used_at()
    house.clock.passes(seconds=59)
    await can_read(client, workspace, token)
    same = await used_at()
    house.clock.passes(seconds=1)
    await can_read(client, workspace, token)

    assert never is None
    assert first == same
    assert await used_at() > first


async def test_a_revoked_token_opens_nothing_on_any_replica(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    token, other = await made(client, workspace, ada), await made(client, workspace, ada)
    path = f"{API}/{workspace.slug}/tokens/{token['id']}"

    revoked = await client.delete(path, headers=ada.bearer)

    assert (revoked.status_code, revoked.content) == (204, b"")
    async with door(house) as replica:
        assert await can_read(replica, workspace, token) == 401
        assert await can_read(replica, workspace, other) == 200
    is_problem(await client.delete(path, headers=ada.bearer), 404, "not_found")
    (fact,) = await told(house, workspace, "token_revoked")
    assert (fact["about_id"], fact["body"]["subject"]["version"]) == (token["id"], 2)
    assert fact["body"]["actor"]["id"] == str(ada.user.id)


async def test_nobody_revokes_a_token_of_another_workspace(house: House, client: httpx.AsyncClient) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    workspace, other = await house.workspace(ada), await house.workspace(eve)
    token = await made(client, workspace, ada)

    foreign = await client.delete(f"{API}/{other.slug}/tokens/{token['id']}", headers=eve.bearer)
    missing = await client.delete(f"{API}/{other.slug}/tokens/0192f3c8-1111-7aaa-8bbb-0123456789ab", headers=eve.bearer)

    assert without_trace(foreign) == without_trace(missing)
    is_problem(foreign, 404, "not_found")
    assert await can_read(client, workspace, token) == 200


@pytest.mark.parametrize("demoted", [Role.MEMBER, Role.GUEST, None])
async def test_a_token_never_has_more_than_its_maker_has_now(
    house: House, client: httpx.AsyncClient, demoted: Role | None
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.ADMIN, "Bob")
    tokens = {role: await made(client, workspace, bob, role=role.value) for role in Role if role is not Role.OWNER}
    adas = await made(client, workspace, ada, role="admin")
    path = f"{API}/{workspace.slug}/members/{bob.user.id}"

    if demoted is None:
        assert (await client.delete(path, headers=ada.bearer)).status_code == 204
    else:
        await client.patch(path, json={"role": demoted.value}, headers=ada.bearer)

    lives = {role: demoted is not None and outranks(demoted, role) for role in tokens}
    for role, token in tokens.items():
        assert await can_read(client, workspace, token) == (200 if lives[role] else 401), role
    assert await can_read(client, workspace, adas) == 200
    ended = {fact["about_id"] for fact in await told(house, workspace, "token_revoked")}
    assert ended == {tokens[role]["id"] for role, alive in lives.items() if not alive}
    if demoted is not None:
        await client.patch(path, json={"role": "owner"}, headers=ada.bearer)
        assert [await can_read(client, workspace, token) for token in tokens.values()] == [
            200 if alive else 401 for alive in lives.values()
        ]


async def test_what_was_revoked_by_nobody_is_refused_at_the_look_up_all_the_same(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.ADMIN, "Bob")
    token = await made(client, workspace, bob, role="admin")

    async with house.database.transaction(workspace.id) as tx:
        await tx.execute(
            text("update memberships set role = 'member' where workspace_id = :ws and user_id = :user"),
            {"ws": workspace.id, "user": bob.user.id},
        )

    assert await can_read(client, workspace, token) == 401


async def test_a_token_made_with_a_token_has_no_more_and_ends_with_it(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    scopes = ["people:write", "people:read"]
    parent = await made(client, workspace, ada, role="admin", scopes=scopes, expires_in_days=10)

    wider = await ask(client, workspace, bearer(parent), scopes=["people:read", "audit:read"])
    longer = await ask(client, workspace, bearer(parent), scopes=scopes, role="admin", expires_in_days=300)
    child = longer.json()
    grandchild = (await ask(client, workspace, bearer(child), scopes=["people:read"])).json()
    without = await made(client, workspace, ada, role="admin", scopes=["people:read"])

    is_problem(wider, 403, "not_allowed")
    assert child["expires_at"] == grandchild["expires_at"] == parent["expires_at"]
    assert child["maker_id"] == str(ada.user.id)
    is_problem(await ask(client, workspace, bearer(without)), 403, "not_allowed")
    assert await can_read(client, workspace, grandchild) == 200
    await client.delete(f"{API}/{workspace.slug}/tokens/{parent['id']}", headers=ada.bearer)
    assert [await can_read(client, workspace, each) for each in (parent, child, grandchild, without)] == [
        401,
        401,
        401,
        200,
    ]
    assert len(await told(house, workspace, "token_revoked")) == 3


async def test_a_token_may_end_itself(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    token = await made(client, workspace, ada, role="admin", scopes=["people:write"])

    ended = await client.delete(f"{API}/{workspace.slug}/tokens/{token['id']}", headers=bearer(token))

    assert ended.status_code == 204
    assert await can_read(client, workspace, token) == 401


async def test_no_token_outlives_the_demotion_that_it_was_made_during(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.ADMIN, "Bob")

    answers = await asyncio.gather(
        *(ask(client, workspace, bob.bearer, role="admin") for _ in range(10)),
        client.delete(f"{API}/{workspace.slug}/members/{bob.user.id}", headers=ada.bearer),
        *(ask(client, workspace, bob.bearer, role="admin") for _ in range(10)),
    )

    assert {answer.status_code for answer in answers} <= {201, 204, 404}
    for answer in answers:
        if answer.status_code == 201:
            assert await can_read(client, workspace, answer.json()) == 401
    assert (await client.get(f"{API}/{workspace.slug}/tokens", headers=ada.bearer)).json()["items"] == []


async def test_h34_a_token_in_the_address_or_a_cookie_is_not_read(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    secret = (await made(client, workspace, ada))["token"]
    path = f"{API}/{workspace.slug}/members"

    for name in ("token", "access_token", "api_key", "authorization"):
        is_problem(await client.get(path, params={name: secret}), 401, "unauthenticated")
    is_problem(await client.get(path, headers={"cookie": f"counterfoil_session={secret}"}), 401, "unauthenticated")
    for wrong in (secret.removeprefix("cf_"), f"cf_{'A' * 43}", f"{secret}A", secret.upper(), f"xx_{secret[3:]}"):
        is_problem(await client.get(path, headers={"authorization": f"Bearer {wrong}"}), 401, "unauthenticated")
    is_problem(await client.get(path, headers={"authorization": f"Basic {secret}"}), 401, "unauthenticated")


async def test_tokens_are_listed_newest_first_page_by_page(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    for n in range(3):
        await made(client, workspace, ada, name=f"Token {n}")

    path = f"{API}/{workspace.slug}/tokens"
    first = (await client.get(f"{path}?limit=2", headers=ada.bearer)).json()
    rest = (await client.get(f"{path}?limit=2&cursor={first['next_cursor']}", headers=ada.bearer)).json()

    assert [each["name"] for each in first["items"] + rest["items"]] == ["Token 2", "Token 1", "Token 0"]
    assert rest["next_cursor"] is None
