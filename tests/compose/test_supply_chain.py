"""What is asked about the lock is answered truly, above all where nobody was asked."""

import asyncio
import json
import platform
import re
import runpy
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from contracts.base import SERVICES

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


MAKER = runpy.run_path(str(DEPLOY / "sbom.py"))["main"]
DOCKERFILE, PROXY = ((ROOT / path).read_text(encoding="utf-8") for path in ("Dockerfile", "deploy/proxy/Dockerfile"))


def locked() -> dict[str, Any]:
    """All that uv has locked for the services and this machine has, in the shape in which uv lists it."""
    lock = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]}
    wanted, needed = [*SERVICES], set[str]()
    while wanted:
        if (name := wanted.pop()) not in needed:
            needed.add(name)
            wanted += [each["name"] for each in lock[name].get("dependencies", ())]
    here = {each.name for each in metadata.distributions()}
    components: list[dict[str, Any]] = []
    for each in (lock[name] for name in sorted(needed & here) if "registry" in lock[name]["source"]):
        component = {"type": "library", "bom-ref": each["name"], "name": each["name"], "version": each["version"]}
        files = [*each.get("wheels", ()), *([each["sdist"]] if "sdist" in each else ())]
        distributions = [
            {
                "type": "distribution",
                "url": file["url"],
                "hashes": [{"alg": "SHA-256", "content": file["hash"].partition(":")[2]}],
            }
            for file in files
        ]
        purl = {"purl": f"pkg:pypi/{each['name']}@{each['version']}", "externalReferences": distributions}
        components.append(component | purl)
    own = {"type": "library", "bom-ref": "chassis", "name": "chassis", "version": "0.1.0"}
    about = {"component": {"type": "library", "bom-ref": "tickets", "name": "tickets", "version": "0.1.0"}}
    return {"metadata": about, "components": [*components, own], "dependencies": [{"ref": "tickets"}]}


def refusal(made: dict[str, Any]) -> object:
    """What CycloneDX's own schema has against it."""
    return JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(made))


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
    made = MAKER("tickets", listed, DOCKERFILE)
    assert [each["name"] for each in made["components"]] == ["always", "loop", "python", "python"]
    assert made["components"][-1]["version"] == "3.13-slim"
    assert made["metadata"]["component"]["name"] == "counterfoil-tickets"
    assert made["dependencies"] == [{"ref": "tickets", "dependsOn": ["always"]}]
    assert refusal(made) is None
    assert refusal(made | {"components": [{"name": "of no type"}]}) is not None


def test_a_bill_of_materials_tells_hash_and_licence_of_every_package() -> None:
    made = MAKER("tickets", locked(), DOCKERFILE)
    assert refusal(made) is None
    packages = [each for each in made["components"] if each.get("purl", "").startswith("pkg:pypi/")]
    assert len(packages) > 50
    assert [each["name"] for each in packages if [h["alg"] for h in each["hashes"]] != ["SHA-256"]] == []
    assert [each["name"] for each in made["components"] if not each.get("licenses") and each["type"] == "library"] == []
    (driver,) = (each for each in packages if each["name"] == "asyncpg")
    (file,) = driver["externalReferences"]
    assert re.search(rf"-cp313-cp313-manylinux\S*_{platform.machine()}", file["url"])
    assert driver["licenses"] == [{"expression": "Apache-2.0"}]
    assert {"license": {"name": "MIT License"}} in next(p for p in packages if p["name"] == "mdurl")["licenses"]


def test_the_proxy_has_a_bill_of_its_own_whose_versions_are_those_of_the_image() -> None:
    unbuilt = MAKER("proxy", {}, PROXY)
    built = MAKER("proxy", {}, PROXY, "haproxy\t2.6.12-1+deb12u2\nlibc6:amd64\t2.36-9+deb12u10\n")
    assert [each["name"] for each in unbuilt["components"]] == ["debian", "haproxy"]
    assert [each.get("version") for each in built["components"]] == [
        "bookworm-slim",
        "2.6.12-1+deb12u2",
        "2.36-9+deb12u10",
    ]
    assert built["components"][1]["purl"] == "pkg:deb/debian/haproxy@2.6.12-1%2Bdeb12u2"
    assert [made["compositions"][0]["aggregate"] for made in (unbuilt, built)] == ["incomplete", "complete"]
    assert [refusal(made) for made in (unbuilt, built)] == [None, None]


def test_whoever_reports_and_whoever_helps_finds_how() -> None:
    security, contributing, changelog = (
        (ROOT / name).read_text(encoding="utf-8") for name in ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
    )
    assert "48 hours" in security
    for target in ("make check", "make format", "make docs"):
        assert target in contributing
    assert "## Unreleased" in changelog
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
