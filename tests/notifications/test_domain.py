"""Who hears of what, against a second telling of the same rules."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Actor, ActorKind, Audience, Caller, Person, Role, TicketEvent
from contracts.notifications import Kind
from contracts.refusals import NotAllowed
from services.notifications.domain import codes_of, concerned, owner_of_inbox, user_of, who_hears
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


def why(fact: TicketEvent, who: UUID, watchers: frozenset[UUID]) -> Kind | None:
    """The rules once more, person by person, by what the fact says on the wire."""
    said, type_ = fact.model_dump(mode="json"), fact.TYPE
    if said["actor"] | {"name": ""} == {"kind": "user", "id": str(who), "name": ""}:
        return None
    if any(each["id"] == str(who) for each in said.get("mentions", [])):
        return Kind.MENTION
    named = {"ticket_created": "assignee", "assigned": "new"}.get(type_)
    if named and (said[named] or {}).get("id") == str(who):
        return Kind.ASSIGNED
    if who not in watchers:
        return None
    return {
        "note_added": Kind.NOTE,
        "comment_added": Kind.NOTE,
        "status_changed": Kind.STATUS,
        "customer_message": Kind.MESSAGE,
        "follow_up_opened": Kind.FOLLOW_UP,
    }.get(type_)


def may_see(audience: Audience, role: Role) -> bool:
    return {
        Audience.EVERYONE: True,
        Audience.TEAM: role in (Role.OWNER, Role.ADMIN, Role.MEMBER),
        Audience.ADMINS: role in (Role.OWNER, Role.ADMIN),
    }[audience]


@given(facts, st.sampled_from(Audience), some, rosters)
def test_who_hears_is_whom_the_rules_name(
    fact: TicketEvent, audience: Audience, watchers: frozenset[UUID], members: dict[UUID, Role]
) -> None:
    fact = fact.model_copy(update={"audience": audience})
    expected = {
        who: kind
        for who, role in members.items()
        if may_see(audience, role) and (kind := why(fact, who, watchers)) is not None
    }

    told = who_hears(fact, watchers, members)

    assert dict(told) == expected
    assert len(told) == len(expected), "somebody is told twice"


@given(facts, some)
def test_whoever_is_not_known_is_concerned_all_the_same(fact: TicketEvent, watchers: frozenset[UUID]) -> None:
    everyone = dict.fromkeys(PEOPLE, Role.OWNER)

    assert concerned(fact, watchers) == dict(who_hears(fact, watchers, everyone))


def test_of_several_reasons_the_strongest_is_given() -> None:
    ada, ben = id_of("Ada"), id_of("Ben")
    members = {ada: Role.MEMBER, ben: Role.MEMBER}

    told = who_hears(noted("Olivia", "Ada", "Ada"), {ada, ben}, members)
    assert sorted(told) == sorted([(ada, Kind.MENTION), (ben, Kind.NOTE)])
    assert who_hears(assigned("Ada"), {ada, ben}, members) == [(ada, Kind.ASSIGNED)]


def test_a_move_shows_from_where_to_where() -> None:
    assert codes_of(moved()) == ("new", "open")
    assert codes_of(noted()) == (None, None)


def test_only_people_have_an_inbox() -> None:
    def caller(actor: Actor) -> Caller:
        return Caller(workspace_id="acme", kind=actor.kind, id=actor.id, name=actor.name, role=Role.ADMIN)

    assert owner_of_inbox(caller(user("Ada"))) == id_of("Ada")
    with pytest.raises(NotAllowed):
        owner_of_inbox(caller(MONITORING))
    assert user_of(Actor(kind=ActorKind.USER, id="no id", name="Nobody")) is None
    assert person("Ada") == Person(id=id_of("Ada"), name="Ada", role=Role.MEMBER)
