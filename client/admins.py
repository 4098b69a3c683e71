"""What those who run a desk do from a shell: dead letters, other systems, and the proof that the record is whole."""

import base64
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import click
from click.shell_completion import get_completion_class

from client.cli import REFUSED, as_json_lines, code_of, columns, moment, plain, print_json, refusals, tell
from client.desk import Desk
from client.files import main
from client.shapes import Integration
from contracts.base import DeadLetter
from contracts.refusals import NotAllowed, NotFound, Refusal

__all__ = ["main"]

_MOST_SHOWN = 20_000


@main.group("dead-letters")
def dead_letters() -> None:
    """List, show, retry and drop messages that could not be applied."""


@dead_letters.command("list")
@click.option("--reason", help="A refusal's code, such as `invalid`.")
@click.option("--integration", help="The other system that sent them.")
@as_json_lines
@click.pass_obj
def list_letters(desk: Desk, /, reason: str | None, integration: str | None, as_json: bool) -> None:  # noqa: FBT001 - click's way
    """List them, newest first."""
    with refusals():
        found = list(desk.dead_letters(reason=reason, integration=integration))
    if as_json:
        print_json(found)
        return
    for line in columns([(str(each.id), each.reason, each.service, each.subject, each.detail) for each in found]):
        click.echo(line)


