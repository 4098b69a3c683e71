"""Single messages are taken out of a stream, of one workspace and not of another."""

import asyncio
import json
from collections.abc import Mapping

from chassis.purging import kept, purge
from tests.support.replicas import Desk


async def test_what_is_to_go_is_found_wherever_it_stands_and_what_stands_beside_it_stays(desk: Desk) -> None:
    nats, subjects = desk.chaos, "purging.*.{}"
    jetstream = nats.jetstream()
    await jetstream.add_stream(name="PURGING", subjects=["purging.>"])

    async def left(workspace: str) -> list[int]:
        return [json.loads(body) async for _, _, body in kept(nats, "PURGING", subjects.format(workspace))]

    async def take_out(workspace: str, *numbers: int) -> int:
        def is_theirs(headers: Mapping[str, str], body: bytes) -> bool:
            return headers["ce-position"] == body.decode() and json.loads(body) in numbers

        return await purge(nats, "PURGING", subjects.format(workspace), is_theirs)

    async def say(number: int, workspace: str) -> None:
        headers = {"Ce-Position": str(number)}
        await jetstream.publish(f"purging.said.{workspace}", str(number).encode(), headers=headers)

    try:
        assert await take_out("acme", 0) == 0
        await say(0, "acme")
        assert (await take_out("acme", 1), await take_out("acme", 0), await left("acme")) == (0, 1, [])
        await asyncio.gather(*(say(number, ("acme", "globex")[number % 2]) for number in range(200)))
        acme, globex = await left("acme"), await left("globex")
        gone = {acme[0], *acme[30:50], acme[-1]}
        assert await take_out("acme", *gone, *globex) == 22
        assert await left("acme") == [number for number in acme if number not in gone]
        assert await left("globex") == globex
    finally:
        await jetstream.delete_stream("PURGING")
