"""A recipe's call, as a request of its operation."""

import asyncio
from typing import Any

import httpx

from tests.access.callers import As, Scene
from tests.access.operations import Operation, Outcome
from tests.access.recipes import Call, Recipe


async def sent(scene: Scene, operation: Operation, call: Call, token: str) -> httpx.Response:
    """Send it, and return the answer."""
    path = operation.path.format(workspace=scene.workspace.id, **call.path)
    more: dict[str, Any] = {"params": dict(call.query)} if call.query else {}
    if call.body is not None:
        more["json"] = call.body
    return await scene.premises.send(operation.method, path, token, **more)


async def outcomes(scene: Scene, operation: Operation, recipe: Recipe) -> dict[As, Outcome]:
    """Return what a request comes to for each caller, each with a target of their own."""

    async def outcome(caller: As) -> Outcome:
        answer = await sent(scene, operation, await recipe(scene), await scene.token(caller))
        return Outcome(answer.status_code, "" if answer.is_success else answer.json()["code"])

    return dict(zip(As, await asyncio.gather(*map(outcome, As)), strict=True))
