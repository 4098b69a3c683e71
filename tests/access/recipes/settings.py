"""Ticket settings and assistants."""

import hashlib
import json
import uuid

from contracts.transfer import FOOTER, FORMAT, HEADER
from tests.access.callers import Scene
from tests.access.recipes.book import Call, recipe


@recipe
async def get_settings(scene: Scene) -> Call:
    return Call()


@recipe(alone=True)
async def change_settings(scene: Scene) -> Call:
    return Call(body={"auto_close_days": 30})


@recipe
async def list_assistants(scene: Scene) -> Call:
    return Call()


@recipe
async def create_assistant(scene: Scene) -> Call:
    return Call(body={"name": "Another shop"})


@recipe
async def get_assistant(scene: Scene) -> Call:
    return Call(path={"assistant": await _assistant(scene)})


@recipe
async def change_assistant(scene: Scene) -> Call:
    return Call(path={"assistant": await _assistant(scene)}, body={"widget": {"title": "Ask us"}})


@recipe
async def delete_assistant(scene: Scene) -> Call:
    return Call(path={"assistant": await _assistant(scene)})


@recipe
async def get_identity_secret(scene: Scene) -> Call:
    return Call(path={"assistant": await _assistant(scene)})


@recipe
async def rotate_identity_secret(scene: Scene) -> Call:
    return Call(path={"assistant": await _assistant(scene)})


async def _assistant(scene: Scene) -> str:
    """Make an assistant whom nobody else needs."""
    return str((await scene.make("POST", "assistants", {"name": "A shop"}))["id"])


@recipe
async def export_workspace(scene: Scene) -> Call:
    return Call()


@recipe(alone=True)
async def import_workspace(scene: Scene) -> Call:
    workspace = {"id": "elsewhere", "slug": "elsewhere", "name": "Elsewhere"}
    about = {"kind": HEADER, "format": FORMAT, "export": str(uuid.uuid4()), "workspace": workspace}
    header = json.dumps(about) + "\n"
    footer = {"kind": FOOTER, "counts": {}, "sha256": hashlib.sha256(header.encode()).hexdigest()}
    return Call(file=header + json.dumps(footer) + "\n")


@recipe
async def list_imports(scene: Scene) -> Call:
    return Call()
