"""The widget's public doors: by the assistant's id, from the sites that may use it, into one's own conversation."""

import asyncio
import datetime as dt
import json
import secrets
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis.service import Service
from contracts.base import now, uuid7
from services.gateway.usecases.widget import Widget
from tests.gateway.house import an_address, is_problem, without_trace
from tests.gateway.newsroom import Newsroom
from tests.gateway.site import ORIGIN, Site, Talk

MISSING = "0199c0de-a001-7abc-9def-00000000a001"
WHO = {"name": "Kim", "email": "kim@example.com"}


def may_be_read(answer: httpx.Response, origin: str | None = ORIGIN) -> None:
    """Check that a page of this origin may read the answer, without cookies, and may be anywhere."""
    assert answer.headers.get("access-control-allow-origin") == origin
    assert "access-control-allow-credentials" not in answer.headers
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


# Config


async def test_a_widget_is_told_what_it_needs_and_no_more(site: Site) -> None:
    await site.widget(title="Ask us", colour="#aabbcc", greeting="Hello", allowed_origins=[ORIGIN])
    answer = await site.ask("GET", "config")

    assert answer.status_code == 200
    assert answer.json() == {
        "name": "Shop",
        "title": "Ask us",
        "colour": "#aabbcc",
        "greeting": "Hello",
        "allow_ticket_creation": False,
        "require_contact_info": False,
        "require_identity": False,
        "version": 2,
    }
    may_be_read(answer)


async def test_a_browser_keeps_the_config_and_asks_whether_it_has_changed(site: Site) -> None:
    first = await site.ask("GET", "config")
    assert first.headers["cache-control"] == "private, no-cache"
    assert (await site.ask("GET", "config", if_none_match=first.headers["etag"])).status_code == 304

    await site.widget(title="Ask us")
    assert (await site.ask("GET", "config", if_none_match=first.headers["etag"])).json()["title"] == "Ask us"


# Which assistant


@pytest.mark.parametrize("assistant", [MISSING, "nonsense", "00000000", "%00", "../../api", "é"])
async def test_an_unknown_assistant_is_said_to_be_so_to_whoever_asks(site: Site, assistant: str) -> None:
    talk = Talk(str(uuid7()), secrets.token_urlsafe(32), {})
    if "/" in assistant:
        assistant = assistant.replace("/", "%2F")

    for method, path, body in operations(talk):
        answer = await site.ask(method, path, body, talk, assistant=assistant)
        if answer.json()["code"] == "not_found":  # no such address at all
            continue
        problem = is_problem(answer, 404, "assistant_not_found")
        assert "check the assistant ID" in problem["detail"]
        may_be_read(answer)


def operations(talk: Talk) -> list[tuple[str, str, Any]]:
    return [
        ("GET", "config", None),
        ("POST", "conversations", {"body": "Hello"}),
        ("GET", talk.path, None),
        ("POST", f"{talk.path}/messages", {"body": "Hello"}),
        ("POST", f"{talk.path}/ticket", {}),
        ("GET", "events", None),
    ]


async def test_the_assistants_of_a_workspace_that_ended_are_gone(newsroom: Newsroom) -> None:
    async with Site.opens(newsroom) as site:
        talk = await site.start()
        ended = await site.client.request(
            "DELETE",
            f"/api/v1/workspaces/{site.workspace.slug}",
            json={"confirm": site.workspace.slug},
            headers=site.owner.bearer,
        )
        assert ended.status_code == 204, ended.text

        assert (await site.ask("POST", "conversations", {"body": "Hello"})).status_code == 404
        assert (await site.ask("POST", f"{talk.path}/messages", {"body": "Hello"}, talk)).status_code in (401, 404)


# From where


