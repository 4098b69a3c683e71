"""Integrations: other systems that enter NATS."""

from tests.access.callers import Scene, a_word
from tests.access.recipes.book import Call, recipe


@recipe
async def list_integrations(scene: Scene) -> Call:
    return Call()


@recipe
async def make_integration(scene: Scene) -> Call:
    return Call(body={"name": a_word()})


@recipe
async def get_integration(scene: Scene) -> Call:
    return Call(path={"integration": await _integration(scene)})


@recipe
async def replay_integration(scene: Scene) -> Call:
    return Call(path={"integration": await _integration(scene)}, body={"from": 1})


@recipe
async def revoke_integration(scene: Scene) -> Call:
    return Call(path={"integration": await _integration(scene)})


async def _integration(scene: Scene) -> str:
    return str((await scene.make("POST", "integrations", {"name": a_word()}))["id"])
