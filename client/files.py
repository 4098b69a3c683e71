"""A workspace as a file, from a shell: written whole or not at all."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

from client.cli import main, refusals
from client.desk import Desk
from contracts.refusals import Unavailable
from contracts.transfer import FOOTER

__all__ = ["main"]


@main.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.pass_obj
def export(desk: Desk, file: Path) -> None:
    """Write the whole workspace to FILE, readable by you alone, and say how much of what is in it."""
    file = file.absolute()
    with refusals(), NamedTemporaryFile("wb", dir=file.parent, prefix=f".{file.name}.", delete=False) as temporary:
        try:
            line = b"{}"
            for line in whole(desk.export()):
                temporary.write(line)
            temporary.flush()
            os.fsync(temporary.fileno())
            Path(temporary.name).replace(file)
        except BaseException:
            Path(temporary.name).unlink()
            raise
    for kind, many in sorted(json.loads(line)["counts"].items()):
        click.echo(f"{kind}: {many}")


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
