"""The statements of a release, as its code has them: `python -m tests.support.released` writes them down.

The next release's migrations must leave them working, for both run side by side while replicas are replaced.
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import TextClause

from chassis.migrations import newest
from contracts.base import SERVICES

RECORD = Path(__file__).parents[1] / "chassis" / "released.json"


def statements(service: str) -> list[str]:
    """Return every statement that a service's modules, and the chassis', hold ready."""
    found: set[str] = set()
    for package in ("chassis", f"services.{service}"):
        for module in _modules(package):
            for value in vars(module).values():
                found |= set(_texts(value))
    return sorted(found)


def _modules(package: str) -> Iterator[ModuleType]:
    root = importlib.import_module(package)
    for each in pkgutil.walk_packages(root.__path__, f"{package}."):
        if "migrations" not in each.name and not each.name.endswith("__main__"):
            yield importlib.import_module(each.name)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, TextClause):
        yield value.text
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


if __name__ == "__main__":
    told = {name: {"revision": newest(name), "statements": statements(name)} for name in SERVICES}
    RECORD.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
