"""What is asked about the lock is answered truly, above all where nobody was asked."""

import asyncio
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent


def a_tool(directory: Path, *, says: str, status: int) -> Path:
    """A Python with a pip-audit beside it that says this."""
    python, tool = directory / "python", directory / "pip-audit"
    python.symlink_to(sys.executable)
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{says}\nEND\nexit {status}\n")
    tool.chmod(0o755)
    return python


def looked(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


WELL = {"name": "a", "version": "1", "vulns": []}
ILL = {"name": "b", "version": "2", "vulns": [{"id": "CVE-2026-1", "fix_versions": []}]}
UNKNOWN = {"name": "c", "skip_reason": "Dependency not found on PyPI and could not be audited: c (3)"}


@pytest.mark.parametrize(
    ("says", "status", "ends", "word"),
    [
        (looked(WELL), 0, 0, "clean"),
        (looked(WELL, ILL), 1, 1, "FOUND"),
        (looked(WELL, ILL, UNKNOWN), 1, 1, "FOUND"),
        (looked(WELL, UNKNOWN), 0, 3, "NOT RUN"),
        (looked(UNKNOWN, UNKNOWN), 0, 3, "NOT RUN"),
        (looked(), 0, 3, "NOT RUN"),
        ("", 0, 3, "NOT RUN"),
        ("ConnectionError: no route", 1, 3, "NOT RUN"),
        ('{"dependencies": null}', 0, 3, "NOT RUN"),
    ],
)
async def test_an_audit_that_was_not_run_is_never_green(
    tmp_path: Path, says: str, status: int, ends: int, word: str
) -> None:
    python = a_tool(tmp_path, says=says, status=status)
    process = await asyncio.create_subprocess_exec(
        *(python, DEPLOY / "audit.py", "locked.txt"), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await process.communicate()
    assert process.returncode == ends
    assert f"audit: {word}." in told.decode()
    assert ("CVE-2026-1" in told.decode()) == (ends == 1)


async def test_an_audit_without_its_tool_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    process = await asyncio.create_subprocess_exec(tmp_path / "python", DEPLOY / "audit.py", "locked.txt")
    assert await process.wait() == 3


def test_a_bill_of_materials_names_what_is_in_the_image_and_no_more() -> None:
    def component(name: str, marker: str = "") -> dict[str, Any]:
        more = {"properties": [{"name": "uv:package:marker", "value": marker}]} if marker else {}
        return {"type": "library", "bom-ref": name, "name": name, "version": "1", **more}

    listed = {
        "bomFormat": "CycloneDX",
        "metadata": {"component": component("tickets")},
        "components": [
            component("always"),
            component("loop", "sys_platform != 'win32'"),
            component("never", "sys_platform == 'never'"),
            component("old", "python_full_version < '3.13'"),
        ],
        "dependencies": [
            {"ref": "tickets", "dependsOn": ["always", "never"]},
            {"ref": "never", "dependsOn": ["always"]},
        ],
    }
    made = runpy.run_path(str(DEPLOY / "sbom.py"))["main"](
        "tickets", listed, (ROOT / "Dockerfile").read_text(encoding="utf-8")
    )
    assert [each["name"] for each in made["components"]] == ["always", "loop", "python", "python:3.13-slim"]
    assert made["metadata"]["component"]["name"] == "counterfoil-tickets"
    assert made["dependencies"] == [{"ref": "tickets", "dependsOn": ["always"]}]


def test_whoever_reports_and_whoever_helps_finds_how() -> None:
    security, contributing, changelog = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
    )
    assert "48 hours" in security
    for target in ("make check", "make format", "make docs"):
        assert target in contributing
    assert "## Unreleased" in changelog
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
