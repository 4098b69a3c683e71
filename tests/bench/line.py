"""A client that costs next to nothing, so that what it measures is the server."""

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit


class Line:
    """One client's connection, which stays open."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Connect on first use."""
        address = urlsplit(url)
        self._host, self._port = address.hostname, address.port
        lines = {"Host": address.netloc, "Content-Type": "application/json", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a request, and return the status and body of its answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        head = f"{method} {path} HTTP/1.1\r\n{self._head}Content-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).lower().split(b"\r\n")
        length = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:"))
        return int(lines[0].split()[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