@dead_letters.command("show")
@click.argument("letter", type=click.UUID)
@as_json_lines
@click.pass_obj
def show_letter(desk: Desk, letter: UUID, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Show one whole: where it came from, why it was refused, its headers and its body."""
    with refusals():
        found = desk.dead_letter(letter)
    if as_json:
        print_json([found])
    else:
        _print_letter(found)


def _which(command: Callable[..., None]) -> Callable[..., None]:
    """Let letters be named one by one, or all that match."""
    for option in (
        click.option("--all", "everything", is_flag=True, help="All that there are."),
        click.option("--integration", help="All of this system."),
        click.option("--reason", help="All of this reason."),
        click.argument("letters", type=click.UUID, nargs=-1),
    ):
        command = option(command)
    return command


@dead_letters.command("retry")
@_which
@as_json_lines
@click.pass_obj
def retry_letters(desk: Desk, /, *, as_json: bool, **which: Any) -> None:
    """Try them again as they came, the oldest first; ends with 1 where one is refused again."""
    with refusals():
        kept = sum(not _retried(desk, each, as_json=as_json) for each in _meant(desk, **which))
    sys.exit(REFUSED if kept else 0)


@dead_letters.command("drop")
@_which
@as_json_lines
@click.pass_obj
def drop_letters(desk: Desk, /, *, as_json: bool, **which: Any) -> None:
    """Forget them: what they ask for is never done."""
    with refusals():
        for each in _meant(desk, **which):
            desk.drop_dead_letter(each)
            click.echo(json.dumps({"id": str(each)}) if as_json else f"{each} dropped")


def _meant(
    desk: Desk, *, letters: tuple[UUID, ...], reason: str | None, integration: str | None, everything: bool
) -> Sequence[UUID]:
    if bool(letters) == bool(reason or integration or everything):
        raise click.UsageError("name letters, or say which by --reason, --integration or --all")
    found = letters or [each.id for each in desk.dead_letters(reason=reason, integration=integration)][::-1]
    if not found:
        click.echo("there are none", err=True)
    return found


@main.group()
def integrations() -> None:
    """List, make, set back and revoke other systems that enter NATS."""


@integrations.command("list")
@as_json_lines
@click.pass_obj
def list_integrations(desk: Desk, as_json: bool) -> None:  # noqa: FBT001 - as above
    """List them, newest first, with how many facts each has still to read."""
    with refusals():
        found = list(desk.integrations())
    if as_json:
        print_json(found)
        return
    for line in columns([(str(each.id), each.name, _to_read(each), _seen(each)) for each in found]):
        click.echo(line)


@integrations.command("create")
@click.argument("name")
@click.option("--internal", is_flag=True, help="It reads notes and comments too.")
@as_json_lines
@click.pass_obj
def make_integration(desk: Desk, name: str, internal: bool, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Let another system in, and print what its programs read: `… create alerts > var/integration.env`."""
    with refusals():
        made = desk.make_integration(name, internal=internal)
    if as_json:
        print_json([made])
        return
    for variable, value in made.access.items():
        click.echo(f"{variable}={value}")


@integrations.command("replay")
@click.argument("name")
@click.argument("start", metavar="FROM")
@as_json_lines
@click.pass_obj
def replay(desk: Desk, name: str, start: str, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Have it read again from a time, such as 2026-03-02T09:00:00Z, or a sequence of the stream."""
    with refusals():
        found = desk.replay(_named(desk, name), int(start) if start.isdecimal() else start)
    if as_json:
        print_json([found])
    else:
        click.echo(f"{name} reads again from {start}")


@integrations.command("revoke")
@click.argument("name")
@as_json_lines
@click.pass_obj
def revoke_integration(desk: Desk, name: str, as_json: bool) -> None:  # noqa: FBT001 - as above
    """Shut it out: what it holds open is cut, and its consumer is gone."""
    with refusals():
        id = _named(desk, name)
        desk.revoke_integration(id)
    click.echo(json.dumps({"id": str(id), "name": name}) if as_json else f"{name} is revoked")


@main.command("verify")
@click.option("--head", "heads", multiple=True, metavar="BOOK:SEQ:HASH", help="A saved head that must still be there.")
@as_json_lines
@click.pass_obj
def verify_books(desk: Desk, heads: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - as above
    """Have both books read from their beginning; ends with 1 where one is not whole."""
    with refusals():
        verdict = desk.verify(*heads)
    if as_json:
        print_json([verdict])
    else:
        for book in verdict.books:
            found = "whole" if book.ok else f"broken at {book.broken_at} ({plain(book.why or '')})"
            click.echo(f"{book.book.value}: {found}, {book.entries} entries, {book.erased} texts erased, {book.head}")
    sys.exit(0 if verdict.ok else REFUSED)


@main.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def print_completion(shell: str) -> None:
    """Print what completes this command: put `eval "$(counterfoil completion bash)"` where your shell begins."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"{shell} is not known")
    click.echo(kind(main, {}, "counterfoil", "_COUNTERFOIL_COMPLETE").source())


def _named(desk: Desk, name: str) -> UUID:
    for each in desk.integrations():
        if each.name == name:
            return each.id
    raise NotFound(f"No integration is called {name}.")


def _to_read(each: Integration) -> str:
    return "not known at the moment" if each.pending is None else f"{each.pending} to read"


def _seen(each: Integration) -> str:
    if each.seen_at is not None:
        return f"seen {moment(each.seen_at)}"
    return "never seen" if each.maker_id else "stands in the configuration of NATS"


def _retried(desk: Desk, letter: UUID, *, as_json: bool) -> bool:
    try:
        applied = desk.retry_dead_letter(letter)
    except Refusal as refusal:
        if code_of(refusal) != REFUSED and not isinstance(refusal, NotFound) and not _its_own(desk, letter, refusal):
            raise
        tell(refusal, of=f"{letter} ")
        return False
    if as_json:
        print_json([applied])
    else:
        click.echo(f"{letter} applied")
    return True


def _its_own(desk: Desk, letter: UUID, refusal: Refusal) -> bool:
    """Tell whether it is the letter that may not: one that names another workspace is refused as a stranger is."""
    return isinstance(refusal, NotAllowed) and desk.dead_letter(letter).reason == refusal.code


def _print_letter(letter: DeadLetter) -> None:
    facts = {
        "reason": f"{letter.reason}: {letter.detail}",
        "at": f"{letter.at:%Y-%m-%d %H:%M:%S} UTC",
        "service": letter.service,
        "subject": letter.subject,
        "place": f"{letter.stream} {letter.sequence}",
        **letter.headers,
    }
    for name, value in facts.items():
        click.echo(f"{plain(name)}: {plain(value)}")
    body = base64.b64decode(letter.body)
    try:
        said = [plain(line) for line in body.decode()[:_MOST_SHOWN].splitlines()]
    except UnicodeDecodeError:
        said = [body[:_MOST_SHOWN].hex(" ")]
    click.echo("\n" + "\n".join(said))
