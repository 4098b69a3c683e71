"""Whatever members do with one another, somebody owns the desk, and nobody gave more than they had."""

import datetime as dt
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from contracts.base import Role, Via
from contracts.gateway import RoleChanged
from contracts.refusals import Conflict, Invalid, NotAllowed
from services.gateway import domain
from services.gateway.domain import Cause, Member, User

CAUSE = Cause(UUID(int=9), Via.API, dt.datetime(2030, 5, 17, 12, tzinfo=dt.UTC))
PEOPLE = st.integers(0, 5)
ROLES = st.sampled_from(Role)


def somebody(n: int) -> User:
    return User(UUID(int=n + 1), f"{n}@example.com", f"Person {n}")


class Memberships(RuleBasedStateMachine):
    """The domain beside a plain dictionary of who is what."""

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[int, Member] = {}

    @initialize()
    def begin(self) -> None:
        _, owner, _, _ = domain.found("w", "desk", "A desk", somebody(0), CAUSE)
        self.members[0] = owner

    @property
    def owners(self) -> int:
        return sum(member.role is Role.OWNER for member in self.members.values())

    @rule(n=PEOPLE, by=PEOPLE, role=ROLES)
    def invite_and_join(self, n: int, by: int, role: Role) -> None:
        if by not in self.members:
            return
        inviter = self.members[by]
        try:
            domain.invite(
                UUID(int=7),
                "w",
                "x@example.com",
                "X",
                role,
                by=inviter.acting,
                is_member=n in self.members,
                cause=CAUSE,
            )
        except NotAllowed:
            assert not inviter.role.runs_the_desk or (role is Role.OWNER and inviter.role is not Role.OWNER)
            return
        except Conflict:
            assert n in self.members
            return
        assert domain.outranks(inviter.role, role)
        self.members[n], _ = domain.join("w", somebody(n), role, CAUSE, version=1)

    @rule(n=PEOPLE, by=PEOPLE, role=ROLES)
    def change(self, n: int, by: int, role: Role) -> None:
        if n not in self.members or by not in self.members:
            return
        before, actor = self.members[n], self.members[by]
        try:
            after, told = domain.change_role("w", before, role, by=actor.acting, owners=self.owners, cause=CAUSE)
        except NotAllowed:
            assert actor.role is not Role.OWNER
            return
        except Conflict:
            assert self.owners == 1
            return
        assert actor.role.runs_the_desk
        assert domain.outranks(actor.role, role)
        assert domain.outranks(actor.role, before.role)
        assert (told is None) == (before.role is role)
        self.members[n] = after

    @rule(n=PEOPLE, by=PEOPLE)
    def remove(self, n: int, by: int) -> None:
        if n not in self.members or by not in self.members:
            return
        before, actor = self.members[n], self.members[by]
        try:
            domain.remove("w", before, by=actor.acting, owners=self.owners, cause=CAUSE)
        except NotAllowed:
            assert n != by
            assert actor.role is not Role.OWNER
            return
        except Conflict:
            assert self.owners == 1
            assert before.role is Role.OWNER
            return
        assert n == by or domain.outranks(actor.role, before.role)
        del self.members[n]

    @precondition(lambda self: len(self.members) > 1)
    @rule(owner=PEOPLE, heir=PEOPLE, stay_as=ROLES)
    def hand_over(self, owner: int, heir: int, stay_as: Role) -> None:
        if owner not in self.members or heir not in self.members:
            return
        before = self.owners
        giver, taker = self.members[owner], self.members[heir]
        try:
            raised, lowered, told = domain.hand_over("w", giver, taker, stay_as, cause=CAUSE)
        except NotAllowed:
            assert giver.role is not Role.OWNER
            return
        except Invalid:
            assert owner == heir or stay_as is Role.OWNER
            return
        assert all(isinstance(fact, RoleChanged) for fact in told)
        self.members[heir], self.members[owner] = raised, lowered
        assert (raised.role, lowered.role) == (Role.OWNER, stay_as)
        assert self.owners == before - (taker.role is Role.OWNER)

    @invariant()
    def somebody_owns_the_desk(self) -> None:
        assert not self.members or self.owners >= 1


TestMemberships = Memberships.TestCase
TestMemberships.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
