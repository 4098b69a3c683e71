"""Tests that a page names: which they are, and whether they are there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def guards(row: str) -> list[str]:
    """Return the tests that the last cell of a row names."""
    return re.findall(r"`(tests/[^`]+::[^`]+)`", row.rsplit("|", 1)[1])


def is_there(guard: str) -> bool:
    """Look for the test in its file, and for the case where one of several is meant: its words with dashes."""
    path, _, name = guard.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    if not (ROOT / path).is_file():
        return False
    source = (ROOT / path).read_text(encoding="utf-8")
    tests = {
        node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return name.startswith("test_") and name in tests and f'"{case.replace("-", " ")}"' in f'{source}""'
