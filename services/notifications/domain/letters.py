"""Writes letters: text and HTML with one layout, where every name and title is plain words."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from services.notifications.domain.mail import Letter

_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title></head>
<body style="margin:0;padding:24px 12px;background:#f4f5f7;color:#1c2330;\
font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif">
<div style="max-width:560px;margin:0 auto;padding:28px;background:#fff;border:1px solid #dfe3ea;border-radius:10px">
{body}
</div>
<div style="max-width:560px;margin:12px auto 0;padding:0 28px;color:#5b6575;font-size:13px">
{foot}
</div>
</body>
</html>
"""
_BUTTON = (
    '<p style="margin:20px 0"><a href="{url}" style="display:inline-block;padding:10px 18px;border-radius:8px;'
    'background:#2457d6;color:#fff;text-decoration:none;font-weight:600">{label}</a></p>'
)
_LONGEST_SUBJECT = 160


@dataclass(frozen=True, slots=True)
class Button:
    """The one thing to do, where there is one."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Words:
    """What somebody wrote, as they typed it, and as HTML that is safe already."""

    typed: str
    html: str


def compose(
    subject: str, paragraphs: Iterable[str | Words], *, button: Button | None = None, after: Iterable[str] = ()
) -> Letter:
    """Write a letter of plain paragraphs, in text and in HTML; a line break in one stays."""
    before, below = list(paragraphs), list(after)
    link = [button.url] if button else []
    typed = [each.typed if isinstance(each, Words) else each for each in before]
    text = "\n\n".join([*typed, *link, *below]) + "\n"
    body = [f'<div dir="auto">{each.html}</div>' if isinstance(each, Words) else _paragraph(each) for each in before]
    if button:
        body.append(_BUTTON.format(url=escape(button.url), label=escape(button.label)))
    return Letter(subject=one_line(subject), text=text, html=layout(subject, "\n".join(body), below))


def layout(title: str, body: str, foot: Iterable[str] = ()) -> str:
    """Return a page of mail around HTML that is safe already."""
    return _PAGE.format(title=escape(one_line(title)), body=body, foot="\n".join(_paragraph(each) for each in foot))


def one_line(words: str, longest: int = _LONGEST_SUBJECT) -> str:
    """Return words without line breaks or control characters, shortened where they are long."""
    line = " ".join("".join(each if each.isprintable() else " " for each in words).split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def password_reset(name: str, url: str, expires_at: dt.datetime) -> Letter:
    """Write to somebody who forgot their password."""
    return compose(
        "Choose a new password",
        [f"Hello {name},", "somebody asked for a new password for this address. If it was you, choose one here:"],
        button=Button("Choose a new password", url),
        after=[
            f"The link works once, until {_until(expires_at)}.",
            "If it was not you, do nothing: your password stays as it is.",
        ],
    )


def invitation(name: str, workspace: str, by: str, url: str, expires_at: dt.datetime) -> Letter:
    """Write to somebody who is asked into a workspace."""
    place = one_line(workspace, 80)
    return compose(
        f"{one_line(by, 80)} invites you to {place}",
        [f"Hello {name},", f"{one_line(by, 80)} asks you to join {place} on Counterfoil."],
        button=Button("Accept the invitation", url),
        after=[
            f"The link works once, until {_until(expires_at)}.",
            "If you don't know what this is about, do nothing.",
        ],
    )


def _until(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _paragraph(words: str) -> str:
    return f'<p style="margin:0 0 12px">{"<br>".join(map(_line, words.split(chr(10))))}</p>'


def _line(words: str) -> str:
    safe = escape(words)
    if words.startswith(("https://", "http://")) and " " not in words:
        return f'<a href="{safe}" style="color:inherit;overflow-wrap:anywhere">{safe}</a>'
    return safe
