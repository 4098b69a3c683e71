"""Order and once-only: what was fetched waits in the lane of its workspace until it can be applied."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from chassis.applying import apply, is_first
from chassis.database import Database, Transaction, is_unfit, is_weather
from chassis.held import Ear, Held, Kept, NotYet, Told, heard
from chassis.inbox import advance, applied, bury
from chassis.lane import Lane
from chassis.logs import get_logger
from chassis.telemetry import Metrics, traced
from contracts.base import LoggedFact
from contracts.envelope import open_envelope
from contracts.refusals import Crashed, Invalid, Refusal, UnknownMessage

log = get_logger()

_AT_ONCE = 100
_IN_A_ROUND = 2_000
"""Messages of all lanes together, so that a round stays short however many have much to say."""
_FEWEST_AT_ONCE = 10
_MOST_HELD = 5_000
_MOST_BYTES = 128 << 20
_HEARTBEAT = 5.0
_REMIND_AFTER = 18.0
_TICK = 0.5
_FIRST_DELAY = 0.5
# Weather is asked often, so that a workspace is not late for long once it has passed; a bug never passes soon.
_LAST_DELAY_OF_WEATHER, _LAST_DELAY_OF_A_BUG = 4.0, 300.0
_TRIES_OF_A_BUG = 8
_ALARM_AFTER = 60.0
_NOT_YET_DELAY = 1.0
_ASK_AFTER = 2.0


type Recorder = Callable[[Told, Transaction], Awaitable[None]]
type Again = Callable[[str, int], Awaitable[Sequence[LoggedFact]]]


class Lanes:
    """Applies what one consumer fetched: in order within a lane, each message once.

    Lanes take turns, each with a handful of messages: nobody waits behind all that another has to say.
    """

    def __init__(
        self,
        stream: str,
        service: str,
        database: Database,
        metrics: Metrics,
        ears: Mapping[str, Ear],
        *,
        recorder: Recorder | None = None,
        again: Again | None = None,
        part: int | None = None,
    ) -> None:
        """Use the handlers in `ears`, by subject without workspace, or `recorder` for every fact alike.

        `again` asks the owner for the facts of a workspace after a position, when the broker leaves a gap. `part` is
        which one of the stream is applied, if it is not whole.
        """
        self._part, self._called = part, stream if part is None else f"{stream}.{part}"
        self._recorder, self._again = recorder, again
        self._stream, self._service, self._database, self._metrics, self._ears = (
            stream,
            service,
            database,
            metrics,
            ears,
        )
        metrics.expects(stream)
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._lock = asyncio.Lock()
        self._came = asyncio.Event()
        self._beat = 0.0

    def clear(self) -> None:
        """Forget what is held; it comes again."""
        self._lanes.clear()

    async def rest(self) -> None:
        """Wait until something may be due."""
        now = time.monotonic()
        due = [lane.not_before - now for lane in self._lanes.values() if lane.held]
        with suppress(TimeoutError):
            await asyncio.wait_for(self._came.wait(), max(0, min([_TICK, *due])))
        self._came.clear()

    async def take(self, messages: Sequence[Msg], now: float, *, more: bool = False) -> None:
        """Put fetched messages into their lanes and begin to apply what can be applied.

        Where there is `more` it is read first: whoever stands behind those of another gets a lane of their own.
        """
        touched = {}
        waiting = sum(len(lane.held) for lane in self._lanes.values() if lane.is_stuck(now))
        size = sum(lane.size for lane in self._lanes.values())
        for msg in messages:
            if msg.metadata.num_delivered > 1:
                self._metrics.redelivered.labels(self._stream).inc()
            held = Held.of(msg, copied=self._part is not None)
            key = (held.workspace, held.integration)
            lane = self._lanes.setdefault(key, Lane(held.workspace))
            # Only who waits, or holds the most, is turned away when much is held: the others are applied at once.
            full = lane.is_stuck(now) and waiting >= _MOST_HELD
            if full or (size >= _MOST_BYTES and lane.size >= _MOST_BYTES / len(self._lanes)):
                lane.away[held.sequence] = now
                with suppress(NatsError):  # it comes again by itself, later
                    await msg.nak(delay=_HEARTBEAT)
                continue
            waiting += lane.is_stuck(now)
            size += len(msg.data)
            lane.keep(held)
            touched[key] = lane
        self._came.set()
        if more:
            return
        async with self._lock:
            await self._round(touched.values())
            self._count()

    async def tend(self) -> None:
        """Go on with what is due, and tell the broker that the rest is not forgotten."""
        async with self._lock:
            await self._round(list(self._lanes.values()))
            now = time.monotonic()
            for key, lane in list(self._lanes.items()):
                if not lane.held and not lane.waits_for_others(now):
                    del self._lanes[key]
            if now - self._beat >= _HEARTBEAT:
                self._beat = now
                # What is applied soon needs no such word, and each word costs the broker a write.
                waiting = [held for lane in self._lanes.values() for held in lane.held.values()]
                for held in [held for held in waiting if now - held.beaten >= _REMIND_AFTER]:
                    held.beaten = now
                    with suppress(NatsError):  # the broker is away: it delivers again when it is back
                        await held.msg.in_progress()
            self._count()

    async def _round(self, lanes: Collection[Lane]) -> None:
        """Let each lane that is due apply its share."""
        now = time.monotonic()
        # Who has little to say does not wait for the turn of who has much.
        due = sorted((lane for lane in lanes if lane.held and lane.not_before <= now), key=lambda lane: len(lane.held))
        share = max(_FEWEST_AT_ONCE, min(_AT_ONCE, _IN_A_ROUND // max(1, len(due))))
        for lane in due:
            await self._drain(lane, share)

    def _count(self) -> None:
        now = time.monotonic()
        self._metrics.held.labels(self._called).set(sum(len(lane.held) for lane in self._lanes.values()))
        self._metrics.gaps.labels(self._called).set(
            max((now - lane.gap_since for lane in self._lanes.values() if lane.gap_since), default=0)
        )

    async def _drain(self, lane: Lane, share: int) -> None:
        """Apply so many of the lane's messages, fewer where they end or must wait."""
        left = share
        while lane.held and left > 0:
            now = time.monotonic()
            group = lane.next(left, now)
            if not group:
                lane.not_before = now + _TICK
                return
            together = lane.workspace and len(group) > 1 and not lane.tries and not lane.crashes
            try:
                done = await self._commit(lane.workspace, group, self._apply, "applied") if together else 0
            except Exception as error:  # noqa: BLE001 - one by one tells which, and what to do about it
                log.debug("consumer.batch_failed", rows=len(group), error=repr(error))
                done = 0
            left -= done or len(group)
            if done:
                self._metrics.applied_together.labels(self._stream).observe(done)
                self._settled(lane, group[:done])
                await self._ack(group[:done])
                continue
            for held in group:
                if not await self._one(lane, held):
                    return

    async def _one(self, lane: Lane, held: Held) -> bool:  # noqa: PLR0911 - one way out per fate
        """Settle the lane's first message by itself; False: it must wait."""
        try:
            if not lane.workspace:
                raise UnknownMessage("the subject is not one of ours")  # noqa: TRY301 - settled like any other refusal
            if not await self._commit(lane.workspace, [held], self._apply, "applied"):
                await self._gap(lane, held)
                return False
            self._metrics.applied_together.labels(self._stream).observe(1)
            self._settled(lane, [held])
            await self._ack([held])
        except Refusal as refusal:
            return await self._give_up(lane, held, refusal)
        except NotYet as reason:
            if time.time() - held.stored.timestamp() > reason.give_up_after:
                return await self._give_up(lane, held, Invalid(str(reason)))
            self._wait(lane, _NOT_YET_DELAY, str(reason))
            return False
        except Exception as error:
            if is_weather(error):
                lane.tries += 1
                self._wait(lane, _delay(lane.tries, _LAST_DELAY_OF_WEATHER), repr(error))
                return False
            if is_unfit(error):
                return await self._give_up(lane, held, Invalid("it holds a value that can't be kept"))
            lane.crashes += 1
            log.exception("message.crashed", type=held.base, tries=lane.crashes, trace_id=held.trace)
            if lane.crashes >= _TRIES_OF_A_BUG:
                return await self._give_up(lane, held, Crashed(f"{type(error).__name__} after {lane.crashes} tries"))
            self._wait(lane, _delay(lane.crashes, _LAST_DELAY_OF_A_BUG), repr(error))
            return False
        return True

    async def _give_up(self, lane: Lane, held: Held, refusal: Refusal) -> bool:
        """Bury the message in its own transaction; False: not even that is possible now."""
        try:
            if await self._disowned(lane, held):
                await self._lay_aside(lane, held, refusal)
                return True
            if not await self._commit(lane.workspace, [held], partial(self._inter, refusal), "buried"):
                await self._gap(lane, held)
                return False
        except Exception as error:
            lane.tries += 1
            weather = is_weather(error)
            if not weather:
                log.exception("message.not_buried", type=held.base, trace_id=held.trace)
            longest = _LAST_DELAY_OF_WEATHER if weather else _LAST_DELAY_OF_A_BUG
            self._wait(lane, _delay(lane.tries, longest), repr(error))
            return False
        await self._buried(lane, held, refusal)
        return True

    async def _inter(self, refusal: Refusal, tx: Transaction, dead: Held) -> None:
        await bury(
            tx,
            stream=self._stream,
            sequence=dead.sequence,
            stored=dead.stored,
            subject=dead.msg.subject,
            reason=refusal.code,
            detail=refusal.in_full,
            headers=dead.msg.headers or {},
            body=dead.msg.data,
        )

    async def _buried(self, lane: Lane, held: Held, refusal: Refusal) -> None:
        log.warning(
            "message.buried",
            type=held.base,
            workspace=lane.workspace,
            reason=refusal.code,
            sequence=held.sequence,
            trace_id=held.trace,
        )
        self._settled(lane, [held])
        with suppress(NatsError):  # it comes again and is buried once
            await held.msg.term()

    async def _disowned(self, lane: Lane, held: Held) -> bool:
        """Tell whether a record must do without this message: its owner's log has none there, or another in its place.

        The other one is held instead. What the log has, and can't be recorded, is a bug: the book waits for its end.
        """
        if self._recorder is None or self._again is None or not held.position or isinstance(held.msg, Kept):
            return False
        found = await self._again(lane.workspace, held.position - 1)
        told = next((fact for fact in found if fact.position == held.position), None)
        if told is not None:
            with suppress(Invalid):
                if told.body == held.told("", held.msg.data).body:
                    return False
            again = Held.again(told)
            lane.keep(again)
        return True

    async def _lay_aside(self, lane: Lane, held: Held, refusal: Refusal) -> None:
        """Bury a message that takes no place in its book."""
        async with self._database.transaction(lane.workspace) as tx:
            await self._inter(refusal, tx, held)
        held.outcome = "buried"
        await self._buried(lane, held, refusal)

    async def _commit(
        self,
        workspace: str,
        group: Sequence[Held],
        act: Callable[[Transaction, Held], Awaitable[None]],
        outcome: str,
    ) -> int:
        """Settle the group in one transaction; return how many are settled, now or before. 0: the first must wait."""
        if not workspace:
            async with self._database.every_workspace("dead letters without a workspace") as tx:
                await act(tx, group[0])
            group[0].outcome = outcome
            return 1
        async with self._database.transaction(workspace) as tx:
            if not group[0].position:
                for held in group:
                    if outcome == "buried" or await is_first(tx, self._stream, held):
                        await act(tx, held)
                        held.outcome = outcome
                return len(group)
            last = await applied(tx, self._stream)
            done = fresh = 0
            for held in group:
                if held.position == last + fresh + 1:
                    await act(tx, held)
                    held.outcome = outcome
                    fresh += 1
                elif held.position > last + fresh:
                    break
                done += 1
            if fresh:
                await advance(tx, self._stream, last + fresh)
            return done

    async def _apply(self, tx: Transaction, held: Held) -> None:
        if self._recorder is not None:
            received = open_envelope(held.msg.headers, held.msg.data)
            with traced(received.traceparent) as held.trace, heard(held.base):
                await self._recorder(held.told(received.id, received.data), tx)
        # A fact of a type that is not known here yet is passed over; what another system sends is not.
        elif held.base in self._ears or not held.position:
            await apply(tx, self._ears, held)

    def _settled(self, lane: Lane, group: Sequence[Held]) -> None:
        for held in group:
            lane.let_go(held)
            self._metrics.heard.labels(self._stream, held.outcome).inc()
            log.info(
                "message.heard",
                type=held.base,
                workspace=lane.workspace,
                sequence=held.sequence,
                outcome=held.outcome,
                trace_id=held.trace,
            )
        lane.tries, lane.crashes, lane.not_before, lane.gap_since = 0, 0, 0, None

    @staticmethod
    async def _ack(group: Sequence[Held]) -> None:
        for held in group:
            with suppress(NatsError):  # it comes again and is known then
                await held.msg.ack()

    def _wait(self, lane: Lane, delay: float, why: str) -> None:
        lane.not_before = time.monotonic() + delay
        self._metrics.retries.labels(self._stream).inc()
        log.warning(
            "message.waits",
            stream=self._stream,
            workspace=lane.workspace,
            tries=lane.tries,
            delay=round(delay, 2),
            why=why,
        )

    async def _gap(self, lane: Lane, held: Held) -> None:
        """Wait for an earlier position, ask its owner for it, and never skip it."""
        now = time.monotonic()
        lane.gap_since = lane.gap_since or now
        lane.not_before = now + _TICK
        if now - lane.gap_since >= _ALARM_AFTER and now - lane.alarmed >= _ALARM_AFTER:
            lane.alarmed = now
            log.error("consumer.gap", stream=self._stream, workspace=lane.workspace, waiting_at=held.position)
        if self._again is not None and now - max(lane.gap_since, lane.asked) >= _ASK_AFTER:
            lane.asked = now
            with suppress(Refusal, NatsError, TimeoutError):  # the owner is away: it is asked again
                async with self._database.transaction(lane.workspace) as tx:
                    last = await applied(tx, self._stream)
                found = [Held.again(fact) for fact in await self._again(lane.workspace, last)]
                if not found and self._recorder is not None:
                    # A position is written down before it is told: what is beyond the log was never its owner's word.
                    for stranger in [each for each in lane.held.values() if each.position > last]:
                        await self._lay_aside(lane, stranger, Invalid("its owner has never told it"))
                for each in found:
                    if each.position < held.position:
                        lane.keep(each)
                log.info("consumer.asked_again", stream=self._stream, workspace=lane.workspace, found=len(found))


def _delay(tries: int, longest: float) -> float:
    """Return how long to wait after so many tries: twice as long each time, spread by a quarter."""
    return min(longest, _FIRST_DELAY * 2.0 ** min(tries - 1, 10)) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads tries
