"""Lists of tickets by name. The owner's are used, which nobody else may touch."""

from typing import Any

from tests.access.callers import Scene
from tests.access.recipes.book import Call, recipe


async def a_view(scene: Scene, **fields: Any) -> dict[str, Any]:
    """A view of the owner's."""
    made: dict[str, Any] = await scene.make("POST", "views", {"name": "New ones", "query": "status=new", **fields})
    return made


@recipe
async def list_views(scene: Scene) -> Call:
    return Call()


@recipe
async def save_view(scene: Scene) -> Call:
    return Call(body={"name": "Mine", "query": "assignee=me"})


@recipe
async def save_view__shared(scene: Scene) -> Call:
    return Call(body={"name": "Ours", "query": "assignee=none", "shared": True})


@recipe
async def change_view(scene: Scene) -> Call:
    return Call(path={"view": (await a_view(scene))["id"]}, body={"name": "Another name"})


@recipe
async def change_view__shared(scene: Scene) -> Call:
    return Call(path={"view": (await a_view(scene, shared=True))["id"]}, body={"name": "Another name"})


@recipe
async def delete_view(scene: Scene) -> Call:
    return Call(path={"view": (await a_view(scene))["id"]})