@pytest.mark.parametrize(
    "origin", [None, "null", f"{ORIGIN}.evil", "http://shop.example.com", f"{ORIGIN}:8443", "https://example.com"]
)
async def test_w1_a_page_of_another_site_is_refused_everywhere_and_may_not_even_read_that(
    site: Site, origin: str | None
) -> None:
    talk = await site.start()
    await site.widget(allowed_origins=[ORIGIN], allow_ticket_creation=True)
    before = await site.transcript(talk)

    site.origin = origin
    for method, path, body in [*operations(talk), ("OPTIONS", "config", None)]:
        answer = await site.ask(method, path, body, talk)
        is_problem(answer, 403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers
    site.origin = ORIGIN
    assert await site.transcript(talk) == before


async def test_without_a_list_any_page_may_use_it(site: Site) -> None:
    for origin in ("https://anywhere.example", "null", None):
        answer = await site.ask("GET", "config", origin=origin)
        assert answer.status_code == 200
        may_be_read(answer, origin)


@pytest.mark.parametrize("origins", [[], [ORIGIN]])
async def test_a_browser_is_told_beforehand_what_it_may_ask(site: Site, origins: list[str]) -> None:
    await site.widget(allowed_origins=origins)
    talk = Talk(str(uuid7()), "", {})

    for _, path, _ in operations(talk):
        answer = await site.ask("OPTIONS", path, access_control_request_method="POST")
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers["access-control-allow-methods"] == "GET, POST"
        allowed = {each.strip() for each in answer.headers["access-control-allow-headers"].split(",")}
        assert allowed == {"Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"}
        may_be_read(answer)


async def test_a_browser_may_ask_for_an_assistant_that_is_not_there_and_read_so(site: Site) -> None:
    answer = await site.ask("OPTIONS", "config", assistant=MISSING)

    assert answer.status_code == 204
    may_be_read(answer)


async def test_no_other_answer_may_be_read_by_other_sites(site: Site) -> None:
    for path in ("/", "/api/openapi.json", "/api/v1/me", f"/api/v1/workspaces/{site.workspace.slug}/assistants"):
        for method in ("GET", "OPTIONS"):
            answer = await site.client.request(method, path, headers={"origin": ORIGIN} | site.owner.bearer)
            assert not {name for name in answer.headers if name.startswith("access-control")}, path
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("origin", ["https://a.example https://b.example", "x" * 501])
async def test_an_origin_that_no_browser_sends_is_malformed(site: Site, origin: str) -> None:
    is_problem(await site.ask("GET", "config", origin=origin), 400, "malformed")


# Conversations


async def test_a_visitor_begins_writes_and_reads_their_own(site: Site) -> None:
    talk = await site.start("One")
    posted = await site.post(talk, "Two")

    assert {"conversation_id", "visitor_token", "expires_at", "identified", "known", "messages"} == talk.begun.keys()
    assert len(talk.token) == 43
    assert (talk.begun["identified"], talk.begun["known"]) == (False, False)
    read = await site.transcript(talk)
    assert read == {"messages": [*talk.begun["messages"], posted], "tickets": [], "more": False}
    assert (await site.transcript(talk, "?after=1"))["messages"] == [posted]


@pytest.mark.parametrize("token", ["-", "x", "A" * 43, "cf_" + "A" * 43])
async def test_a_token_that_opens_nothing_is_refused(site: Site, token: str) -> None:
    talk = await site.start()

    for method, path, body in operations(talk)[2:]:
        is_problem(await site.ask(method, path, body, token), 401, "unauthenticated")
    is_problem(await site.ask("GET", talk.path), 401, "unauthenticated")


async def test_a_persons_session_opens_no_conversation_and_a_visitors_token_no_desk(site: Site) -> None:
    talk = await site.start()

    is_problem(await site.ask("GET", talk.path, talk=site.owner.token), 401, "unauthenticated")
    for path in ("/api/v1/me", f"/api/v1/workspaces/{site.workspace.slug}/tickets"):
        is_problem(await site.client.get(path, headers=site.headers(talk)), 401, "unauthenticated")


async def test_another_conversation_is_as_one_that_is_not_there(site: Site, newsroom: Newsroom) -> None:
    mine, other = await site.start(), await site.start()
    await site.widget(allow_ticket_creation=True)
    async with Site.opens(newsroom, allow_ticket_creation=True) as elsewhere:
        far = await elsewhere.start()
        for id in (other.id, far.id, MISSING, "nonsense"):
            for method, path, body in operations(Talk(id, "", {}))[2:5]:
                is_problem(await site.ask(method, path, body, mine), 404, "not_found")
        # The same token at another assistant.
        for method, path, body in operations(mine)[2:]:
            is_problem(await elsewhere.ask(method, path, body, mine), 404, "not_found")
        missing = await site.ask("GET", f"conversations/{MISSING}", talk=mine)
        foreign = await site.ask("GET", f"conversations/{far.id}", talk=mine)
        assert without_trace(missing) == without_trace(foreign)


async def test_w19_a_token_is_over_after_a_day(site: Site) -> None:
    talk = await site.start()
    lasts = dt.datetime.fromisoformat(talk.begun["expires_at"]) - now()
    assert dt.timedelta(hours=23, minutes=59) < lasts <= dt.timedelta(hours=24)

    old = await site.planted(talk, now())
    for method, path, body in operations(talk)[2:]:
        is_problem(await site.ask(method, path, body, old), 401, "unauthenticated")


async def test_what_is_over_is_forgotten(site: Site, newsroom: Newsroom) -> None:
    talk = await site.start()
    await site.planted(talk, now())
    widget = Widget(newsroom.house.database, newsroom.gateway.bus, newsroom.house.limiter)

    assert (await widget.purge())["visitor_tokens"] >= 1
    assert (await site.transcript(talk))["messages"]


async def test_h34_a_token_in_the_address_is_refused(site: Site) -> None:
    talk = await site.start()

    for name in ("token", "access_token", "visitor_token"):
        answer = await site.ask("GET", f"{talk.path}?{name}={talk.token}")
        assert answer.status_code in (401, 422)
        assert talk.token not in answer.text


async def test_only_a_hash_of_the_token_is_kept(site: Site, newsroom: Newsroom) -> None:
    talk = await site.start()
    async with newsroom.house.database.every_workspace("test") as tx:
        rows = await tx.all(text("select cast(t as text) as words from visitor_tokens t"))
        answers = await tx.all(text("select cast(t as text) as words from idempotency t"))

    assert rows
    assert not [row for row in (*rows, *answers) if talk.token in row["words"]]


async def test_the_same_beginning_sent_twice_makes_one_conversation_and_tells_its_token_once(site: Site) -> None:
    first = await site.ask("POST", "conversations", {"body": "Hello"}, idempotency_key="begin-1")
    second = await site.ask("POST", "conversations", {"body": "Hello"}, idempotency_key="begin-1")
    other = await site.ask("POST", "conversations", {"body": "Another"}, idempotency_key="begin-1")

    assert first.status_code == 201
    problem = is_problem(second, 409, "already_answered")
    assert problem["id"] == first.json()["conversation_id"]
    is_problem(other, 422, "idempotency_key_reused")


async def test_h10_a_message_sent_twenty_times_at_once_is_written_once(site: Site) -> None:
    talk = await site.start()
    answers = await asyncio.gather(
        *(site.ask("POST", f"{talk.path}/messages", {"body": "Once"}, talk, idempotency_key="m-1") for _ in range(20))
    )

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert [each["body"] for each in (await site.transcript(talk))["messages"]] == ["Hello", "Once"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("messages", {"body": "Hi", "status": "closed"}),
        ("messages", {"body": "Hi", "author": {"kind": "agent", "name": "Ann"}}),
        ("messages", {"body": ""}),
        ("messages", {"body": 7}),
        ("messages", {}),
        ("ticket", {"status": "resolved"}),
        ("ticket", {"assignee_id": MISSING}),
        ("ticket", {"tags": ["vip"]}),
        ("ticket", {"priority": "critical"}),
        ("ticket", {"internal": True}),
        ("ticket", {"subject": "a\r\nBcc: victim@example.com"}),
        ("ticket", {"email": "no address"}),
        ("ticket", {"email": ["kim@example.com"]}),
    ],
    ids=str,
)
async def test_w16_what_is_not_for_visitors_to_say_is_refused_and_nothing_is_kept(
    site: Site, path: str, body: dict[str, Any]
) -> None:
    talk = await site.start()
    await site.widget(allow_ticket_creation=True)

    is_problem(await site.ask("POST", f"{talk.path}/{path}", body, talk), 422, "invalid")
    read = await site.transcript(talk)
    assert (len(read["messages"]), read["tickets"]) == (1, [])


