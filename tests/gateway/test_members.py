"""Who may say who is here and as what, over HTTP and on a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.base import Role
from services.gateway import domain, store
from services.gateway.domain import Workspace
from tests.gateway.house import House, Somebody, door, is_problem

API = "/api/v1/workspaces"


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with door(house) as client:
        yield client


def path(workspace: Workspace, who: Somebody) -> str:
    return f"{API}/{workspace.slug}/members/{who.user.id}"


async def somebody_as(house: House, workspace: Workspace, role: Role, owner: Somebody) -> Somebody:
    return owner if role is Role.OWNER else await house.member(workspace, role)


async def roles(house: House, workspace: Workspace) -> list[str]:
    async with house.database.transaction(workspace.id) as tx:
        return sorted(member.role for member in await store.members(tx, workspace.id, None, 100))


MAY = {
    # Who asks, about whom: the roles they may give, and whether they may remove them.
    (Role.OWNER, Role.OWNER): ({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
    (Role.OWNER, Role.ADMIN): ({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
    (Role.OWNER, Role.MEMBER): ({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
    (Role.OWNER, Role.GUEST): ({Role.OWNER, Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
    (Role.ADMIN, Role.ADMIN): ({Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
    (Role.ADMIN, Role.MEMBER): ({Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
    (Role.ADMIN, Role.GUEST): ({Role.ADMIN, Role.MEMBER, Role.GUEST}, True),
}


@pytest.mark.parametrize("asks", Role)
@pytest.mark.parametrize("about", Role)
async def test_each_role_changes_and_removes_whom_it_may_and_nobody_else(
    house: House, client: httpx.AsyncClient, asks: Role, about: Role
) -> None:
    owner = await house.somebody()
    workspace = await house.workspace(owner)
    may, may_remove = MAY.get((asks, about), (set(), False))
    who = await somebody_as(house, workspace, asks, owner)
    them = await house.member(workspace, about, "Them")

    for wanted in Role:
        async with house.database.transaction(workspace.id) as tx:
            member = await store.member(tx, workspace.id, them.user.id)
            assert member is not None
            await store.save_member(tx, workspace.id, domain.Member(member.user, about, member.version, house.clock()))
        answer = await client.patch(path(workspace, them), json={"role": wanted}, headers=who.bearer)
        assert answer.status_code == (200 if wanted in may else 403), (wanted, answer.text)
        if wanted in may:
            assert (answer.json()["role"], answer.headers["etag"]) == (wanted, f'"{answer.json()["version"]}"')
    if not may_remove:
        is_problem(await client.delete(path(workspace, them), headers=who.bearer), 403, "not_allowed")


async def test_a_change_and_a_removal_are_told_and_take_effect_at_once(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.MEMBER, "Bob")

    changed = await client.patch(path(workspace, bob), json={"role": "admin"}, headers=ada.bearer)
    same = await client.patch(path(workspace, bob), json={"role": "admin"}, headers=ada.bearer)
    may_invite = await client.patch(path(workspace, bob), json={"role": "admin"}, headers=bob.bearer)
    removed = await client.delete(path(workspace, bob), headers=ada.bearer)
    again = await client.delete(path(workspace, bob), headers=ada.bearer)

    assert (changed.json()["role"], changed.json()["version"]) == ("admin", 2)
    assert same.json() == changed.json()
    assert may_invite.status_code == 200
    assert (removed.status_code, removed.content) == (204, b"")
    is_problem(again, 404, "not_found")
    is_problem(await client.get(f"{API}/{workspace.slug}", headers=bob.bearer), 404, "not_found")
    facts = [fact for fact in await house.facts(workspace.id) if fact["about_id"] == str(bob.user.id)]
    assert [fact["type"].rpartition(".")[2] for fact in facts] == ["member_joined", "role_changed", "member_removed"]
    assert [fact["body"]["subject"]["version"] for fact in facts] == [1, 2, 3]
    assert {fact["audience"] for fact in facts} == {"admins"}
    assert (facts[1]["body"]["old"], facts[1]["body"]["new"]) == ("member", "admin")
    assert (facts[2]["body"]["old"], facts[2]["body"]["new"]) == ("admin", None)
    assert facts[2]["body"]["actor"]["id"] == str(ada.user.id)


async def test_somebody_who_was_removed_may_come_back(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.MEMBER, "Bob")
    await client.delete(path(workspace, bob), headers=ada.bearer)

    body = {"email": bob.user.email, "name": "Bob", "role": "guest"}
    invited = await client.post(f"{API}/{workspace.slug}/invitations", json=body, headers=ada.bearer)
    accepted = await client.post(
        f"/api/v1/invitations/{invited.json()['token']}/accept", json={"password": bob.password}
    )

    assert accepted.status_code == 201, accepted.text
    joined = [fact for fact in await house.facts(workspace.id) if fact["about_id"] == str(bob.user.id)]
    assert [fact["body"]["subject"]["version"] for fact in joined] == [1, 2, 3]
    assert await roles(house, workspace) == ["guest", "owner"]


async def test_the_version_that_was_seen_is_insisted_on(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.MEMBER, "Bob")
    seen = {**ada.bearer, "if-match": '"1"'}

    first = await client.patch(path(workspace, bob), json={"role": "guest"}, headers=seen)
    stale = await client.patch(path(workspace, bob), json={"role": "admin"}, headers=seen)
    stale_removal = await client.delete(path(workspace, bob), headers=seen)

    assert first.status_code == 200
    problem = is_problem(stale, 412, "stale_version")
    assert problem["version"] == 2
    assert [missed["type"] for missed in problem["missed"]] == ["role_changed"]
    is_problem(stale_removal, 412, "stale_version")


async def test_a_repeat_with_the_same_key_is_answered_alike(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.MEMBER, "Bob")
    key = {**ada.bearer, "idempotency-key": "k"}

    answers = [await client.patch(path(workspace, bob), json={"role": "guest"}, headers=key) for _ in range(2)]
    removals = [await client.delete(path(workspace, bob), headers=key) for _ in range(2)]

    assert answers[0].content == answers[1].content
    assert [answer.status_code for answer in removals] == [204, 204]


async def test_nobody_of_another_workspace_is_a_member_here(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    stranger = await house.member(await house.workspace(await house.somebody()), Role.MEMBER)

    is_problem(
        await client.patch(path(workspace, stranger), json={"role": "guest"}, headers=ada.bearer), 404, "not_found"
    )
    is_problem(await client.delete(path(workspace, stranger), headers=ada.bearer), 404, "not_found")
    is_problem(await client.delete(f"{API}/{workspace.slug}/members/me", headers=ada.bearer), 404, "not_found")


async def test_the_last_owner_stays_one(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    is_problem(await client.patch(path(workspace, ada), json={"role": "admin"}, headers=ada.bearer), 409, "conflict")
    is_problem(await client.delete(path(workspace, ada), headers=ada.bearer), 409, "conflict")
    assert (await client.patch(path(workspace, ada), json={"role": "owner"}, headers=ada.bearer)).status_code == 200


async def test_fifty_tries_at_once_leave_an_owner(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    owners = [ada, *[await house.member(workspace, Role.OWNER) for _ in range(4)]]

    answers = await asyncio.gather(
        *(
            client.delete(path(workspace, them), headers=who.bearer)
            if n % 2
            else client.patch(path(workspace, them), json={"role": "guest"}, headers=who.bearer)
            for n in range(2)
            for who in owners
            for them in owners
        )
    )

    assert len(answers) == 50
    assert {answer.status_code for answer in answers} <= {200, 204, 403, 404, 409}
    assert (await roles(house, workspace)).count("owner") == 1
