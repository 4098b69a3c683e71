"""Members, invitations, API tokens, and who owns the workspace."""

from typing import Any

from contracts.base import Role
from tests.access.callers import Scene, a_word
from tests.access.recipes.book import Call, a_member, recipe


def an_invitation() -> dict[str, str]:
    """Somebody to ask in."""
    return {"email": f"{a_word()}@example.com", "name": "Ida Invited", "role": "guest"}


async def invited(scene: Scene) -> dict[str, Any]:
    """Ask somebody in who does not come."""
    made: dict[str, Any] = await scene.make("POST", "invitations", an_invitation())
    return made


@recipe
async def list_members(scene: Scene) -> Call:
    return Call()


@recipe
async def invite(scene: Scene) -> Call:
    return Call(body=an_invitation())


@recipe
async def invite__an_owner(scene: Scene) -> Call:
    return Call(body=an_invitation() | {"role": "owner"})


@recipe
async def change_role(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene)}, body={"role": "guest"})


@recipe
async def change_role__to_owner(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene)}, body={"role": "owner"})


@recipe
async def change_role__of_an_owner(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene, Role.OWNER)}, body={"role": "admin"})


@recipe
async def remove_member(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene)})


@recipe
async def remove_member__an_owner(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene, Role.OWNER)})


@recipe
async def list_invitations(scene: Scene) -> Call:
    return Call()


@recipe
async def revoke_invitation(scene: Scene) -> Call:
    return Call(path={"invitation": (await invited(scene))["id"]})


@recipe(alone=True)
async def hand_over_workspace(scene: Scene) -> Call:
    return Call(body={"user_id": await a_member(scene), "stay_as": "admin"})


@recipe
async def list_tokens(scene: Scene) -> Call:
    return Call()


@recipe
async def make_token(scene: Scene) -> Call:
    return Call(body={"name": "A program", "role": "member", "scopes": ["tickets:read"]})


@recipe
async def make_token__of_an_owner(scene: Scene) -> Call:
    return Call(body={"name": "A program", "role": "owner", "scopes": ["tickets:read"]})


@recipe
async def revoke_token(scene: Scene) -> Call:
    body = {"name": "A program", "role": "member", "scopes": ["tickets:read"]}
    return Call(path={"token": (await scene.make("POST", "tokens", body))["id"]})
