"""Migrations expand before they contract: what would stop or break the code that still runs is found by a linter.

A desk that runs has the schema of a release. What came before the first release is parsed, and allowed to be blunt.
"""

import asyncio
import re
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from chassis.migrations import migrate
from contracts.base import SERVICES
from tests.support.infra import PostgresServer

RELEASED: dict[str, str] = {}
"""The last revision of each service in the last release; every later one is held to the rules. None yet."""
SETTLED = (
    "prefer-robust-stmts",  # a migration is one transaction: it is done, or it is not
    "require-lock-timeout",  # whoever migrates sets both (chassis/migrations.py)
    "require-statement-timeout",
)
SQUAWK = Path(sysconfig.get_path("scripts")) / "squawk"


@contextmanager
def executed() -> Iterator[list[str]]:
    """Every statement that SQLAlchemy sends meanwhile."""
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement.strip())

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def by_revision(statements: list[str]) -> dict[str, str]:
    """What each revision did, as a script."""
    found: dict[str, str] = {}
    done: list[str] = []
    for statement in statements:
        if re.match(r"(insert into|update) alembic_version", statement, re.IGNORECASE):
            found[f"{len(found) + 1:04}"] = "".join(f"{each.rstrip(';')};\n" for each in done)
            done = []
        elif not re.match(r"(select|create table alembic_version|set local|show|\$)", statement, re.IGNORECASE):
            done.append(statement)
    return found


def lint(script: str) -> tuple[int, str]:
    words = ("--assume-in-transaction", "--pg-version", "17", "--reporter", "gcc", "--exclude", ",".join(SETTLED))
    done = subprocess.run([SQUAWK, *words], input=script, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
async def test_what_a_release_adds_lets_the_code_before_it_go_on(postgres_server: PostgresServer, service: str) -> None:
    urls = await postgres_server.fresh_database(service)
    with executed() as statements:
        await asyncio.to_thread(migrate, service, urls.owner)
    scripts = by_revision(statements)
    versions = Path(__file__).parents[2] / "services" / service / "migrations" / "versions"
    assert scripts.keys() == {path.name[:4] for path in versions.glob("[0-9]*.py")}
    assert [name for name, script in scripts.items() if not script] == []
    assert [said for script in scripts.values() for _, said in [lint(script)] if "syntax-error" in said] == []
    held = {name: lint(script) for name, script in scripts.items() if name > RELEASED.get(service, "9999")}
    assert {name: said for name, (status, said) in held.items() if status} == {}


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        ("alter table tickets drop column subject;", "ban-drop-column"),
        ("drop table tickets;", "ban-drop-table"),
        ("alter table tickets rename column subject to title;", "renaming-column"),
        ("alter table tickets add column must int not null;", "adding-required-field"),
        ("alter table tickets alter column number type bigint;", "changing-column-type"),
        ("alter table tickets add constraint c check (number > 0);", "constraint-missing-not-valid"),
        ("create index on tickets (subject);", "require-concurrent-index-creation"),
    ],
)
def test_what_would_break_or_stop_the_running_code_is_found(script: str, rule: str) -> None:
    status, said = lint(script)
    assert status != 0
    assert rule in said


def test_what_only_expands_is_let_through() -> None:
    script = "alter table tickets add column maybe text;\ncreate table more (id bigint primary key);\n"
    assert lint(script)[0] == 0
