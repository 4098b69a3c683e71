"""What a handler works with: statements, facts to announce, and once-only; all of it is committed, or none."""

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import asyncpg
from pydantic import BaseModel
from pydantic_core import to_json
from sqlalchemy import TextClause, text

from chassis.statements import Lent, Parameters, Row, prepared
from chassis.telemetry import Part, step, traceparent
from contracts.base import Event, IdempotencyKey
from contracts.refusals import AlreadyAnswered, InProgress, KeyReused, Refusal, TooLarge
from contracts.streams import stream_of
from contracts.texts import seal, sealed_texts

# What the broker would refuse must not enter the log, where it would stop everything behind it. Its limits include
# headers.
_FOR_HEADERS = 6 * 1024
_FOR_A_SALT = 128

_TRY = text(
    "select array("
    "select pg_try_advisory_xact_lock(hashtextextended(name, 0)) from unnest(cast(:names as text[])) as name)"
)
_ANSWER_TO_ONE = text(
    "select fingerprint, answer, secret_of from idempotency"
    " where workspace_id = :ws and actor = :actor and route = :route and key = :key"
)
# Without `offset 0` the planner may read every answer of the workspace to find these few. It is planned once: JSON
# has no length to plan for.
_ANSWER_TO_MANY = text("""
    select nth, known.* from
    rows from (json_to_recordset(cast(:asked as json)) as (actor text, route text, key text)) with ordinality
    as asked (by, way, name, nth)
    cross join lateral (
        select fingerprint, answer, secret_of from idempotency
        where workspace_id = :ws and actor = asked.by and route = asked.way and key = asked.name
        offset 0
    ) as known
""")
# One statement for all that a commit leaves behind it: answers to repeats, facts, and the words of the facts.
_REMEMBER = text("""
    with answered as (
        insert into idempotency (workspace_id, actor, route, key, fingerprint, answer, secret_of)
        select :ws, * from json_to_recordset(cast(:answers as json)) as answers (
            actor text, route text, key text, fingerprint text, answer text, secret_of text
        )
    ), told as (
        insert into event_log (
            workspace_id, id, type, about_kind, about_id, version, at, audience, body, traceparent
        )
        select workspace_id, id, type, about_kind, about_id, version, at, audience, body, traceparent
        from rows from (json_to_recordset(cast(:facts as json)) as (
            workspace_id text, id uuid, type text, about_kind text, about_id text, version int, at timestamptz,
            audience text, body jsonb, traceparent text
        )) with ordinality as told (
            workspace_id, id, type, about_kind, about_id, version, at, audience, body, traceparent, nth
        )
        order by nth
    )
    insert into event_texts (workspace_id, event_id, pointer, salt, text)
    select * from json_to_recordset(cast(:words as json)) as words (
        workspace_id text, event_id uuid, pointer text, salt text, text text
    )
""")


