"""Webhooks: nobody listens where they lead."""

from tests.access.callers import Scene
from tests.access.recipes.book import Call, recipe

_URL = "http://127.0.0.1:9/hooks"


@recipe
async def list_webhooks(scene: Scene) -> Call:
    return Call()


@recipe
async def create_webhook(scene: Scene) -> Call:
    return Call(body={"url": _URL, "event_types": ["ticket_created"]})


@recipe
async def get_webhook(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)})


@recipe
async def change_webhook(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)}, body={"description": "The build board"})


@recipe
async def delete_webhook(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)})


@recipe
async def rotate_webhook_secret(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)})


@recipe
async def list_deliveries(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)})


@recipe
async def redeliver(scene: Scene) -> Call:
    webhook = await _webhook(scene)
    delivery = await scene.make("POST", f"webhooks/{webhook}/test", None)
    return Call(path={"webhook": webhook, "delivery": str(delivery["id"])})


@recipe
async def test_webhook(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)})


@recipe
async def replay_events(scene: Scene) -> Call:
    return Call(path={"webhook": await _webhook(scene)}, body={"from": 1})


async def _webhook(scene: Scene) -> str:
    """Make a webhook that nobody else needs."""
    return str((await scene.make("POST", "webhooks", {"url": _URL, "event_types": ["contact_deleted"]}))["id"])
