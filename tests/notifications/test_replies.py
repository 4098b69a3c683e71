"""What is made of a mail that came in: the words that a person wrote, in whatever shape, and nothing of machines."""

from base64 import encodebytes
from email.message import EmailMessage
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.texts import NonEmptyBody
from services.notifications.domain.plain import answer_in, text_of
from services.notifications.domain.replies import (
    Bounce,
    Machine,
    Reply,
    Unreadable,
    is_from,
    judge,
    key_of,
    reply_address,
    token_in,
)

ADA = "ada@customer.example"
TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
BODY: TypeAdapter[str] = TypeAdapter(NonEmptyBody)


def a_mail(words: str = "It works now.", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"] = f"Ada Lindqvist <{ADA}>", f"reply+{TOKEN}@in.example"
    mail["Message-ID"] = "<one@customer.example>"
    for name, value in headers.items():
        del mail[name.replace("_", "-")]
        mail[name.replace("_", "-")] = value
    mail.set_content(words)
    return mail


def read(mail: EmailMessage | bytes, sender: str = ADA) -> Reply:
    verdict = judge(mail if isinstance(mail, bytes) else mail.as_bytes(), sender)
    assert isinstance(verdict, Reply), verdict
    return verdict


GMAIL = """Yes, please.

On Mon, 2 Mar 2026 at 10:20, Northwind desk <desk@northwind.example>
wrote:

> Shall we send another?
>
> > It broke.
"""
OUTLOOK = """Yes, please.

________________________________
From: Northwind desk <desk@northwind.example>
Sent: Monday, March 2, 2026 10:20 AM
To: Ada Lindqvist <ada@customer.example>
Subject: [#42] Toaster

Shall we send another?
"""
OLD_OUTLOOK = "Yes, please.\r\n\r\n-----Original Message-----\r\nFrom: desk\r\nShall we send another?\r\n"
GERMAN = """Yes, please.

Am 02.03.26 um 10:20 schrieb Northwind desk:
> Shall we send another?
"""
FRENCH_PHONE = """Yes, please.

Envoyé de mon iPhone

> Le 2 mars 2026 à 10:20, Northwind desk <desk@northwind.example> a écrit :
>
> Shall we send another?
"""
SIGNED = "Yes, please.\n\n-- \nAda Lindqvist\nHead of toast\n"
PHONE = "Yes, please.\n\nSent from my iPhone\n\nOn 2 Mar 2026, at 10:20, desk@northwind.example wrote:\n\n> Shall we?\n"
UNMARKED = (
    "Yes, please.\n\nOn Mon, Mar 2, 2026 at 10:20 AM Desk <desk@northwind.example> wrote:\nShall we send another?\n"
)


@pytest.mark.parametrize("text", [GMAIL, OUTLOOK, OLD_OUTLOOK, GERMAN, FRENCH_PHONE, SIGNED, PHONE, UNMARKED])
def test_what_is_answered_and_the_signature_are_cut(text: str) -> None:
    assert answer_in(text) == "Yes, please."


@pytest.mark.parametrize(
    "text",
    [
        "> Shall we send another?\nYes, please.\n> To the same address?\nNo, to the office.",
        "From: the shop\nI bought two toasters.",
        "Ada wrote:\nIt broke on day 1.\nWhat now?",
        "Steps to follow:\n1. plug in\n2. wait",
        "The price is 3 -- not 4.",
        "> everything is quoted",
        "On 2 March I wrote:\nplease call me, and nobody did.",
    ],
)
def test_an_answer_never_loses_words_of_its_own(text: str) -> None:
    assert answer_in(text) == text


def test_the_plain_form_is_taken_and_else_html_is_read_as_text() -> None:
    both = a_mail("Plain words.")
    both.add_alternative("<p>Styled words.</p>", subtype="html")
    assert read(both).body == "Plain words."
    page = (
        "<html><head><title>no</title><style>p{}</style><body><script>alert(1)</script><p>Hello &amp; <b>thanks</b></p>"
        "<div>See <a href='https://a.example/x'>this</a></div><ul><li>one</li><li>two</li></ul>"
        "<img src='https://t.example/pixel'><blockquote>old words</blockquote>"
    )
    shown = "Hello & thanks\nSee this (https://a.example/x)\n- one\n- two"
    assert text_of(page) == f"{shown}\n> old words"
    html = a_mail()
    html.set_content(page, subtype="html")
    assert read(html).body == shown


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        ("iso-8859-1", "Käse für 3 Kronen".encode("iso-8859-1")),
        ("utf-8", "Käse für 3 Kronen".encode()),
        ("utf-8", "Käse für 3 Kronen".encode("cp1252")),
        ("no-such-charset", "Käse für 3 Kronen".encode()),
        ("utf-16", "Käse für 3 Kronen".encode("utf-16")),
    ],
)
def test_words_survive_their_charset(charset: str, raw: bytes) -> None:
    head = f"From: {ADA}\r\nContent-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert read(head.encode() + encodebytes(raw)).body == "Käse für 3 Kronen"


