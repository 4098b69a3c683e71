"""What is recorded of a fact, how it is chained, and that nothing can be changed unnoticed."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from contracts.activity import Book, BookHead
from contracts.base import Audience, Role
from contracts.texts import digest
from services.activity import domain
from services.activity.domain import GENESIS, OWNERS, Line, chain, check, entry_of
from services.activity.store import canonical
from tests.activity.ledger import Fact, Owner

SALT = "000102030405060708090a0b0c0d0e0f"
STATUS_CHANGED = {
    "id": "0199c0de-4003-7abc-9def-000000004003",
    "at": "2026-03-02T09:03:30.125000Z",
    "workspace_id": "northwind",
    "actor": {"kind": "user", "id": "7", "name": "Ada Größe"},
    "via": "web",
    "cause": "0199c0de-2003-7abc-9def-000000002003",
    "audience": "everyone",
    "salts": {"/actor/name": SALT},
    "ticket_id": "0199c0de-1000-7abc-9def-000000000042",
    "version": 3,
    "old": "new",
    "new": "in_progress",
}
TYPE = "tickets.events.v1.status_changed"


def lines_of(facts: Sequence[Fact]) -> list[Line]:
    """A book, written by hand."""
    lines: list[Line] = []
    prev = GENESIS
    for fact in facts:
        entry, texts = entry_of(fact.body["id"], fact.type, fact.position, fact.body)
        said = canonical(entry)
        digests = {pointer: digest(salt, words) for pointer, (salt, words) in texts.items()}
        lines.append(Line(fact.position, said, prev, chain(prev, said), digests))
        prev = lines[-1].hash
    return lines


def by_hand(entry: dict[str, Any]) -> str:
    """Canonical JSON of what has only ASCII keys and whole numbers: there the standard library's is the same."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# What is recorded


def test_the_chain_is_what_anybody_can_compute_again() -> None:
    entry, texts = entry_of("ignored", TYPE, 9, STATUS_CHANGED)
    sealed = "sha256:" + hashlib.sha256(bytes(range(16)) + "Ada Größe".encode()).hexdigest()
    expected = {key: value for key, value in STATUS_CHANGED.items() if key != "salts"}
    expected |= {"seq": 9, "type": TYPE, "actor": {"kind": "user", "id": "7", "name": sealed}}
    prev = "ab" * 32

    assert entry == expected
    assert texts == {"/actor/name": (SALT, "Ada Größe")}
    assert canonical(entry) == by_hand(expected)
    assert chain(prev, canonical(entry)) == (
        hashlib.sha256(bytes.fromhex(prev) + by_hand(expected).encode()).hexdigest()
    )


def test_the_golden_vector_never_changes() -> None:
    entry, _ = entry_of("ignored", TYPE, 1, STATUS_CHANGED)

    assert chain(GENESIS, canonical(entry)) == "a518da0b88d441ec74c64fbc45531ae214c211c11e39280df88d5e028c3fb411"


def test_a_fact_of_an_unknown_type_is_kept_as_it_is_and_needs_no_more_than_an_id() -> None:
    entry, texts = entry_of("an id", "tickets.events.v7.teleported", 3, {"to": [{"x": 1.5}], "why": None})

    assert entry == {"id": "an id", "type": "tickets.events.v7.teleported", "seq": 3, "to": [{"x": 1.5}], "why": None}
    assert texts == {}


def test_a_number_that_canonical_json_can_not_hold_is_kept_as_text() -> None:
    entry, _ = entry_of("i", "t", 1, {"n": [2**53 - 1, 2**53, -(2**53)], "x": {"inf": float("inf")}, "b": True})

    assert entry["n"] == [2**53 - 1, "9007199254740992", "-9007199254740992"]
    assert entry["x"] == {"inf": "inf"}
    assert entry["b"] is True
    assert json.loads(canonical(entry)) == entry


