"""The import rules hold, and each of them can be broken."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]

HOUSE = {
    "client/__init__.py": "import contracts.base",
    "chassis/__init__.py": "",
    "chassis/database.py": "import sqlalchemy",
    "contracts/__init__.py": "",
    "contracts/base.py": "import pydantic",
    **{f"contracts/{owner}.py": "" for owner in ("activity", "gateway", "notifications", "tickets")},
    "services/__init__.py": "",
    "services/__main__.py": "import chassis.database",
    **{
        f"services/{service}/{module}.py": ""
        for service in ("activity", "gateway", "notifications", "tickets")
        for module in ("__init__", "app", "domain", "handlers", "migrations", "settings", "store", "timers", "usecases")
    },
}


def lint(house: Path) -> subprocess.CompletedProcess[str]:
    wide = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(LINTER, cwd=house, env=wide, capture_output=True, text=True, check=False)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    for name, source in HOUSE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    return tmp_path


def test_the_project_keeps_its_import_rules() -> None:
    report = lint(ROOT)

    assert report.returncode == 0, report.stdout + report.stderr


def test_a_house_in_order_breaks_no_rule(house: Path) -> None:
    report = lint(house)

    assert report.returncode == 0, report.stdout + report.stderr


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("chassis/database.py", "import services.tickets.domain", "Floors"),
        ("contracts/base.py", "import chassis.database", "Floors"),
        ("client/__init__.py", "import chassis.database", "The client stands outside"),
        ("services/activity/store.py", "import services.tickets.domain", "Neighbours never visit"),
        ("services/tickets/helpers.py", "", "Rooms"),
        ("services/tickets/store.py", "import services.tickets.usecases", "Rooms"),
        ("services/tickets/handlers.py", "import services.tickets.timers", "Rooms"),
        ("services/tickets/domain.py", "import chassis.database", "The domain is plain Python"),
        ("services/tickets/usecases.py", "import sqlalchemy", "Only stores write SQL"),
        ("services/tickets/handlers.py", "import nats", "Only the chassis touches NATS"),
        ("services/tickets/usecases.py", "import services.tickets.settings", "Settings are read"),
        ("contracts/base.py", "import structlog", "Contracts are nothing but pydantic"),
        ("chassis/database.py", "import contracts.tickets", "The chassis has no opinion"),
    ],
)
def test_a_rule_notices_who_breaks_it(house: Path, path: str, source: str, rule: str) -> None:
    (house / path).write_text(source)

    report = lint(house)

    assert report.returncode == 1
    assert any(line.startswith(rule) and line.endswith("BROKEN") for line in report.stdout.splitlines()), report.stdout