@pytest.mark.parametrize(
    "body",
    [
        {"body": "Hi", "workspace_id": "other"},
        {"body": "Hi", "contact": {"name": "Kim", "role": "admin"}},
        {"body": "Hi", "contact": {"email": "x"}},
        {"identity": {"user_id": "u"}},
        {"identity": None, "conversation_id": MISSING},
    ],
    ids=str,
)
async def test_a_beginning_with_other_fields_is_refused(site: Site, body: dict[str, Any]) -> None:
    is_problem(await site.ask("POST", "conversations", body), 422, "invalid")


async def test_a_body_over_64_kib_is_too_large(site: Site) -> None:
    talk = await site.start()

    for path in ("conversations", f"{talk.path}/messages", f"{talk.path}/ticket"):
        await site.widget(allow_ticket_creation=True)
        answer = await site.ask("POST", path, {"body": "x" * 65_536}, talk)
        is_problem(answer, 413, "too_large")
        may_be_read(answer)


@pytest.mark.parametrize(
    "raw", [b"{", b"[]", b"null", b'{"body":1e999}', b'{"body":"a","body":"b"}', b'{"body":"\\ud800"}']
)
async def test_what_is_no_json_of_ours_is_refused(site: Site, raw: bytes) -> None:
    answer = await site.client.post(
        site.url("conversations"), content=raw, headers=site.headers() | {"content-type": "application/json"}
    )

    assert answer.status_code in (400, 422), answer.text