def test_what_was_told_is_not_touched() -> None:
    before = json.dumps(STATUS_CHANGED)

    entry_of("i", TYPE, 1, STATUS_CHANGED)

    assert json.dumps(STATUS_CHANGED) == before


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["old", "new", "extra", "more"]), JSON))
def test_whatever_is_told_can_be_written_down_and_read_again_the_same(body: dict[str, Any]) -> None:
    entry, _ = entry_of("i", TYPE, 1, body)
    said = canonical(entry)

    assert canonical(json.loads(said)) == said
    assert said == rfc8785.dumps(entry).decode()


@given(WORDS, WORDS)
def test_words_are_sealed_shown_while_they_are_there_and_digests_when_they_are_gone(name: str, words: str) -> None:
    fact = Owner().noted()
    fact.body |= {"body": words, "actor": {"kind": "user", "id": "7", "name": name}}

    entry, texts = entry_of("i", fact.type, 1, fact.body)
    said = canonical(entry)
    whole = domain.shown(json.loads(said), texts, GENESIS, chain(GENESIS, said))
    erased = domain.shown(json.loads(said), {}, GENESIS, chain(GENESIS, said))

    assert (whole.actor.name, whole.data["body"]) == (name, words)
    assert erased.data["body"] == digest(fact.body["salts"]["/body"], words)
    assert erased.actor.name.startswith("sha256:")


def test_a_readers_entry_has_old_new_and_the_rest_as_data() -> None:
    fact = Owner().noted("Hm.")
    entry, texts = entry_of("i", fact.type, 1, fact.body)
    note = domain.shown(entry, texts, GENESIS, GENESIS)

    assert (note.type, note.version, note.old, note.new) == ("note_added", 1, None, None)
    assert note.data.items() >= {"note_id": fact.body["note_id"], "body": "Hm.", "pinned": False}.items()
    assert not note.data.keys() & {"actor", "workspace_id", "salts", "seq", "subject"}

    fact = Owner().promoted()
    entry, texts = entry_of("i", fact.type, 1, fact.body)
    change = domain.shown(entry, texts, GENESIS, GENESIS)

    assert (change.type, change.old, change.new, change.ticket_id) == ("role_changed", "guest", "admin", None)
    assert change.subject is not None
    assert change.subject.kind == "member"
    assert change.data == {"user_id": fact.body["user_id"], "name": "Ben"}


def test_a_tickets_subject_is_data_and_not_a_record() -> None:
    body = STATUS_CHANGED | {"subject": "Printer on fire", "number": 7}
    entry, texts = entry_of("i", "tickets.events.v1.ticket_created", 1, body)
    created = domain.shown(entry, texts, GENESIS, GENESIS)

    assert created.subject is None
    assert created.data == {"subject": "Printer on fire", "number": 7}


@pytest.mark.parametrize("role", Role)
def test_a_role_sees_its_audiences_and_what_is_unknown_is_for_admins(role: Role) -> None:
    seen = domain.audiences(role)

    assert (seen is None) is role.runs_the_desk
    assert seen is None or seen == [audience for audience in Audience if audience.includes(role)]
    assert domain.audience_of({"audience": "nobody yet"}) is domain.audience_of({}) is Audience.ADMINS
    assert domain.audience_of({"audience": "team"}) is Audience.TEAM


# Proof


OWNER = Owner(workspace="northwind")
BOOK = lines_of(OWNER.story(6))


def changed(line: Line, **fields: Any) -> Line:
    return Line(**{name: getattr(line, name) for name in Line.__slots__} | fields)


def test_a_whole_book_is_whole_and_so_is_an_empty_one() -> None:
    verdict = check("northwind", Book.TICKETS, BOOK)

    assert (verdict.ok, verdict.entries, verdict.head, verdict.erased) == (True, 6, BOOK[-1].hash, 0)
    empty = check("northwind", Book.PEOPLE, [], [BookHead(book=Book.PEOPLE, seq=0, hash=GENESIS)])
    assert (empty.ok, empty.entries, empty.head) == (True, 0, GENESIS)


def rewritten(entries: list[Line]) -> list[Line]:
    """All hashes made anew, as by somebody who may write everything."""
    prev, made = GENESIS, []
    for seq, line in enumerate(entries, 1):
        said = canonical(json.loads(line.entry) | {"seq": seq})
        made.append(changed(line, seq=seq, entry=said, prev_hash=prev, hash=chain(prev, said)))
        prev = made[-1].hash
    return made