def test_what_came_with_it_is_named_and_a_long_mail_is_cut_with_a_note() -> None:
    mail = a_mail("See the picture.")
    mail.add_attachment(b"x" * 12_000, maintype="application", subtype="pdf", filename="a\u202efdp.exe\r\n.pdf")
    mail.add_attachment(b"x" * 10, maintype="image", subtype="png")
    mail.add_attachment(a_mail("An older mail."))
    body = read(mail).body
    assert body.startswith(
        "See the picture.\n\n[Not kept: a fdp.exe .pdf (12 kB), image/png (10 bytes), message/rfc822 ("
    )
    assert "An older mail" not in body
    only = EmailMessage()
    only["From"] = ADA
    only.add_attachment(b"x", maintype="application", subtype="zip", filename="logs.zip")
    assert read(only).body == "[Not kept: logs.zip (1 bytes)]"
    for long in ("word " * 40_000, '"\n' * 40_000, "\u20ac" * 40_000):
        cut = read(a_mail(long)).body
        assert BODY.validate_python(cut) == cut
        assert cut.endswith("[The rest of this mail is left out: a message can't be longer.]")
        assert len(cut) > 18_000


def test_who_it_is_from_is_one_address_or_nobody() -> None:
    assert is_from(read(a_mail(From="Ada <ADA@Customer.example>")), ADA)
    assert not is_from(read(a_mail(From="ada@customer.example <eve@evil.example>")), ADA)
    two = b"From: eve@evil.example\r\nFrom: ada@customer.example\r\n\r\nhello"
    assert read(two).email is None
    several = b"From: ada@customer.example, eve@evil.example\r\n\r\nhello"
    assert read(several).email is None
    encoded = b"From: =?utf-8?q?ada=40customer=2Eexample=3E?= <eve@evil.example>\r\n\r\nhello"
    assert read(encoded).email == "eve@evil.example"
    assert read(encoded).name == "ada@customer.example>"
    assert read(b"Subject: none\r\n\r\nhello").email is None


@pytest.mark.parametrize(
    ("reason", "headers", "sender"),
    [
        ("auto_submitted", {"Auto_Submitted": "auto-replied (vacation)"}, ADA),
        ("auto_submitted", {"Auto_Submitted": "auto-generated; owner=x"}, ADA),
        ("ours", {"X_Loop": "counterfoil"}, ADA),
        ("bulk", {"Precedence": "Bulk"}, ADA),
        ("bulk", {"Precedence": "auto_reply"}, ADA),
        ("auto_response", {"X_Auto_Response_Suppress": "All"}, ADA),
        ("auto_response", {"X_Autoreply": "yes"}, ADA),
        ("list", {"List_Id": "<all.customer.example>"}, ADA),
        ("list", {"List_Unsubscribe": "<https://x.example>"}, ADA),
        ("null_sender", {}, ""),
        ("null_sender", {}, "<>"),
        ("nobody", {"From": "MAILER-DAEMON@customer.example"}, ADA),
        ("nobody", {"From": "no-reply@customer.example"}, ADA),
        ("nobody", {}, "postmaster@customer.example"),
    ],
)
def test_machines_are_known(reason: str, headers: dict[str, str], sender: str) -> None:
    assert judge(a_mail(**headers).as_bytes(), sender) == Machine(reason)


