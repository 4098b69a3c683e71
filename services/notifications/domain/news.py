"""Writes news to a member: who did what on which ticket, one thing or many."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Final
from uuid import UUID

from contracts.base import ActorKind, Audience, Role
from contracts.notifications import Kind
from contracts.tickets import Status
from services.notifications.domain.letters import layout, one_line
from services.notifications.domain.mail import Letter
from services.notifications.domain.telling import STRONGEST_FIRST

GATHERED: Final = dt.timedelta(seconds=60)
"""How long news waits for more of it."""
NEWS_LIFE: Final = dt.timedelta(days=1)
"""What is older when it is heard is not written of: a log that is told again sends nothing."""

_BLOCKS, _LINES = 20, 8
_DID = {
    Kind.ASSIGNED: "gave {it} to you",
    Kind.UNASSIGNED: "took {it} from you",
    Kind.MENTION: "mentioned you",
    Kind.NOTE: "wrote to the team",
    Kind.MESSAGE: "wrote, as the customer",
    Kind.CREATED: "opened {it}",
    Kind.ARRIVED: "opened {it}",
}
_AGAIN = {"this": "it", "these": "them"}
_NOBODY_DID = {
    Kind.DEAD_LETTER: "A message could not be applied, and waits among the dead letters.",
    Kind.WEBHOOK: "A webhook was turned off, since its calls failed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing to write of, with what is known of its ticket and its reader now."""

    because: UUID
    """The cause, which it shares with what else was done at once."""
    kind: Kind
    audience: Audience
    at: dt.datetime
    actor_kind: ActorKind
    actor_name: str
    old: str | None
    new: str | None
    ticket_id: UUID | None
    number: int | None
    subject: str | None
    hidden: bool
    """Whether the ticket is deleted, or muted by the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who is written to, as they are now."""

    name: str
    role: Role | None
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Where the news is from, and what its links begin with."""

    workspace_id: str
    workspace: str
    base: str
    """The workspace's pages."""
    leave: str
    """Where one click ends this mail."""


def may_be_told(news: Sequence[News], reader: Reader) -> list[News]:
    """Return what this reader may see now and still wants to; in the order in which it happened."""
    if reader.role is None or reader.paused:
        return []
    return [each for each in news if not each.hidden and each.audience.includes(reader.role)]


def news_letter(news: Sequence[News], sender: Sender) -> Letter:
    """Write one letter of all this news, each cause once: by ticket, or by itself where it is of several."""
    tellings = _gathered(news, lambda each: each.because)
    blocks = _gathered(tellings, _about)
    subject = _subject(tellings, blocks, sender)
    text, html = [], []
    for block in blocks[:_BLOCKS]:
        title, told, links = _block(block, sender)
        lines = [*told, *(line for link in links for line in link if line)]
        text.append("\n".join([title, *(f"  {line}" for line in lines)]))
        html.append(_html(title, told, links))
    if len(blocks) > _BLOCKS:
        rest = f"… and {len(blocks) - _BLOCKS} more tickets. All of it is in your inbox:"
        url = f"{sender.base}/notifications"
        text.append(f"{rest}\n{url}")
        html.append(f'<p><a href="{escape(url)}">{escape(rest)}</a></p>')
    member = f"You are a member of {one_line(sender.workspace)}. Choose what you hear of:"
    foot = [f"{member}\n{sender.base}/settings/notifications", f"No more mail of this sort:\n{sender.leave}"]
    tickets = {each.ticket_id for each in news}
    threaded = tickets.pop() if len(tickets) == 1 else None
    return replace(
        Letter(
            subject=subject, text="\n\n".join([*text, "--", *foot]) + "\n", html=layout(subject, "".join(html), foot)
        ),
        thread=f"ticket.{threaded}" if threaded else None,
        list_id=f"{sender.workspace_id}.tickets",
        unsubscribe=sender.leave,
    )


def _gathered[T](things: Iterable[T], key: Callable[[T], object]) -> list[list[T]]:
    """Put what has the same key together; all in the order of the first."""
    found: dict[object, list[T]] = {}
    for each in things:
        found.setdefault(key(each), []).append(each)
    return [*found.values()]


def _about(telling: Sequence[News]) -> object:
    """Return the ticket that a telling is about; of several it is about all at once, and stands by itself."""
    tickets = {each.ticket_id for each in telling}
    return tickets.pop() if len(tickets) == 1 else f"cause {telling[0].because}"


