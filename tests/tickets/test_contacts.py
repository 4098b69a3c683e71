"""The people who ask: added, edited, found again, and never taken over, on a real PostgreSQL."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from contracts.base import Role, uuid7
from contracts.refusals import Conflict, Malformed, NotAllowed, NotFound, StaleVersion, Taken
from contracts.tickets import (
    ChangeContact,
    ContactChange,
    ContactPage,
    ContactSnapshot,
    CreateContact,
    DeleteContact,
    ExternalRef,
    GetContact,
    ListContacts,
)
from services.tickets.domain import KnownContact
from services.tickets.usecases.meeting import meet
from tests.tickets.builders import ACME, by, caller, id_of
from tests.tickets.desk import Desk


async def add(desk: Desk, name: str = "Kim", **fields: Any) -> ContactSnapshot:
    given: dict[str, Any] = {"caller": desk.who(), "contact_id": uuid7(), "name": name}
    return await desk.ask(CreateContact(**given | fields))


async def edit(desk: Desk, id: UUID, *, expected: int | None = None, role: Role = Role.OWNER, **fields: Any) -> Any:
    who = desk.who(role=role)
    change = ContactChange(**fields)
    return await desk.ask(ChangeContact(caller=who, contact_id=id, expected_version=expected, change=change))


async def get(desk: Desk, id: UUID, role: Role = Role.OWNER) -> ContactSnapshot:
    return await desk.ask(GetContact(caller=desk.who(role=role), contact_id=id))


async def find(desk: Desk, *, role: Role = Role.OWNER, **filters: Any) -> ContactPage:
    return await desk.ask(ListContacts(caller=desk.who(role=role), **filters))


def ref(source: str, id: str) -> ExternalRef:
    return ExternalRef(source=source, id=id)


# What a contact says


def test_an_edit_that_changes_nothing_is_no_fact() -> None:
    known, _ = KnownContact.create(id=id_of("Kim"), workspace_id=ACME, name="Kim", email="k@example.com", by=by())

    same, fact = known.change(ContactChange(name="Kim", email="k@example.com", external_ids=()), by())

    assert (same, fact) == (known, None)


def test_names_elsewhere_are_kept_in_one_order_and_once() -> None:
    names = (ref("b", "1"), ref("a", "2"), ref("b", "1"))
    known, created = KnownContact.create(id=id_of("Kim"), workspace_id=ACME, name="Kim", external_ids=names, by=by())

    assert known.external_ids == created.new.external_ids == (ref("a", "2"), ref("b", "1"))


# Adding and editing


async def test_a_contact_is_answered_read_and_told_alike(desk: Desk) -> None:
    made = await add(desk, email="Kim@Example.com", external_ids=[ref("crm", "7")])

    assert made == await get(desk, made.id)
    assert (made.version, made.verified, made.external_ids) == (1, True, (ref("crm", "7"),))
    (fact,) = await desk.told_of(made.id)
    assert (fact["type"], fact["audience"], fact["subject"]["version"]) == ("contact_created", "team", 1)
    assert "Kim" not in str(fact)


async def test_an_edit_is_told_with_both_values(desk: Desk) -> None:
    made = await add(desk, email="kim@example.com", external_ids=[ref("crm", "7"), ref("crm", "8")])
    changed = await edit(desk, made.id, email=None, external_ids=[ref("crm", "8"), ref("shop", "1")])

    assert changed == await get(desk, made.id)
    assert (changed.name, changed.email, changed.version) == ("Kim", None, 2)
    assert changed.external_ids == (ref("crm", "8"), ref("shop", "1"))
    _, fact = await desk.told_of(made.id)
    assert fact["type"] == "contact_changed"
    assert [each["source"] for each in fact["old"]["external_ids"]] == ["crm", "crm"]
    assert all(each["id"].startswith("sha256:") for each in fact["old"]["external_ids"])
    assert fact["new"]["email"] is None
    # What was let go of is free for another.
    assert (await add(desk, "Lee", email="kim@example.com", external_ids=[ref("crm", "7")])).version == 1


@pytest.mark.parametrize(
    ("field", "value"), [("email", "KIM@example.com"), ("external_ids", (ExternalRef(source="crm", id="7"),))]
)
async def test_an_address_and_a_name_elsewhere_belong_to_one(desk: Desk, field: str, value: Any) -> None:
    await add(desk, email="kim@example.com", external_ids=[ref("crm", "7")])
    lee = await add(desk, "Lee")

    for attempt in (add(desk, "Max", **{field: value}), edit(desk, lee.id, **{field: value})):
        with pytest.raises(Taken) as refused:
            await attempt
        assert refused.value.facts["errors"][0]["field"] == field
    assert await get(desk, lee.id) == lee
    assert await desk.count("contacts") == 2


async def test_of_many_who_want_one_address_at_once_one_gets_it(desk: Desk) -> None:
    others = [await add(desk, f"Lee {nth}") for nth in range(5)]
    tries = [edit(desk, other.id, email="kim@example.com") for other in others]
    tries += [add(desk, f"Max {nth}", email="KIM@example.com") for nth in range(5)]

    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(isinstance(each, ContactSnapshot) for each in outcomes) == 1
    assert sum(isinstance(each, Taken) for each in outcomes) == 9


async def test_h16_two_edits_of_one_version_and_the_second_learns_what_it_missed(desk: Desk) -> None:
    made = await add(desk)
    outcomes = await asyncio.gather(
        *(edit(desk, made.id, expected=1, name=f"Kim {nth}") for nth in range(2)), return_exceptions=True
    )

    (stale,) = [each for each in outcomes if isinstance(each, StaleVersion)]
    assert stale.facts["version"] == 2
    assert [fact["type"] for fact in stale.facts["missed"]] == ["contact_changed"]


async def test_a_new_name_is_on_the_tickets_at_once(desk: Desk) -> None:
    ticket = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    assert ticket.contact is not None
    await edit(desk, ticket.contact.id, name="Kim Sørensen")

    after = await desk.get(ticket)
    assert after.contact is not None
    assert (after.contact.name, after.version) == ("Kim Sørensen", ticket.version)


async def test_who_is_named_can_not_be_forgotten(desk: Desk) -> None:
    ticket = await desk.create(contact={"name": "Kim"})
    assert ticket.contact is not None
    nobody = await add(desk, "Lee", email="lee@example.com", external_ids=[ref("crm", "7")])

    with pytest.raises(Conflict):
        await desk.ask(DeleteContact(caller=desk.who(), contact_id=ticket.contact.id))
    await desk.ask(DeleteContact(caller=desk.who(), contact_id=nobody.id))

    assert [fact["type"] for fact in await desk.told_of(nobody.id)] == ["contact_created", "contact_deleted"]
    with pytest.raises(NotFound):
        await get(desk, nobody.id)
    await add(desk, "Max", email="lee@example.com", external_ids=[ref("crm", "7")])


async def test_who_is_being_named_is_not_forgotten_at_that_moment(desk: Desk) -> None:
    kim = await add(desk)
    tries: list[Awaitable[Any]] = [desk.create(contact_id=kim.id) for _ in range(4)]
    tries.append(desk.ask(DeleteContact(caller=desk.who(), contact_id=kim.id)))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)

    forgotten = not isinstance(outcomes[-1], Exception)
    assert forgotten == (await desk.count("contacts") == 0)
    assert all(not forgotten or isinstance(each, Exception) for each in outcomes[:-1])


# Rights and walls


async def test_a_guest_knows_those_of_tickets_and_by_name_only(desk: Desk) -> None:
    ticket = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    hidden = await add(desk, "Lee")
    assert ticket.contact is not None

    shown = await get(desk, ticket.contact.id, Role.GUEST)
    assert (shown.name, shown.email, shown.external_ids) == ("Kim", None, ())
    with pytest.raises(NotFound):
        await get(desk, hidden.id, Role.GUEST)
    for attempt in (
        find(desk, role=Role.GUEST),
        add(desk, caller=desk.who(role=Role.GUEST)),
        edit(desk, hidden.id, role=Role.GUEST, name="X"),
        desk.ask(DeleteContact(caller=desk.who(role=Role.GUEST), contact_id=hidden.id)),
    ):
        with pytest.raises(NotAllowed):
            await attempt


async def test_a_member_may_add_and_edit(desk: Desk) -> None:
    made = await add(desk, caller=desk.who("Max", Role.MEMBER))

    assert (await edit(desk, made.id, role=Role.MEMBER, name="Kimberly")).name == "Kimberly"


async def test_h1_h2_a_contact_of_another_workspace_is_not_there(desk: Desk) -> None:
    theirs = await add(Desk(desk.database), email="kim@example.com")

    for attempt in (
        get(desk, theirs.id),
        edit(desk, theirs.id, name="X"),
        desk.ask(DeleteContact(caller=desk.who(), contact_id=theirs.id)),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert (await find(desk, email="kim@example.com")).items == ()
    assert (await add(desk, email="kim@example.com")).version == 1


# Finding


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["Größe 100%", "Kim", "lee"]),
        ({"q": "IM"}, ["Kim"]),
        ({"q": "example"}, ["Kim", "lee"]),
        ({"q": "kim example.com"}, ["Kim"]),
        ({"q": "GRÖSSE"}, ["Größe 100%"]),
        ({"q": "%"}, ["Größe 100%"]),
        ({"q": "_"}, []),
        ({"q": "\\"}, []),
        ({"email": "LEE@EXAMPLE.com"}, ["lee"]),
        ({"email": "lee"}, []),
        ({"source": "crm", "external_id": "7"}, ["Kim"]),
        ({"source": "crm"}, ["Kim", "lee"]),
        ({"source": "shop", "external_id": "7"}, ["Größe 100%"]),
        ({"external_id": "nobody"}, []),
    ],
)
async def test_contacts_are_found(desk: Desk, filters: dict[str, Any], found: list[str]) -> None:
    await add(desk, "Kim", email="kim@example.com", external_ids=[ref("crm", "7")])
    await add(desk, "lee", email="Lee@Example.com", external_ids=[ref("crm", "8")])
    await add(desk, "Größe 100%", external_ids=[ref("shop", "7")])

    seen: list[str] = []
    page = await find(desk, **filters, limit=1)
    while True:
        seen += [contact.name for contact in page.items]
        if page.next_cursor is None:
            break
        page = await find(desk, **filters, limit=1, cursor=page.next_cursor)

    assert sorted(seen) == sorted(found)
    assert len(seen) == len(set(seen))


async def test_h21_a_cursor_is_good_for_its_own_list_only(desk: Desk) -> None:
    for name in ("Kim", "Lee"):
        await add(desk, name)
    cursor = (await find(desk, limit=1)).next_cursor

    for broken in ("x", cursor[:-2] if cursor else ""):
        with pytest.raises(Malformed):
            await find(desk, cursor=broken)
    with pytest.raises(Malformed):
        await find(desk, q="Kim", cursor=cursor)


# Meeting


async def test_a_stranger_who_names_a_known_address_changes_nobody(desk: Desk) -> None:
    kim = await add(desk, email="kim@example.com")
    async with desk.database.transaction(desk.workspace) as tx:
        met = await meet(tx, by(caller(workspace=desk.workspace)), name="Mallory", email="KIM@example.com")

    assert (met.id, met.name) == (kim.id, "Kim")
    assert await get(desk, kim.id) == kim
    assert len(await desk.told_of(kim.id)) == 1


async def test_whoever_vouches_for_a_name_elsewhere_has_it_told(desk: Desk) -> None:
    kim = await add(desk, email="kim@example.com")
    async with desk.database.transaction(desk.workspace) as tx:
        await meet(
            tx, by(caller(workspace=desk.workspace)), name="K", email="kim@example.com", called=ref("monitoring", "1")
        )

    assert [fact["type"] for fact in await desk.told_of(kim.id)] == ["contact_created", "contact_changed"]
    after = await get(desk, kim.id)
    assert (after.name, after.version, after.external_ids) == ("Kim", 2, (ref("monitoring", "1"),))


async def test_a_contact_that_a_ticket_made_is_told(desk: Desk) -> None:
    ticket = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    assert ticket.contact is not None

    assert [fact["type"] for fact in await desk.told_of(ticket.contact.id)] == ["contact_created"]
    assert (await get(desk, ticket.contact.id)).verified
