"""People come in and ask others in, on a real PostgreSQL."""

import asyncio
import threading
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import text

from chassis.bus import Bus, Transaction
from chassis.telemetry import Metrics
from contracts.base import IdempotencyKey, Role, Via
from contracts.refusals import (
    AlreadyAnswered,
    Conflict,
    Invalid,
    KeyReused,
    Malformed,
    NotAllowed,
    NotFound,
    Refusal,
    Taken,
    Unauthenticated,
    Unavailable,
)
from services.gateway.domain import Visitor, Workspace
from services.gateway.usecases.answers import InvitationMade
from services.gateway.usecases.beginnings import Beginnings, First
from services.gateway.usecases.examples import COLLEAGUES
from services.gateway.usecases.passwords import AT_ONCE, Passwords
from tests.gateway.house import PASSWORD, House, Somebody

FIRST = First(slug="demo", email="owner@example.com", password="a password of some length", examples=True)
NEW_PASSWORD = "a brand new password"


async def here(house: House, who: Somebody, workspace: Workspace) -> Visitor:
    return await house.people.visitor(who.token, workspace.id, Via.API)


async def invited(
    house: House, visitor: Visitor, email: str = "new@example.com", role: Role = Role.MEMBER, key: str | None = None
) -> InvitationMade:
    promise = IdempotencyKey(key=key, route="POST invitations", fingerprint=email) if key else None
    return await house.invitations.invite(
        visitor, email, "Newcomer", role, key=promise, link=lambda token: f"https://desk.example.com/i/{token}"
    )


def beginnings(house: House) -> Beginnings:
    metrics = Metrics("gateway")
    return Beginnings(house.database, Bus("", "gateway", house.database, metrics), house.passwords, house.clock)


async def refusal_of(deed: object) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await deed  # type: ignore[misc]
    return refused.value


async def test_the_right_password_begins_a_session_that_is_known_again(house: House) -> None:
    ada = await house.somebody()

    signed_in = await house.accounts.sign_in(ada.user.email.upper(), PASSWORD, house.came())
    visitor = await house.people.visitor(signed_in.token, None, Via.API)

    assert visitor.user == ada.user
    assert signed_in.token != ada.token


async def test_an_unknown_address_and_a_wrong_password_are_refused_alike(house: House) -> None:
    ada = await house.somebody()

    wrong = await refusal_of(house.accounts.sign_in(ada.user.email, "not the password", house.came()))
    unknown = await refusal_of(house.accounts.sign_in("nobody@example.com", "not the password", house.came()))

    assert isinstance(wrong, Unauthenticated)
    assert wrong.to_wire() == unknown.to_wire()


async def test_an_unknown_address_costs_the_same_work_as_a_known_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[str] = []
    verify = house.passwords._hasher.verify

    def noted(password: str, known: str) -> bool:
        costs.append("$".join(known.split("$")[:4]))
        return verify(password, known)

    monkeypatch.setattr(house.passwords._hasher, "verify", noted)
    real = await house.passwords.hash(PASSWORD)

    assert await house.passwords.verify(PASSWORD, real)
    assert not await house.passwords.verify(PASSWORD, None)
    assert costs[0] == costs[1]
    assert "argon2id" in costs[0]


async def test_passwords_are_hashed_two_at_once_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    hasher = passwords._hasher.hash
    gate, busy, most = threading.Lock(), 0, 0

    def counted(password: str) -> str:
        nonlocal busy, most
        with gate:
            busy += 1
            most = max(most, busy)
        made = hasher(password)
        with gate:
            busy -= 1
        return made

    monkeypatch.setattr(passwords._hasher, "hash", counted)
    await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(8)))

    assert most == AT_ONCE


async def test_a_crowd_at_the_door_is_asked_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords()
    monkeypatch.setattr(passwords._hasher, "hash", lambda _: "hash")

    answers = await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(200)), return_exceptions=True)

    assert "hash" in answers
    assert {type(answer) for answer in answers} == {str, Unavailable}


async def test_a_session_that_was_ended_opens_nothing(house: House) -> None:
    ada = await house.somebody()
    await house.accounts.sign_out(await house.people.visitor(ada.token, None, Via.API))

    assert isinstance(await refusal_of(house.people.visitor(ada.token, None, Via.API)), Unauthenticated)