@dataclass(frozen=True, slots=True)
class Named:
    """A command by the name that its repeats have too."""

    actor: str
    route: str
    key: str
    fingerprint: str = field(compare=False)

    @classmethod
    def of(cls, actor: str, key: IdempotencyKey) -> Self:
        """Return the name of what this actor sent under a key."""
        return cls(actor, key.route, key.key, key.fingerprint)

    def in_workspace(self, workspace_id: str) -> str:
        """Return what is locked while it is worked on."""
        where = (workspace_id, self.actor, self.route, self.key)
        return hashlib.sha256("\0".join(where).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Answered:
    fingerprint: str
    answer: str | None
    secret_of: str | None


@dataclass(slots=True)
class _Later:
    statement: TextClause
    rows: dict[Hashable, Mapping[str, Any]] = field(default_factory=dict)
    taken: Refusal | None = None


class Transaction:
    """What a handler works with. It neither opens nor commits it; what must be sent is announced."""

    def __init__(self, connection: Lent, workspace_id: str) -> None:
        """Wrap a connection whose transaction has begun and whose workspace is set."""
        self.workspace_id = workspace_id
        self._connection = connection
        self._facts: list[tuple[Event, str]] = []
        self._free: dict[Named, bool] = {}
        self._answers: dict[Named, _Answered] = {}
        self._fresh: list[Named] = []
        self._writes = 0
        self._later: dict[str, _Later] = {}
        self.known: dict[object, Any] = {}
        """What a store need not read again before the commit; whoever changes it by another way takes it out."""
        self.ahead: dict[object, Any] = {}
        """What was read ahead for commands that follow one another; none of it outlives the last of them."""
        self._wakes = False
        self.retells = False
        """Whether it hears again what was heard before: nothing leaves by it."""

    async def execute(self, statement: TextClause, parameters: Parameters = None) -> int:
        """Run a statement, and return how many rows it wrote or found."""
        said: str = await self._run(self._connection.execute, statement, *prepared(statement).values(parameters))
        many = said.rpartition(" ")[2]
        return int(many) if many.isdecimal() else 0

    def later(
        self,
        statement: TextClause,
        values: Mapping[str, Any],
        *,
        key: Hashable = None,
        taken: Refusal | None = None,
    ) -> None:
        """Run a statement before the next one that is not for later, once for all values that wait for its wording.

        It finds them in `:rows`, which is JSON, and the workspace in `:ws`. What is for later in several wordings may
        not depend on one another. Values with a `key` take the place of those that wait under it. `taken` is raised
        where a value is another's that must be unique, or what it should change is not what it was: not every value
        is a row then.
        """
        self._writes += 1
        waiting = self._later.setdefault(statement.text, _Later(statement))
        waiting.rows[len(waiting.rows) if key is None else key] = values
        waiting.taken = taken

    def waiting(self, statement: TextClause, key: Hashable) -> Mapping[str, Any] | None:
        """Return the values that wait under a key, for whoever is going to take their place."""
        waiting = self._later.get(statement.text)
        return waiting.rows.get(key) if waiting else None

    async def each(self, statement: TextClause, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement once for each of these."""
        values = prepared(statement).values
        await self._run(self._connection.executemany, statement, [values(row) for row in rows])

    async def one(self, statement: TextClause, parameters: Parameters = None) -> Row | None:
        """Return the only row, or None where there is none."""
        rows = await self.all(statement, parameters)
        if len(rows) > 1:
            msg = f"{len(rows)} rows in place of one"
            raise LookupError(msg)
        return rows[0] if rows else None

    async def all(self, statement: TextClause, parameters: Parameters = None) -> Sequence[Row]:
        """Return the rows."""
        values = prepared(statement).values(parameters)
        rows: Sequence[Row] = await self._run(self._connection.fetch, statement, *values)
        return rows

    async def scalar(self, statement: TextClause, parameters: Parameters = None) -> Any:
        """Return the first column of the first row, or None."""
        rows = await self.all(statement, parameters)
        return next(iter(rows[0].values())) if rows else None

    async def _flush(self) -> None:
        waiting, self._later = self._later.values(), {}
        for each in waiting:
            try:
                written = await self.execute(
                    each.statement, {"ws": self.workspace_id, "rows": _json([*each.rows.values()])}
                )
            except asyncpg.UniqueViolationError as error:
                self._writes += 1  # whoever's handler that befalls, a rollback alone undoes it
                if each.taken is None:
                    raise
                raise each.taken from error
            if each.taken is not None and written != len(each.rows):
                self._writes += 1
                raise each.taken

    async def _run(self, run: Callable[..., Awaitable[Any]], statement: TextClause, *values: Any) -> Any:
        if self._later:
            await self._flush()
        known = prepared(statement)
        if not known.only_reads:
            self._writes += 1
        with step(Part.CLIENT, "sql", {"db.system.name": "postgresql"}) as told:
            if told.is_recording():
                told.update_name(known.sql.split(maxsplit=1)[0].lower())
                told.set_attribute("db.query.text", known.sql)
            try:
                return await run(known.sql, *values)
            except asyncpg.PostgresError:
                self._writes += 1  # it can do no more, though it only read: a rollback alone undoes it
                raise

    def announce(self, *facts: Event) -> None:
        """Let others know, once this is committed. There is no other way out of a service."""
        if facts and not self.retells:
            parent = traceparent()
            self._facts.extend((fact, parent) for fact in facts)

    def announced(self) -> list[Event]:
        """Return what others will know once this is committed."""
        return [fact for fact, _ in self._facts]

    def wake(self) -> None:
        """Have the relay look at once after the commit."""
        self._wakes = True

    @property
    def wakes(self) -> bool:
        """Whether the relay has something to do after the commit."""
        return self._wakes or bool(self._facts)

    def mark(self) -> tuple[int, int]:
        """Return how far it has come, for `undo`."""
        return self._writes, len(self._facts)

    def undo(self, mark: tuple[int, int]) -> bool:
        """Take back what was announced since; False where more than that was done, which a rollback alone undoes."""
        writes, facts = mark
        del self._facts[facts:]
        return self._writes == writes

    async def once[R: BaseModel](
        self,
        actor: str,
        key: IdempotencyKey,
        reply: type[R],
        act: Callable[[], Awaitable[R]],
        *,
        secret_id: Callable[[R], str] | None = None,
    ) -> R:
        """Act at most once for this actor, route and key; a repeat gets the first answer again, to the byte.

        `secret_id` is for an answer that holds a secret: only this id of it is kept, and a repeat raises
        AlreadyAnswered with it. Raises InProgress while another transaction works on the same key, and KeyReused
        for another fingerprint.
        """
        named = Named.of(actor, key)
        known = await self._known(named)
        if known is not None:
            return reply.model_validate_json(known)
        answer = await act()
        kept = (None, secret_id(answer)) if secret_id else (answer.model_dump_json(), None)
        self._answers[named] = _Answered(key.fingerprint, *kept)
        self._fresh.append(named)
        return answer

    async def once_as_json(self, named: Named, act: Callable[[], Awaitable[BaseModel]]) -> str:
        """Act as `once`, for whoever hands the answer on as it is."""
        known = await self._known(named)
        if known is None:
            known = (await act()).model_dump_json()
            self._answers[named] = _Answered(named.fingerprint, known, None)
            self._fresh.append(named)
        return known

    def is_new(self, named: Named) -> bool:
        """Whether a command that was known at the beginning is going to be acted on."""
        return self._free[named] and named not in self._answers

    async def _known(self, named: Named) -> str | None:
        if named not in self._free:
            await self.begin([named])
        if not self._free[named]:
            raise InProgress(retry_after=1)
        known = self._answers.get(named)
        if known is None:
            return None
        if known.fingerprint != named.fingerprint:
            raise KeyReused
        if known.answer is None:
            raise AlreadyAnswered(id=known.secret_of)
        return known.answer

    async def begin(self, commands: Sequence[Named]) -> None:
        """Keep others from working on these, and look whether they were answered before.

        Those are two statements: the snapshot of the second shows what the last holder committed.
        """
        free = await self.scalar(_TRY, {"names": [named.in_workspace(self.workspace_id) for named in commands]})
        self._free |= zip(commands, free, strict=True)
        asked = [named for named in commands if self._free[named]]
        if len(asked) == 1:
            where = {"actor": asked[0].actor, "route": asked[0].route, "key": asked[0].key}
            row = await self.one(_ANSWER_TO_ONE, {"ws": self.workspace_id, **where})
            rows = [(asked[0], row)] if row else []
        elif asked:
            found = await self.all(_ANSWER_TO_MANY, {"ws": self.workspace_id, "asked": _json(asked)})
            rows = [(asked[row["nth"] - 1], row) for row in found]
        else:
            rows = []
        for named, row in rows:
            self._answers[named] = _Answered(row["fingerprint"], row["answer"], row["secret_of"])

    async def write_facts(self) -> None:
        """Write what was announced into the event log, its words sealed, and what is answered to repeats.

        The last thing before the commit.
        """
        if self._later:
            await self._flush()
        if not self._facts and not self._fresh:
            return
        facts, words = self._told()
        answers = [
            {"actor": named.actor, "route": named.route, "key": named.key, **asdict(self._answers[named])}
            for named in self._fresh
        ]
        values = {"ws": self.workspace_id, "facts": facts, "words": words, "answers": _json(answers)}
        await self.execute(_REMEMBER, values)
        self._fresh.clear()

    def _told(self) -> tuple[str, str]:
        """Return the facts and their words, as JSON."""
        facts: list[str] = []
        kept: list[dict[str, Any]] = []
        for fact, parent in self._facts:
            body = fact.model_dump(mode="json", exclude={"salts"})
            words = {pointer: (secrets.token_hex(16), word) for pointer, word in sealed_texts(fact)}
            seal(body, words)
            about = fact.about
            row = {
                "workspace_id": fact.workspace_id,
                "id": fact.id,
                "type": fact.SUBJECT,
                "about_kind": about.kind,
                "about_id": about.id,
                "version": about.version,
                "at": fact.at,
                "audience": fact.audience.value,
                "body": body,
                "traceparent": parent,
            }
            facts.append(sealed := _json(row))
            room = stream_of(fact.subject_for(fact.workspace_id)).max_msg_size - _FOR_HEADERS
            # To measure it exactly is to write it down once more: only what may be too large is.
            if 2 * len(sealed) + sum(6 * len(word) + _FOR_A_SALT for _, word in words.values()) > room:
                size = len(fact.model_dump_json().encode()) + len(words) * _FOR_A_SALT
                if size > room:
                    raise TooLarge("that is too much to change at once")
            kept += (
                {"workspace_id": fact.workspace_id, "event_id": fact.id, "pointer": pointer, "salt": salt, "text": word}
                for pointer, (salt, word) in words.items()
            )
        return f"[{','.join(facts)}]", _json(kept)


def _json(values: object) -> str:
    """Return what PostgreSQL reads as JSON; times and ids as their words."""
    return to_json(values).decode()
