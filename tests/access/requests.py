"""A recipe's call, as a request of its operation."""

from typing import Any

import httpx

from tests.access.callers import Scene
from tests.access.operations import Operation
from tests.access.recipes import Call


async def sent(scene: Scene, operation: Operation, call: Call, token: str) -> httpx.Response:
    """Send it, and return the answer."""
    path = operation.path.format(workspace=scene.workspace.id, **call.path)
    more: dict[str, Any] = {"params": dict(call.query)} if call.query else {}
    if call.body is not None:
        more["json"] = call.body
    return await scene.premises.send(operation.method, path, token, **more)
