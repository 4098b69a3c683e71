"""A file of a workspace, read line by line, checked, and put into another; sent again, it goes on where it ended."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import UUID, uuid5

from pydantic import AwareDatetime

from chassis import transfer
from chassis.bus import Bus
from chassis.database import Database
from contracts.base import Model, Role, now, uuid7
from contracts.refusals import Conflict, Invalid, Malformed, NotAllowed
from contracts.rows import Footer, Header, MemberRow
from contracts.transfer import (
    ENTRY,
    FOOTER,
    NOTIFICATIONS_KINDS,
    TICKETS_KINDS,
    ExportTickets,
    ImportEntries,
    ImportIntoNotifications,
    ImportIntoTickets,
    ImportRows,
)
from services.gateway import domain, store
from services.gateway.domain import Cause, Visitor
from services.gateway.store import imports as kept
from services.gateway.usecases.acting import acting
from services.gateway.usecases.lines import Lines, Row, Wrong, checked
from services.gateway.usecases.reading import ROOM, Fault, Gathered, Reading

_MOST_FAULTS = 50
_AT_ONCE = 100
_WORK = 60.0
_NAMES = UUID("5b0f7a44-6f5e-4f0a-9f37-3d3f9a6f0a11")
_LEFT_OUT = frozenset(
    {"workspace", "member", "invitation", "token", "integration", "webhook", "mail", "inbox_item", "correspondent"}
)
"""What is made anew, by people or by itself: it has a secret, or belongs to an account."""
_TAKEN_IN = frozenset({*TICKETS_KINDS, *NOTIFICATIONS_KINDS, "view", ENTRY}) - _LEFT_OUT


class ImportReport(Model):
    """What a file holds, and what became of it."""

    dry_run: bool
    export: UUID | None
    workspace: dict[str, str]
    """The one that it comes from."""
    counts: dict[str, int]
    """Lines of each kind."""
    left_out: dict[str, int]
    """Those of them that are not imported: people, secrets, inboxes, and the book of people."""
    faults: tuple[Fault, ...]
    """What is wrong, the first of it; an import ends at the first."""
    taken: int
    """Up to this line it is in the workspace; the same file, mended behind it, goes on there."""
    finished: bool
    """Whether everything is in the workspace."""


class ImportState(Model):
    """How far an import has come."""

    export: UUID
    lines: int
    begun_at: AwareDatetime
    finished_at: AwareDatetime | None


class ImportStates(Model):
    """The import into this workspace, if there is one."""

    items: tuple[ImportState, ...]


class Imports:
    """Takes workspaces in."""

    def __init__(self, database: Database, bus: Bus, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep our own rows in `database`, and hand the others to their owners."""
        self._database, self._bus, self._clock = database, bus, clock

    async def state(self, visitor: Visitor) -> ImportStates:
        """Return how far the import into this workspace has come."""
        here, role = visitor.here
        if role is not Role.OWNER:
            raise NotAllowed("Only an owner may import.")
        async with self._database.transaction(here.id) as tx:
            known = await kept.import_here(tx)
        if known is None:
            return ImportStates(items=())
        begun, finished = known.begun_at, known.finished_at
        state = ImportState(export=known.export_id, lines=known.lines, begun_at=begun, finished_at=finished)
        return ImportStates(items=(state,))

    async def is_open(self, visitor: Visitor) -> bool:
        """Tell whether a file may go into this workspace: nothing has happened here but its import, which goes on."""
        here, _ = visitor.here
        async with self._database.transaction(here.id) as tx:
            known = await kept.import_here(tx)
        return await self._is_new(visitor) if known is None else known.finished_at is None

    async def look(self, visitor: Visitor, lines: AsyncIterator[bytes]) -> ImportReport:
        """Say what a file would bring into a new workspace, and what is wrong with it; nothing is made."""
        here, _ = visitor.here
        return await self.take(replace(visitor, workspace=replace(here, id=str(uuid7()))), lines, dry_run=True)

    async def take(self, visitor: Visitor, lines: AsyncIterator[bytes], *, dry_run: bool) -> ImportReport:
        """Read a file to its end, and put what it holds into the workspace unless it is a dry run.

        Raises NotAllowed, Conflict for a workspace in which something has happened, and Malformed for no such file.
        A fault in a line ends an import; what came before it stays, and the same file, mended, goes on there.
        """
        here, role = visitor.here
        if role is not Role.OWNER:
            raise NotAllowed("Only an owner may import.")
        reading = Reading(visitor, dry_run, Lines(here.id))
        async for raw in lines:
            reading.line += 1
            try:
                await self._take(reading, raw)
            except Wrong as wrong:
                if reading.header is None:
                    raise Malformed(f"This is no export of a workspace: its first line {wrong}.") from None
                await self._flush(reading)
                if dry_run or not reading.faults:
                    reading.faults.append(Fault(line=reading.line, detail=str(wrong)))
            if reading.faults and (not dry_run or len(reading.faults) >= _MOST_FAULTS):
                break
        else:
            await self._end(reading)
        header = reading.header
        return ImportReport(
            dry_run=dry_run,
            export=header.export if header else None,
            workspace=header.workspace.model_dump() if header else {},
            counts=dict(reading.counts),
            left_out=dict(+reading.left_out),
            faults=tuple(reading.faults),
            taken=reading.done,
            finished=not dry_run and not reading.faults,
        )

    async def _take(self, reading: Reading, raw: bytes) -> None:
        line = reading.lines.read(raw)
        kind = line.get("kind")
        if reading.header is None:
            await self._begin(reading, line)
            reading.read(raw)
            return
        if reading.footer is not None:
            raise Wrong("nothing may stand behind the last line")
        if kind == FOOTER:
            reading.footer = checked(Footer, line)
            return
        reading.read(raw)
        await self._let_in(reading)
        if not isinstance(kind, str) or not isinstance(line.get("row"), dict):
            raise Wrong("must have a kind and a row")
        reading.counts[kind] += 1
        if kind == "member":
            await self._know(reading, checked(MemberRow, line["row"]))
        if kind not in _LEFT_OUT | _TAKEN_IN:
            raise Wrong("is of a kind that isn't known here")
        row, size = reading.lines.row(kind, line) if kind in _TAKEN_IN else ({}, 0)
        if row:
            await self._gather(reading, kind, row, size)
        else:
            reading.left_out[kind] += 1

    async def _gather(self, reading: Reading, kind: str, row: Row, size: int) -> None:
        full = len(reading.batch) >= _AT_ONCE or size > reading.room
        if reading.batch and (kind != reading.kind or full):
            await self._flush(reading)
        reading.kind, reading.room = kind, reading.room - size
        gathered = Gathered(reading.line, row, reading.digest.copy())
        if kind == "assistant":  # the next line that is put in may name its new id
            reading.held.append(gathered)
            await self._let_in(reading)
        elif reading.line > reading.done:
            reading.batch.append(gathered)

    async def _let_in(self, reading: Reading) -> None:
        """Put in the assistants, each by itself, once they are known to be of the file that is in."""
        while reading.held and reading.line >= reading.known_at:
            reading.batch, reading.kind = [reading.held.pop(0)], "assistant"
            await self._flush(reading)

    async def _begin(self, reading: Reading, line: Row) -> None:
        try:
            reading.header = header = checked(Header, line)
        except Wrong as wrong:
            raise Malformed(f"This is no export of a workspace: in its first line {wrong}.") from None
        here, _ = reading.visitor.here
        workspace, export = header.workspace.id, header.export
        reading.lines.names[workspace] = here.id
        async with self._database.transaction(here.id) as tx:
            known = await kept.import_here(tx)
        if known is None and not await self._is_new(reading.visitor):
            raise Conflict("Import into a new workspace: something has happened in this one already.")
        if not reading.dry_run:
            async with self._database.transaction(here.id) as tx:
                by = await acting(tx, reading.visitor)
                # Of two who begin at once one does, and both go on: each row takes effect once.
                if known is None and await kept.begin_import(tx, export, self._clock()):
                    cause = Cause(command_id=uuid7(), via=reading.visitor.via, at=self._clock())
                    tx.announce(domain.import_workspace(here.id, export, workspace, by=by, cause=cause))
                known = await kept.import_here(tx)
        if known is not None:
            if known.export_id != export or known.finished_at is not None:
                raise Conflict("A file was imported into this workspace already.")
            if not reading.dry_run:
                reading.done, reading.before, reading.known_at = known.lines, known, known.digest_lines or 0

    async def _is_new(self, visitor: Visitor) -> bool:
        return not (await self._bus.ask(ExportTickets(caller=visitor.caller, kind=store.POSITION.kind))).rows

    async def _know(self, reading: Reading, member: MemberRow) -> None:
        """Let a member of the file be the member here who has their address."""
        here, _ = reading.visitor.here
        email = member.email.lower()
        async with self._database.transaction(here.id) as tx:
            found = await kept.members_at(tx, [email])
        if email in found and found[email] != member.id:
            reading.lines.names[str(member.id)] = str(found[email])

    async def _flush(self, reading: Reading) -> None:
        """Put in what has gathered; a batch that is refused is tried row by row, to say which it is."""
        batch, kind = reading.batch, reading.kind
        reading.batch, reading.room = [], ROOM
        if not batch:
            return
        try:
            await self._put(reading, kind, [each.row for each in batch])
        except Invalid as refusal:
            if kind == "assistant" and not reading.dry_run and len(batch) == 1:
                await self._rename(reading, batch[0].row)
            elif len(batch) > 1:
                for each in batch:
                    reading.batch, reading.kind = [each], kind
                    await self._flush(reading)
                    if reading.faults and not reading.dry_run:
                        return
            else:
                detail = "; ".join(str(error["detail"]) for error in refusal.facts.get("errors", ()))
                reading.faults.append(Fault(line=batch[0].line, detail=detail or refusal.detail))
                return
        except Conflict as refusal:
            reading.faults.append(Fault(line=batch[0].line, detail=refusal.detail))
            return
        if not reading.dry_run and not reading.faults and batch[-1].line > reading.done:
            await self._reach(reading, {each.line: each.digest.hexdigest() for each in batch})

    async def _reach(self, reading: Reading, digests: dict[int, str]) -> None:
        """Remember these lines as done; who sends the same file at the same time may have been here before."""
        here, _ = reading.visitor.here
        last = max(digests)
        async with self._database.transaction(here.id) as tx:
            known = await kept.import_here(tx, lock=True)
            marked = (known and known.digest_lines) or 0
            if known and marked > reading.done:
                reading.before = known
                if marked <= last and digests.get(marked) != known.digest:
                    raise reading.other()
            if marked < last:
                await kept.import_reached(tx, last, digests[last])
        reading.done, reading.reached = last, digests[last]

    async def _rename(self, reading: Reading, row: Row) -> None:
        """Give an assistant another id: the world knows them by it, and another workspace has this one."""
        here, _ = reading.visitor.here
        new = str(uuid5(_NAMES, f"{here.id} {row['id']}"))
        reading.lines.names[row["id"]] = new
        reading.lines.known["assistant"].add(UUID(new).int)
        await self._put(reading, "assistant", [{**row, "id": new}])

    async def _put(self, reading: Reading, kind: str, rows: list[Row]) -> None:
        if kind == ENTRY:
            await self._put_facts(reading, rows)
        elif kind == "view":
            await self._put_views(reading, rows)
        else:
            wanted: list[type[ImportRows]] = [ImportIntoTickets] if kind in TICKETS_KINDS else [ImportIntoNotifications]
            if kind == "ticket":
                wanted.append(ImportIntoNotifications)
            for request in wanted:
                await self._ask(reading, request, kind, rows)

    async def _ask(self, reading: Reading, request: type[ImportRows], kind: str, rows: list[Row]) -> None:
        visitor = reading.visitor
        asked = request(caller=visitor.caller, via=visitor.via, kind=kind, rows=tuple(rows), dry_run=reading.dry_run)
        await self._bus.ask(asked, within=_WORK, patience=_WORK)

    async def _put_facts(self, reading: Reading, facts: list[Row]) -> None:
        if reading.dry_run:
            return
        # First who would tell people of it: what happened before is news to nobody.
        await self._ask(reading, ImportIntoNotifications, "heard_to", [{"position": facts[-1]["position"]}])
        await self._ask(reading, ImportIntoTickets, ENTRY, facts)
        visitor = reading.visitor
        recorded = ImportEntries.model_validate(
            {"caller": visitor.caller.model_dump(), "via": visitor.via, "facts": facts}
        )
        await self._bus.ask(recorded, within=_WORK, patience=_WORK)

    async def _put_views(self, reading: Reading, rows: list[Row]) -> None:
        here, _ = reading.visitor.here
        table = next(each for each in store.TABLES if each.kind == "view")
        async with self._database.transaction(here.id) as tx:
            known = await kept.members_of(tx, [UUID(row["owner_id"]) for row in rows])
            theirs = [row for row in rows if UUID(row["owner_id"]) in known]
            reading.left_out["view"] += len(rows) - len(theirs)
            await transfer.put(tx, table, theirs, dry_run=reading.dry_run)

    async def _end(self, reading: Reading) -> None:
        await self._flush(reading)
        footer = reading.footer
        if reading.header is None:
            raise Malformed("The file is empty.")
        if footer and reading.line <= reading.proves:
            raise reading.other()
        if footer is None:
            detail = "the file ends before its last line: it was cut off"
        elif dict(reading.counts) != {kind: many for kind, many in footer.counts.items() if many}:
            detail = "the file holds other lines than its last one counts"
        elif footer.sha256 != reading.digest.hexdigest():
            detail = "the file was changed: its last line is of another"
        else:
            detail = ""
        if detail:
            reading.faults.append(Fault(line=reading.line, detail=detail))
        elif not reading.dry_run and not reading.faults:
            here, _ = reading.visitor.here
            async with self._database.transaction(here.id) as tx:
                known = await kept.import_here(tx, lock=True)
                if known and reading.reached and (known.digest_lines, known.digest) != (reading.done, reading.reached):
                    reading.before = known
                    raise reading.other()
                await kept.import_finished(tx, self._clock())
