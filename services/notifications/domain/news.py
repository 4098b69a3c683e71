"""Writes news to a member: who did what on which ticket, one thing or many."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from typing import Final
from uuid import UUID

from contracts.base import ActorKind, Audience, Role
from contracts.notifications import Kind
from contracts.tickets import Status
from services.notifications.domain.letters import layout, one_line
from services.notifications.domain.mail import Letter

GATHERED: Final = dt.timedelta(seconds=60)
"""How long news waits for more of it."""
NEWS_LIFE: Final = dt.timedelta(days=1)
"""What is older when it is heard is not written of: a log that is told again sends nothing."""

_TICKETS, _LINES = 20, 8
_DID = {
    Kind.ASSIGNED: "assigned this to you",
    Kind.UNASSIGNED: "took this from you",
    Kind.MENTION: "mentioned you",
    Kind.NOTE: "wrote to the team",
    Kind.MESSAGE: "wrote, as the customer",
    Kind.CREATED: "opened this",
    Kind.ARRIVED: "opened this",
}
_NOBODY_DID = {
    Kind.DEAD_LETTER: "A message could not be applied, and waits among the dead letters.",
    Kind.WEBHOOK: "A webhook was turned off, since its calls failed.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """One thing to write of, with what is known of its ticket and its reader now."""

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
    """Write one letter of all this news, by ticket; there is some."""
    # The order within a ticket is kept, and so is that of the tickets, by their first.
    first = {each.ticket_id: nth for nth, each in reversed(list(enumerate(news)))}
    by_ticket = [list(each) for _, each in groupby(sorted(news, key=lambda each: first[each.ticket_id]), _ticket)]
    subject = _subject(news, by_ticket, sender)
    text, html = [], []
    for lines in by_ticket[:_TICKETS]:
        told = [_sentence(each) for each in lines[:_LINES]]
        if len(lines) > _LINES:
            told.append(f"… and {len(lines) - _LINES} more")
        title, url = _title(lines[0]), _link(lines[0], sender)
        text.append("\n".join([title, *(f"  {each}" for each in told), f"  {url}"]))
        items = "".join(f'<li style="margin:0 0 4px">{escape(each)}</li>' for each in told)
        html.append(
            f'<h2 style="margin:0 0 6px;font-size:16px"><a href="{escape(url)}" style="color:#2457d6;'
            f'text-decoration:none">{escape(title)}</a></h2>'
            f'<ul style="margin:0 0 18px;padding:0 0 0 18px">{items}</ul>'
        )
    if len(by_ticket) > _TICKETS:
        rest = f"… and {len(by_ticket) - _TICKETS} more tickets. All of it is in your inbox:"
        url = f"{sender.base}/notifications"
        text.append(f"{rest}\n{url}")
        html.append(f'<p><a href="{escape(url)}">{escape(rest)}</a></p>')
    member = f"You are a member of {one_line(sender.workspace)}. Choose what you hear of:"
    foot = [f"{member}\n{sender.base}/settings/notifications", f"No more mail of this sort:\n{sender.leave}"]
    threaded = by_ticket[0][0].ticket_id if len(by_ticket) == 1 else None
    return replace(
        Letter(
            subject=subject, text="\n\n".join([*text, "--", *foot]) + "\n", html=layout(subject, "".join(html), foot)
        ),
        thread=f"ticket.{threaded}" if threaded else None,
        list_id=f"{sender.workspace_id}.tickets",
        unsubscribe=sender.leave,
    )


def _subject(news: Sequence[News], by_ticket: Sequence[Sequence[News]], sender: Sender) -> str:
    if len(by_ticket) == 1:
        return one_line(_title(news[0], mark="[{}]") if news[0].ticket_id else f"{_title(news[0])}: {sender.workspace}")
    return one_line(f"{len(news)} notifications from {sender.workspace}")


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


def _sentence(news: News) -> str:
    who = "The clock" if news.actor_kind is ActorKind.SYSTEM else one_line(news.actor_name, 80)
    if news.kind is Kind.STATUS:
        return f"{who} moved this from {_status(news.old)} to {_status(news.new)}"
    if news.kind is Kind.PRIORITY:
        return f"{who} changed the priority from {news.old} to {news.new}"
    if news.kind is Kind.FOLLOW_UP:
        return f"{who} wrote to it though it is closed, so #{news.new} was opened"
    return f"{who} {_DID[news.kind]}" if news.kind in _DID else _NOBODY_DID[news.kind]


def _status(code: str | None) -> str:
    return next((status.label for status in Status if status.value == code), code or "")
