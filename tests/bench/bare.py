"""The least that answers a command: HTTP, one question over NATS, one row committed. `bare.py gateway|tickets …`."""

import asyncio
import json
import sys
import uuid
from typing import Any

import asyncpg
import nats
import uvicorn
import uvloop
from nats.aio.msg import Msg

from chassis.connection import flushed


async def tickets(url: str, database: str) -> None:
    """Commit a row for each question, and answer."""
    pool = await asyncpg.create_pool(database, min_size=10, max_size=10)
    client = await nats.connect(url)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(msg: Msg) -> None:
        id = uuid.uuid4()
        async with pool.acquire() as session:
            await session.execute("insert into things values ($1, $2)", id, msg.data.decode())
        await client.publish(msg.reply, json.dumps({"id": str(id)}).encode())

    async def take(msg: Msg) -> None:
        task = asyncio.create_task(answer(msg))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await client.subscribe("bare", cb=take)
    await flushed(client)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


async def gateway(url: str) -> None:
    """Ask for each request, and hand the answer on; what is sent to `/at-once` comes back at once."""
    client = await nats.connect(url)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"]
        answer = body if scope["path"] == "/at-once" else (await client.request("bare", body, timeout=10)).data
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    options = {"port": 0, "http": "httptools", "ws": "none", "lifespan": "off", "log_config": None, "access_log": False}
    await _Server(uvicorn.Config(app, **options)).serve()  # type: ignore[arg-type]


class _Server(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"{self.servers[0].sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _, part, *places = sys.argv
    uvloop.run(tickets(*places) if part == "tickets" else gateway(*places))
