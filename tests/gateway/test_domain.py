"""Who may come in, who may ask whom in, and how long it lasts."""

import datetime as dt
import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import ActorKind, Audience, Role, Via, uuid7
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound
from services.gateway import domain
from services.gateway.domain import Acting, Cause, Invitation, Member, Session, User, Visitor, Workspace

NOON = dt.datetime(2030, 5, 17, 12, tzinfo=dt.UTC)
ADA = User(id=UUID(int=1), email="ada@example.com", name="Ada Lovelace")
CAUSE = Cause(command_id=uuid7(), via=Via.API, at=NOON)


def an_invitation(role: Role = Role.MEMBER, *, by: Role = Role.OWNER, is_member: bool = False) -> Invitation:
    invitation, _ = domain.invite(
        UUID(int=7),
        "w",
        "new@example.com",
        "New",
        role,
        by=Acting(ADA.actor, by, ADA.id),
        is_member=is_member,
        cause=CAUSE,
    )
    return invitation


@pytest.mark.parametrize(("inviter", "role"), list(itertools.product(Role, Role)))
def test_nobody_grants_more_than_they_have(inviter: Role, role: Role) -> None:
    may = inviter is Role.OWNER or (inviter is Role.ADMIN and role is not Role.OWNER)

    if may:
        assert an_invitation(role, by=inviter).role is role
    else:
        with pytest.raises(NotAllowed):
            an_invitation(role, by=inviter)


def test_a_member_is_not_invited_again() -> None:
    with pytest.raises(Conflict):
        an_invitation(is_member=True)


def test_an_invitation_is_told_to_admins_without_its_secret() -> None:
    invitation, invited = domain.invite(
        UUID(int=7),
        "w",
        "new@example.com",
        "New",
        Role.GUEST,
        by=Acting(ADA.actor, Role.ADMIN, ADA.id),
        is_member=False,
        cause=CAUSE,
    )

    assert invited.audience is Audience.ADMINS
    assert invited.actor.id == str(ADA.id)
    assert invited.cause == str(CAUSE.command_id)
    assert (invited.subject.kind, invited.subject.id, invited.subject.version) == ("invitation", str(invitation.id), 1)


def test_an_invitation_opens_for_72_hours() -> None:
    invitation = an_invitation()

    invitation.check_open(NOON + dt.timedelta(hours=71, minutes=59))
    with pytest.raises(NotFound):
        invitation.check_open(NOON + dt.timedelta(hours=72))


def test_a_used_invitation_is_refused_in_the_words_of_one_that_never_was() -> None:
    used = Invitation(
        id=UUID(int=7),
        workspace_id="w",
        email="new@example.com",
        name="New",
        role=Role.GUEST,
        expires_at=NOON + dt.timedelta(hours=1),
        used_at=NOON,
    )

    with pytest.raises(NotFound) as refused:
        used.check_open(NOON)
    assert refused.value.to_wire() == domain.no_such_invitation().to_wire()


def test_the_maker_of_a_workspace_is_its_owner() -> None:
    workspace, owner, created, joined = domain.found("w", "desk", "The desk", ADA, CAUSE)

    assert (owner.user, owner.role) == (ADA, Role.OWNER)
    assert (created.slug, created.name, created.subject.id) == ("desk", "The desk", workspace.id)
    assert (joined.user_id, joined.role) == (ADA.id, Role.OWNER)
    assert created.audience is joined.audience is Audience.ADMINS
    assert created.actor.kind is ActorKind.USER


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "a",
        "A-desk",
        "a desk",
        "a_desk",
        "ä-desk",
        "x" * 41,
        "a/b",
        "desk\n",
        "0192f3c8-1111-7aaa-8bbb-0123456789ab",
    ],
)
def test_a_slug_that_can_not_stand_in_an_address_is_refused(slug: str) -> None:
    with pytest.raises(Invalid) as refused:
        domain.check_slug(slug)
    assert refused.value.facts["errors"][0]["field"] == "slug"


@given(st.text())
def test_what_may_be_a_workspace_is_an_id_or_a_slug(text: str) -> None:
    reference = domain.workspace_reference(text)

    assert reference is None or reference == text.lower()
    assert reference is None or not set(reference) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_an_id_is_found_in_whatever_case_it_is_written() -> None:
    assert domain.workspace_reference("0192F3C8-1111-7AAA-8BBB-0123456789AB") == "0192f3c8-1111-7aaa-8bbb-0123456789ab"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("hunter2", "string_too_short"),
        ("x" * 11, "string_too_short"),
        ("long enough " * 11, "string_too_long"),
        ("aaaaaaaaaaaaaaaa", "too_common"),
        ("Password1234", "too_common"),
        ("new@Example.com", "too_common"),
    ],
)
def test_a_new_password_that_is_easy_to_guess_is_refused_and_not_repeated(password: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        domain.check_new_password(password, "new@example.com")
    assert refused.value.facts["errors"][0]["code"] == code
    assert password not in str(refused.value.to_wire())


@pytest.mark.parametrize("password", ["correct horse battery", "пароль из слов", "x1!" * 42 + "ab"])
def test_a_new_password_of_12_to_128_characters_will_do(password: str) -> None:
    domain.check_new_password(password, "new@example.com")


def test_a_busy_session_ends_after_seven_days_and_an_idle_one_after_twelve_hours() -> None:
    session = domain.begin_session(UUID(int=9), ADA, NOON)
    busy = Session(session.id, ADA.id, NOON, NOON + dt.timedelta(days=6, hours=23), session.expires_at)

    assert not session.is_over(NOON + dt.timedelta(hours=11, minutes=59))
    assert session.is_over(NOON + dt.timedelta(hours=12))
    assert not busy.is_over(NOON + dt.timedelta(days=6, hours=23, minutes=59))
    assert busy.is_over(NOON + dt.timedelta(days=7))


def test_the_use_of_a_session_is_written_down_once_a_minute() -> None:
    session = domain.begin_session(UUID(int=9), ADA, NOON)

    assert not session.is_due(NOON + dt.timedelta(seconds=59))
    assert session.is_due(NOON + dt.timedelta(seconds=60))


@given(st.text())
def test_only_the_csrf_token_of_this_session_is_taken(text: str) -> None:
    token = "t" * 43

    assert domain.is_csrf_token(domain.csrf_token(token), token)
    assert not domain.is_csrf_token(text, token)
    assert domain.csrf_token(token) != domain.csrf_token("u" * 43)


@pytest.mark.parametrize("role", list(Role))
def test_everybody_but_a_guest_can_be_given_tickets(role: Role) -> None:
    member = Member(user=ADA, role=role, version=1, joined_at=NOON)

    if role is Role.GUEST:
        with pytest.raises(Invalid) as refused:
            domain.check_assignable(member)
        assert refused.value.facts["errors"][0]["code"] == "not_assignable"
    else:
        assert domain.check_assignable(member).role is role


def test_a_stranger_can_not_be_given_tickets() -> None:
    with pytest.raises(Invalid) as refused:
        domain.check_assignable(None)
    assert refused.value.facts["errors"][0]["code"] == "not_found"


@pytest.mark.parametrize("workspace", [None, Workspace("w", "desk", "Desk", 1, NOON)])
def test_to_a_stranger_a_workspace_is_as_one_that_does_not_exist(workspace: Workspace | None) -> None:
    visitor = Visitor(domain.begin_session(UUID(int=9), ADA, NOON), ADA, Via.API, workspace, None)

    with pytest.raises(NotFound):
        _ = visitor.here
    with pytest.raises(NotFound):
        _ = visitor.caller
