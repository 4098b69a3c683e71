"""Makes of uv's list what an image holds: `uv export --format cyclonedx1.5 … | python sbom.py IMAGE [DEBIAN]`.

uv lists what is locked for every platform, an image holds what its own asks for: of each package the one file that fits
this machine's kind, with its hash, under the licence that the package itself tells. DEBIAN is what `dpkg-query --show`
says in the image; without it that part is called incomplete. The image `proxy` has no Python: its list is empty.
"""

import json
import platform
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.markers import Marker
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT: Final = Path(__file__).parent.parent
_NEWEST_GLIBC: Final = 41
_KNOWN: Final = {"haproxy": "GPL-2.0-or-later"}


def main(image: str, listed: dict[str, Any], dockerfile: str, debian: str = "") -> dict[str, Any]:
    """Return what is in the image of that name."""
    base = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)[-1]
    name, _, tag = base.partition(":")
    stands_on = {"type": "container", "bom-ref": "base-image", "name": name, "version": tag}
    parts = [stands_on | {"purl": f"pkg:docker/{name}@{tag}"}]
    if python := re.match(r"python:(\d+\.\d+)", base):
        parts[:0] = [*_libraries(listed, python[1]), _python(python[1])]
    parts += _debian(debian) or _asked_for(dockerfile)
    about = listed.get("metadata", {})
    component = about.get("component", {"bom-ref": image}) | {"type": "container", "name": f"counterfoil-{image}"}
    refs = {part["bom-ref"] for part in parts} | {component["bom-ref"]}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        **listed,
        "metadata": about | {"component": component | {"licenses": [_ours()]}},
        "components": parts,
        "dependencies": [
            each | {"dependsOn": [ref for ref in each.get("dependsOn", ()) if ref in refs]}
            for each in listed.get("dependencies", ())
            if each["ref"] in refs
        ],
        "compositions": [
            {"aggregate": "complete" if debian else "incomplete", "assemblies": [component["bom-ref"]]},
        ],
    }


def _libraries(listed: dict[str, Any], python: str) -> Iterator[dict[str, Any]]:
    here = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "python_version": python}
    fitting = [str(tag) for tag in _tags(python)]
    for each in listed["components"]:
        if _is_held(each, here | {"python_full_version": f"{python}.0"}):
            yield each | _file(each, fitting) | {"licenses": _licences(each["name"]) if "purl" in each else [_ours()]}


def _is_held(component: dict[str, Any], here: dict[str, str]) -> bool:
    markers = [each["value"] for each in component.get("properties", ()) if each["name"] == "uv:package:marker"]
    return all(Marker(marker).evaluate(here) for marker in markers)


def _tags(python: str) -> Iterator[Tag]:
    """Yield what a wheel may be made for, the best first."""
    machine = platform.machine().replace("arm64", "aarch64")
    version = tuple(int(part) for part in python.split("."))
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(_NEWEST_GLIBC, 4, -1)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    yield from cpython_tags(version, platforms=platforms)
    yield from compatible_tags(version, platforms=platforms)


def _file(component: dict[str, Any], fitting: list[str]) -> dict[str, Any]:
    """Return the one distribution that is installed, and its hash: the best wheel, or the source where none fits."""
    files = {each["url"].rpartition("/")[2]: each for each in component.get("externalReferences", ())}

    def rank(name: str) -> int:
        if not name.endswith(".whl"):
            return len(fitting)
        tags = [str(tag) for tag in parse_wheel_filename(name)[3]]
        return min((fitting.index(tag) for tag in tags if tag in fitting), default=len(fitting) + 1)

    if not files:
        return {}
    best = files[min(files, key=rank)]
    return {"hashes": best["hashes"], "externalReferences": [best]}


def _licences(package: str) -> list[dict[str, Any]]:
    """Return what a package says of its licence: an expression of SPDX's where it has one, else names."""
    told = metadata.metadata(package)
    for words in (told.get("License-Expression"), told.get("License")):
        try:
            if words:
                return [{"expression": str(canonicalize_license_expression(words))}]
        except InvalidLicenseExpression:
            continue
    classified = [each.split(" :: ") for each in told.get_all("Classifier") or () if each.startswith("License :: ")]
    names = [parts[-1] for parts in classified if len(parts) > 2]  # noqa: PLR2004 - the name is the third
    names = names or told.get("License", "").strip().splitlines()[:1]
    return [{"license": {"name": name}} for name in names]


def _ours() -> dict[str, str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"expression": project["license"]}


def _python(version: str) -> dict[str, Any]:
    about = {"type": "platform", "bom-ref": "python", "name": "python", "version": version}
    return about | {"purl": f"pkg:generic/python@{version}", "licenses": [{"expression": "PSF-2.0"}]}


def _debian(said: str) -> list[dict[str, Any]]:
    """Read what dpkg-query says: a name, perhaps with its architecture, and a version in each line."""
    held = [line.split("\t") for line in said.splitlines()]
    return [_package(whole.partition(":")[0], version) for whole, version in held]


def _asked_for(dockerfile: str) -> list[dict[str, Any]]:
    """Name what is installed on top of Debian, of which only the built image knows the version."""
    found = re.findall(r"apt-get install (.*?)(?:\s&&|$)", dockerfile.replace("\\\n", " "))
    return [_package(word) for line in found for word in line.split() if not word.startswith("-")]


def _package(name: str, version: str = "") -> dict[str, Any]:
    at = f"@{quote(version, safe='')}" if version else ""
    about: dict[str, Any] = {
        "type": "library",
        "bom-ref": f"deb-{name}",
        "name": name,
        "purl": f"pkg:deb/debian/{name}{at}",
    }
    if name in _KNOWN:
        about["licenses"] = [{"expression": _KNOWN[name]}]
    return about | ({"version": version} if version else {})


if __name__ == "__main__":
    which = sys.argv[1]
    made_by = ROOT / ("deploy/proxy/Dockerfile" if which == "proxy" else "Dockerfile")
    packages = Path(sys.argv[2]).read_text(encoding="utf-8") if sys.argv[2:] else ""
    locked = json.loads(sys.stdin.read() or "{}")
    held = main(which, locked, made_by.read_text(encoding="utf-8"), packages)
    sys.stdout.write(json.dumps(held, indent=1) + "\n")
