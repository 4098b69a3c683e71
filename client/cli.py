"""The command `counterfoil`: a desk from a shell, for scripts and for those who run one.

Exit codes: 0 done, 1 refused, 2 used wrongly, 3 not signed in or not allowed, 4 not found, 5 away.
"""

import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click
import httpx
from pydantic import BaseModel

from client.desk import PATIENCE, Desk
from contracts.activity import Entry
from contracts.base import TicketEvent
from contracts.refusals import Refusal
from contracts.tickets import Priority, Status, TicketRow, TicketSnapshot

REFUSED, NOT_ALLOWED, NOT_FOUND, AWAY = 1, 3, 4, 5
_BY_STATUS = {401: NOT_ALLOWED, 403: NOT_ALLOWED, 404: NOT_FOUND, 429: AWAY, 503: AWAY}

_STATUS = click.Choice([status.value for status in Status])
_PRIORITY = click.Choice([priority.value for priority in Priority])
_TYPE = click.Choice(sorted(kind.TYPE for kind in TicketEvent.of_kind()))
as_json_lines = click.option("--json", "as_json", is_flag=True, help="One JSON object for each, a line each.")


class Command(click.Group):
    """Ends well where nobody reads on: `counterfoil events | head -1`."""

    def invoke(self, ctx: click.Context) -> object:
        """Run what was asked for."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except UnicodeError:
            raise click.UsageError("words are given in UTF-8") from None
        except OSError as error:
            raise click.ClickException(f"what was found can't be written: {error.strerror}") from None


def _address(_context: click.Context, _option: click.Parameter, url: str) -> str:
    try:
        given = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise click.BadParameter(f"{url} is no address: {error}") from None
    if given.scheme not in ("http", "https") or not given.host:
        raise click.BadParameter(f"{url} does not begin with http:// or https:// and a host")
    return url


def _secret(_context: click.Context, _option: click.Parameter, token: str | None) -> str | None:
    """Take a token with the end of line of its file; what no header can hold is none, and is not repeated."""
    token = token and token.strip()
    if token and not (token.isascii() and token.isprintable()):
        raise click.BadParameter("a token has neither line breaks nor other characters than those of ASCII")
    return token or None


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "COUNTERFOIL"})
@click.option(
    "--url",
    default="http://localhost:8080",
    show_default=True,
    envvar="COUNTERFOIL_URL",
    show_envvar=True,
    callback=_address,
)
@click.option("--workspace", default="demo", show_default=True, envvar="COUNTERFOIL_WORKSPACE", show_envvar=True)
@click.option(
    "--token",
    envvar="COUNTERFOIL_TOKEN",
    show_envvar=True,
    callback=_secret,
    help="An API token, from Settings > API tokens.",
)
@click.option("--patience", default=PATIENCE, show_default=True, help="Seconds to try while the desk is away.")
@click.pass_context
def main(context: click.Context, url: str, workspace: str, token: str | None, patience: float) -> None:
    """Work on a Counterfoil desk from a shell."""
    if context.invoked_subcommand == "completion":
        return
    if token is None:
        raise click.UsageError("an API token is needed: --token, or COUNTERFOIL_TOKEN")
    context.obj = context.with_resource(Desk(url, workspace, token, patience=patience))


@main.group()
def tickets() -> None:
    """List, show, create and move tickets."""


@tickets.command("list")
@click.option("--status", type=click.Choice([*_STATUS.choices, "all"]), multiple=True, help="May be repeated.")
@click.option("--priority", type=_PRIORITY, multiple=True, help="May be repeated.")
@click.option("--assignee", help="`me`, `none`, or a member's id.")
@click.option("--tag")
@click.option("--q", help="Words of the subject, or a number.")
@click.option("--sort", default="-updated", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json_lines
@click.pass_obj
def list_tickets(desk: Desk, /, limit: int, as_json: bool, **filters: Any) -> None:  # noqa: FBT001 - click's way
    """List tickets: those that are neither closed nor spam, unless asked for."""
    wanted = {name: value for name, value in filters.items() if value not in (None, ())}
    with refusals():
        found = list(islice(desk.tickets(**wanted, limit=min(limit, 100)), limit))
    if as_json:
        print_json(found)
        return
    for line in columns([_row(ticket) for ticket in found]):
        click.echo(line)


@tickets.command("show")
@click.argument("ticket")
@click.option("--as-of", help="A version, or a time such as 2026-03-02T09:00:00Z.")
@click.option("--history", is_flag=True, help="What happened to it, too.")
@as_json_lines
@click.pass_obj
def show_ticket(desk: Desk, ticket: str, as_of: str | None, history: bool, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Show a ticket, by number or id."""
    with refusals():
        found = desk.ticket(ticket, as_of=as_of)
        entries = list(desk.history(ticket)) if history else []
    if as_json:
        print_json([found, *entries])
        return
    _print_ticket(found)
    for line in map(_step, entries):
        click.echo(line)


