"""A desk over HTTP, in types: what is asked is tried again until it is answered, and takes effect once."""

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import UUID

import httpx
from httpx_sse import SSEError, connect_sse
from pydantic import BaseModel

from client.shapes import Integration, IntegrationMade, IntegrationPage
from contracts.activity import Entry, FeedPage, HistoryPage, Verdict
from contracts.base import DeadLetter
from contracts.letters import DeadLetterPage
from contracts.refusals import NotFound, Refusal, Unavailable
from contracts.tickets import NoteSnapshot, TicketPage, TicketRow, TicketSnapshot

PATIENCE = 30.0
"""Seconds for which a desk that is away, or asks to wait, is tried again."""
_PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0)
_WAIT = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE)
_SILENCE = 60.0
"""Seconds without a beat after which a stream is taken for dead; it beats every fifteen."""


class Desk:
    """One workspace. Each method raises the Refusal that the desk gives; Unavailable where it is away for too long.

    A write carries an idempotency key, drawn anew for each call unless given: however often it has to be sent, it takes
    effect once.
    """

    def __init__(
        self,
        url: str,
        workspace: str,
        token: str,
        *,
        patience: float = PATIENCE,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Take where the desk is, the workspace's id or slug, and an API token; nothing is connected yet."""
        self._patience = patience
        self._http = httpx.Client(
            base_url=f"{url.rstrip('/')}/api/v1/workspaces/{workspace}/",
            headers={"authorization": f"Bearer {token}"},
            timeout=20,
            transport=transport,
        )

    def __enter__(self) -> Self:
        """Use it in a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let its connections go."""
        self._http.close()

    def tickets(self, **filters: Any) -> Iterator[TicketRow]:
        """Yield tickets, page by page, as many as there are; filters as of `GET W/tickets`."""
        cursor: str | None = None
        while True:
            page = self._read(TicketPage, "tickets", filters | ({"cursor": cursor} if cursor else {}))
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return

    def ticket(self, ref: str | int, *, as_of: str | int | None = None) -> TicketSnapshot:
        """Return a ticket by number or id, now or as it was at a time or version."""
        return self._read(TicketSnapshot, _ticket(ref), {} if as_of is None else {"as_of": as_of})

    def history(self, ref: str | int) -> Iterator[Entry]:
        """Yield what happened to a ticket, oldest first."""
        after = 0
        while True:
            page = self._read(HistoryPage, f"{_ticket(ref)}/activity", {"after": after, "limit": 100})
            yield from page.items
            if page.next_cursor is None:
                return
            after = page.next_cursor

    def create_ticket(self, subject: str, *, key: str | None = None, **fields: Any) -> TicketSnapshot:
        """Open a ticket; fields as of `POST W/tickets`."""
        return self._write(TicketSnapshot, "POST", "tickets", {"subject": subject, **fields}, key=key)

    def change_ticket(
        self, ref: str | int, *, if_version: int | None = None, key: str | None = None, **fields: Any
    ) -> TicketSnapshot:
        """Change what is named, in one command. `if_version`: only if nobody changed it since (StaleVersion)."""
        headers = {} if if_version is None else {"if-match": f'"{if_version}"'}
        return self._write(TicketSnapshot, "PATCH", _ticket(ref), fields, key=key, headers=headers)

    def add_note(self, ref: str | int, body: str, *, kind: str = "note", key: str | None = None) -> NoteSnapshot:
        """Add an internal note, or a comment to the team's discussion."""
        return self._write(NoteSnapshot, "POST", f"{_ticket(ref)}/notes", {"body": body, "kind": kind}, key=key)

    def feed(self, after: int = 0) -> Iterator[Entry]:
        """Yield the entries of all tickets after a seq, as far as there are any now."""
        while True:
            page = self._read(FeedPage, "feed", {"after": after, "limit": 100})
            yield from page.items
            if not page.more:
                return
            after = page.next_cursor

    def follow(self, after: int = 0) -> Iterator[Entry]:
        """Yield entries after a seq as they are recorded, for ever: without gap or double through lost connections."""
        pauses = iter(_PAUSES)
        while True:
            # What is behind is read in pages: a stream only goes back so far at once.
            for entry in self.feed(after):
                yield entry
                after = entry.seq
            with suppress(httpx.TransportError, SSEError):
                for entry in self._stream(after):
                    yield entry
                    after, pauses = entry.seq, iter(_PAUSES)
            time.sleep(next(pauses, _PAUSES[-1]))

    def export(self) -> Iterator[bytes]:
        """Yield the lines of a file with everything in it; raises Unavailable where it breaks off."""
        try:
            with self._http.stream("GET", "export", timeout=httpx.Timeout(20, read=_SILENCE)) as answer:
                if not answer.is_success:
                    answer.read()
                    raise _refusal(answer)
                for line in answer.iter_lines():
                    yield f"{line}\n".encode()
        except httpx.TransportError as error:
            raise Unavailable(f"The desk broke off: {error}") from error

    def import_file(self, lines: Iterable[bytes], *, dry_run: bool = False) -> dict[str, Any]:
        """Put the lines of a file into the workspace, and return what became of it; once more goes on where it ended.

        What is wrong with the file stands in `faults`; Unavailable where the desk is away before it has all of it.
        """
        try:
            answer = self._http.post(
                "import",
                params={"dry_run": str(dry_run).lower()},
                content=lines,
                headers={"content-type": "application/jsonl"},
                timeout=httpx.Timeout(20, read=None),
            )
        except httpx.TransportError as error:
            raise Unavailable(f"The desk broke off: {error}") from error
        if not answer.is_success:
            refusal = _refusal(answer)
            if "faults" not in refusal.facts:
                raise refusal
            return refusal.facts
        report: dict[str, Any] = answer.json()
        return report

    def dead_letters(self, *, reason: str | None = None, integration: str | None = None) -> Iterator[DeadLetter]:
        """Yield what could not be applied, newest first, without bodies; raises Unavailable where some are away."""
        wanted = {"reason": reason, "integration": integration, "cursor": None}
        while True:
            given = {name: value for name, value in wanted.items() if value is not None}
            page = self._read(DeadLetterPage, "dead-letters", given)
            if page.away:
                raise Unavailable(f"Those of {' and '.join(page.away)} can't be read at this moment.")
            yield from page.items
            if page.next_cursor is None:
                return
            wanted["cursor"] = page.next_cursor

    def dead_letter(self, id: UUID) -> DeadLetter:
        """Return a dead letter whole."""
        return self._read(DeadLetter, f"dead-letters/{id}", {})

    def retry_dead_letter(self, id: UUID, *, key: str | None = None) -> DeadLetter:
        """Have a dead letter tried again, as it came; raises why it is refused again."""
        return self._write(DeadLetter, "POST", f"dead-letters/{id}/retry", None, key=key)

    def drop_dead_letter(self, id: UUID, *, key: str | None = None) -> None:
        """Forget a dead letter: what it asks for is never done."""
        self._ask("DELETE", f"dead-letters/{id}", headers={"idempotency-key": key or str(uuid.uuid4())})

    def verify(self, *heads: str) -> Verdict:
        """Have the desk read both books from their beginning; saved heads, `BOOK:SEQ:HASH`, must still be in them."""
        return self._read(Verdict, "audit/verify", {"head": list(heads)} if heads else {})

    def integrations(self) -> Iterator[Integration]:
        """Yield the other systems that may enter NATS."""
        cursor: str | None = None
        while True:
            page = self._read(IntegrationPage, "integrations", {"cursor": cursor} if cursor else {})
            yield from page.items
            if (cursor := page.next_cursor) is None:
                return

    def make_integration(self, name: str, *, internal: bool = False, key: str | None = None) -> IntegrationMade:
        """Let another system into NATS; its password is told this once (AlreadyAnswered for a repeat)."""
        return self._write(IntegrationMade, "POST", "integrations", {"name": name, "internal": internal}, key=key)

    def revoke_integration(self, id: UUID, *, key: str | None = None) -> None:
        """Shut another system out."""
        self._ask("DELETE", f"integrations/{id}", headers={"idempotency-key": key or str(uuid.uuid4())})

    def replay(self, id: UUID, start: int | str) -> Integration:
        """Have another system read again from a time, or a sequence of the stream."""
        return Integration.model_validate_json(
            self._ask("POST", f"integrations/{id}/replay", json={"from": start}).content
        )

    def _stream(self, after: int) -> Iterator[Entry]:
        timeout = httpx.Timeout(20, read=_SILENCE)
        with connect_sse(self._http, "GET", "events", params={"after": after}, timeout=timeout) as source:
            if not source.response.is_success:
                source.response.read()
                if source.response.status_code in _WAIT:
                    return
                raise _refusal(source.response)
            for event in source.iter_sse():
                if event.id and event.data:
                    yield Entry.model_validate_json(event.data)

    def _read[M: BaseModel](self, model: type[M], path: str, query: Mapping[str, Any]) -> M:
        return model.model_validate_json(self._ask("GET", path, params=query).content)

    def _write[M: BaseModel](
        self,
        model: type[M],
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        key: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> M:
        sent = {"idempotency-key": key or str(uuid.uuid4()), **(headers or {})}
        return model.model_validate_json(
            self._ask(method, path, headers=sent, **({} if body is None else {"json": body})).content
        )

    def _ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        until = time.monotonic() + self._patience
        pauses = iter(_PAUSES)
        while True:
            pause = next(pauses, _PAUSES[-1])
            try:
                answer = self._http.request(method, path, **sent)
            except httpx.TransportError as error:
                refusal: Refusal = Unavailable(f"The desk can't be reached: {error}")
            else:
                if answer.is_success:
                    return answer
                refusal = _refusal(answer)
                # The first sending may still be at work.
                if answer.status_code not in _WAIT and refusal.code != "in_progress":
                    raise refusal
                pause = max(pause, _seconds(answer.headers.get("retry-after", "")))
            if time.monotonic() + pause > until:
                raise refusal
            time.sleep(pause)


def _ticket(ref: str | int) -> str:
    """Return where a ticket is, by its number (`42`, or `#42` as people say it) or id; raises NotFound for no name."""
    name = str(ref).removeprefix("#")
    if not name.strip("."):
        raise NotFound(f"No ticket is called {ref!r}.")
    return f"tickets/{quote(name, safe='')}"


def _refusal(answer: httpx.Response) -> Refusal:
    try:
        problem = json.loads(answer.content)
    except ValueError:
        return Unavailable(f"This is no desk: it answered {answer.status_code}.")
    return Refusal.from_wire({name: fact for name, fact in problem.items() if name not in ("type", "title", "status")})


def _seconds(text: str) -> float:
    return float(text) if text.isdecimal() else 0.0
