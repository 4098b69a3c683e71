"""Words and names are kept apart from the record, which stays provable; and some words are not let in."""

import hashlib
import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from contracts.texts import (
    Body,
    Email,
    ExternalId,
    FreeText,
    Label,
    Line,
    Name,
    NonEmptyBody,
    PersonName,
    SearchText,
    WebAddress,
    digest,
    seal,
    sealed_texts,
    unseal,
)
from tests.support.each import for_each

SALT = "000102030405060708090a0b0c0d0e0f"


class Somebody(BaseModel):
    code: str
    name: PersonName
    email: PersonName | None = None


class Story(BaseModel):
    title: FreeText
    code: Label
    teller: Somebody
    heroes: tuple[Somebody, ...] = ()
    lines: list[FreeText] = []
    aside: Annotated[FreeText, "kept"] | None = None
    rival: Somebody | None = None


STORY = Story(
    title="Fire",
    code="f1",
    teller=Somebody(code="t", name="Ada", email="ada@example.com"),
    heroes=(Somebody(code="h0", name="Ben"), Somebody(code="h1", name="Cy")),
    lines=["One", "Two"],
)


def test_a_digest_is_of_the_salts_bytes_and_the_text() -> None:
    assert digest(SALT, "Größe") == "sha256:" + hashlib.sha256(bytes(range(16)) + "Größe".encode()).hexdigest()


def test_every_sealed_text_is_found_and_nothing_else() -> None:
    assert dict(sealed_texts(STORY)) == {
        "/title": "Fire",
        "/teller/name": "Ada",
        "/teller/email": "ada@example.com",
        "/heroes/0/name": "Ben",
        "/heroes/1/name": "Cy",
        "/lines/0": "One",
        "/lines/1": "Two",
    }


def test_what_may_be_missing_is_found_where_it_is_there() -> None:
    told = STORY.model_copy(update={"aside": "Psst", "rival": Somebody(code="r", name="Eve")})

    assert dict(sealed_texts(told)).keys() - dict(sealed_texts(STORY)).keys() == {"/aside", "/rival/name"}


def test_sealing_hides_every_word_and_only_the_words() -> None:
    document = STORY.model_dump(mode="json")
    seal(document, {pointer: (SALT, text) for pointer, text in sealed_texts(STORY)})

    assert document == {
        "title": digest(SALT, "Fire"),
        "code": "f1",
        "teller": {"code": "t", "name": digest(SALT, "Ada"), "email": digest(SALT, "ada@example.com")},
        "heroes": [
            {"code": "h0", "name": digest(SALT, "Ben"), "email": None},
            {"code": "h1", "name": digest(SALT, "Cy"), "email": None},
        ],
        "lines": [digest(SALT, "One"), digest(SALT, "Two")],
        "aside": None,
        "rival": None,
    }


@given(st.text(), st.text())
def test_what_was_sealed_comes_back_but_for_what_was_erased(title: str, name: str) -> None:
    story = STORY.model_copy(update={"title": title, "teller": Somebody(code="t", name=name)})
    texts = {pointer: (SALT, text) for pointer, text in sealed_texts(story)}
    document = story.model_dump(mode="json")
    seal(document, texts)
    sealed = json.loads(json.dumps(document))

    unseal(document, texts)
    assert document == story.model_dump(mode="json")
    unseal(sealed, {"/title": texts["/title"]})
    assert sealed["title"] == title
    assert sealed["teller"]["name"] == digest(SALT, name)


def refused(kind: Any, value: object) -> bool:
    try:
        TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return True
    return False


CONTROLS = ["\x00", "\x07", "\x1b", "\x7f", "\ud800"]
BREAKS = ["\n", "\r", "\u2028", "\u2029", "\x85", "\t"]


@for_each("kind", [Line, Body, NonEmptyBody, Name, Label, ExternalId, SearchText])
@for_each("bad", CONTROLS)
def test_no_control_character_gets_in(kind: Any, bad: str) -> None:
    assert refused(kind, f"a{bad}b")


@for_each("kind", [Line, Name, Label, ExternalId, SearchText])
@for_each("bad", BREAKS)
def test_a_line_is_one_line(kind: Any, bad: str) -> None:
    assert refused(kind, f"a{bad}b")


def test_a_body_may_have_lines() -> None:
    assert TypeAdapter(Body).validate_python("a\r\n\tb") == "a\r\n\tb"


@pytest.mark.parametrize(
    ("kind", "most"),
    [(Line, 200), (Name, 120), (Label, 50), (ExternalId, 200), (SearchText, 200)],
    ids=["line", "name", "label", "external id", "search text"],
)
def test_a_line_has_a_length(kind: Any, most: int) -> None:
    assert not refused(kind, "é" * most)
    assert refused(kind, "é" * (most + 1))


@pytest.mark.parametrize(
    "kind",
    [Line, Name, Label, NonEmptyBody, ExternalId],
    ids=["line", "name", "label", "non-empty body", "external id"],
)
def test_some_words_are_needed(kind: Any) -> None:
    assert refused(kind, "")


def test_the_ends_of_a_line_are_trimmed() -> None:
    assert TypeAdapter(Line).validate_python("  Fire \t") == "Fire"
    assert refused(Line, " \t ")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("é" * 32 * 1024, True),
        ("é" * 32 * 1024 + "e", False),
        ("\n" * (50 * 1024 - 1), True),
        ("\n" * 50 * 1024, False),
        ('"' * 60 * 1024, False),
    ],
    ids=["64 KiB", "64 KiB + 1", "100 KiB escaped", "100 KiB escaped + 2", "quotes"],
)
def test_a_body_is_measured_as_it_travels(text: str, fits: bool) -> None:  # noqa: FBT001 - a column of a table
    assert refused(Body, text) is not fits


@pytest.mark.parametrize(
    "address", ["a@b.de", "first.last+tag@sub.example.com", "o'neil@example.co.uk", "ü@exämple.de"]
)
def test_an_address_is_taken(address: str) -> None:
    assert not refused(Email, address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@b",
        "@b.de",
        "a@.de",
        "a@b..de",
        "a b@c.de",
        "a@b.de\nBcc: c@d.de",
        "Ann <a@b.de>",
        "a@b.de,c@d.de",
        "a@b@c.de",
        "x" * 65 + "@b.de",
        "a@" + "b" * 260 + ".de",
    ],
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    assert refused(Email, address)


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "ftp://a", "https://", "https://a b", "//a", "https://a\x00", "https://a/" + "x" * 2000],
)
def test_an_address_of_the_web_is_http(address: str) -> None:
    assert refused(WebAddress, address)
    assert not refused(WebAddress, "https://chat.example/c/1?x=%20#y")
