"""How a client of ours differs from nats-py's: in nothing but what it costs."""

from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

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


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map(b"".join) | st.binary(max_size=20))
def test_headers_are_read_as_by_the_library(raw: bytes) -> None:
    assert QuickClient._parse_header_lines(raw) == Client._parse_header_lines(raw)


def test_what_is_sent_is_what_is_read() -> None:
    raw = b"ce-id: 7\r\nce-source:/counterfoil/tickets\r\nwith space: lost\r\n\r\n"

    assert QuickClient._parse_header_lines(raw) == {"ce-id": "7", "ce-source": "/counterfoil/tickets"}
