"""A person and their own account: where they are signed in, another password, and how often one may guess."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from nats import connect
from nats.aio.msg import Msg

from chassis.database import Database
from chassis.service import Service
from contracts.base import Via
from contracts.notifications import MailQueued, SendPasswordReset
from services.gateway.domain import client_of
from services.gateway.settings import Settings
from tests.gateway.house import PASSWORD, House, Somebody, an_address, door, is_problem, without_trace
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, Urls

API = "/api/v1"
NEW = "a brand new password"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with door(house) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, who: Somebody, password: str = PASSWORD) -> httpx.Response:
    return await client.post(f"{API}/sessions", json={"email": who.user.email, "password": password})


def as_bearer(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code in (200, 201), answer.text
    return {"authorization": f"Bearer {answer.json()['token']}"}


def types(facts: list[Any]) -> list[str]:
    return [fact["type"].rpartition(".")[2] for fact in facts]


# Sessions


async def test_sessions_are_listed_newest_first_page_by_page_and_the_present_one_is_named(
    house: House, client: httpx.AsyncClient
) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    begun = await client.post(
        f"{API}/sessions",
        json={"email": ada.user.email, "password": PASSWORD},
        headers={"user-agent": FIREFOX},
    )

    listed = (await client.get(f"{API}/sessions", headers=as_bearer(begun))).json()
    first = (await client.get(f"{API}/sessions?limit=1", headers=ada.bearer)).json()
    rest = (await client.get(f"{API}/sessions?cursor={first['next_cursor']}", headers=ada.bearer)).json()
    foreign = await client.get(f"{API}/sessions?cursor={first['next_cursor']}", headers=eve.bearer)

    assert [(each["client"], each["current"]) for each in listed["items"]] == [("Firefox on Linux", True), ("", False)]
    assert [each["id"] for each in first["items"] + rest["items"]] == [each["id"] for each in listed["items"]]
    assert rest["next_cursor"] is None
    assert [each["current"] for each in first["items"] + rest["items"]] == [False, True]
    assert ada.token not in str(listed)
    is_problem(foreign, 400, "malformed")


async def test_h32_a_session_that_was_revoked_opens_nothing_and_the_others_go_on(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    other = as_bearer(await sign_in(client, ada))
    (lost,) = [
        each for each in (await client.get(f"{API}/sessions", headers=other)).json()["items"] if not each["current"]
    ]

    ended = await client.delete(f"{API}/sessions/{lost['id']}", headers=other)
    again = await client.delete(f"{API}/sessions/{lost['id']}", headers=other)

    assert (ended.status_code, ended.content) == (204, b"")
    is_problem(await client.get(f"{API}/me", headers=ada.bearer), 401, "unauthenticated")
    assert (await client.get(f"{API}/me", headers=other)).status_code == 200
    is_problem(again, 404, "not_found")


async def test_nobody_ends_another_persons_session(house: House, client: httpx.AsyncClient) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    (session,) = (await client.get(f"{API}/sessions", headers=ada.bearer)).json()["items"]

    foreign = await client.delete(f"{API}/sessions/{session['id']}", headers=eve.bearer)
    missing = await client.delete(f"{API}/sessions/0192f3c8-1111-7aaa-8bbb-0123456789ab", headers=eve.bearer)
    broken = await client.delete(f"{API}/sessions/x", headers=eve.bearer)

    assert without_trace(foreign) == without_trace(missing) == without_trace(broken)
    is_problem(foreign, 404, "not_found")
    assert (await client.get(f"{API}/me", headers=ada.bearer)).status_code == 200


async def test_h31_each_sign_in_is_a_session_of_its_own(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    planted = {"cookie": f"counterfoil_session={ada.token}"}

    begun = await client.post(f"{API}/sessions", json={"email": ada.user.email, "password": PASSWORD}, headers=planted)

    items = (await client.get(f"{API}/sessions", headers=as_bearer(begun))).json()["items"]
    assert len(items) == 2
    assert begun.json()["token"] != ada.token


async def test_signing_in_is_told_to_the_workspaces_of_whoever_does(house: House, client: httpx.AsyncClient) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    own, other = await house.workspace(ada), await house.workspace(bob)

    await sign_in(client, ada)
    await sign_in(client, ada, "wrong password")

    told = [fact for fact in await house.facts(own.id) if fact["type"].endswith("signed_in")]
    assert [(fact["audience"], fact["body"]["user_id"]) for fact in told] == [("admins", str(ada.user.id))]
    assert "signed_in" not in types(await house.facts(other.id))


@pytest.mark.parametrize(
    ("agent", "client"),
    [
        (FIREFOX, "Firefox on Linux"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
            "Safari on macOS",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/140.0 Safari/537.36", "Chromium on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 EdgiOS/140.0 Safari/604.1",
            "Edge on iPad",
        ),
        ("curl/8.9", "curl"),
        ("<script>alert(1)</script>", ""),
        ("", ""),
    ],
)
def test_of_a_user_agent_no_word_is_kept(agent: str, client: str) -> None:
    assert client_of(agent) == client


# Another password


async def test_h32_a_new_password_ends_every_session_and_begins_another(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    other = as_bearer(await sign_in(client, ada))

    changed = await client.post(f"{API}/password", json={"current": PASSWORD, "new": NEW}, headers=ada.bearer)

    assert changed.status_code == 200, changed.text
    body = changed.json()
    assert body["token"] != ada.token
    assert changed.headers["set-cookie"].startswith(f"counterfoil_session={body['token']};")
    async with door(house) as replica:
        for old in (ada.bearer, other, {"cookie": f"counterfoil_session={ada.token}"}):
            is_problem(await replica.get(f"{API}/me", headers=old), 401, "unauthenticated")
        assert (await replica.get(f"{API}/me", headers=as_bearer(changed))).json()["csrf_token"] == body["csrf_token"]
    is_problem(await sign_in(client, ada), 401, "unauthenticated")
    assert (await sign_in(client, ada, NEW)).status_code == 201
    (told,) = [fact for fact in await house.facts(workspace.id) if fact["type"].endswith("password_changed")]
    assert (told["body"]["user_id"], told["body"]["by_reset"]) == (str(ada.user.id), False)
    assert types(await house.facts(workspace.id)).count("signed_in") == 2


@pytest.mark.parametrize(
    ("current", "new", "fault"),
    [
        ("not the password", NEW, ("current", "wrong")),
        (PASSWORD, "short", ("new", "string_too_short")),
        (PASSWORD, "x" * 129, ("new", "string_too_long")),
        (PASSWORD, "password1234", ("new", "too_common")),
    ],
)
async def test_a_password_that_is_refused_changes_nothing(
    house: House, client: httpx.AsyncClient, current: str, new: str, fault: tuple[str, str]
) -> None:
    ada = await house.somebody()

    refused = await client.post(f"{API}/password", json={"current": current, "new": new}, headers=ada.bearer)

    (error,) = is_problem(refused, 422, "invalid")["errors"]
    assert (error["field"], error["code"]) == fault
    assert (await client.get(f"{API}/me", headers=ada.bearer)).status_code == 200
    assert (await sign_in(client, ada)).status_code == 201


async def test_of_two_changes_at_once_one_counts(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    second = as_bearer(await sign_in(client, ada))

    answers = await asyncio.gather(
        client.post(f"{API}/password", json={"current": PASSWORD, "new": NEW}, headers=ada.bearer),
        client.post(f"{API}/password", json={"current": PASSWORD, "new": f"{NEW} two"}, headers=second),
    )

    assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 422])
    (won,) = [answer for answer in answers if answer.status_code == 200]
    assert (await client.get(f"{API}/me", headers=as_bearer(won))).status_code == 200
    assert len((await client.get(f"{API}/sessions", headers=as_bearer(won))).json()["items"]) == 1


async def test_a_sign_in_with_the_password_before_begins_nothing(
    house: House, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await house.somebody()
    checked, go_on = asyncio.Event(), asyncio.Event()
    verify = house.passwords.verify

    async def slowly(password: str, known: str | None) -> bool:
        matches = await verify(password, known)
        checked.set()
        await go_on.wait()
        return matches

    monkeypatch.setattr(house.passwords, "verify", slowly)
    late = asyncio.create_task(sign_in(client, ada))
    await checked.wait()
    monkeypatch.setattr(house.passwords, "verify", verify)
    changed = await client.post(f"{API}/password", json={"current": PASSWORD, "new": NEW}, headers=ada.bearer)
    go_on.set()

    assert changed.status_code == 200
    is_problem(await late, 401, "unauthenticated")


async def test_h38_another_site_changes_no_password(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    cookie = {"cookie": f"counterfoil_session={ada.token}"}
    body = {"current": PASSWORD, "new": NEW}

    for headers in (
        cookie,
        {**cookie, "x-csrf-token": ada.csrf, "origin": "https://evil.test"},
        {**cookie, "x-csrf-token": ada.csrf, "origin": "null"},
        {**cookie, "x-csrf-token": ada.csrf, "sec-fetch-site": "cross-site"},
    ):
        is_problem(await client.post(f"{API}/password", json=body, headers=headers), 403, "csrf_failed")
        is_problem(await client.delete(f"{API}/sessions/current", headers=headers), 403, "csrf_failed")
    for path in ("password-resets", "password-resets/" + "A" * 43, "sessions"):
        answer = await client.post(
            f"{API}/{path}", json={"email": "a@example.com"}, headers={"origin": "https://evil.test"}
        )
        is_problem(answer, 403, "csrf_failed")
    assert (await client.get(f"{API}/password")).status_code == 405
    assert (await client.get(f"{API}/me", headers=ada.bearer)).status_code == 200


# A password that was forgotten


async def forget(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post(f"{API}/password-resets", json={"email": email})


def link(token: str) -> str:
    return f"https://desk.example.com/password-resets/{token}"


async def mailed(house: House, client: httpx.AsyncClient, who: Somebody) -> str:
    """Return the secret of the link that was mailed."""
    assert (await forget(client, who.user.email.upper())).status_code == 202
    await house.resets.send_due(link)
    (mail,) = [mail for mail in house.post.mails.values() if mail.to_email == who.user.email][-1:]
    return mail.url.rpartition("/")[2]


async def test_a_mailed_link_sets_a_password_once_and_ends_every_session(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)

    token = await mailed(house, client, ada)
    done = await client.post(f"{API}/password-resets/{token}", json={"password": NEW})
    again = await client.post(f"{API}/password-resets/{token}", json={"password": NEW})

    assert (done.status_code, done.content) == (204, b"")
    is_problem(again, 404, "not_found")
    is_problem(await client.get(f"{API}/me", headers=ada.bearer), 401, "unauthenticated")
    assert (await sign_in(client, ada, NEW)).status_code == 201
    (told,) = [fact for fact in await house.facts(workspace.id) if fact["type"].endswith("password_changed")]
    assert told["body"]["by_reset"] is True
    assert token not in str(await house.facts(workspace.id))


async def test_h36_a_link_that_was_used_has_expired_or_never_was_is_refused_alike(
    house: House, client: httpx.AsyncClient
) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    used, earlier = await mailed(house, client, ada), await mailed(house, client, ada)
    assert (await client.post(f"{API}/password-resets/{used}", json={"password": NEW})).status_code == 204
    expired = await mailed(house, client, bob)
    house.clock.passes(minutes=30)

    answers = [
        await client.post(f"{API}/password-resets/{token}", json={"password": f"{NEW} again"})
        for token in (used, earlier, expired, "A" * 43, "not-a-token", ada.token)
    ]

    for answer in answers:
        is_problem(answer, 404, "not_found")
        assert without_trace(answer) == without_trace(answers[0])
    assert (await sign_in(client, ada, NEW)).status_code == 201
    assert (await sign_in(client, bob)).status_code == 201


async def test_h36_a_link_sets_the_password_of_whoever_it_was_mailed_to(
    house: House, client: httpx.AsyncClient
) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    token = await mailed(house, client, ada)

    named = await client.post(f"{API}/password-resets/{token}", json={"password": NEW, "email": bob.user.email})
    await client.post(f"{API}/password-resets/{token}", json={"password": NEW})

    is_problem(named, 422, "invalid")
    assert (await sign_in(client, bob)).status_code == 201
    assert (await sign_in(client, ada, NEW)).status_code == 201


async def test_a_link_is_used_once_even_by_many_at_once(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    token = await mailed(house, client, ada)

    answers = await asyncio.gather(
        *(client.post(f"{API}/password-resets/{token}", json={"password": f"{NEW} {n}"}) for n in range(4))
    )

    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]


async def test_a_password_that_is_too_weak_uses_no_link(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    token = await mailed(house, client, ada)

    is_problem(await client.post(f"{API}/password-resets/{token}", json={"password": "short"}), 422, "invalid")
    assert (await client.post(f"{API}/password-resets/{token}", json={"password": NEW})).status_code == 204


async def test_h35_asking_tells_nothing_of_who_is_here(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    known = await forget(client, ada.user.email)
    unknown = await forget(client, f"x{ada.user.email}")
    await house.resets.send_due(link)

    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, b"")
    assert {*known.headers} == {*unknown.headers}
    asked = [mail.to_email for mail in house.post.mails.values()]
    assert asked.count(ada.user.email) == 1
    assert f"x{ada.user.email}" not in asked


async def test_who_asks_never_waits_for_mail_and_no_mail_is_lost(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    house.post.away = True

    assert (await forget(client, ada.user.email)).status_code == 202
    for _ in range(5):
        await house.resets.send_due(link)
        house.clock.passes(seconds=61)
    house.post.away = False
    await house.resets.send_due(link)
    await house.resets.send_due(link)

    mine = [mail for mail in house.post.asked if mail.to_email == ada.user.email]
    assert len(mine) == 6
    assert len({mail.mail_id for mail in mine}) == 1
    assert len({mail.url for mail in mine}) == 6
    (mail,) = [mail for mail in house.post.mails.values() if mail.to_email == ada.user.email]
    token = mail.url.rpartition("/")[2]
    assert (await client.post(f"{API}/password-resets/{token}", json={"password": NEW})).status_code == 204


async def test_the_link_of_a_mail_whose_receipt_was_lost_is_good(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    house.post.loses_answers = True
    await forget(client, ada.user.email)
    await house.resets.send_due(link)
    house.post.loses_answers = False
    house.clock.passes(seconds=61)
    await house.resets.send_due(link)

    mine = [mail for mail in house.post.asked if mail.to_email == ada.user.email]
    (sent,) = [mail for mail in house.post.mails.values() if mail.to_email == ada.user.email]
    first = sent.url.rpartition("/")[2]

    assert (len(mine), mine[0].url) == (2, sent.url)
    assert (await client.post(f"{API}/password-resets/{first}", json={"password": NEW})).status_code == 204


async def test_a_wish_that_waited_for_half_an_hour_is_mailed_no_more(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    await forget(client, ada.user.email)
    house.clock.passes(minutes=30)

    await house.resets.send_due(link)
    house.clock.passes(minutes=31)
    purged = await house.resets.purge()

    assert [mail for mail in house.post.asked if mail.to_email == ada.user.email] == []
    assert purged["resets"] >= 1


# How often one may guess


async def test_after_five_wrong_passwords_an_address_must_wait_and_is_let_in_again(
    house: House, client: httpx.AsyncClient
) -> None:
    people = [await house.somebody() for _ in range(3)]

    for n in range(5):
        is_problem(await sign_in(client, people[n % 2], "wrong password"), 401, "unauthenticated")
        house.clock.passes(seconds=10)
    limited = await sign_in(client, people[2])
    async with door(house) as elsewhere:
        assert (await sign_in(elsewhere, people[2])).status_code == 201
    house.clock.passes(seconds=249)
    still = await sign_in(client, people[2])
    house.clock.passes(seconds=1)
    after = await sign_in(client, people[2])

    assert is_problem(limited, 429, "rate_limited")["retry_after"] == 250
    assert limited.headers["retry-after"] == "250"
    is_problem(still, 429, "rate_limited")
    assert after.status_code == 201


async def test_after_ten_wrong_passwords_an_account_must_wait_wherever_they_come_from(house: House) -> None:
    ada = await house.somebody()

    for n in range(10):
        async with door(house) as somewhere:
            email = ada.user.email if n % 2 else ada.user.email.upper()
            body = {"email": email, "password": "wrong password"}
            is_problem(await somewhere.post(f"{API}/sessions", json=body), 401, "unauthenticated")
    async with door(house) as somewhere:
        limited = await sign_in(somewhere, ada)
        house.clock.passes(minutes=15)
        after = await sign_in(somewhere, ada)

    is_problem(limited, 429, "rate_limited")
    assert after.status_code == 201


async def test_h35_an_address_that_nobody_has_is_limited_alike(house: House) -> None:
    ada = await house.somebody()
    answers = []
    for email in (ada.user.email, f"x{ada.user.email}"):
        async with door(house) as client:
            told = [
                await client.post(f"{API}/sessions", json={"email": email, "password": "wrong password"})
                for _ in range(6)
            ]
            answers.append([without_trace(answer) for answer in told])

    assert answers[0] == answers[1]
    assert [answer["status"] for answer in answers[0]] == [401] * 5 + [429]


async def test_who_knows_the_password_is_never_limited(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()

    answers = await asyncio.gather(*(sign_in(client, ada) for _ in range(12)))

    assert {answer.status_code for answer in answers} == {201}


async def test_many_guesses_at_once_are_not_more_than_one_after_the_other(
    house: House, client: httpx.AsyncClient
) -> None:
    ada = await house.somebody()

    answers = await asyncio.gather(
        *(sign_in(client, ada, "wrong password") for _ in range(20)), *(sign_in(client, ada) for _ in range(3))
    )
    learned = [answer.status_code for answer in answers if answer.status_code == 401]
    later = await sign_in(client, ada)

    assert len(learned) <= 5
    is_problem(later, 429, "rate_limited")


async def test_guessing_counts_at_every_door(house: House, client: httpx.AsyncClient) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    workspace = await house.workspace(ada)
    invitation = await client.post(
        f"{API}/workspaces/{workspace.slug}/invitations",
        json={"email": bob.user.email, "name": "Bob", "role": "member"},
        headers=ada.bearer,
    )
    accept = f"{API}/invitations/{invitation.json()['token']}/accept"

    for _ in range(2):
        await client.post(accept, json={"password": "wrong password"})
        await client.post(f"{API}/password", json={"current": "wrong password", "new": NEW}, headers=bob.bearer)
    await sign_in(client, bob, "wrong password")

    is_problem(await client.post(accept, json={"password": PASSWORD}), 429, "rate_limited")
    changed = await client.post(f"{API}/password", json={"current": PASSWORD, "new": NEW}, headers=bob.bearer)
    is_problem(changed, 429, "rate_limited")
    is_problem(await sign_in(client, bob), 429, "rate_limited")


async def test_five_mails_per_half_hour_and_address_and_per_hour_and_account(house: House) -> None:
    ada = await house.somebody()
    async with door(house) as client:
        answers = [await forget(client, f"{n}{ada.user.email}") for n in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]

    for expected in [202] * 5 + [429]:
        async with door(house) as client:
            assert (await forget(client, ada.user.email)).status_code == expected
    house.clock.passes(minutes=60)
    async with door(house) as client:
        assert (await forget(client, ada.user.email)).status_code == 202


async def test_what_counts_no_longer_is_forgotten(house: House, client: httpx.AsyncClient) -> None:
    await sign_in(client, await house.somebody(), "wrong password")
    house.clock.passes(minutes=15)

    assert (await house.limiter.purge())["tries"] >= 2


def proxied(hops: str) -> dict[str, str]:
    return {"x-forwarded-for": hops}


@pytest.mark.parametrize("forged", ["{}", "{}, 10.0.0.9", "8.8.8.8, {}", "{}, 10.0.0.9, 10.1.1.1"])
async def test_behind_a_proxy_of_ours_the_last_stranger_is_who_comes(house: House, forged: str) -> None:
    ada = await house.somebody()
    stranger = an_address()
    body = {"email": ada.user.email, "password": "wrong password"}
    async with door(house, address="10.2.3.4", proxies=(ip_network("10.0.0.0/8"),)) as client:
        for _ in range(5):
            await client.post(f"{API}/sessions", json=body, headers=proxied(forged.format(stranger)))
        same = await client.post(f"{API}/sessions", json=body, headers=proxied(forged.format(stranger)))
        other = await client.post(f"{API}/sessions", json=body, headers=proxied(forged.format(an_address())))

    is_problem(same, 429, "rate_limited")
    is_problem(other, 401, "unauthenticated")


async def test_a_stranger_does_not_say_where_they_come_from(house: House) -> None:
    ada = await house.somebody()
    body = {"email": ada.user.email, "password": "wrong password"}
    for networks in ((), (ip_network("10.0.0.0/8"),)):
        async with door(house, proxies=networks) as client:
            answers = [await client.post(f"{API}/sessions", json=body, headers=proxied(an_address())) for _ in range(6)]
            house.clock.passes(minutes=15)
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]


async def test_of_ipv6_a_whole_customer_is_one_who_comes(house: House) -> None:
    ada = await house.somebody()
    body = {"email": ada.user.email, "password": "wrong password"}
    net = f"2001:db8:{house.clock.at.microsecond:x}:{int(ada.user.id) & 0xFFFF:x}"
    statuses = []
    for n in range(6):
        async with door(house, address=f"{net}::{n + 1}") as client:
            statuses.append((await client.post(f"{API}/sessions", json=body)).status_code)

    assert statuses == [401] * 5 + [429]


def test_proxies_are_listed_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_NATS_URL", "nats://localhost")
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://localhost")
    monkeypatch.setenv("COUNTERFOIL_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8")

    assert Settings().trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


async def test_via_is_web_for_a_browser_and_api_for_a_program(house: House, client: httpx.AsyncClient) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    body = {"email": ada.user.email, "password": PASSWORD}

    await client.post(f"{API}/sessions", json=body)
    await client.post(f"{API}/sessions", json=body, headers={"sec-fetch-site": "same-origin"})

    told = [fact["body"]["via"] for fact in await house.facts(workspace.id) if fact["type"].endswith("signed_in")]
    assert told == [Via.API, Via.WEB]


async def test_the_mail_is_asked_for_over_the_bus_and_its_link_never_believes_a_host(
    gateway_service: Service, gateway_urls: Urls, nats_server: NatsServer
) -> None:
    mails: list[SendPasswordReset] = []
    database = Database(gateway_urls.app, "gateway", pool=2)
    ada = await House(database).somebody()
    await database.close()
    nats = await connect(nats_server.url_for("notifications"), inbox_prefix=b"_INBOX_notifications")

    async def take(msg: Msg) -> None:
        mails.append(SendPasswordReset.model_validate_json(msg.data))
        await msg.respond(MailQueued(mail_id=mails[-1].mail_id).model_dump_json().encode())

    await nats.subscribe(SendPasswordReset.SUBJECT, queue="notifications", cb=take)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway_service.port}") as client:
            asked = await client.post(
                f"{API}/password-resets", json={"email": ada.user.email}, headers={"host": "evil.test"}
            )
            await eventually(lambda: [mail for mail in mails if mail.to_email == ada.user.email], within=15)
            (mail,) = [mail for mail in mails if mail.to_email == ada.user.email]
            token = mail.url.rpartition("/")[2]
            done = await client.post(f"{API}/password-resets/{token}", json={"password": NEW})
            begun = await sign_in(client, ada, NEW)
    finally:
        await nats.close()

    assert asked.status_code == 202
    assert mail.url == f"http://localhost:{gateway_service.port}/password-resets/{token}"
    assert mail.to_name == "Ada Lovelace"
    assert done.status_code == 204
    assert begun.status_code == 201