@pytest.mark.parametrize(
    ("tampered", "at"),
    [
        ([*BOOK[:2], changed(BOOK[2], entry=BOOK[2].entry.replace("T", "t", 1)), *BOOK[3:]], 3),
        ([*BOOK[:1], changed(BOOK[1], entry=BOOK[1].entry.replace("resolved", "resolvee")), *BOOK[2:]], 2),
        ([*BOOK[:2], changed(BOOK[2], digests={**BOOK[2].digests, "/body": digest(SALT, "x")}), *BOOK[3:]], 3),
        ([*BOOK[:2], changed(BOOK[2], digests={**BOOK[2].digests, "/nowhere/1": digest(SALT, "x")}), *BOOK[3:]], 3),
        ([*BOOK[:2], *BOOK[3:]], 3),
        (BOOK[1:], 1),
        ([changed(BOOK[0], seq=0), *BOOK], 0),
        ([*BOOK[:2], changed(BOOK[2], prev_hash=GENESIS), *BOOK[3:]], 3),
        ([*BOOK[:1], changed(BOOK[2], seq=2), changed(BOOK[1], seq=3), *BOOK[3:]], 2),
        ([*BOOK[:1], changed(BOOK[1], entry="[]", hash=chain(BOOK[0].hash, "[]")), *BOOK[2:]], 2),
    ],
    ids=["letter", "status", "text", "text-of-nothing", "removed", "beheaded", "before", "prev", "swapped", "rubbish"],
)
def test_a_change_is_found_where_it_is(tampered: list[Line], at: int) -> None:
    verdict = check("northwind", Book.TICKETS, tampered)

    assert (verdict.ok, verdict.broken_at) == (False, at)
    assert verdict.why


@given(st.data())
def test_no_other_order_choice_or_number_of_entries_is_whole_but_a_beginning(data: st.DataObject) -> None:
    lines = data.draw(st.lists(st.sampled_from(BOOK), max_size=8))
    whole = lines == BOOK[: len(lines)]

    assert check("northwind", Book.TICKETS, lines).ok is whole
    # Nor when the numbers are made to fit.
    numbered = [changed(line, seq=seq) for seq, line in enumerate(lines, 1)]
    assert check("northwind", Book.TICKETS, numbered).ok is whole


def test_a_cut_tail_and_a_book_rewritten_from_scratch_are_whole_until_a_saved_head_is_asked_for() -> None:
    saved = BookHead(book=Book.TICKETS, seq=6, hash=BOOK[5].hash)

    assert check("northwind", Book.TICKETS, BOOK[:4]).ok
    cut = check("northwind", Book.TICKETS, BOOK[:4], [saved])
    assert (cut.ok, cut.broken_at) == (False, 5)

    forged = rewritten([*BOOK[:1], changed(BOOK[1], entry=BOOK[1].entry.replace("resolved", "spam")), *BOOK[2:]])
    assert check("northwind", Book.TICKETS, forged).ok
    found = check("northwind", Book.TICKETS, forged, [saved])
    assert (found.ok, found.broken_at) == (False, 6)
    assert "rewritten" in (found.why or "")

    assert check("northwind", Book.TICKETS, BOOK, [saved, BookHead(book=Book.PEOPLE, seq=99, hash=GENESIS)]).ok
    assert not check("northwind", Book.TICKETS, BOOK, [BookHead(book=Book.TICKETS, seq=0, hash="11" * 32)]).ok


def test_another_workspaces_or_books_entries_are_not_this_ones() -> None:
    assert check("southwind", Book.TICKETS, BOOK).broken_at == 1
    assert check("northwind", Book.PEOPLE, BOOK).broken_at == 1


def test_erased_texts_are_counted_and_break_nothing() -> None:
    lines = [changed(BOOK[0], digests={}), *BOOK[1:]]

    verdict = check("northwind", Book.TICKETS, lines)

    assert (verdict.ok, verdict.erased) == (True, 2)


def test_each_book_has_an_owner() -> None:
    assert set(OWNERS) == {*Book}
