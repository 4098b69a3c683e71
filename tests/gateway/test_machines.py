"""Members and keys beside plain models of them, on a real store: whatever is sent, in whatever order, also at once."""

import asyncio
import itertools
import secrets
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import text

from chassis.database import Database
from contracts.base import Role, now
from services.gateway.domain import Workspace
from tests.gateway.house import PASSWORD, Clock, House, Somebody, door
from tests.support.infra import Urls

API = "/api/v1"
PEOPLE = st.integers(0, 4)
ROLES = st.sampled_from(Role)
BODIES = st.lists(st.integers(0, 1), min_size=2, max_size=6)
# What fails is told as it was found: to shorten it would take minutes of real requests.
FEW = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)


class Machine(RuleBasedStateMachine):
    """A machine that lives beside the suite's own loop, with a client of the API for each example."""

    urls: ClassVar[Urls]
    house: House
    client: httpx.AsyncClient

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self.do(self._open())

    def do[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run something to its end."""
        return self._runner.run(work)

    async def _open(self) -> None:
        database = Database(self.urls.app, "gateway", pool=8)
        self._stack.push_async_callback(database.close)
        self.house = House(database, Clock(now()))
        self.client = await self._stack.enter_async_context(door(self.house))

    def teardown(self) -> None:
        self.do(self._stack.aclose())
        self._runner.close()


def held(machine: type[Machine], urls: Urls) -> None:
    """Run a machine."""
    machine.urls = urls
    run_state_machine_as_test(machine, settings=FEW)


# Who is in a workspace, as what


type Members = dict[int, Role]


@dataclass(frozen=True, slots=True)
class Invite:
    """Ask somebody in, who comes."""

    by: int
    n: int
    role: Role

    def on(self, members: Members) -> Members | None:
        """Return who is here afterwards, or None where it is refused."""
        if not _manages(members, self.by, self.role) or self.n in members:
            return None
        return {**members, self.n: self.role}


@dataclass(frozen=True, slots=True)
class Change:
    """Give somebody another role."""

    by: int
    n: int
    role: Role

    def on(self, members: Members) -> Members | None:
        """Return who is here afterwards, or None where it is refused."""
        if self.n not in members or not _manages(members, self.by, self.role, members[self.n]):
            return None
        return _owned({**members, self.n: self.role})


@dataclass(frozen=True, slots=True)
class Remove:
    """Take somebody out; whoever takes themself out leaves."""

    by: int
    n: int

    def on(self, members: Members) -> Members | None:
        """Return who is here afterwards, or None where it is refused."""
        if self.n not in members or self.by not in members:
            return None
        if self.n != self.by and not _manages(members, self.by, members[self.n]):
            return None
        return _owned({n: role for n, role in members.items() if n != self.n})


@dataclass(frozen=True, slots=True)
class HandOver:
    """Let the workspace be somebody else's."""

    by: int
    n: int
    role: Role

    def on(self, members: Members) -> Members | None:
        """Return who is here afterwards, or None where it is refused."""
        if members.get(self.by) is not Role.OWNER or self.n not in members or self.n == self.by:
            return None
        return None if self.role is Role.OWNER else {**members, self.n: Role.OWNER, self.by: self.role}


def _manages(members: Members, by: int, *roles: Role) -> bool:
    role = members.get(by)
    return role is Role.OWNER or (role is Role.ADMIN and Role.OWNER not in roles)


def _owned(members: Members) -> Members | None:
    return members if Role.OWNER in members.values() else None


type Step = Invite | Change | Remove | HandOver
STEPS = st.one_of(
    st.builds(Invite, PEOPLE, PEOPLE, ROLES),
    st.builds(Change, PEOPLE, PEOPLE, ROLES),
    st.builds(Remove, PEOPLE, PEOPLE),
    st.builds(HandOver, PEOPLE, PEOPLE, ROLES),
)


class Memberships(Machine):
    """A workspace beside a plain dictionary of who is what in it."""

    people: list[Somebody]
    workspace: Workspace
    members: Members

    @initialize(others=st.lists(ROLES, max_size=3))
    def begin(self, others: list[Role]) -> None:
        async def make() -> None:
            self.people = [await self.house.somebody(f"Person {n}") for n in range(5)]
            self.workspace = await self.house.workspace(self.people[0])
            self.members = {0: Role.OWNER}
            for n, role in enumerate(others, 1):
                assert await self.sent(Invite(0, n, role))
                self.members[n] = role

        self.do(make())

    async def sent(self, step: Step) -> bool:
        """Send a step, and tell whether it was done."""
        here, headers = f"{API}/workspaces/{self.workspace.id}", self.people[step.by].bearer
        one = self.people[step.n].user
        match step:
            case Invite(role=role):
                body = {"email": one.email, "name": one.name, "role": role}
                asked = await self.client.post(f"{here}/invitations", json=body, headers=headers)
                if not asked.is_success:
                    return False
                link = f"{API}/invitations/{asked.json()['token']}/accept"
                answer = await self.client.post(link, json={"password": PASSWORD})
            case Change(role=role):
                answer = await self.client.patch(f"{here}/members/{one.id}", json={"role": role}, headers=headers)
            case Remove():
                answer = await self.client.delete(f"{here}/members/{one.id}", headers=headers)
            case HandOver(role=role):
                body = {"user_id": str(one.id), "stay_as": role}
                answer = await self.client.post(f"{here}/ownership", json=body, headers=headers)
        assert answer.is_success or 400 <= answer.status_code < 500, answer.text
        return answer.is_success

    async def there(self) -> Members:
        """Read who is here."""
        at = {person.user.id: n for n, person in enumerate(self.people)}
        query = text("select user_id, role from memberships where workspace_id = :ws")
        async with self.house.database.transaction(self.workspace.id) as tx:
            rows = await tx.all(query, {"ws": self.workspace.id})
        return {at[row["user_id"]]: Role(row["role"]) for row in rows}

    @rule(step=STEPS)
    def one_step(self, step: Step) -> None:
        expected = step.on(self.members)
        assert self.do(self.sent(step)) == (expected is not None)
        self.members = expected or self.members

    @rule(steps=st.lists(STEPS.filter(lambda step: not isinstance(step, Invite)), min_size=2, max_size=3))
    def some_at_once(self, steps: list[Step]) -> None:
        """What is sent at once comes to what it would have come to in some order."""

        async def at_once() -> tuple[bool, ...]:
            return tuple(await asyncio.gather(*map(self.sent, steps)))

        done, found = self.do(at_once()), self.do(self.there())
        assert (done, found) in list(_in_any_order(steps, self.members))
        self.members = found

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        if hasattr(self, "members"):
            assert self.do(self.there()) == self.members
            assert Role.OWNER in self.members.values()


def _in_any_order(steps: list[Step], members: Members) -> Iterator[tuple[tuple[bool, ...], Members]]:
    for order in itertools.permutations(range(len(steps))):
        here, done = members, dict[int, bool]()
        for n in order:
            after = steps[n].on(here)
            done[n] = after is not None
            here = after or here
        yield tuple(done[n] for n in range(len(steps))), here


def test_members_are_what_a_plain_dictionary_says_and_somebody_owns_the_desk(gateway_urls: Urls) -> None:
    held(Memberships, gateway_urls)


# Keys


class Keys(Machine):
    """Workspaces that are made under keys, beside what was said first under each."""

    makers: list[Somebody]
    said: dict[tuple[int, str], tuple[int, bytes | None]]
    """The body and the answer, None where nobody read it, by maker and key."""
    mark: str

    @initialize()
    def begin(self) -> None:
        async def make() -> None:
            self.makers = [await self.house.somebody(f"Maker {n}") for n in range(2)]

        self.do(make())
        self.said, self.mark = {}, secrets.token_hex(4)

    async def send(self, maker: int, key: str, body: int) -> httpx.Response:
        """Make a workspace."""
        named = {"name": f"Body {body}", "slug": f"{self.mark}-{maker}-{key}-{body}"}
        headers = {**self.makers[maker].bearer, "idempotency-key": key}
        return await self.client.post(f"{API}/workspaces", json=named, headers=headers)

    def heard(self, maker: int, key: str, body: int, answer: httpx.Response) -> None:
        """Compare an answer with what was said under the key before."""
        first, told = self.said.setdefault((maker, key), (body, None))
        if first != body:
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
            return
        assert answer.status_code == 201, answer.text
        assert told in (None, answer.content)
        self.said[maker, key] = body, answer.content

    @rule(maker=st.integers(0, 1), key=st.sampled_from("abc"), body=st.integers(0, 1))
    def one_send(self, maker: int, key: str, body: int) -> None:
        self.heard(maker, key, body, self.do(self.send(maker, key, body)))

    @rule(
        maker=st.integers(0, 1), key=st.sampled_from("abc"), bodies=st.lists(st.integers(0, 1), min_size=2, max_size=6)
    )
    def many_sends_at_once(self, maker: int, key: str, bodies: list[int]) -> None:
        async def at_once() -> list[httpx.Response]:
            return list(await asyncio.gather(*(self.send(maker, key, body) for body in bodies)))

        answers = list(zip(bodies, self.do(at_once()), strict=True))
        done = [(body, answer) for body, answer in answers if answer.status_code == 201]
        assert len({(body, answer.content) for body, answer in done}) <= 1
        for body, answer in sorted(answers, key=lambda each: each[1].status_code):
            if answer.status_code != 409:
                self.heard(maker, key, body, answer)
            else:
                assert answer.json()["code"] == "in_progress"

    @rule(maker=st.integers(0, 1), key=st.sampled_from("abc"), body=st.integers(0, 1), breath=st.integers(0, 40))
    def a_crash_before_the_answer(self, maker: int, key: str, body: int, breath: int) -> None:
        """What was cut off was done, or was not; the next send is answered as the first would have been."""

        async def cut() -> None:
            sending = asyncio.ensure_future(self.send(maker, key, body))
            for _ in range(breath):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

        self.do(cut())
        self.one_send(maker, key, body)

    @invariant()
    def each_key_has_made_one_workspace(self) -> None:
        if not hasattr(self, "said"):
            return

        async def made() -> set[str]:
            query = text("select slug from workspaces where slug like :mark")
            async with self.house.database.every_workspace("test") as tx:
                return {row["slug"] for row in await tx.all(query, {"mark": f"{self.mark}-%"})}

        assert self.do(made()) == {f"{self.mark}-{maker}-{key}-{body}" for (maker, key), (body, _) in self.said.items()}


def test_a_key_is_one_effect_and_one_answer_however_often_it_is_sent(gateway_urls: Urls) -> None:
    held(Keys, gateway_urls)
