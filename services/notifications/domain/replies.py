"""Reads a mail that came in: a person's answer, what a machine says, a mail that came back, or nothing readable."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses
from typing import Final

from services.notifications.domain.plain import answer_in, text_of

LOOP_HEADER: Final = "X-Loop"
LOOP_MARK: Final = "counterfoil"
"""What every mail of ours bears, and none that a person answers with."""

_ADDRESS = re.compile(r"reply\+([a-z2-7]{26,64})", re.IGNORECASE)
_BROKEN = (ValueError, LookupError, TypeError, AttributeError, AssertionError, RecursionError, MessageError)
"""What Python's own reader of mail raises for what is none."""
_MOST_PARTS, _MOST_NAMED = 100, 20
_MOST_TEXT = 512 * 1024
_LONGEST_WORDS, _LONGEST_ESCAPED = 56 * 1024, 90 * 1024
_LONGEST_NAME, _LONGEST_ADDRESS = 120, 254
_LONGEST_HEAD = 256 * 1024
_LONGEST_ID = 200
_LONGEST_FIELD = 2000
_MOST_LINES, _MOST_BOUNDARIES = 200_000, 500
_ABOUT_CONTENT = re.compile(rb"^content-[^\n]*(?:\n[ \t][^\n]*)*", re.IGNORECASE | re.MULTILINE)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BLANK = re.compile(r"[\s\u00ad\u034f\u200b-\u200f\u2060-\u2064\ufeff]*")
_BULK = frozenset({"bulk", "junk", "list", "auto_reply"})
_NOBODY = re.compile(
    r"(mailer-daemon|postmaster|(do[-_.]?)?no[-_.]?reply|donotreply|bounces?)([-+=].*)?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A person's answer. Who it is from is what the mail says, which anybody may write."""

    body: str
    email: str | None
    """The one address that it says it is from; None where it says none, or several."""
    name: str | None


@dataclass(frozen=True, slots=True)
class Machine:
    """No person wrote it: nobody is told, and nothing answers it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Bounce:
    """A mail of ours that did not arrive."""

    permanent: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Nothing can be made of it, and why."""

    detail: str


type Verdict = Reply | Machine | Bounce | Unreadable


def reply_address(token: str, domain: str) -> str:
    """Return the address that an answer is sent to."""
    return f"reply+{token}@{domain}"


def token_in(address: str, domain: str) -> str | None:
    """Return the token of an address for answers at this domain, in whatever case it comes back."""
    local, _, at = address.strip().strip("<>").rpartition("@")
    found = _ADDRESS.fullmatch(local)
    return found[1].lower() if found and at.lower() == domain.lower() else None


def key_of(raw: bytes) -> str:
    """Return what a mail is known by when it comes again: its Message-ID, else a digest of all of it."""
    head = raw[:_LONGEST_HEAD].replace(b"\r\n", b"\n").partition(b"\n\n")[0] + b"\n\n"
    try:
        ids = message_from_bytes(head, policy=policy.compat32).get_all("message-id", [])
    except _BROKEN:
        ids = []
    known = str(ids[0]).strip() if len(ids) == 1 else ""
    if known and len(known) <= _LONGEST_ID and known.isascii() and known.isprintable():
        return known
    return "sha256:" + hashlib.sha256(raw).hexdigest()


def judge(raw: bytes, envelope_sender: str) -> Verdict:
    """Read a mail as it came, `envelope_sender` being who handed it over ("" for nobody). Never raises."""
    try:
        message = message_from_bytes(_bounded(raw), policy=policy.compat32)
        bounce = _bounce(message)
        if bounce is not None:
            return bounce
        if machine := _machine(message, envelope_sender):
            return Machine(machine)
        email, name = _sender(message)
        if message.get_content_maintype() == "multipart" and not message.is_multipart():
            return Unreadable("its parts can't be told apart")
        words = _words(message)
    except _BROKEN as error:
        return Unreadable(f"the mail can't be read ({type(error).__name__})")
    return Reply(body=words, email=email, name=name) if words else Unreadable("the mail has no words")


def is_from(reply: Reply, address: str) -> bool:
    """Tell whether a mail says that it is from this address; whoever has its token may still have written that."""
    return reply.email is not None and reply.email.casefold() == address.casefold()


def _bounded(raw: bytes) -> bytes:
    """Return as much of a mail as is read in a moment: some mails are written to take hours."""
    raw = raw.replace(b"\r\n", b"\n")
    head, _, rest = raw.partition(b"\n\n")
    raw = head[:_LONGEST_HEAD] + b"\n\n" + rest
    raw = b"\n".join(raw.split(b"\n", _MOST_LINES)[:_MOST_LINES])
    raw = b"\n--".join(raw.split(b"\n--", _MOST_BOUNDARIES)[:_MOST_BOUNDARIES])
    return _ABOUT_CONTENT.sub(lambda found: found[0][:_LONGEST_FIELD], raw)


def _values(message: Message, header: str) -> list[str]:
    return [str(value).strip().lower() for value in message.get_all(header, [])]


def _machine(message: Message, envelope_sender: str) -> str | None:
    """Return by what a mail is known that no person wrote."""
    handed_over_by = envelope_sender.strip("<> ")
    senders = (handed_over_by, _sender(message)[0] or "")
    answers = ("x-autoreply", "x-autorespond", "x-failed-recipients")
    signs = {
        "auto_submitted": any(_first_word(value) != "no" for value in _values(message, "auto-submitted")),
        "ours": any(LOOP_MARK in value for value in _values(message, LOOP_HEADER)),
        "bulk": any(value in _BULK for value in _values(message, "precedence")),
        "auto_response": any(value not in ("", "none") for value in _values(message, "x-auto-response-suppress"))
        or any(message.get_all(header) for header in answers),
        "list": any(header.lower().startswith("list-") for header in message),
        "null_sender": not handed_over_by,
        "nobody": any(_NOBODY.fullmatch(address.rpartition("@")[0]) for address in senders),
    }
    return next((sign for sign, shows in signs.items() if shows), None)


def _first_word(value: str) -> str:
    return re.split(r"[;(\s]", value, maxsplit=1)[0]


def _bounce(message: Message) -> Bounce | None:
    """Return what a delivery report says (RFC 3464), if the mail is one."""
    report = str(message.get_param("report-type") or "").lower()
    if message.get_content_type() != "multipart/report" or report != "delivery-status":
        return None
    for part in _parts(message):
        if part.get_content_type() == "message/delivery-status" and part.is_multipart():
            for block in _children(part):
                failed = "failed" in _values(block, "action")
                if failed and any(status.startswith("5.") for status in _values(block, "status")):
                    return Bounce(permanent=True)
    return Bounce(permanent=False)


def _sender(message: Message) -> tuple[str | None, str | None]:
    """Return the address and the name that the mail says it is from, if it says one alone."""
    written = [str(value)[:_LONGEST_FIELD] for value in message.get_all("from", [])[:2]]
    # Names are decoded last: an encoded word must not become an address.
    found = [(name, address) for name, address in getaddresses(written) if "@" in address]
    if len(written) != 1 or len(found) != 1:
        return None, None
    name, address = found[0]
    address = _line(address, _LONGEST_ADDRESS + 1)
    if len(address) > _LONGEST_ADDRESS:
        return None, None
    return address or None, _line(_decoded(name), _LONGEST_NAME) or None


def _children(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [each for each in payload if isinstance(each, Message)][:_MOST_PARTS] if isinstance(payload, list) else []


def _parts(message: Message) -> Iterator[Message]:
    for at, part in enumerate(message.walk()):
        if at >= _MOST_PARTS:
            return
        yield part


def _words(message: Message) -> str:
    """Return the answer in the mail, with the names of what came with it; "" where there is neither."""
    text = _CONTROL.sub("", _text(message)[:_MOST_TEXT].replace("\r\n", "\n").replace("\r", "\n"))
    answer = "" if _BLANK.fullmatch(text) else answer_in(text)
    whole = _cut(answer)
    said = [whole] if whole else []
    if len(whole) < len(answer):
        said.append("[The rest of this mail is left out: a message can't be longer.]")
    if files := _files(message):
        named = ", ".join(files[:_MOST_NAMED])
        more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
        said.append(f"[Not kept: {named}{more}]")
    return "\n\n".join(said)


def _cut(text: str) -> str:
    """Return as much of a text as fits into a message, also once it is written as JSON."""
    text = text.encode()[:_LONGEST_WORDS].decode(errors="ignore")
    while (long := len(json.dumps(text, ensure_ascii=False).encode())) > _LONGEST_ESCAPED:
        text = text[: len(text) * _LONGEST_ESCAPED // long - 1]
    return text.rstrip()


def _text(part: Message, depth: int = 0) -> str:
    """Return the words of a part: of two forms of the same words the plain one, of several parts all."""
    if depth > _MOST_NAMED or _is_file(part):
        return ""
    kind = part.get_content_type()
    if kind.startswith("multipart/") and part.is_multipart():
        inner = _children(part)
        if kind == "multipart/alternative":
            plain = [_text(each, depth + 1) for each in inner if each.get_content_type() == "text/plain"]
            others = (_text(each, depth + 1) for each in inner if each.get_content_type() != "text/plain")
            return next((words for each in (plain, others) for words in each if words.strip()), "")
        return "\n".join(words for each in inner if (words := _text(each, depth + 1)).strip())
    if kind == "text/html":
        return text_of(_decode(part)[:_MOST_TEXT])
    return _decode(part) if kind.startswith("text/plain") else ""


def _decode(part: Message) -> str:
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    charset = str(part.get_content_charset() or "utf-8")
    for name in (charset, "utf-8"):
        try:
            return data.decode(name)
        except (LookupError, ValueError):  # no such charset, or other bytes than it promised
            continue
    return data.decode("cp1252", errors="replace")


def _is_file(part: Message) -> bool:
    if part.is_multipart() and part.get_content_maintype() == "multipart":
        return False
    named = part.get_filename() is not None or part.get_content_disposition() == "attachment"
    return named or part.get_content_maintype() != "text"


def _files(message: Message) -> list[str]:
    """Name what came with the words."""
    found, inside = [], 0
    for part in _parts(message):
        if inside:
            inside -= 1
            continue
        if not _is_file(part):
            continue
        if part.is_multipart():  # a mail within the mail is one file
            inside = sum(1 for _ in part.walk()) - 1
        payload = part.get_payload(decode=True)
        size = len(payload) if isinstance(payload, bytes) else len(part.as_bytes())
        name = _line(_decoded(part.get_filename() or ""), _LONGEST_NAME) or part.get_content_type()
        found.append(f"{name} ({_shown(size)})")
    return found


def _shown(size: int) -> str:
    return f"{size} bytes" if size < 1000 else f"{round(size / 1000)} kB"  # noqa: PLR2004 - a kilobyte


def _decoded(header: str) -> str:
    try:
        return str(make_header(decode_header(header)))
    except _BROKEN:
        return header


def _line(text: str, longest: int) -> str:
    return " ".join(_CONTROL.sub(" ", text).split())[:longest].strip()