async def test_h24_a_form_of_another_page_is_no_message(site: Site) -> None:
    answer = await site.client.post(
        site.url("conversations"), content=b'{"body":"Hi"}', headers=site.headers() | {"content-type": "text/plain"}
    )

    is_problem(answer, 415, "unsupported_media_type")


async def test_a_program_that_fills_in_every_field_is_told_that_all_went_well(site: Site) -> None:
    honest = await site.start("Buy now", contact=WHO)
    pretended = await site.start("Buy now", contact=WHO, website="https://spam.example")

    assert honest.begun.keys() == pretended.begun.keys()
    assert pretended.begun["messages"][0].keys() == honest.begun["messages"][0].keys()
    assert pretended.begun["messages"][0]["author"] == honest.begun["messages"][0]["author"]
    assert (pretended.begun["known"], len(pretended.token)) == (True, 43)
    is_problem(await site.ask("GET", pretended.path, talk=pretended), 401, "unauthenticated")


# Tickets


@pytest.mark.parametrize(
    ("allowed", "required", "known", "outcome"),
    [
        (False, False, False, (403, "ticket_creation_disabled")),
        (False, False, True, (403, "ticket_creation_disabled")),
        (False, True, False, (403, "ticket_creation_disabled")),
        (False, True, True, (403, "ticket_creation_disabled")),
        (True, False, False, (201, "")),
        (True, False, True, (201, "")),
        (True, True, False, (422, "contact_info_required")),
        (True, True, True, (201, "")),
    ],
)
async def test_the_two_settings_decide_for_known_and_unknown_visitors(
    site: Site, *, allowed: bool, required: bool, known: bool, outcome: tuple[int, str]
) -> None:
    await site.widget(allow_ticket_creation=allowed, require_contact_info=required)
    talk = await site.start("My parcel is late", **({"contact": WHO} if known else {}))

    answer = await site.ask("POST", f"{talk.path}/ticket", {}, talk)

    may_be_read(answer)
    status, code = outcome
    if status == 201:
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (made["number"], made["subject"], made["status"]) == (1, "My parcel is late", "new")
        assert (await site.transcript(talk))["tickets"] == [made]
    else:
        problem = is_problem(answer, status, code)
        if status == 422:
            assert [each["field"] for each in problem["errors"]] == ["name", "email"]
        assert (await site.transcript(talk))["tickets"] == []


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["name", "email"]),
        ({"name": "Kim"}, ["email"]),
        ({"email": "kim@example.com"}, ["name"]),
        ({"name": "Kim", "email": "kim"}, ["email"]),
        ({"name": " ", "email": "kim@example.com"}, ["name"]),
        ({"name": "", "email": ""}, ["name", "email"]),
    ],
)
async def test_what_is_missing_or_none_is_named(site: Site, given: dict[str, str], missing: list[str]) -> None:
    await site.widget(allow_ticket_creation=True, require_contact_info=True)
    talk = await site.start()

    problem = is_problem(await site.ask("POST", f"{talk.path}/ticket", given, talk), 422, "contact_info_required")
    assert [each["field"] for each in problem["errors"]] == missing
    assert (await site.ask("POST", f"{talk.path}/ticket", WHO, talk)).status_code == 201


