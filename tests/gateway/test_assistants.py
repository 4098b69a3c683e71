"""Assistants over HTTP, for those who run the desk: settings are changed one by one, secrets are read by request."""

import asyncio
from typing import Any

import pytest

from contracts.base import Role
from tests.gateway.house import is_problem, without_trace
from tests.gateway.newsroom import Newsroom
from tests.gateway.site import Site
from tests.support.eventually import eventually

AT_FIRST = {
    "allow_ticket_creation": False,
    "require_contact_info": False,
    "allowed_origins": [],
    "require_identity": False,
    "title": "How can we help?",
    "colour": "#2f5d50",
    "greeting": "",
}


async def test_an_assistant_is_made_read_listed_and_removed(site: Site) -> None:
    answer = await site.admin("POST", "assistants", {"name": "Second", "widget": {"colour": "#aabbcc"}})
    made = answer.json()

    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    assert answer.headers["location"] == f"/api/v1/workspaces/{site.workspace.id}/assistants/{made['id']}"
    assert made["widget"] == AT_FIRST | {"colour": "#aabbcc"}
    assert (await site.admin("GET", f"assistants/{made['id']}")).json() == made
    assert [each["name"] for each in (await site.admin("GET", "assistants")).json()["items"]] == ["Second", "Shop"]

    assert (await site.admin("DELETE", f"assistants/{made['id']}", if_match='"1"')).status_code == 204
    is_problem(await site.admin("GET", f"assistants/{made['id']}"), 404, "not_found")
    is_problem(await site.ask("GET", "config", assistant=made["id"]), 404, "assistant_not_found")


async def test_what_is_not_named_stays(site: Site) -> None:
    path = f"assistants/{site.assistant['id']}"
    first = await site.admin("PATCH", path, {"widget": {"title": "Ask us", "allow_ticket_creation": True}})
    second = await site.admin("PATCH", path, {"name": "Store", "widget": {"greeting": "Hello"}})
    third = await site.admin("PATCH", path, {"widget": {"allow_ticket_creation": False}})

    assert [answer.status_code for answer in (first, second, third)] == [200] * 3
    assert third.json()["widget"] == AT_FIRST | {"title": "Ask us", "greeting": "Hello"}
    assert (third.json()["name"], third.json()["version"], third.headers["etag"]) == ("Store", 4, '"4"')


async def test_two_who_change_different_settings_at_once_both_have_their_way(site: Site) -> None:
    path = f"assistants/{site.assistant['id']}"
    changes: list[dict[str, Any]] = [{"title": "Ask us"}, {"greeting": "Hello"}, {"colour": "#aabbcc"}]
    answers = await asyncio.gather(*(site.admin("PATCH", path, {"widget": change}) for change in changes))

    assert {answer.status_code for answer in answers} == {200}
    widget = (await site.admin("GET", path)).json()["widget"]
    assert widget == AT_FIRST | changes[0] | changes[1] | changes[2]


async def test_h16_of_two_patches_with_one_version_one_is_refused_and_told_what_it_missed(site: Site) -> None:
    path = f"assistants/{site.assistant['id']}"
    answers = await asyncio.gather(
        *(site.admin("PATCH", path, {"widget": {"title": title}}, if_match='"1"') for title in ("One", "Two"))
    )

    good, bad = sorted(answers, key=lambda answer: answer.status_code)
    assert good.status_code == 200
    problem = is_problem(bad, 412, "stale_version")
    assert problem["version"] == 2
    assert [each["type"] for each in problem["missed"]] == ["assistant_changed"]


