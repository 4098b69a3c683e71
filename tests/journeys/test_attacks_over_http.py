"""Bad requests as they come over the wire, at a running desk, which goes on working for everybody else."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.stack import WORKSPACE, Desk, Stack

TICKETS = f"/api/v1/workspaces/{WORKSPACE}/tickets"
MIB = 1 << 20


@pytest.fixture
async def http(stack: Stack, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {desk.token}", "content-type": "application/json"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
async def guest(stack: Stack, desk: Desk) -> Desk:
    email, password = "attacks-guest@example.com", "another long pass phrase"
    invited = await desk.send("POST", "invitations", {"email": email, "name": "Gus", "role": "guest"})
    accept = f"/api/v1/invitations/{invited.json()['token']}/accept"
    assert (await Desk(stack, "").send("POST", accept, {"password": password})).is_success
    return await stack.sign_in(email, password)


def memory(stack: Stack) -> int:
    """How much memory the gateway has ever held."""
    status = Path(f"/proc/{stack.running['gateway']['pid']}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def said(stack: Stack, data: bytes, patience: float = 20) -> bytes:
    """Send bytes, and return all that is answered until the end."""
    address = urlsplit(stack.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(data)
        return await asyncio.wait_for(reader.read(), patience)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


@pytest.mark.parametrize(
    "body", [{"role": "owner"}, {"is_admin": True}, {"password_hash": "x"}, {"workspace_id": "another"}]
)
async def test_h5_nobody_makes_themself_more_than_they_are(desk: Desk, guest: Desk, body: dict[str, Any]) -> None:
    before = await guest.get("/api/v1/me")
    for said in (body, {"name": "Gus", **body}):
        assert (await guest.send("PATCH", "/api/v1/me", said)).status_code == 422
    refused = await guest.send("PATCH", f"members/{guest.user_id}", body)
    assert refused.status_code in (403, 422), refused.text
    assert {**await guest.get("/api/v1/me"), "csrf_token": ""} == {**before, "csrf_token": ""}


async def test_h6_a_guest_sees_and_says_nothing_between_the_team(desk: Desk, guest: Desk) -> None:
    ticket = (await desk.send("POST", "tickets", {"subject": "Seen by all"})).json()
    path = f"tickets/{ticket['id']}"
    words = "only between us"
    for kind in ("note", "comment"):
        assert (await desk.send("POST", f"{path}/notes", {"body": words, "kind": kind})).is_success
        assert (await guest.send("POST", f"{path}/notes", {"body": "x", "kind": kind})).status_code == 403
    await desk.get(f"{path}/activity?min_version=3")
    for address in (path, f"{path}/activity", f"{path}/activity?type=note_added", "feed", "notifications", "tickets"):
        answer = await guest.send("GET", address)
        assert (answer.status_code, words in answer.text, "note_added" in answer.text) == (200, False, False), address
    for address in (f"{path}?include=internal", f"{path}/activity?internal=true", f"{path}/notes"):
        assert (await guest.send("GET", address)).status_code in (403, 422), address


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "a b", "käse", "a\tb"])
async def test_h13_what_is_no_key_is_refused_and_nothing_is_made(stack: Stack, desk: Desk, key: str) -> None:
    subject = f"Key {len(key)}"
    body = json.dumps({"subject": subject}).encode()
    head = (
        f"POST {TICKETS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {desk.token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {key}\r\n\r\n"
    )
    answer = await said(stack, head.encode("utf-8") + body)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert (await desk.get(f"tickets?q={subject}"))["items"] == []


async def test_h14_who_hangs_up_and_asks_again_is_told_of_the_same_ticket(stack: Stack, desk: Desk) -> None:
    made = set()
    for n in range(5):
        body = json.dumps({"subject": f"Dropped {n}"}).encode()
        head = (
            f"POST {TICKETS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {desk.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: dropped-{n}\r\n\r\n"
        )
        address = urlsplit(stack.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + body)
        await writer.drain()
        with suppress(TimeoutError):
            await asyncio.wait_for(reader.read(1), n * 0.003)
        writer.transport.abort()
        for _ in range(2):
            again = await desk.insist("POST", "tickets", {"subject": f"Dropped {n}"}, key=f"dropped-{n}")
            made.add((n, again["id"]))
    assert len(made) == 5
    assert len((await desk.get("tickets?q=Dropped&limit=100"))["items"]) == 5


MONSTERS = {
    "as deep as it gets": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a deep list": b"[" * 100_000,
    "a million keys": b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}",
    "one key twice": b'{"subject": "a", "subject": "b"}',
    "a number without end": b'{"subject": "a", "priority": 1e999}',
    "a number of many digits": b'{"subject": ' + b"9" * 500_000 + b"}",
    "not a number": b'{"subject": NaN}',
    "half a character": b'{"subject": "\\ud800"}',
    "a NUL": b'{"subject": "a\\u0000b"}',
    "a string of 5 MB": b'{"subject": "' + b"x" * (5 * MIB) + b'"}',
    "UTF-16": '{"subject": "a"}'.encode("utf-16"),
    "UTF-32": '{"subject": "a"}'.encode("utf-32"),
    "a mark before the bytes": b'\xef\xbb\xbf{"subject": "a"}',
    "a comma too many": b'{"subject": "a",}',
    "a comment": b'{"subject": "a" /* b */}',
    "two bodies": b'{"subject": "a"}{"subject": "b"}',
    "an open string": b'{"subject": "' + b'\\"' * 100_000,
}


async def test_h23_no_monster_of_json_breaks_anything_or_takes_much_memory(
    http: httpx.AsyncClient, stack: Stack, desk: Desk
) -> None:
    await http.get("/api/v1/me")
    before = memory(stack)
    for name, body in MONSTERS.items():
        answer = await http.post(TICKETS, content=body)
        assert 400 <= answer.status_code < 500, f"{name}: {answer.text}"
        assert answer.json()["code"] in ("malformed", "invalid", "too_large"), name
    assert memory(stack) - before <= 20 * MIB


async def test_h27_a_form_is_not_read_however_large_it_is(http: httpx.AsyncClient, stack: Stack) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    before = memory(stack)
    parts = await http.post(
        TICKETS, content=part * 100_000 + b"--x--\r\n", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert parts.status_code in (413, 415)
    announced = await said(
        stack,
        f"POST {TICKETS} HTTP/1.1\r\nHost: x\r\nAuthorization: {http.headers['authorization']}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {1 << 30}\r\n\r\n{{".encode(),
    )
    assert announced.startswith(b"HTTP/1.1 413 ")
    assert memory(stack) - before <= 20 * MIB


async def test_h28_a_hundred_who_say_one_byte_at_a_time_keep_nobody_waiting(stack: Stack, desk: Desk) -> None:
    address = urlsplit(stack.url)
    slow = [await asyncio.open_connection(address.hostname, address.port) for _ in range(100)]
    try:
        for _, writer in slow:
            writer.write(f"POST {TICKETS} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n".encode())
        slowest = 0.0
        for _ in range(20):
            for _, writer in slow:
                writer.write(b"X")
            begun = time.monotonic()
            assert (await desk.send("GET", "tickets?limit=1")).status_code == 200
            slowest = max(slowest, time.monotonic() - begun)
        assert slowest < 2
    finally:
        for _, writer in slow:
            writer.transport.abort()


async def test_h29_a_header_of_64_kib_is_refused(stack: Stack, desk: Desk) -> None:
    head = f"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: {'x' * 65_536}\r\n\r\n"
    assert (await said(stack, head.encode())).partition(b"\r\n")[0].split()[1] in (b"400", b"431")
    assert (await desk.send("GET", "/api/v1/me")).status_code == 200


def jwt(header: dict[str, Any], claims: dict[str, Any], key: bytes = b"") -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    said = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{said}.{part(hmac.new(key, said.encode(), hashlib.sha256).digest()) if key else ''}"


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "HS256", "kid": "../../../../dev/null"}, {"alg": "RS256", "jwk": {}}],
)
async def test_h33_no_token_that_says_itself_who_it_is_opens_anything(
    stack: Stack, desk: Desk, header: dict[str, Any]
) -> None:
    claims = {"sub": desk.user_id, "role": "owner", "aud": "counterfoil", "exp": 4_000_000_000}
    for key in (b"", b"secret", desk.token.encode()):
        answer = await Desk(stack, jwt(header, claims, key)).send("GET", "/api/v1/me")
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