def test_people_are_no_machines() -> None:
    human = {"Auto_Submitted": "no", "Precedence": "normal", "X_Auto_Response_Suppress": "None"}
    assert read(a_mail(**human)).body == "It works now."
    assert read(a_mail("I am out of office until Monday, but: it works.")).body.startswith("I am out")
    assert read(a_mail(From="noreen@customer.example")).email == "noreen@customer.example"


def a_report(action: str, status: str) -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status;"
        " boundary=b\r\n\r\n"
        "--b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; {ADA}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--b--\r\n"
    ).encode()


def test_a_mail_that_came_back_says_whether_for_good() -> None:
    assert judge(a_report("failed", "5.1.1"), "") == Bounce(permanent=True)
    assert judge(a_report("delayed", "4.4.1"), "") == Bounce(permanent=False)
    assert judge(a_report("failed", "4.4.7"), "") == Bounce(permanent=False)


def test_what_has_no_words_is_unreadable_and_broken_mail_is_read_as_far_as_it_goes() -> None:
    assert isinstance(judge(a_mail(" \n\u200b\n").as_bytes(), ADA), Unreadable)
    torn = b"From: ada@customer.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nstill here"
    assert read(torn).body == "still here"
    assert isinstance(judge(torn.replace(b"--b", b"--c"), ADA), Unreadable)
    assert read(b"From: ada@customer.example\r\nContent-Type: rubbish\r\n\r\nwords\x00\x1b[31m").body == "words[31m"
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    assert isinstance(judge(b"From: ada@customer.example\r\n" + deep, ADA), Unreadable)


MONSTERS = {
    "comments": b"Content-Type: text/html\r\n\r\n" + b"<!--" * 600_000,
    "ends of tags": b"Content-Type: text/html\r\n\r\n" + b"</a " * 600_000,
    "links": b"Content-Type: text/html\r\n\r\n" + b"<a href=https://x.example>" * 100_000,
    "parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300_000,
    "headers": b"X: y\r\n" * 500_000 + b"\r\nhello",
    "senders": b"From: " + b"<a@b.example>," * 200_000 + b"\r\n\r\nhello",
    "parameters": b"Content-Type: text/plain; a=" + b'"\\' * 1_000_000 + b"\r\n\r\nhello",
    "attributions": b"\r\n\r\n" + (b"x" * 390 + b" 1 wrote:\n") * 8_000,
}


@pytest.mark.parametrize("raw", MONSTERS.values(), ids=MONSTERS.keys())
def test_a_mail_that_is_written_to_take_hours_takes_a_moment(raw: bytes) -> None:
    begun = process_time()
    judge(raw, ADA)
    key_of(raw)
    assert process_time() - begun < 10


@given(st.binary(max_size=400), st.sampled_from(["text/plain", "text/html", "multipart/mixed; boundary=b"]))
def test_no_mail_is_too_strange(raw: bytes, kind: str) -> None:
    verdict = judge(b"From: a@b.example\r\nContent-Type: " + kind.encode() + b"\r\n" + raw, ADA)
    if isinstance(verdict, Reply):
        assert BODY.validate_python(verdict.body)
    assert key_of(raw)


def test_an_address_for_answers_is_known_in_any_case() -> None:
    address = reply_address(TOKEN, "in.example")
    assert token_in(address, "in.example") == TOKEN
    assert token_in(f"<{address.upper()}>", "IN.example") == TOKEN
    for other in (f"reply+{TOKEN}@else.example", "reply+short@in.example", f"x{address}", "reply+" + "1" * 26, ""):
        assert token_in(other, "in.example") is None


def test_the_same_mail_is_known_by_its_message_id_or_by_all_of_it() -> None:
    assert key_of(a_mail("a").as_bytes()) == key_of(a_mail("b").as_bytes()) == "<one@customer.example>"
    assert key_of(b"From: x\r\n\r\nMessage-ID: <one@x>").startswith("sha256:")
    assert key_of(b"Message-ID: <a@x>\r\nMessage-ID: <b@x>\r\n\r\n").startswith("sha256:")
    assert key_of(b"Message-ID: " + b"x" * 500 + b"\r\n\r\n") != key_of(b"Message-ID: " + b"x" * 501 + b"\r\n\r\n")
