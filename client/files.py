"""A workspace as a file, from a shell: written whole or not at all."""

import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import click

from client.cli import REFUSED, as_json_lines, main, refusals
from client.desk import Desk
from contracts.refusals import Unavailable
from contracts.transfer import FOOTER

__all__ = ["main"]


@main.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json_lines
@click.pass_obj
def export(desk: Desk, file: Path, as_json: bool) -> None:  # noqa: FBT001 - click's way
    """Write the whole workspace to FILE, readable by you alone, and say how much of what is in it."""
    with refusals():
        try:
            counts = _written(file.absolute(), whole(desk.export()))
        except OSError as error:
            raise click.BadParameter(f"{file} can't be written: {error.strerror}") from None
    if as_json:
        click.echo(json.dumps({"counts": counts}))
        return
    for kind, many in sorted(counts.items()):
        click.echo(f"{kind}: {many}")


def _written(file: Path, lines: Iterator[bytes]) -> dict[str, int]:
    """Put the lines into a file that is not there before it is whole; return what its last line counts."""
    with NamedTemporaryFile("wb", dir=file.parent, prefix=f".{file.name}.", delete=False) as temporary:
        try:
            line = b"{}"
            for line in lines:
                temporary.write(line)
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).replace(file)
        except BaseException:
            Path(temporary.name).unlink()
            raise
    counts: dict[str, int] = json.loads(line)["counts"]
    return counts


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Only say what would come, and every line that is wrong.")
@click.option(
    "--resume", is_flag=True, help="Go on with an import that was broken off; what is there is not sent anew."
)
@as_json_lines
@click.pass_obj
def import_file(desk: Desk, file: Path, *, dry_run: bool, resume: bool, as_json: bool) -> None:
    """Put the FILE of a workspace into a new one, after a look at all of it. Takes the token of an owner's session."""
    with refusals():
        report = None if resume else _sent(desk, file, dry_run=True)
        if report is None or not (dry_run or report["faults"]):
            report = _sent(desk, file, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps(report))
    else:
        _tell(report)
    sys.exit(REFUSED if report["faults"] else 0)


def _sent(desk: Desk, file: Path, *, dry_run: bool) -> dict[str, Any]:
    with file.open("rb") as lines:
        return desk.import_file(lines, dry_run=dry_run)


def _tell(report: Mapping[str, Any]) -> None:
    """Say what became of a file."""
    left_out = report["left_out"]
    for kind, many in sorted(report["counts"].items()):
        note = f" ({left_out[kind]} stay behind)" if left_out.get(kind) else ""
        click.echo(f"{kind}: {many}{note}")
    for fault in report["faults"]:
        click.echo(f"line {fault['line']}: {fault['detail']}", err=True)
    if report["dry_run"]:
        click.echo("a dry run: nothing was changed")
    elif report["finished"]:
        click.echo("imported")
    else:
        click.echo(f"broken off: it is in up to line {report['taken']}; mend what is behind, and go on with --resume")


def whole(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Yield lines as they come; raises Unavailable where the last one is not there, or says something else."""
    digest, last = hashlib.sha256(), b""
    for line in lines:
        digest.update(last)
        last = line
        yield line
    end = json.loads(last or b"{}")
    if end.get("kind") != FOOTER:
        raise Unavailable("The desk broke off before the end; nothing was written.")
    if end["sha256"] != digest.hexdigest():
        raise Unavailable("The file was changed on its way; nothing was written.")
