"""A recipe's call, as a request of its operation."""

import asyncio
from typing import Any

import httpx

from tests.access.callers import As, Scene
from tests.access.operations import Operation, Outcome
from tests.access.recipes import Call, Recipe

_OUTSIDE = [As.ANONYMOUS, As.STRANGER, As.REMOVED, As.REVOKED, As.EXPIRED, As.LAPSED, As.LESSER, As.GUEST]
"""Who is let in nowhere; those before leave the target as it is, or the next one's answer tells."""
_INSIDE = [caller for caller in As if caller not in _OUTSIDE]


async def sent(scene: Scene, operation: Operation, call: Call, token: str) -> httpx.Response:
    """Send it, and return the answer."""
    path = operation.path.format(workspace=scene.workspace.id, **call.path)
    more: dict[str, Any] = {"params": dict(call.query)} if call.query else {}
    if call.body is not None:
        more["json"] = call.body
    if call.file:
        more |= {"content": call.file.encode(), "headers": {"content-type": "application/jsonl"}}
    return await scene.premises.send(operation.method, path, token, **more)


async def outcomes(scene: Scene, operation: Operation, recipe: Recipe) -> dict[As, Outcome]:
    """Return what a request comes to for each caller. Whoever may change something has a target of their own."""
    if operation.method == "GET" and not recipe.alone:
        shared = [list(As)]
    elif "{workspace}" in operation.path:
        shared = [_OUTSIDE, *([each] for each in _INSIDE)]
    else:
        shared = [[each] for each in As]

    async def together(callers: list[As]) -> dict[As, Outcome]:
        place = await scene.premises.scene() if recipe.alone else scene
        call = await recipe.make(place)
        return {caller: await _outcome(place, operation, call, caller) for caller in callers}

    found = [each for group in await asyncio.gather(*map(together, shared)) for each in group.items()]
    return {caller: dict(found)[caller] for caller in As}


async def _outcome(scene: Scene, operation: Operation, call: Call, caller: As) -> Outcome:
    own = call.visitor if caller is As.VISITOR else ""
    answer = await sent(scene, operation, call, own or await scene.token(caller, operation.scope))
    return Outcome(answer.status_code, "" if answer.is_success else answer.json()["code"])