async def test_h10_a_repeat_makes_nothing_new(site: Site) -> None:
    answers = [
        await site.admin("POST", "assistants", {"name": "Once"}, idempotency_key="one assistant".replace(" ", "-"))
        for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert len((await site.admin("GET", "assistants")).json()["items"]) == 2


@pytest.mark.parametrize(
    "widget",
    [
        {"allowed_origins": ["*"]},
        {"allowed_origins": ["null"]},
        {"allowed_origins": ["https://shop.example.com/path"]},
        {"allowed_origins": ["https://a.example"] * 51},
        {"colour": "red"},
        {"colour": "#AABBCC"},
        {"title": ""},
        {"title": "a\nb"},
        {"greeting": "x" * 501},
        {"greeting": "\u0000"},
        {"allow_ticket_creation": "yes"},
        {"allow_ticket_creation": None},
        {"identity_secret": "mine"},
        {"unknown": True},
    ],
    ids=lambda widget: str(widget)[:50],
)
async def test_settings_that_are_none_are_refused_and_change_nothing(site: Site, widget: dict[str, Any]) -> None:
    path = f"assistants/{site.assistant['id']}"

    is_problem(await site.admin("PATCH", path, {"widget": widget}), 422, "invalid")
    assert (await site.admin("GET", path)).json() == site.assistant


@pytest.mark.parametrize("origin", ["shop.example.com", "https://shop.example.com/path", "\u212a://a.example"])
async def test_whoever_writes_an_origin_wrong_is_told_how_it_is_written(site: Site, origin: str) -> None:
    path = f"assistants/{site.assistant['id']}"

    answer = await site.admin("PATCH", path, {"widget": {"allowed_origins": [origin]}})

    (error,) = is_problem(answer, 422, "invalid")["errors"]
    assert error["field"] == "widget.allowed_origins.0"
    assert "https://www.example.com" in error["detail"]


@pytest.mark.parametrize("body", [{}, {"widget": {}}])
async def test_nothing_to_change_is_said_so(site: Site, body: dict[str, Any]) -> None:
    is_problem(await site.admin("PATCH", f"assistants/{site.assistant['id']}", body), 422, "invalid")


async def test_sites_are_kept_as_browsers_name_them(site: Site) -> None:
    changed = await site.widget(allowed_origins=["HTTPS://Shop.Example.com:443", "https://shop.example.com"])

    assert changed["widget"]["allowed_origins"] == ["https://shop.example.com"]


OPERATIONS = [
    ("GET", "assistants", None),
    ("POST", "assistants", {"name": "Mine"}),
    ("GET", "assistants/{id}", None),
    ("PATCH", "assistants/{id}", {"name": "Mine"}),
    ("DELETE", "assistants/{id}", None),
    ("GET", "assistants/{id}/identity-secret", None),
    ("POST", "assistants/{id}/identity-secret", None),
]


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_h7_who_does_not_run_the_desk_is_refused_everywhere(site: Site, role: Role) -> None:
    who = await site.room.house.member(site.workspace, role)
    for method, path, body in OPERATIONS:
        answer = await site.admin(method, path.format(id=site.assistant["id"]), body, who=who)
        is_problem(answer, 403, "not_allowed")


async def test_h1_another_workspaces_assistant_is_as_one_that_is_not_there(site: Site, newsroom: Newsroom) -> None:
    missing = "0199c0de-a001-7abc-9def-00000000a001"
    async with Site.opens(newsroom) as other:
        for method, path, body in OPERATIONS[2:]:
            answers = [
                await site.admin(method, path.format(id=id), body)
                for id in (other.assistant["id"], missing, "no-id-at-all")
            ]
            assert [answer.status_code for answer in answers] == [404] * 3
            assert len({str(without_trace(answer)) for answer in answers}) == 1


async def test_the_secret_is_drawn_anew_and_the_old_one_is_void_at_once(site: Site) -> None:
    path = f"assistants/{site.assistant['id']}/identity-secret"
    old = await site.signed()
    first = (await site.admin("GET", path)).json()
    rotated = await site.admin("POST", path, idempotency_key="rotate-1")
    again = await site.admin("POST", path, idempotency_key="rotate-1")
    second = (await site.admin("GET", path)).json()

    assert rotated.json() == again.json()
    assert "secret" not in rotated.text.replace("identity_secret", "")
    assert first["assistant_id"] == second["assistant_id"] == site.assistant["id"]
    assert first["secret"] != second["secret"]
    is_problem(await site.ask("POST", "conversations", {"identity": old}), 403, "not_allowed")
    assert (await site.start(identity=await site.signed())).begun["identified"] is True


async def test_every_change_is_in_the_record_for_admins_and_whole(site: Site) -> None:
    guest = await site.room.house.member(site.workspace, Role.GUEST)
    await site.widget(allow_ticket_creation=True)

    async def recorded() -> list[dict[str, Any]]:
        feed = (await site.admin("GET", "feed")).json()["items"]
        return [entry for entry in feed if entry["type"].startswith("assistant_")]

    created, changed = await eventually(lambda: _two(recorded), within=15)
    assert (created["type"], changed["type"]) == ("assistant_created", "assistant_changed")
    assert changed["old"]["allow_ticket_creation"] is False
    assert changed["new"]["allow_ticket_creation"] is True
    assert set(changed["new"]) == set(AT_FIRST)
    assert (await site.admin("GET", "feed", who=guest)).json()["items"] == []


async def _two(recorded: Any) -> list[dict[str, Any]] | None:
    entries: list[dict[str, Any]] = await recorded()
    return entries if len(entries) == 2 else None
