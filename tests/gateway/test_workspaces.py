"""A workspace is renamed, handed over, left and ended, and people are asked in and not after all."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from contracts.base import Role
from services.gateway.domain import Workspace
from tests.gateway.house import PASSWORD, House, Somebody, door, is_problem, without_trace

API = "/api/v1/workspaces"
NOBODY = "0192f3c8-1111-7aaa-8bbb-0123456789ab"


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with door(house) as client:
        yield client


async def types(house: House, workspace: Workspace) -> list[str]:
    return [fact["type"].rpartition(".")[2] for fact in await house.facts(workspace.id)]


async def roles(house: House, workspace: Workspace) -> list[str]:
    async with house.database.transaction(workspace.id) as tx:
        rows = await tx.all(text("select role from memberships where workspace_id = :ws"), {"ws": workspace.id})
    return sorted(row["role"] for row in rows)


# Names


async def test_a_workspace_gets_other_names_and_is_found_by_them(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    slug = f"new-{workspace.slug}"

    renamed = await client.patch(f"{API}/{workspace.slug}", json={"name": "Support", "slug": slug}, headers=ada.bearer)
    same = await client.patch(f"{API}/{slug}", json={"name": "Support"}, headers=ada.bearer)
    nothing = await client.patch(f"{API}/{slug}", json={}, headers=ada.bearer)

    assert renamed.status_code == 200, renamed.text
    assert (renamed.json()["name"], renamed.json()["slug"], renamed.json()["version"]) == ("Support", slug, 2)
    assert renamed.headers["etag"] == '"2"'
    assert renamed.json() == same.json()
    is_problem(nothing, 422, "invalid")
    is_problem(await client.get(f"{API}/{workspace.slug}", headers=ada.bearer), 404, "not_found")
    (fact,) = [fact for fact in await house.facts(workspace.id) if fact["type"].endswith("workspace_changed")]
    assert (fact["body"]["old"]["slug"], fact["body"]["new"]["slug"]) == (workspace.slug, slug)
    assert fact["body"]["subject"] == {"kind": "workspace", "id": workspace.id, "version": 2}
    assert "Support" not in str(fact)


async def test_a_name_that_is_refused_changes_nothing(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace, other = await house.workspace(ada), await house.workspace(ada)
    path = f"{API}/{workspace.id}"

    is_problem(await client.patch(path, json={"slug": other.slug}, headers=ada.bearer), 409, "taken")
    for body in ({"slug": "A b"}, {"slug": NOBODY}, {"name": ""}, {"name": None}, {"slug": None}, {"version": 7}):
        is_problem(await client.patch(path, json=body, headers=ada.bearer), 422, "invalid")
    stale = {**ada.bearer, "if-match": '"1"'}
    assert (await client.patch(path, json={"name": "One"}, headers=stale)).status_code == 200
    problem = is_problem(await client.patch(path, json={"name": "Two"}, headers=stale), 412, "stale_version")
    assert [each["type"] for each in problem["missed"]] == ["workspace_changed"]
    assert (await client.get(path, headers=ada.bearer)).json()["name"] == "One"


@pytest.mark.parametrize("role", Role)
async def test_h7_only_who_runs_the_desk_renames_it_and_only_an_owner_ends_it(
    house: House, client: httpx.AsyncClient, role: Role
) -> None:
    workspace = await house.workspace(await house.somebody())
    who, heir = await house.member(workspace, role), await house.member(workspace, Role.MEMBER)
    path = f"{API}/{workspace.slug}"

    renamed = await client.patch(path, json={"name": "Mine"}, headers=who.bearer)
    handed = await client.post(f"{path}/ownership", json={"user_id": str(heir.user.id)}, headers=who.bearer)
    again = await house.member(workspace, role)
    ended = await client.request("DELETE", path, json={"confirm": workspace.slug}, headers=again.bearer)

    assert renamed.status_code == (200 if role.runs_the_desk else 403)
    assert handed.status_code == (200 if role is Role.OWNER else 403), handed.text
    assert ended.status_code == (204 if role is Role.OWNER else 403)


# The end


async def end(client: httpx.AsyncClient, workspace: Workspace, who: Somebody, **body: Any) -> httpx.Response:
    return await client.request(
        "DELETE", f"{API}/{workspace.slug}", json=body or {"confirm": workspace.slug}, headers=who.bearer
    )


async def test_a_workspace_that_ended_is_there_for_nobody_and_its_slug_is_free(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.ADMIN, "Bob")
    path = f"{API}/{workspace.slug}"
    token = (
        await client.post(
            f"{path}/tokens", json={"name": "T", "role": "admin", "scopes": ["people:read"]}, headers=bob.bearer
        )
    ).json()
    invited = (
        await client.post(
            f"{path}/invitations", json={"email": "n@example.com", "name": "N", "role": "guest"}, headers=bob.bearer
        )
    ).json()

    ended = await end(client, workspace, ada)

    assert (ended.status_code, ended.content) == (204, b"")
    missing = await client.get(f"{API}/no-such-desk", headers=ada.bearer)
    for who in (ada, bob):
        for reference in (workspace.slug, workspace.id):
            gone = await client.get(f"{API}/{reference}", headers=who.bearer)
            assert without_trace(gone) == without_trace(missing)
        me = await client.get("/api/v1/me", headers=who.bearer)
        assert me.json()["workspaces"] == []
    is_problem(
        await client.get(f"{path}/members", headers={"authorization": f"Bearer {token['token']}"}),
        401,
        "unauthenticated",
    )
    accepted = await client.post(
        f"/api/v1/invitations/{invited['token']}/accept", json={"password": "a brand new password"}
    )
    is_problem(accepted, 404, "not_found")
    is_problem(await end(client, workspace, ada), 404, "not_found")
    (*_, last) = await house.facts(workspace.id)
    assert last["type"].endswith("workspace_deleted")
    assert last["body"]["old"]["slug"] == workspace.slug
    fresh = await client.post(API, json={"name": "Again", "slug": workspace.slug}, headers=bob.bearer)
    assert fresh.status_code == 201, fresh.text
    assert fresh.json()["id"] != workspace.id
    assert (await client.get(path, headers=bob.bearer)).json()["id"] == fresh.json()["id"]


async def test_the_slug_must_be_said_to_end_a_workspace(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace, other = await house.workspace(ada), await house.workspace(ada)

    for confirm in (other.slug, workspace.id, "", workspace.slug.upper()):
        is_problem(await end(client, workspace, ada, confirm=confirm), 422, "invalid")
    assert (await client.get(f"{API}/{workspace.slug}", headers=ada.bearer)).status_code == 200
    assert await types(house, workspace) == ["workspace_created", "member_joined"]


async def test_whoever_comes_in_while_the_workspace_ends_is_in_it_no_longer(
    house: House, client: httpx.AsyncClient
) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    for _ in range(5):
        workspace = await house.workspace(ada)
        invited = await client.post(
            f"{API}/{workspace.slug}/invitations",
            json={"email": bob.user.email, "name": "Bob", "role": "admin"},
            headers=ada.bearer,
        )
        accepted, ended = await asyncio.gather(
            client.post(f"/api/v1/invitations/{invited.json()['token']}/accept", json={"password": PASSWORD}),
            end(client, workspace, ada),
        )

        assert ended.status_code == 204
        assert accepted.status_code in (201, 404)
        assert await roles(house, workspace) == []
        assert (await types(house, workspace))[-1] == "workspace_deleted"


# Ownership


async def test_the_ownership_is_handed_over_in_one_step(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.GUEST, "Bob")
    body = {"user_id": str(bob.user.id)}
    keyed = {**ada.bearer, "idempotency-key": "k"}

    handed = await client.post(f"{API}/{workspace.slug}/ownership", json=body, headers=keyed)
    repeated = await client.post(f"{API}/{workspace.slug}/ownership", json=body, headers=keyed)

    assert handed.status_code == 200, handed.text
    assert (handed.json()["id"], handed.json()["role"]) == (str(ada.user.id), "admin")
    assert repeated.content == handed.content
    assert await roles(house, workspace) == ["admin", "owner"]
    facts = [fact["body"] for fact in await house.facts(workspace.id) if fact["type"].endswith("role_changed")]
    assert [(fact["user_id"], fact["old"], fact["new"]) for fact in facts] == [
        (str(bob.user.id), "guest", "owner"),
        (str(ada.user.id), "owner", "admin"),
    ]
    assert len({fact["cause"] for fact in facts}) == 1
    back = await client.post(
        f"{API}/{workspace.slug}/ownership",
        json={"user_id": str(ada.user.id), "stay_as": "member"},
        headers=bob.bearer,
    )
    assert back.json()["role"] == "member"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user_id": NOBODY}, 422),
        ({"user_id": "me"}, 422),
        ({"user_id": NOBODY, "stay_as": "owner"}, 422),
        ({}, 422),
    ],
)
async def test_nobody_who_is_not_here_is_made_an_owner(
    house: House, client: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    stranger = await house.somebody("Eve")
    path = f"{API}/{workspace.slug}/ownership"

    missing = await client.post(path, json=body, headers=ada.bearer)
    foreign = await client.post(path, json={"user_id": str(stranger.user.id)}, headers=ada.bearer)
    own = await client.post(path, json={"user_id": str(ada.user.id)}, headers=ada.bearer)

    is_problem(missing, status, "invalid")
    if body == {"user_id": NOBODY}:
        assert without_trace(missing) == without_trace(foreign)
    assert is_problem(own, 422, "invalid")["errors"][0]["code"] == "yourself"
    assert await roles(house, workspace) == ["owner"]


async def test_everybody_may_leave_but_the_last_owner(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    people = [await house.member(workspace, role) for role in Role]

    for who in people:
        path = f"{API}/{workspace.slug}/members/{who.user.id}"
        assert (await client.delete(path, headers=who.bearer)).status_code == 204
        is_problem(await client.get(f"{API}/{workspace.slug}", headers=who.bearer), 404, "not_found")
    alone = await client.delete(f"{API}/{workspace.slug}/members/{ada.user.id}", headers=ada.bearer)

    is_problem(alone, 409, "conflict")
    left = [fact["body"] for fact in await house.facts(workspace.id) if fact["type"].endswith("member_removed")]
    assert [fact["actor"]["id"] for fact in left] == [fact["user_id"] for fact in left]
    assert [fact["old"] for fact in left] == [role.value for role in Role]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_who_may_leave_may_still_remove_nobody_else(house: House, client: httpx.AsyncClient, role: Role) -> None:
    workspace = await house.workspace(await house.somebody())
    who, other = await house.member(workspace, role), await house.member(workspace, Role.GUEST)

    answer = await client.delete(f"{API}/{workspace.slug}/members/{other.user.id}", headers=who.bearer)

    is_problem(answer, 403, "not_allowed")


async def test_h9_fifty_ways_at_once_leave_an_owner(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    owners = [ada, await house.member(workspace, Role.OWNER), await house.member(workspace, Role.OWNER)]
    base = f"{API}/{workspace.slug}"

    def tries() -> list[Any]:
        found = []
        for _ in range(6):
            for who, them in ((owners[0], owners[1]), (owners[1], owners[2]), (owners[2], owners[0])):
                heir = {"user_id": str(them.user.id), "stay_as": "guest"}
                found += [
                    client.delete(f"{base}/members/{who.user.id}", headers=who.bearer),
                    client.patch(f"{base}/members/{them.user.id}", json={"role": "admin"}, headers=who.bearer),
                    client.post(f"{base}/ownership", json=heir, headers=who.bearer),
                ]
        return found

    answers = await asyncio.gather(*tries())

    assert len(answers) >= 50
    assert {answer.status_code for answer in answers} <= {200, 204, 403, 404, 409, 422}
    assert (await roles(house, workspace)).count("owner") >= 1


# Invitations


async def invite(
    client: httpx.AsyncClient, workspace: Workspace, who: Somebody, email: str, role: str = "member"
) -> dict[str, Any]:
    answer = await client.post(
        f"{API}/{workspace.slug}/invitations", json={"email": email, "name": "New", "role": role}, headers=who.bearer
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_open_invitations_are_listed_without_their_secrets(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    made = [await invite(client, workspace, ada, f"{n}.{workspace.slug}@example.com") for n in range(4)]
    accepted = await client.post(
        f"/api/v1/invitations/{made[0]['token']}/accept", json={"password": "a brand new password"}
    )
    path = f"{API}/{workspace.slug}/invitations"

    first = (await client.get(f"{path}?limit=2", headers=ada.bearer)).json()
    rest = (await client.get(f"{path}?cursor={first['next_cursor']}", headers=ada.bearer)).json()
    house.clock.passes(hours=72)
    ada_again = await client.post("/api/v1/sessions", json={"email": ada.user.email, "password": PASSWORD})
    later = await client.get(path, headers={"authorization": f"Bearer {ada_again.json()['token']}"})

    assert accepted.status_code == 201
    assert [each["id"] for each in first["items"] + rest["items"]] == [each["id"] for each in reversed(made[1:])]
    assert rest["next_cursor"] is None
    assert all(each["token"] not in str((first, rest)) for each in made)
    assert first["items"][0]["email"] == f"3.{workspace.slug}@example.com"
    assert later.json()["items"] == []


async def test_an_invitation_that_was_taken_back_opens_nothing(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    lost, kept = [await invite(client, workspace, ada, f"{n}.{workspace.slug}@example.com") for n in range(2)]
    path = f"{API}/{workspace.slug}/invitations"

    revoked = await client.delete(f"{path}/{lost['id']}", headers=ada.bearer)
    answers = [
        await client.post(f"/api/v1/invitations/{each['token']}/accept", json={"password": "a brand new password"})
        for each in (lost, kept)
    ]

    assert (revoked.status_code, revoked.content) == (204, b"")
    is_problem(answers[0], 404, "not_found")
    assert answers[1].status_code == 201
    for id in (lost["id"], kept["id"], NOBODY, "x"):
        is_problem(await client.delete(f"{path}/{id}", headers=ada.bearer), 404, "not_found")
    (fact,) = [fact for fact in await house.facts(workspace.id) if fact["type"].endswith("invitation_revoked")]
    assert (fact["about_id"], fact["body"]["subject"]["version"]) == (lost["id"], 2)
    assert workspace.slug not in str(fact["body"])


async def test_invitations_are_seen_and_taken_back_by_who_runs_the_desk(
    house: House, client: httpx.AsyncClient
) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    workspace = await house.workspace(ada)
    admin = await house.member(workspace, Role.ADMIN)
    ownership = await invite(client, workspace, ada, f"o.{workspace.slug}@example.com", "owner")
    path = f"{API}/{workspace.slug}/invitations"

    for role in (Role.MEMBER, Role.GUEST):
        who = await house.member(workspace, role)
        is_problem(await client.get(path, headers=who.bearer), 403, "not_allowed")
        is_problem(await client.delete(f"{path}/{ownership['id']}", headers=who.bearer), 403, "not_allowed")
    is_problem(await client.get(path, headers=eve.bearer), 404, "not_found")
    other = await house.workspace(eve)
    foreign = await client.delete(f"{API}/{other.slug}/invitations/{ownership['id']}", headers=eve.bearer)
    is_problem(foreign, 404, "not_found")
    is_problem(await client.delete(f"{path}/{ownership['id']}", headers=admin.bearer), 403, "not_allowed")
    assert len((await client.get(path, headers=admin.bearer)).json()["items"]) == 1


async def test_an_inviter_who_leaves_takes_no_invitation_along(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.ADMIN, "Bob")
    made = await invite(client, workspace, bob, f"n.{workspace.slug}@example.com")

    await client.delete(f"{API}/{workspace.slug}/members/{bob.user.id}", headers=ada.bearer)

    accepted = await client.post(
        f"/api/v1/invitations/{made['token']}/accept", json={"password": "a brand new password"}
    )
    assert accepted.status_code == 201
