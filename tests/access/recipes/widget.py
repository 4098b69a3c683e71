"""The widget, from outside: what is open to everybody, and what is a visitor's own."""

from tests.access.callers import Scene
from tests.access.recipes.book import Call, recipe


@recipe
async def widget_config(scene: Scene) -> Call:
    return Call(path={"assistant": await scene.assistant()})


@recipe
async def start_conversation(scene: Scene) -> Call:
    return Call(path={"assistant": await scene.assistant()}, body={"body": "Is anybody there?"})


@recipe
async def read_visitor_conversation(scene: Scene) -> Call:
    return await _talk(scene)


@recipe
async def post_visitor_message(scene: Scene) -> Call:
    return await _talk(scene, {"body": "Hello?"})


@recipe
async def open_visitor_ticket(scene: Scene) -> Call:
    return await _talk(scene, {"subject": "Where is my parcel?"})


@recipe
async def follow_conversation(scene: Scene) -> Call:
    talk = await scene.talk()
    return Call(path={"assistant": await scene.assistant()}, visitor=talk["visitor_token"])


async def _talk(scene: Scene, body: dict[str, str] | None = None) -> Call:
    talk = await scene.talk()
    path = {"assistant": await scene.assistant(), "conversation": talk["conversation_id"]}
    return Call(path=path, body=body, visitor=talk["visitor_token"])