def _block(block: Sequence[Sequence[News]], sender: Sender) -> tuple[str, list[str], list[tuple[str, str]]]:
    """Return what stands above, what happened, and where it leads: titles, empty where they are the same, and links."""
    news = block[0][0]
    tickets = _gathered(block[0], _ticket)
    if len(tickets) == 1:
        said = Counter(map(_sentence, block))
        told = [each if times == 1 else f"{each}, {times} times" for each, times in said.items()]
        if more := sum([*said.values()][_LINES:]):
            told[_LINES:] = [f"… and {more} more"]
        return _title(news), told, [("", _link(news, sender))]
    links = [(_title(each[0]), _link(each[0], sender)) for each in tickets[:_BLOCKS]]
    if len(tickets) > _BLOCKS:
        links.append((f"… and {len(tickets) - _BLOCKS} more", f"{sender.base}/notifications"))
    return f"{len(tickets)} tickets", [_sentence(block[0], "these")], links


def _html(title: str, told: Sequence[str], links: Sequence[tuple[str, str]]) -> str:
    own = next((url for name, url in links if not name), None)
    head = f'<a href="{escape(own)}" style="color:#2457d6;text-decoration:none">{escape(title)}</a>' if own else title
    lines = [escape(each) for each in told]
    lines += [f'<a href="{escape(url)}" style="color:#2457d6">{escape(name)}</a>' for name, url in links if name]
    items = "".join(f'<li style="margin:0 0 4px">{each}</li>' for each in lines)
    above = f'<h2 style="margin:0 0 6px;font-size:16px">{head}</h2>'
    return f'{above}<ul style="margin:0 0 18px;padding:0 0 0 18px">{items}</ul>'


def _subject(tellings: Sequence[Sequence[News]], blocks: Sequence[Sequence[Sequence[News]]], sender: Sender) -> str:
    news = tellings[0]
    if len(blocks) > 1:
        return one_line(f"{len(tellings)} notifications from {sender.workspace}")
    if len(tickets := {each.ticket_id for each in news}) > 1:
        return one_line(f"[{len(tickets)} tickets] {_sentence(news, 'these')}")
    return one_line(_title(news[0], mark="[{}]") if news[0].ticket_id else f"{_title(news[0])}: {sender.workspace}")


def _ticket(news: News) -> UUID | None:
    return news.ticket_id


def _title(news: News, mark: str = "{}") -> str:
    if news.ticket_id is None:
        return "Something needs an admin"
    return f"{mark.format(f'#{news.number}')} {one_line(news.subject or '')}"


def _link(news: News, sender: Sender) -> str:
    if news.kind is Kind.DEAD_LETTER:
        return f"{sender.base}/settings/dead-letters"
    if news.kind is Kind.WEBHOOK:
        return f"{sender.base}/settings/webhooks"
    return f"{sender.base}/tickets/{news.number}"


def _sentence(telling: Sequence[News], what: str = "this") -> str:
    """Say who did what, all of it in one sentence, what matters most first."""
    news = telling[0]
    if news.kind in _NOBODY_DID:
        return _NOBODY_DID[news.kind]
    who = "The clock" if news.actor_kind is ActorKind.SYSTEM else one_line(news.actor_name, 80)
    ranked = sorted(telling, key=lambda each: STRONGEST_FIRST.index(each.kind))
    things = [*dict.fromkeys((each.kind, each.old, each.new) for each in ranked)][:_LINES]
    did = [_did(*each, what) if each is things[0] else _did(*each, _AGAIN[what]) for each in things]
    return f"{who} {', '.join(did[:-1])}{' and ' if len(did) > 1 else ''}{did[-1]}"


def _did(kind: Kind, old: str | None, new: str | None, it: str) -> str:
    if kind is Kind.STATUS:
        return f"moved {it} from {_status(old)} to {_status(new)}"
    if kind is Kind.PRIORITY:
        return f"changed the priority from {(old or '').capitalize()} to {(new or '').capitalize()}"
    if kind is Kind.FOLLOW_UP:
        return f"wrote to {it} though it is closed, so #{new} was opened"
    return _DID[kind].format(it=it)


def _status(code: str | None) -> str:
    return next((status.label for status in Status if status.value == code), code or "")