async def test_a_second_ticket_is_a_conflict_that_names_the_first(site: Site) -> None:
    await site.widget(allow_ticket_creation=True)
    talk = await site.start()
    await site.ask("POST", f"{talk.path}/ticket", {}, talk)

    problem = is_problem(await site.ask("POST", f"{talk.path}/ticket", {}, talk), 409, "conflict")
    assert problem["number"] == 1


async def test_a_ticket_sent_twice_is_one(site: Site) -> None:
    await site.widget(allow_ticket_creation=True)
    talk = await site.start()
    answers = [await site.ask("POST", f"{talk.path}/ticket", {}, talk, idempotency_key="t-1") for _ in range(2)]

    assert answers[0].json() == answers[1].json()


# Identity


async def test_w4_where_the_site_must_vouch_nobody_else_is_let_in(site: Site) -> None:
    await site.widget(require_identity=True)

    is_problem(await site.ask("POST", "conversations", {"body": "Hi"}), 403, "not_allowed")
    begun = await site.start(identity=await site.signed(name="Kim", email="kim@example.com"))
    assert (begun.begun["identified"], begun.begun["known"]) == (True, True)


@pytest.mark.parametrize(
    ("altered", "status"),
    [
        ({"user_id": "u-2"}, 403),  # W5
        ({"hmac": "0" * 64}, 403),
        ({"exp": 1}, 403),  # W7
        ({"user_id": ""}, 422),  # W9
        ({"user_id": ["u-1"]}, 422),  # W10
        ({"user_id": None}, 422),
        ({"hmac": ""}, 422),
        ({"nonce": "short"}, 422),
        ({"role": "admin"}, 422),
    ],
    ids=str,
)
async def test_w5_w7_w9_w10_what_the_site_did_not_sign_is_refused(
    site: Site, altered: dict[str, Any], status: int
) -> None:
    identity = await site.signed() | altered

    assert (await site.ask("POST", "conversations", {"identity": identity})).status_code == status


async def test_w6_another_workspaces_secret_vouches_for_nobody(site: Site, newsroom: Newsroom) -> None:
    async with Site.opens(newsroom) as other:
        identity = await other.signed(for_assistant=site.assistant["id"])
    is_problem(await site.ask("POST", "conversations", {"identity": identity}), 403, "not_allowed")


