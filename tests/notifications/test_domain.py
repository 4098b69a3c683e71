"""Who hears of what, against a second telling of the same rules."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Actor, ActorKind, Audience, Caller, Person, Role, TicketEvent
from contracts.notifications import Kind
from contracts.preferences import Preferences
from contracts.refusals import NotAllowed
from services.notifications.domain import Way, codes_of, concerned, owner_of_inbox, user_of, wanted, who_hears
from tests.notifications.builders import (
    MONITORING,
    assigned,
    commented,
    created,
    deleted,
    followed_up,
    id_of,
    moved,
    noted,
    person,
    prioritised,
    renamed,
    restored,
    unassigned,
    user,
    wrote,
)

NAMES = ("Ada", "Ben", "Cid", "Dee", "Eve")
PEOPLE = {id_of(name): name for name in NAMES}

names = st.sampled_from(NAMES)
actors = st.one_of(
    names.map(user),
    st.just(MONITORING),
    # Only a user is a person, whatever a stranger calls itself.
    names.map(lambda name: Actor(kind=ActorKind.INTEGRATION, id=str(id_of(name)), name=name)),
)
facts = st.one_of(
    st.builds(created, actors, st.none() | names),
    st.builds(assigned, names, actors, st.none() | names),
    st.builds(unassigned, names, actors),
    st.builds(moved, actors),
    st.builds(lambda by, called: noted(by, *called), actors, st.lists(names, max_size=4)),
    st.builds(lambda by, called: commented(by, *called), actors, st.lists(names, max_size=4)),
    st.builds(prioritised, actors),
    st.builds(wrote, actors.filter(lambda by: not isinstance(by, str))),
    st.builds(followed_up),
    st.builds(deleted, names),
    st.builds(restored, names),
    st.builds(lambda by: renamed("Fire", by), actors),
)
some = st.frozensets(st.sampled_from(sorted(PEOPLE)))
rosters = st.dictionaries(st.sampled_from(sorted(PEOPLE)), st.sampled_from(Role))
choices = st.dictionaries(
    st.sampled_from(sorted(PEOPLE)),
    st.dictionaries(
        st.sampled_from(sorted(Preferences.model_fields.keys() - {"mail_paused", "quiet_hours", "version"})),
        st.booleans(),
    ),
)

_ASKED_FOR = (Kind.PRIORITY, Kind.CREATED, Kind.ARRIVED)

type Choices = dict[UUID, dict[str, bool]]


def why(fact: TicketEvent, who: UUID, listeners: frozenset[UUID], chosen: dict[str, bool]) -> Kind | None:
    """The rules once more, person by person, by what the fact says on the wire."""
    said, type_ = fact.model_dump(mode="json"), fact.TYPE
    if said["actor"] | {"name": ""} == {"kind": "user", "id": str(who), "name": ""}:
        return None

    def is_at(field: str) -> bool:
        return (said.get(field) or {}).get("id") == str(who)

    listened_to = {
        "note_added": Kind.NOTE,
        "comment_added": Kind.NOTE,
        "status_changed": Kind.STATUS,
        "customer_message": Kind.MESSAGE,
        "follow_up_opened": Kind.FOLLOW_UP,
        "priority_changed": Kind.PRIORITY,
        "ticket_created": Kind.ARRIVED if said["via"] in ("widget", "intake") else Kind.CREATED,
    }.get(type_)
    if type_ == "status_changed" and said["actor"]["kind"] == "contact":
        listened_to = None  # their message is told
    reasons = (
        any(each["id"] == str(who) for each in said.get("mentions", [])) and Kind.MENTION,
        is_at({"ticket_created": "assignee", "assigned": "new"}.get(type_, "")) and Kind.ASSIGNED,
        type_ in ("assigned", "unassigned") and is_at("old") and Kind.UNASSIGNED,
        who in listeners and listened_to,
    )
    for kind in reasons:
        if kind and chosen.get(kind.replace("follow_up", "message"), kind not in _ASKED_FOR):
            return kind
    return None


def preferring(chosen: Choices) -> dict[UUID, Preferences]:
    return {
        who: Preferences.model_validate({kind: {"inbox": wants} for kind, wants in each.items()})
        for who, each in chosen.items()
    }


def telling(
    fact: TicketEvent, listeners: frozenset[UUID], members: dict[UUID, Role], chosen: Choices | None = None
) -> list[tuple[UUID, Kind]]:
    return who_hears(wanted(concerned(fact, listeners), preferring(chosen or {}), Way.INBOX), fact.audience, members)


def may_see(audience: Audience, role: Role) -> bool:
    return {
        Audience.EVERYONE: True,
        Audience.TEAM: role in (Role.OWNER, Role.ADMIN, Role.MEMBER),
        Audience.ADMINS: role in (Role.OWNER, Role.ADMIN),
    }[audience]


@given(facts, st.sampled_from(Audience), some, rosters, choices)
def test_who_hears_is_whom_the_rules_name(
    fact: TicketEvent, audience: Audience, watchers: frozenset[UUID], members: dict[UUID, Role], chosen: Choices
) -> None:
    fact = fact.model_copy(update={"audience": audience})
    expected = {
        who: kind
        for who, role in members.items()
        if may_see(audience, role) and (kind := why(fact, who, watchers, chosen.get(who, {}))) is not None
    }

    told = telling(fact, watchers, members, chosen)

    assert dict(told) == expected
    assert len(told) == len(expected), "somebody is told twice"


@given(facts, some)
def test_whoever_is_not_known_is_concerned_all_the_same(fact: TicketEvent, watchers: frozenset[UUID]) -> None:
    everyone = dict.fromkeys(PEOPLE, Role.OWNER)

    assert wanted(concerned(fact, watchers), {}, Way.INBOX) == dict(telling(fact, watchers, everyone))


def test_of_several_reasons_the_strongest_is_given() -> None:
    ada, ben = id_of("Ada"), id_of("Ben")
    members = {ada: Role.MEMBER, ben: Role.MEMBER}

    told = telling(noted("Olivia", "Ada", "Ada"), frozenset({ada, ben}), members)
    assert sorted(told) == sorted([(ada, Kind.MENTION), (ben, Kind.NOTE)])
    assert telling(assigned("Ada"), frozenset({ada, ben}), members) == [(ada, Kind.ASSIGNED)]


@pytest.mark.parametrize(
    ("fact", "chosen", "told"),
    [
        (noted("Olivia", "Ada"), {}, "mention"),
        (noted("Olivia", "Ada"), {"mention": False}, "note"),
        (noted("Olivia", "Ada"), {"mention": False, "note": False}, None),
        (noted("Olivia"), {"mention": False}, "note"),
        (assigned("Ada"), {"assigned": False}, None),
        (assigned("Ben", "Olivia", "Ada"), {}, "unassigned"),
        (assigned("Ben", "Olivia", "Ada"), {"unassigned": False}, None),
        (assigned("Ben", "Ada", "Ada"), {}, None),
        (unassigned("Ada", "Olivia"), {}, "unassigned"),
        (moved("Olivia"), {}, "status"),
        (moved("Olivia"), {"status": False, "priority": True}, None),
        (moved("Ada"), {"status": True}, None),
        (prioritised("Olivia"), {}, None),
        (prioritised("Olivia"), {"priority": True}, "priority"),
        (followed_up(), {"message": False}, None),
        (created("Olivia"), {}, None),
        (created("Olivia"), {"created": True}, "created"),
        (created("Olivia", "Ada"), {"created": True}, "assigned"),
        (created("Olivia", "Ada"), {"created": True, "assigned": False}, "created"),
        (created("Ada"), {"created": True}, None),
    ],
)
def test_everybody_hears_what_they_chose_by_the_strongest_reason_left(
    fact: TicketEvent, chosen: dict[str, bool], told: str | None
) -> None:
    ada = id_of("Ada")
    expected = [] if told is None else [(ada, Kind(told))]
    assert telling(fact, frozenset({ada}), {ada: Role.MEMBER}, {ada: chosen}) == expected


def test_a_move_shows_from_where_to_where() -> None:
    assert codes_of(moved()) == ("new", "open")
    assert codes_of(prioritised()) != (None, None)
    assert codes_of(noted()) == (None, None)


def test_only_people_have_an_inbox() -> None:
    def caller(actor: Actor) -> Caller:
        return Caller(workspace_id="acme", kind=actor.kind, id=actor.id, name=actor.name, role=Role.ADMIN)

    assert owner_of_inbox(caller(user("Ada"))) == id_of("Ada")
    with pytest.raises(NotAllowed):
        owner_of_inbox(caller(MONITORING))
    assert user_of(Actor(kind=ActorKind.USER, id="no id", name="Nobody")) is None
    assert person("Ada") == Person(id=id_of("Ada"), name="Ada", role=Role.MEMBER)
