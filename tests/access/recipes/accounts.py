"""Signing in and out, one's own account, and workspaces."""

from tests.access.callers import As, Scene, a_word
from tests.access.recipes.book import Call, recipe
from tests.access.recipes.people import invited
from tests.gateway.house import PASSWORD


@recipe
async def sign_in(scene: Scene) -> Call:
    return Call(body={"email": (await scene.person(As.OWNER)).user.email, "password": PASSWORD})


@recipe(alone=True)
async def sign_out(scene: Scene) -> Call:
    return Call()


@recipe
async def who_am_i(scene: Scene) -> Call:
    return Call()


@recipe(alone=True)
async def rename_me(scene: Scene) -> Call:
    return Call(body={"name": "Another Name"})


@recipe(alone=True)
async def end_other_sessions(scene: Scene) -> Call:
    return Call()


@recipe
async def look_at_invitation(scene: Scene) -> Call:
    return Call(path={"token": (await invited(scene))["token"]})


@recipe
async def accept_invitation(scene: Scene) -> Call:
    return Call(path={"token": (await invited(scene))["token"]}, body={"password": "a long enough pass phrase"})


@recipe
async def create_workspace(scene: Scene) -> Call:
    return Call(body={"name": "Another desk", "slug": a_word()})


@recipe
async def get_workspace(scene: Scene) -> Call:
    return Call()


@recipe(alone=True)
async def delete_workspace(scene: Scene) -> Call:
    return Call(body={"confirm": scene.workspace.slug})


@recipe(alone=True)
async def change_workspace(scene: Scene) -> Call:
    return Call(body={"name": "Another name"})


@recipe(alone=True)
async def change_password(scene: Scene) -> Call:
    return Call(body={"current": PASSWORD, "new": "quite another pass phrase"})


@recipe
async def forget_password(scene: Scene) -> Call:
    return Call(body={"email": f"{a_word()}@example.com"})


@recipe
async def reset_password(scene: Scene) -> Call:
    forgetful = (await scene.premises.house.somebody("Frank Forgetful")).user
    return Call(path={"token": await scene.premises.reset(forgetful)}, body={"password": "quite another pass phrase"})


@recipe
async def list_sessions(scene: Scene) -> Call:
    return Call()


@recipe
async def end_session(scene: Scene) -> Call:
    """One of the owner's."""
    other = await scene.premises.house.sign_in((await scene.person(As.OWNER)).user)
    me = await scene.premises.send("GET", "/api/v1/sessions", other.token)
    (mine,) = [session["id"] for session in me.json()["items"] if session["current"]]
    return Call(path={"session": mine})
