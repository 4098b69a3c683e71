"""A receiver of webhooks for stories: it takes what comes, or does as it is told."""

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field

_FOR_EVER = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Call:
    """What came in."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """`does` says what it answers: a status, or how it misbehaves."""

    port: int = 0
    does: int | str = 200
    headers: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    written: int = 0
    """Bytes that somebody took of an answer without an end."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks?a=1"

    @property
    def ids(self) -> list[str]:
        return [call.headers["webhook-id"] for call in self.calls]

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError), closing(writer):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(_pair(line) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.calls.append(Call(head[0], headers, body))
            await self._answer(writer)

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        match self.does:
            case int(status):
                more = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{more}content-length: 2\r\n\r\nno".encode())
            case "reset":
                sock = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            case "hang":
                await asyncio.Event().wait()
            case "drip" | "endless":
                await self._never_end(writer)
            case "bomb":
                packed = gzip.compress(b"\0" * 20_000_000)
                writer.write(
                    f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n".encode()
                )
                writer.write(packed)
            case "headers":
                writer.write(b"HTTP/1.1 200 OK\r\n" + b"x-more: " + b"y" * 2_000_000 + b"\r\n\r\n")
            case "rubbish":
                writer.write(b"220 mail.example.com ESMTP\r\n")
        await writer.drain()

    async def _never_end(self, writer: asyncio.StreamWriter) -> None:
        writer.write(_FOR_EVER + b"1\r\nx\r\n")
        while self.does == "endless":
            writer.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
            await writer.drain()
            self.written += 0x4000
        await asyncio.Event().wait()


def _pair(line: str) -> tuple[str, str]:
    name, _, value = line.partition(": ")
    return name.lower(), value


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    """Listen on a port of its own until the block ends."""
    receiver = Receiver()
    meetings: set[asyncio.Task[None]] = set()

    def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver._meet(reader, writer))
        meetings.add(task)
        task.add_done_callback(meetings.discard)

    server = await asyncio.start_server(meet, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for task in list(meetings):
            task.cancel()
        await asyncio.gather(*meetings, return_exceptions=True)
        server.close()
        await server.wait_closed()