@tickets.command("create")
@click.argument("subject")
@click.option("--description", default="", help="Markdown; `-` reads it from standard input.")
@click.option("--priority", type=_PRIORITY)
@click.option("--assignee", "assignee_id", help="A member's id.")
@click.option("--contact", nargs=2, metavar="NAME EMAIL", help="Who asks.")
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--key", help="The same key once more is the same ticket.")
@as_json_lines
@click.pass_obj
def create_ticket(
    desk: Desk,
    /,
    *,
    subject: str,
    description: str,
    contact: tuple[str, str] | None,
    key: str | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Open a ticket, and print it."""
    given = {name: value for name, value in fields.items() if value not in (None, ())}
    if contact:
        given["contact"] = {"name": contact[0], "email": contact[1]}
    with refusals():
        _made(desk.create_ticket(subject, description=_text(description), key=key, **given), as_json=as_json)


@tickets.command("move")
@click.argument("ticket")
@click.argument("status", type=_STATUS)
@click.option("--if-version", type=int, help="Only if it is at this version still.")
@as_json_lines
@click.pass_obj
def move_ticket(desk: Desk, ticket: str, status: str, if_version: int | None, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Move a ticket to another status."""
    with refusals():
        _made(desk.change_ticket(ticket, status=status, if_version=if_version), as_json=as_json)


@tickets.command("note")
@click.argument("ticket")
@click.argument("body")
@click.option("--comment", is_flag=True, help="A turn of the team's discussion instead of a standing note.")
@as_json_lines
@click.pass_obj
def note_ticket(desk: Desk, ticket: str, body: str, comment: bool, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Add an internal note; `-` reads it from standard input."""
    with refusals():
        note = desk.add_note(ticket, _text(body), kind="comment" if comment else "note")
    if as_json:
        print_json([note])
    else:
        click.echo(f"noted at version {note.ticket_version}")


@main.command("events")
@click.option("--after", type=click.IntRange(0), default=0, show_default=True, help="The last seq that you have.")
@click.option("--follow", is_flag=True, help="Go on as they are recorded, until interrupted.")
@click.option(
    "--type", "types", type=_TYPE, multiple=True, metavar="TYPE", help="Such as `status_changed`; repeatable."
)
@as_json_lines
@click.pass_obj
def print_events(desk: Desk, after: int, follow: bool, types: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - as above
    """Print what happened to all tickets, in order."""
    with refusals():
        for entry in desk.follow(after) if follow else desk.feed(after):
            if types and entry.type not in types:
                continue
            click.echo(entry.model_dump_json() if as_json else f"{entry.seq} {_step(entry)}")


@contextmanager
def refusals() -> Iterator[None]:
    """Say a refusal in its own words, and end with its code."""
    try:
        yield
    except Refusal as refusal:
        tell(refusal)
        sys.exit(code_of(refusal))
    except KeyboardInterrupt:
        sys.exit(0)


def tell(refusal: Refusal, of: str = "") -> None:
    """Say why not, on standard error."""
    click.echo(f"{of}{refusal.code}: {plain(refusal.detail)}", err=True)
    facts: Mapping[str, Any] = refusal.facts
    for fault in facts.get("errors", ()):
        click.echo(plain(f"  {fault['field'] or 'body'}: {fault['detail']}"), err=True)
    if facts.get("allowed"):
        click.echo(f"  open to you: {', '.join(facts['allowed'])}", err=True)
    for missed in facts.get("missed", ()):
        click.echo(plain(f"  since then: {missed['type']} by {missed['actor']['name']}"), err=True)


def code_of(refusal: Refusal) -> int:
    """Return the exit code that tells this refusal."""
    return _BY_STATUS.get(refusal.status, REFUSED)


def _text(said: str) -> str:
    return sys.stdin.buffer.read().decode() if said == "-" else said


def _made(ticket: TicketSnapshot, *, as_json: bool) -> None:
    if as_json:
        print_json([ticket])
    else:
        click.echo(f"#{ticket.number} {ticket.status.value} (version {ticket.version})")


def print_json(found: Iterable[BaseModel]) -> None:
    """Print each as a line of JSON."""
    for each in found:
        click.echo(each.model_dump_json())


def _row(ticket: TicketRow) -> tuple[str, ...]:
    assignee = ticket.assignee.name if ticket.assignee else "-"
    return f"#{ticket.number}", ticket.status.value, ticket.priority.value, assignee, ticket.subject


def columns(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Yield rows as lines whose columns stand below each other."""
    cells = [tuple(map(plain, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _print_ticket(ticket: TicketSnapshot) -> None:
    facts = {
        "status": ticket.status.label,
        "priority": ticket.priority.value,
        "assignee": ticket.assignee.name if ticket.assignee else "",
        "contact": " ".join(filter(None, (ticket.contact.name, ticket.contact.email))) if ticket.contact else "",
        "tags": ", ".join(ticket.tags),
        "created": f"{ticket.created_at:%Y-%m-%d %H:%M} UTC",
        "version": str(ticket.version),
    }
    click.echo(f"#{ticket.number} {plain(ticket.subject)}")
    for name, value in facts.items():
        if value:
            click.echo(f"{name + ':':<10} {plain(value)}")
    if ticket.description:
        click.echo("\n" + "\n".join(map(plain, ticket.description.splitlines())) + "\n")


def _step(entry: Entry) -> str:
    change = "" if entry.old is None and entry.new is None else f" {_value(entry.old)} → {_value(entry.new)}"
    words = entry.data.get("body")
    said = f": {words}" if isinstance(words, str) else ""
    return plain(f"{moment(entry.at)} {entry.type} by {entry.actor.name}{change}{said}")


def _value(value: Any) -> str:  # noqa: ANN401 - whatever a fact tells
    if isinstance(value, dict):
        known = value.get("name") or value.get("number") or value.get("id")
        return str(known or json.dumps(value, ensure_ascii=False))
    return "-" if value is None else str(value)


def moment(at: dt.datetime) -> str:
    """Return a time as all commands write it."""
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def plain(words: str) -> str:
    """Return words that move no terminal."""
    return "".join(each if each.isprintable() else " " for each in words)
