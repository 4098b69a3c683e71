"""How a client of ours differs from nats-py's: in what it costs, and in leaving no socket open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlparse

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client, Srv
from nats.aio.transport import TcpTransport
from nats.errors import BadHeaderError

from chassis.connection import QuickClient, connect
from tests.support.eventually import eventually
from tests.support.replicas import a_broker

_PIECES = [
    b"ce-id",
    b"x",
    b":",
    b" ",
    b"\t",
    b"\r\n",
    b"\r",
    b"\n",
    b"\v",
    b"\x1c",
    b"\0",
    "\xa0\x85é".encode(),
    b"\xc3",
    b"\xff",
]
_WORDS = st.lists(
    st.sampled_from(
        ["ce-id", "x", "7", ":", " ", "\t", "\r\n", "\r", "\n", "\v", "\x1c", "\0", "\xa0", "\x85", "é", "火"]
    ),
    max_size=6,
).map("".join)


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join) | st.binary(max_size=20))
def test_headers_are_read_as_by_the_library(raw: bytes) -> None:
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


def test_what_is_sent_is_what_is_read() -> None:
    raw = b"ce-id: 7\r\nce-source:/counterfoil/tickets\r\nwith space: lost\r\n\r\n"

    assert QuickClient._parse_header_lines(raw) == {"ce-id": "7", "ce-source": "/counterfoil/tickets"}


def sent(client: Client, headers: dict[str, str] | None, subject: str = "a.subject") -> bytes | type[Exception]:
    """What leaves a client, or why nothing does."""
    try:
        asyncio.run(client._send_publish(subject, "a.reply", b"{}", 2, headers))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return type(error)
    assert (client.stats["out_msgs"], client.stats["out_bytes"]) == (1, 2)
    return b"".join(client._pending)


@given(st.none() | st.dictionaries(_WORDS, _WORDS, max_size=4), st.sampled_from(["a.subject", ""]))
def test_headers_are_written_as_by_the_library(headers: dict[str, str] | None, subject: str) -> None:
    assert sent(QuickClient(), headers, subject) == sent(Client(), headers, subject)


@pytest.mark.parametrize("name", ["a name", "a:b", "a\r\nb", "é"])
def test_a_name_that_is_none_is_not_sent(name: str) -> None:
    assert sent(QuickClient(), {name: "x"}) is BadHeaderError


def test_no_value_ends_its_line() -> None:
    assert sent(QuickClient(), {"ce-id": " 7\r\nNats-Msg-Id: 8"}) == (
        b"HPUB a.subject a.reply 38 40\r\nNATS/1.0\r\nce-id: 7  Nats-Msg-Id: 8\r\n\r\n{}\r\n"
    )


@asynccontextmanager
async def a_mute(*, shuts: bool) -> AsyncIterator[tuple[str, list[str]]]:
    """Something that lets whoever comes stand at the door, or shuts it in their face, and keeps who came and left."""
    seen: list[str] = []

    async def let_stand(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append("came")
        if shuts:
            writer.write_eof()
        await reader.read()
        seen.append("left")
        writer.close()

    async with await asyncio.start_server(let_stand, "127.0.0.1") as server:
        yield f"nats://tickets:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def test_who_gets_no_answer_and_does_not_try_again_leaves() -> None:
    async with a_mute(shuts=False) as (url, seen):
        with pytest.raises(TimeoutError):
            await connect(url, "tickets", closing=lambda: True, allow_reconnect=False, connect_timeout=0.1)
        await eventually(lambda: "came" in seen and seen.count("left") == seen.count("came"))


async def test_who_is_called_off_before_an_answer_leaves() -> None:
    async with a_mute(shuts=False) as (url, seen):
        coming = asyncio.create_task(connect(url, "tickets", closing=lambda: True))
        await eventually(lambda: "came" in seen)
        coming.cancel()
        await asyncio.wait({coming})
        await eventually(lambda: seen.count("left") == seen.count("came"))


async def test_who_comes_back_leaves_each_door_that_stays_shut() -> None:
    async with a_broker() as broker, a_mute(shuts=True) as (url, seen):
        client = await connect(broker.url_for("tickets"), "tickets", closing=lambda: True, dont_randomize=True)
        mute = Srv(urlparse(url))
        client._server_pool = [mute, mute, *client._server_pool]
        await client.force_reconnect()
        await eventually(lambda: client.is_connected and client.stats["reconnects"])
        assert seen.count("came") >= 2
        await eventually(lambda: seen.count("left") == seen.count("came"))
        await client.close()


async def test_who_is_called_off_while_it_closes_leaves_too() -> None:
    async with a_broker() as broker:
        client = await connect(broker.url_for("tickets"), "tickets", closing=lambda: True)
        transport = client._transport
        assert isinstance(transport, TcpTransport)
        assert transport._io_writer is not None
        closing = asyncio.create_task(client.close())
        asyncio.get_running_loop().call_soon(closing.cancel)  # once it has come as far as it goes at once
        await asyncio.wait({closing})
        assert closing.cancelled()
        assert transport._io_writer.is_closing()


async def test_a_name_is_asked_for_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    known, asked = loop.getaddrinfo, list[str]()
    answer = asyncio.Event()

    async def slow(host: str, *more: Any, **other: Any) -> Any:
        if host != "nats":  # somebody else comes back meanwhile
            return await known(host, *more, **other)
        asked.append(host)
        await answer.wait()
        return await known("127.0.0.1", *more, **other)

    tries = list[Exception]()

    async def tried(error: Exception) -> None:
        tries.append(error)

    async with a_broker() as broker:
        monkeypatch.setattr(loop, "getaddrinfo", slow)
        url = broker.url_for("tickets").replace("127.0.0.1", "nats")
        coming = [
            asyncio.create_task(connect(url, "tickets", closing=lambda: True, connect_timeout=0.05, error_cb=tried))
            for _ in range(3)
        ]
        await eventually(lambda: len(tries) >= 9)
        assert asked == ["nats"]
        assert {type(error) for error in tries} == {TimeoutError}

        answer.set()
        for client in await asyncio.gather(*coming):
            assert client.is_connected
            await client.close()
