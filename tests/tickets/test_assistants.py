"""Assistants: who may touch them, what is told of a change, which sites may embed them, whose signature counts."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contracts.base import Request, Role, uuid7
from contracts.refusals import AssistantNotFound, Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from contracts.tickets import (
    AssistantChange,
    AssistantSnapshot,
    ChangeAssistant,
    CreateAssistant,
    DeleteAssistant,
    FindAssistant,
    GetAssistant,
    GetIdentitySecret,
    Identity,
    ListAssistants,
    RotateIdentitySecret,
    WidgetSettings,
)
from services.tickets import usecases
from services.tickets.domain.identity import check, signature
from tests.tickets.builders import NOON, id_of
from tests.tickets.desk import Desk

WIDGET = WidgetSettings(title="Ask us", colour="#aa0000", greeting="Hello", allow_ticket_creation=True)


async def an_assistant(desk: Desk, name: str = "Shop", **fields: Any) -> AssistantSnapshot:
    given: dict[str, Any] = {"caller": desk.who(), "assistant_id": uuid7(), "name": name}
    return await desk.ask(CreateAssistant(**given | fields))


async def changed(
    desk: Desk, assistant: AssistantSnapshot, expected: int | None = None, **change: Any
) -> AssistantSnapshot:
    return await desk.ask(
        ChangeAssistant(
            caller=desk.who(),
            assistant_id=assistant.id,
            expected_version=expected,
            change=AssistantChange.model_validate(change),
        )
    )


# Settings


async def test_at_first_visitors_may_open_no_ticket_need_say_nothing_and_any_site_may_embed_it(desk: Desk) -> None:
    widget = (await an_assistant(desk)).widget

    assert (widget.allow_ticket_creation, widget.require_contact_info, widget.require_identity) == (False,) * 3
    assert widget.allowed_origins == ()
    assert widget.admits("https://anywhere.example")
    assert widget.admits(None)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        ("HTTPS://Shop.Example.COM:443", "https://shop.example.com"),
        (" http://shop.example.com:80 ", "http://shop.example.com"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://shop.example.com:8443", "https://shop.example.com:8443"),
        ("https://[2001:DB8::0:1]:443", "https://[2001:db8::1]"),
        ("https://127.0.0.1:80", "https://127.0.0.1:80"),
    ],
)
def test_a_site_is_kept_as_browsers_name_it(given: str, kept: str) -> None:
    settings = WidgetSettings.model_validate({"allowed_origins": [given, kept]})

    assert settings.allowed_origins == (kept,)
    assert settings.admits(kept)
    assert WidgetSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "",
        "shop.example.com",
        "https://*.example.com",
        "https://shop.example.com/",
        "https://shop.example.com/path",
        "https://shop.example.com?q",
        "https://user@shop.example.com",
        "ftp://shop.example.com",
        "javascript://x",
        "https://",
        "https://-shop.example.com",
        "https://shop..example.com",
        "https://shop.example.com:0",
        "https://shop.example.com:65536",
        "https://shop.example.com:x",
        "https://[::g]",
        "https://münchen.example",
        "https://shop.example.com\n",
        "https://shop.example.com https://evil.example",
    ],
)
def test_what_is_no_site_is_refused(origin: str) -> None:
    if origin.endswith("\n"):
        assert WidgetSettings(allowed_origins=(origin,)).allowed_origins == (origin.strip(),)
        return
    with pytest.raises(ValidationError):
        WidgetSettings(allowed_origins=(origin,))


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://good.com.evil", "http://good.com", "https://good.com:8443", "https://sub.good.com", ""],
)
def test_w1_only_the_very_sites_that_are_listed_are_admitted(origin: str | None) -> None:
    widget = WidgetSettings(allowed_origins=("https://good.com",))

    assert widget.admits("https://good.com")
    assert not widget.admits(origin)


# Commands


async def test_a_new_assistant_is_read_and_told_whole(desk: Desk) -> None:
    made = await an_assistant(desk, widget=WIDGET)

    assert (made.version, made.widget) == (1, WIDGET)
    assert await desk.ask(GetAssistant(caller=desk.who(), assistant_id=made.id)) == made
    (fact,) = await desk.told_of(made.id)
    assert (fact["type"], fact["audience"], fact["subject"]["kind"]) == ("assistant_created", "admins", "assistant")
    assert fact["new"]["allow_ticket_creation"] is True
    assert fact["new"]["greeting"].startswith("sha256:")
    assert fact["name"].startswith("sha256:")


async def test_each_change_is_one_version_and_one_fact_with_both_settings_whole(desk: Desk) -> None:
    made = await an_assistant(desk, widget=WIDGET)
    new = WIDGET.model_copy(update={"require_contact_info": True, "colour": "#00aa00"})

    after = await changed(desk, made, 1, name="Store", widget=new)

    assert (after.version, after.name, after.widget) == (2, "Store", new)
    fact = (await desk.told_of(made.id))[-1]
    assert (fact["type"], fact["version"], fact["subject"]["version"]) == ("assistant_changed", None, 2)
    assert (fact["old"]["colour"], fact["new"]["colour"]) == ("#aa0000", "#00aa00")
    assert (fact["old"]["require_contact_info"], fact["new"]["require_contact_info"]) == (False, True)
    assert set(fact["old"]) == set(fact["new"]) == set(WidgetSettings.model_fields)


async def test_what_stays_as_it_is_is_no_fact(desk: Desk) -> None:
    made = await an_assistant(desk, widget=WIDGET)

    assert await changed(desk, made, name="Shop", widget=WIDGET) == made
    assert len(await desk.told_of(made.id)) == 1


async def test_a_stale_version_is_told_what_was_missed(desk: Desk) -> None:
    made = await an_assistant(desk)
    await changed(desk, made, name="Store")

    with pytest.raises(StaleVersion) as refused:
        await changed(desk, made, 1, name="Boutique")

    assert refused.value.facts["version"] == 2
    assert [(each["type"], each["name"]) for each in refused.value.facts["missed"]] == [("assistant_changed", "Store")]


@pytest.mark.parametrize("change", [{"name": None}, {"widget": None}])
async def test_name_and_widget_always_have_a_value(desk: Desk, change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await changed(desk, await an_assistant(desk), **change)


async def test_a_deleted_assistant_is_not_there_any_more(desk: Desk) -> None:
    made = await an_assistant(desk)
    gone = await desk.ask(DeleteAssistant(caller=desk.who(), assistant_id=made.id, expected_version=1))

    assert gone.version == 2
    assert (await desk.told_of(made.id))[-1]["type"] == "assistant_deleted"
    requests: list[Request[Any]] = [
        GetAssistant(caller=desk.who(), assistant_id=made.id),
        GetIdentitySecret(caller=desk.who(), assistant_id=made.id),
        RotateIdentitySecret(caller=desk.who(), assistant_id=made.id),
        DeleteAssistant(caller=desk.who(), assistant_id=made.id),
    ]
    for request in requests:
        with pytest.raises(NotFound):
            await desk.ask(request)
    assert (await desk.ask(ListAssistants(caller=desk.who()))).items == ()
    with pytest.raises(AssistantNotFound):
        await found(desk, made.id)


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_only_those_who_run_the_desk_touch_assistants(desk: Desk, role: Role) -> None:
    made, who = await an_assistant(desk), desk.who("Mo", role)

    requests: list[Request[Any]] = [
        CreateAssistant(caller=who, assistant_id=uuid7(), name="Mine"),
        GetAssistant(caller=who, assistant_id=made.id),
        GetAssistant(caller=who, assistant_id=uuid7()),
        ListAssistants(caller=who),
        ChangeAssistant(caller=who, assistant_id=made.id, change=AssistantChange(name="Mine")),
        DeleteAssistant(caller=who, assistant_id=made.id),
        GetIdentitySecret(caller=who, assistant_id=made.id),
        RotateIdentitySecret(caller=who, assistant_id=made.id),
    ]
    for request in requests:
        with pytest.raises(NotAllowed):
            await desk.ask(request)
    assert len(await desk.told_of(made.id)) == 1


async def test_assistants_are_listed_by_name_page_by_page_and_only_this_workspaces(desk: Desk) -> None:
    await an_assistant(Desk(desk.database), "Elsewhere")
    for name in ("B", "A", "C", "A"):
        await an_assistant(desk, name)

    names, cursor = [], None
    while True:
        page = await desk.ask(ListAssistants(caller=desk.who(), cursor=cursor, limit=2))
        names += [each.name for each in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert names == ["A", "A", "B", "C"]


async def test_a_hundred_large_assistants_fit_page_by_page(desk: Desk) -> None:
    origins = tuple(f"https://{'x' * 60}.{'y' * 60}.{'z' * 60}.{n:02}.example" for n in range(50))
    for n in range(20):
        await an_assistant(desk, f"{n:02}", widget=WidgetSettings(allowed_origins=origins))

    page = await desk.ask(ListAssistants(caller=desk.who(), limit=100))
    rest = await desk.ask(ListAssistants(caller=desk.who(), limit=100, cursor=page.next_cursor))

    assert len(page.model_dump_json()) < 250 * 1024
    assert [each.name for each in (*page.items, *rest.items)] == [f"{n:02}" for n in range(20)]


async def test_an_id_that_another_workspace_has_is_a_conflict(desk: Desk) -> None:
    there = Desk(desk.database)
    theirs = await an_assistant(there)

    with pytest.raises(Conflict):
        await an_assistant(desk, assistant_id=theirs.id)
    with pytest.raises(NotFound):
        await desk.ask(GetAssistant(caller=desk.who(), assistant_id=theirs.id))


async def found(desk: Desk, id: UUID) -> tuple[str, AssistantSnapshot]:
    async with desk.database.every_workspace("test") as tx:
        answer = await usecases.find_assistant(FindAssistant(assistant_id=id), tx)
    return answer.workspace_id, answer.assistant


async def test_an_assistant_tells_its_workspace(desk: Desk) -> None:
    made = await an_assistant(desk)

    assert await found(desk, made.id) == (desk.workspace, made)
    with pytest.raises(AssistantNotFound, match="check the assistant ID"):
        await found(desk, uuid7())


async def test_a_rotated_secret_is_another_and_no_fact_holds_either(desk: Desk) -> None:
    made = await an_assistant(desk)
    first = await desk.ask(GetIdentitySecret(caller=desk.who(), assistant_id=made.id))
    rotated = await desk.ask(RotateIdentitySecret(caller=desk.who(), assistant_id=made.id))
    second = await desk.ask(GetIdentitySecret(caller=desk.who(), assistant_id=made.id))

    assert rotated.version == 2
    assert first.secret != second.secret
    assert min(len(first.secret), len(second.secret)) == 43
    told = str(await desk.told_of(made.id))
    assert "identity_secret_rotated" in told
    assert first.secret not in told
    assert second.secret not in told


# Identity

ASSISTANT, SECRET = id_of("assistant"), "s" * 43


def signed(secret: str = SECRET, assistant: UUID = ASSISTANT, **fields: Any) -> Identity:
    given: dict[str, Any] = {
        "user_id": "u-1",
        "exp": int(NOON.timestamp()) + 600,
        "nonce": "n" * 16,
        "name": "Kim",
        "email": "kim@example.com",
    }
    identity = Identity(**given | fields, hmac="0" * 64)
    return identity.model_copy(update={"hmac": signature(secret, assistant, identity)})


def test_a_signature_within_its_time_counts() -> None:
    assert check(signed(), SECRET, ASSISTANT, NOON) == NOON + dt.timedelta(minutes=10)


def test_the_signature_is_what_the_contract_says() -> None:
    assistant = UUID("0199c0de-a001-7abc-9def-00000000a001")
    identity = signed("secret", assistant, exp=1_900_000_000, name="Kim", email=None)

    # printf '0199c0de-a001-7abc-9def-00000000a001\nu-1\n1900000000\nnnnnnnnnnnnnnnnn\nKim\n'
    #   | openssl dgst -sha256 -hmac secret
    assert identity.hmac == "e42b20e7cea2fe76904cc6b00d488960150ec38fca0eaa23ba4064d3a841718e"


@pytest.mark.parametrize(
    "altered",
    [
        {"user_id": "u-2"},
        {"exp": int(NOON.timestamp()) + 601},
        {"nonce": "m" * 16},
        {"name": "Lee"},
        {"name": None},
        {"email": "lee@example.com"},
        {"email": None},
        {"name": "kim@example.com", "email": None},
        {"hmac": "0" * 64},
    ],
    ids=str,
)
def test_w5_nobody_is_somebody_else_with_a_signature(altered: dict[str, Any]) -> None:
    with pytest.raises(NotAllowed, match="not signed"):
        check(signed().model_copy(update=altered), SECRET, ASSISTANT, NOON)


def test_w6_another_secret_or_assistant_vouches_for_nobody() -> None:
    with pytest.raises(NotAllowed, match="not signed"):
        check(signed(secret="t" * 43), SECRET, ASSISTANT, NOON)
    with pytest.raises(NotAllowed, match="not signed"):
        check(signed(assistant=id_of("another")), SECRET, ASSISTANT, NOON)


@pytest.mark.parametrize("late", [0, 1, 3600])
def test_w7_what_is_over_counts_no_more(late: int) -> None:
    with pytest.raises(NotAllowed, match="expired"):
        check(signed(exp=int(NOON.timestamp()) - late), SECRET, ASSISTANT, NOON)


def test_w7_nobody_is_vouched_for_longer_than_a_day() -> None:
    day = 24 * 3600
    check(signed(exp=int(NOON.timestamp()) + day), SECRET, ASSISTANT, NOON)
    with pytest.raises(NotAllowed, match="24 hours"):
        check(signed(exp=int(NOON.timestamp()) + day + 1), SECRET, ASSISTANT, NOON)


@pytest.mark.parametrize("user_id", ["", ["u-1"], None, 7, "a\nb"], ids=repr)
def test_w9_w10_a_user_is_named_by_one_line(user_id: Any) -> None:
    with pytest.raises(ValidationError):
        Identity.model_validate(signed().model_dump() | {"user_id": user_id})


@given(st.text(max_size=5), st.text(max_size=5))
def test_no_two_identities_have_one_signature(one: str, other: str) -> None:
    try:
        first, second = signed(user_id=f"a{one}", name=f"b{other}"), signed(user_id=f"a{other}", name=f"b{one}")
    except ValidationError:
        return
    same = (first.user_id, first.name) == (second.user_id, second.name)
    assert (first.hmac == second.hmac) is same