async def test_look_ups_at_once_share_a_transaction_and_each_finds_its_own(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    workspace, other = await house.workspace(ada), await house.workspace(eve)
    people, purposes, transaction = house.people, list[str](), house.database.every_workspace

    def counted(purpose: str) -> AbstractAsyncContextManager[Transaction]:
        purposes.append(purpose)
        return transaction(purpose)

    monkeypatch.setattr(house.database, "every_workspace", counted)
    ended = (await house.accounts.sign_in(ada.user.email, PASSWORD, house.came())).token
    await house.accounts.sign_out(await house.people.visitor(ended, None, Via.API))
    asked = [(ada, workspace.id), (eve, workspace.id), (ada, None), (eve, other.slug), (ada, "nowhere")] * 8

    purposes.clear()
    found = await asyncio.gather(
        people.visitor(ended, workspace.id, Via.API),
        *(people.visitor(who.token, where, Via.API) for who, where in asked),
        return_exceptions=True,
    )

    assert len(purposes) <= 3
    assert isinstance(found[0], Unauthenticated)
    assert [(visitor.user.id, visitor.workspace) for visitor in found[1:] if isinstance(visitor, Visitor)] == [
        (ada.user.id, workspace),
        (eve.user.id, None),
        (ada.user.id, None),
        (eve.user.id, other),
        (ada.user.id, None),
    ] * 8


async def test_a_session_that_is_used_now_and_then_lasts_seven_days(house: House) -> None:
    ada = await house.somebody()

    for _ in range(15):
        house.clock.passes(hours=11)
        await house.people.visitor(ada.token, None, Via.API)
    house.clock.passes(hours=3)

    assert isinstance(await refusal_of(house.people.visitor(ada.token, None, Via.API)), Unauthenticated)


async def test_a_session_that_lies_idle_for_twelve_hours_is_over(house: House) -> None:
    ada = await house.somebody()
    house.clock.passes(hours=12)

    assert isinstance(await refusal_of(house.people.visitor(ada.token, None, Via.API)), Unauthenticated)


async def test_only_a_hash_of_a_token_is_stored(house: House) -> None:
    ada = await house.somebody()

    async with house.database.every_workspace("test") as tx:
        rows = await tx.all(text("select * from sessions where user_id = :id"), {"id": ada.user.id})

    assert ada.token not in str([dict(row) for row in rows])


async def test_what_is_over_is_forgotten_and_the_rest_is_not(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    old = await invited(house, await here(house, ada, workspace))
    house.clock.passes(hours=73)
    bob = await house.somebody("Bob")

    purged = await house.people.purge()

    assert purged["sessions"] >= 1
    assert purged["invitations"] >= 1
    assert (await house.people.visitor(bob.token, None, Via.API)).user == bob.user
    assert isinstance(await refusal_of(house.invitations.accept(old.token, NEW_PASSWORD, None, house.came())), NotFound)


async def test_a_workspace_is_found_by_id_and_by_slug_and_only_by_its_members(house: House) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    workspace = await house.workspace(ada)

    by_id = await house.people.visitor(ada.token, workspace.id, Via.API)
    by_slug = await house.people.visitor(ada.token, workspace.slug, Via.API)
    stranger = await house.people.visitor(eve.token, workspace.slug, Via.API)

    assert by_id.here == by_slug.here == (workspace, Role.OWNER)
    assert (stranger.workspace, stranger.role) == (None, None)


async def test_the_maker_of_a_workspace_owns_it_and_the_records_are_told(house: House) -> None:
    ada = await house.somebody()
    visitor = await house.people.visitor(ada.token, None, Via.WEB)

    made = await house.workspaces.found(visitor, "Support", f"s-{ada.user.id.hex[-8:]}", None)

    assert made.role is Role.OWNER
    facts = await house.facts(made.id)
    assert [fact["type"].rpartition(".")[2] for fact in facts] == ["workspace_created", "member_joined"]
    assert {fact["audience"] for fact in facts} == {"admins"}
    assert facts[0]["body"]["actor"]["id"] == str(ada.user.id)
    assert "Ada" not in str(facts)


async def test_a_slug_is_taken_once(house: House) -> None:
    ada, eve = await house.somebody(), await house.somebody("Eve")
    workspace = await house.workspace(ada)
    visitor = await house.people.visitor(eve.token, None, Via.API)

    assert isinstance(await refusal_of(house.workspaces.found(visitor, "Mine", workspace.slug, None)), Taken)


async def test_the_same_key_makes_one_workspace_and_another_body_is_refused(house: House) -> None:
    ada = await house.somebody()
    visitor = await house.people.visitor(ada.token, None, Via.API)
    slug = f"s-{ada.user.id.hex[-8:]}"
    key = IdempotencyKey(key="k", route="POST workspaces", fingerprint="one")

    first = await house.workspaces.found(visitor, "Support", slug, key)
    again = await house.workspaces.found(visitor, "Support", slug, key)
    other = house.workspaces.found(visitor, "Other", slug, key.model_copy(update={"fingerprint": "two"}))

    assert again.model_dump_json() == first.model_dump_json()
    assert isinstance(await refusal_of(other), KeyReused)


async def test_somebody_new_follows_an_invitation_and_is_a_member(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    email = f"new.{workspace.slug}@example.com"
    invitation = await invited(house, await here(house, ada, workspace), email, Role.ADMIN)

    begun = await house.invitations.accept(invitation.token, NEW_PASSWORD, None, house.came(Via.WEB))
    visitor = await house.people.visitor(begun.token, workspace.id, Via.API)

    assert visitor.here == (workspace, Role.ADMIN)
    assert [ref.slug for ref in begun.workspaces] == [workspace.slug]
    assert (await house.accounts.sign_in(email, NEW_PASSWORD, house.came())).user == begun.user
    types = [fact["type"].rpartition(".")[2] for fact in await house.facts(workspace.id)]
    assert types == ["workspace_created", "member_joined", "member_invited", "member_joined", "signed_in"]
    assert invitation.token not in str(await house.facts(workspace.id))


async def test_somebody_known_follows_an_invitation_with_their_own_password(house: House) -> None:
    ada, bob = await house.somebody(), await house.somebody("Bob")
    own = await house.workspace(bob)
    workspace = await house.workspace(ada)
    invitation = await invited(house, await here(house, ada, workspace), bob.user.email.upper())

    wrong = await refusal_of(house.invitations.accept(invitation.token, "somebody else's", None, house.came()))
    begun = await house.invitations.accept(invitation.token, PASSWORD, None, house.came())

    assert isinstance(wrong, Unauthenticated)
    assert begun.user.id == bob.user.id
    assert {ref.slug for ref in begun.workspaces} == {own.slug, workspace.slug}


async def test_an_invitation_is_used_once_even_by_two_at_once(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    email = f"new.{workspace.slug}@example.com"
    invitation = await invited(house, await here(house, ada, workspace), email)

    answers = await asyncio.gather(
        *(house.invitations.accept(invitation.token, NEW_PASSWORD, None, house.came()) for _ in range(4)),
        return_exceptions=True,
    )
    later = await refusal_of(house.invitations.accept(invitation.token, NEW_PASSWORD, None, house.came()))

    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 3
    assert all(isinstance(answer, NotFound | Conflict) for answer in refused)
    assert isinstance(later, NotFound)


async def test_an_expired_used_or_unknown_invitation_is_refused_alike(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    visitor = await here(house, ada, workspace)
    used = await invited(house, visitor, f"a.{workspace.slug}@example.com")
    await house.invitations.accept(used.token, NEW_PASSWORD, None, house.came())
    expired = await invited(house, visitor, f"b.{workspace.slug}@example.com")
    house.clock.passes(hours=72)

    refused = [
        (await refusal_of(house.invitations.accept(token, NEW_PASSWORD, None, house.came()))).to_wire()
        for token in (used.token, expired.token, "A" * 43, "not a token")
    ]

    assert refused[0]["code"] == "not_found"
    assert all(answer == refused[0] for answer in refused)


async def test_an_answer_that_was_lost_is_not_told_again_but_named(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    visitor = await here(house, ada, workspace)
    email = f"new.{workspace.slug}@example.com"
    key = IdempotencyKey(key="k", route="POST accept", fingerprint="f")

    invitation = await invited(house, visitor, email, key="k")
    again = await refusal_of(invited(house, visitor, email, key="k"))
    begun = await house.invitations.accept(invitation.token, NEW_PASSWORD, key, house.came())
    accepted_again = await refusal_of(house.invitations.accept(invitation.token, NEW_PASSWORD, key, house.came()))

    assert isinstance(again, AlreadyAnswered)
    assert again.facts == {"id": str(invitation.id)}
    assert isinstance(accepted_again, AlreadyAnswered)
    assert accepted_again.facts == {"id": str(begun.user.id)}


async def test_a_second_invitation_takes_the_place_of_the_first(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    visitor = await here(house, ada, workspace)
    email = f"new.{workspace.slug}@example.com"
    first, second = await invited(house, visitor, email), await invited(house, visitor, email.upper())

    assert isinstance(
        await refusal_of(house.invitations.accept(first.token, NEW_PASSWORD, None, house.came())), NotFound
    )
    assert (await house.invitations.accept(second.token, NEW_PASSWORD, None, house.came())).user.email == email.upper()


async def test_a_new_password_that_is_too_short_uses_no_invitation(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    invitation = await invited(house, await here(house, ada, workspace), f"new.{workspace.slug}@example.com")

    assert isinstance(
        await refusal_of(house.invitations.accept(invitation.token, "short", None, house.came())), Invalid
    )
    assert (await house.invitations.accept(invitation.token, NEW_PASSWORD, None, house.came())).user.name == "Newcomer"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_only_who_runs_the_desk_invites(house: House, role: Role) -> None:
    workspace = await house.workspace(await house.somebody())
    visitor = await here(house, await house.member(workspace, role), workspace)

    assert isinstance(await refusal_of(invited(house, visitor)), NotAllowed)


async def test_a_member_is_not_invited_again(house: House) -> None:
    ada = await house.somebody()
    workspace = await house.workspace(ada)
    bob = await house.member(workspace, Role.GUEST)

    refused = await refusal_of(invited(house, await here(house, ada, workspace), bob.user.email.upper()))

    assert isinstance(refused, Conflict)


async def test_members_are_listed_by_name_page_by_page_and_guests_see_no_addresses(house: House) -> None:
    ada = await house.somebody("Ada")
    workspace = await house.workspace(ada)
    for name in ("Eve", "Bob", "Cleo", "Bob"):
        await house.member(workspace, Role.MEMBER, name)
    guest = await house.member(workspace, Role.GUEST, "Zoe")
    visitor, stranger = await here(house, ada, workspace), await here(house, guest, workspace)

    names: list[str] = []
    cursor: str | None = None
    while True:
        page = await house.people.members(visitor, cursor, 2)
        names += [member.name for member in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    seen_by_guest = (await house.people.members(stranger, None, 100)).items

    assert names == ["Ada", "Bob", "Bob", "Cleo", "Eve", "Zoe"]
    assert {member.name for member in seen_by_guest if member.email} == {"Zoe"}


async def test_a_cursor_of_another_workspace_is_refused(house: House) -> None:
    ada = await house.somebody("Ada")
    one, other = await house.workspace(ada), await house.workspace(ada)
    await house.member(one, Role.MEMBER)
    cursor = (await house.people.members(await here(house, ada, one), None, 1)).next_cursor

    refused = await refusal_of(house.people.members(await here(house, ada, other), cursor, 1))

    assert isinstance(refused, Malformed)


async def test_an_assignee_is_looked_for_in_this_workspace_only(house: House) -> None:
    ada = await house.somebody()
    one, other = await house.workspace(ada), await house.workspace(ada)
    bob = await house.member(one, Role.MEMBER, "Bob")
    guest = await house.member(one, Role.GUEST)

    person = await house.people.assignee(await here(house, ada, one), bob.user.id)
    foreign = await refusal_of(house.people.assignee(await here(house, ada, other), bob.user.id))
    weak = await refusal_of(house.people.assignee(await here(house, ada, one), guest.user.id))

    assert (person.id, person.name, person.role) == (bob.user.id, "Bob", Role.MEMBER)
    assert foreign.facts["errors"][0]["code"] == "not_found"
    assert weak.facts["errors"][0]["code"] == "not_assignable"


async def test_a_transaction_of_one_workspace_sees_no_other(house: House) -> None:
    ada = await house.somebody()
    one, other = await house.workspace(ada), await house.workspace(ada)
    await invited(house, await here(house, ada, other))

    async with house.database.transaction(one.id) as tx:
        seen = {
            table: await tx.scalar(text(f"select count(*) from {table} where workspace_id <> :ws"), {"ws": one.id})
            for table in ("workspaces", "memberships", "invitations", "event_log")
        }

    assert seen == dict.fromkeys(seen, 0)


async def test_two_replicas_that_start_at_once_make_one_workspace(empty_house: House) -> None:
    made = await asyncio.gather(*(beginnings(empty_house).first_workspace(FIRST) for _ in range(3)))
    later = await beginnings(empty_house).first_workspace(FIRST)
    signed_in = await empty_house.accounts.sign_in("Owner@example.com", FIRST.password, empty_house.came())

    assert sorted(made) == [False, False, True]
    assert later is False
    assert [(ref.slug, ref.role) for ref in signed_in.workspaces] == [("demo", Role.OWNER)]
    types = [fact["type"].rpartition(".")[2] for fact in await empty_house.facts(signed_in.workspaces[0].id)]
    assert types == ["workspace_created", *["member_joined"] * (1 + len(COLLEAGUES)), "signed_in"]


async def test_the_first_workspace_has_the_id_that_it_is_given(empty_house: House) -> None:
    id = "01930000-0000-7000-8000-000000000001"
    first = First(slug="bench", email="o@example.com", password=FIRST.password, workspace_id=id)

    assert await beginnings(empty_house).first_workspace(first)
    assert (await empty_house.accounts.sign_in("o@example.com", FIRST.password, empty_house.came())).workspaces[
        0
    ].id == id
