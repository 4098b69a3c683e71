"""How a client of ours differs from nats-py's: in nothing but what it costs."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import BadHeaderError

from chassis.connection import QuickClient

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
