"""The one way out to addresses that other people chose."""

import asyncio
import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest

from services.notifications.channels import Egress, Forbidden, NotAnswered, web
from services.notifications.domain import is_public
from tests.notifications.receiver import a_receiver

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
NOT_OURS = [
    "http://127.0.0.1",
    "https://127.0.0.1",
    "https://localhost",
    "https://localhost.",
    "https://0.0.0.0",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[::ffff:7f00:1]",
    "https://[::7f00:1]",
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.1",
    "https://017700000001",
    "https://0177.0.0.1",
    "https://127.1",
    "https://127.0.1",
    "https://169.254.169.254/latest/meta-data/",
    "https://[fd00::1]",
    "https://[fe80::1]",
    "https://[fec0::1]",
    "https://10.0.0.1",
    "https://172.16.0.1",
    "https://172.31.255.255",
    "https://192.168.0.1",
    "https://100.64.0.1",
    "https://192.0.2.1",
    "https://198.18.0.1",
    "https://203.0.113.7",
    "https://224.0.0.1",
    "https://[ff02::1]",
    "https://240.0.0.1",
    "https://255.255.255.255",
    "https://192.88.99.1",
    "https://[64:ff9b::7f00:1]",
    "https://[64:ff9b::a00:1]",
    "https://[64:ff9b:1::7f00:1]",
    "https://[2002:7f00:1::]",
    "https://[2001:0:53aa:64c:0:f7ff:80ff:fffe]",
    "https://[2001:db8::1]",
    "https://[100::1]",
    "https://good@127.0.0.1",
    "https://user:pass@8.8.8.8",
    "http://8.8.8.8",
    "gopher://8.8.8.8",
    "file:///etc/passwd",
    "ftp://8.8.8.8",
    "https://8.8.8.8:4222",
    "https://8.8.8.8:5432",
    "https://8.8.8.8:8222",
    "https://8.8.8.8:22",
    "https://8.8.8.8:25",
    "https://8.8.8.8:0",
    "https://8.8.8.8:99999",
    "https://8.8.8.8/#part",
    "https://",
    "https:///hooks",
    "https://a b.example.com",
    "https://exa\u2024mple.com\\@127.0.0.1",
]


async def resolved(host: str, port: int) -> Sequence[str]:
    """As the system does it, but for names, which nobody must be asked for here."""
    if host in ("localhost", "8.8.8.8"):
        return ["127.0.0.1"] if host == "localhost" else ["8.8.8.8"]
    try:
        return await web.resolve(host, port)
    except OSError:
        raise OSError(host) from None


@pytest.mark.parametrize("url", NOT_OURS)
async def test_k1_what_is_not_on_the_public_web_is_refused_at_save_and_at_send(url: str) -> None:
    way = Egress(resolver=resolved)

    with pytest.raises(Forbidden):
        await way.check(url)
    with pytest.raises(Forbidden):
        await way.post(url, {}, b"{}")


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2a00:1450:4001:81b::200e"]
)
async def test_what_is_public_may_be_called_at_any_port_of_the_web(address: str) -> None:
    async def there(host: str, port: int) -> Sequence[str]:
        return [address]

    way = Egress(resolver=there)
    for port in ("", ":443", ":8443", ":9000"):
        await way.check(f"https://hooks.example.com{port}/a?b=c")

    assert is_public(ipaddress.ip_address(address))


async def test_one_address_of_many_that_is_not_public_is_enough() -> None:
    async def both(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8", "10.0.0.1"]

    with pytest.raises(Forbidden) as refused:
        await Egress(resolver=both).check("https://hooks.example.com")

    assert refused.value.code == "not_public"


async def test_k3_who_answers_otherwise_in_the_next_moment_is_not_called() -> None:
    answers = [["8.8.8.8"], ["127.0.0.1"]]

    async def rebinding(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async with a_receiver() as receiver:
        way = Egress(resolver=rebinding)
        await way.check(f"https://hooks.example.com:{receiver.port}")
        with pytest.raises(Forbidden):
            await way.post(f"https://hooks.example.com:{receiver.port}", {}, b"{}")

        assert receiver.calls == []


async def test_a_host_is_asked_for_once_and_its_address_is_called_under_its_name() -> None:
    asked = []

    async def once(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async with a_receiver() as receiver:
        answer = await Egress(LOOPBACK, resolver=once).post(
            f"http://hooks.example.com:{receiver.port}/a%20b?c=d", {"webhook-id": "7"}, b"{}"
        )

        call = receiver.calls[0]
        assert (answer.status, asked, call.line) == (200, ["hooks.example.com"], "POST /a%20b?c=d HTTP/1.1")
        assert call.headers["host"] == f"hooks.example.com:{receiver.port}"
        assert (call.headers["webhook-id"], call.body) == ("7", b"{}")


async def test_nobody_is_followed_elsewhere_and_no_proxy_of_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with a_receiver() as receiver, a_receiver() as other:
        receiver.does, receiver.headers = 302, {"location": other.url, "set-cookie": "a=b"}
        way = Egress(LOOPBACK)

        assert [(await way.post(receiver.url, {}, b"{}")).status for _ in range(2)] == [302, 302]
        assert other.calls == []
        assert "cookie" not in receiver.calls[1].headers


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("reset", "broken_off"),
        ("silence", "no_http"),
        ("rubbish", "no_http"),
        ("headers", "no_http"),
        ("hang", "timeout"),
        ("drip", "timeout"),
    ],
)
async def test_k5_who_does_not_answer_in_time_or_in_form_is_cut(
    monkeypatch: pytest.MonkeyPatch, does: str, reason: str
) -> None:
    monkeypatch.setattr(web, "_SECONDS", 1.0)
    async with a_receiver() as receiver:
        receiver.does = does
        with pytest.raises(NotAnswered) as failed:
            await Egress(LOOPBACK).post(receiver.url, {}, b"{}")

    assert failed.value.reason == reason


@pytest.mark.parametrize("does", ["endless", "bomb"])
async def test_k5_no_more_is_read_than_anybody_needs_to_say(does: str) -> None:
    async with a_receiver() as receiver:
        receiver.does = does
        answer = await Egress(LOOPBACK).post(receiver.url, {}, b"{}")

        assert answer.status == 200
        assert receiver.written < 20_000_000


async def test_k5_who_speaks_no_tls_is_told_apart_from_who_is_not_there() -> None:
    async with a_receiver() as receiver:
        way = Egress(LOOPBACK)
        reasons = []
        for url in (receiver.url.replace("http://", "https://"), "http://127.0.0.1:1/"):
            with pytest.raises(NotAnswered) as failed:
                await way.post(url, {}, b"{}")
            reasons.append(failed.value.reason)

    assert reasons == ["tls", "no_connection"]


async def test_fifty_calls_at_once_wait_for_none_that_hangs() -> None:
    async with a_receiver() as slow, a_receiver() as quick:
        slow.does = "hang"
        way = Egress(LOOPBACK)
        hanging = [asyncio.create_task(way.post(slow.url, {}, b"{}")) for _ in range(50)]
        answers = await asyncio.gather(*(way.post(quick.url, {}, b"{}") for _ in range(50)))

        assert [answer.status for answer in answers] == [200] * 50
        assert not any(task.done() for task in hanging)
        for task in hanging:
            task.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        ("99999999", 99_999_999),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
    ],
)
def test_how_long_a_receiver_asks_us_to_wait_is_read(header: str, seconds: Any) -> None:
    wait = web.wait_of(header)

    assert (wait.total_seconds() if wait is not None else None) == seconds