async def test_w8_a_signature_counts_once(site: Site) -> None:
    identity = await site.signed()
    await site.start(identity=identity)

    is_problem(await site.ask("POST", "conversations", {"identity": identity}), 403, "not_allowed")


# Limits


async def test_w12_one_address_begins_so_many_conversations_an_hour(site: Site) -> None:
    answers = [await site.ask("POST", "conversations", {"body": "Hi"}) for _ in range(61)]

    assert [answer.status_code for answer in answers] == [201] * 60 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 3600
    may_be_read(answers[-1])
    site.address = an_address()
    await site.start()


async def test_w12_one_address_makes_five_tickets_in_ten_minutes(site: Site) -> None:
    await site.widget(allow_ticket_creation=True)
    answers = []
    for _ in range(6):
        talk = await site.start()
        answers.append(await site.ask("POST", f"{talk.path}/ticket", {}, talk))

    assert [answer.status_code for answer in answers] == [201] * 5 + [429]


async def test_only_tickets_that_are_made_count_as_such(site: Site) -> None:
    await site.widget(allow_ticket_creation=True, require_contact_info=True)
    talk = await site.start()
    refused = [await site.ask("POST", f"{talk.path}/ticket", {"name": "Kim"}, talk) for _ in range(6)]
    assert {answer.status_code for answer in refused} == {422}

    made = [
        await site.ask(
            "POST", f"{talk.path}/ticket", {"name": "Kim", "email": "kim@example.com"}, talk, idempotency_key="once"
        )
        for _ in range(6)
    ]
    again = [await site.ask("POST", f"{talk.path}/ticket", {}, talk) for _ in range(6)]
    assert ({answer.status_code for answer in made}, {answer.status_code for answer in again}) == ({201}, {409})


async def test_w12_one_network_of_ipv6_is_one_address(site: Site) -> None:
    network = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    answers = []
    for n in range(61):
        site.address = f"{network}:{n + 1:x}::{n:x}"
        answers.append(await site.ask("POST", "conversations", {"body": "Hi"}))

    assert [answer.status_code for answer in answers] == [201] * 60 + [429]


async def test_w12_one_assistant_makes_sixty_tickets_a_minute_wherever_they_come_from(site: Site) -> None:
    await site.widget(allow_ticket_creation=True)
    statuses = []
    for n in range(62):
        if n % 4 == 0:
            site.address = an_address()
        talk = await site.start()
        statuses.append((await site.ask("POST", f"{talk.path}/ticket", {}, talk)).status_code)

    assert statuses == [201] * 60 + [429] * 2


async def test_a_visitor_writes_thirty_messages_a_minute(site: Site) -> None:
    talk = await site.start()
    answers = []
    for _ in range(4):  # all of them at once would wait for one another, on a busy machine for too long
        answers += await asyncio.gather(
            *(site.ask("POST", f"{talk.path}/messages", {"body": f"{n}"}, talk) for n in range(8))
        )

    assert sorted(answer.status_code for answer in answers) == [201] * 30 + [429] * 2


# Description


async def test_the_description_tells_which_operations_take_a_visitors_token(gateway_service: Service) -> None:
    async with httpx.AsyncClient() as client:
        document = (await client.get(f"http://127.0.0.1:{gateway_service.port}/api/openapi.json")).json()

    widget = {path: methods for path, methods in document["paths"].items() if path.startswith("/widget")}
    secured = {each["operationId"]: each["security"] for methods in widget.values() for each in methods.values()}
    assert secured == {
        "widget_config": [],
        "start_conversation": [],
        "post_visitor_message": [{"visitor": []}],
        "open_visitor_ticket": [{"visitor": []}],
        "read_visitor_conversation": [{"visitor": []}],
        "follow_conversation": [{"visitor": []}],
    }
    assert "options" not in json.dumps(widget)
