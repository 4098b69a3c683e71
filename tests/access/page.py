"""docs/access.md: the table for people."""

from pathlib import Path

from tests.access.callers import As
from tests.access.operations import operations, table

PAGE = Path(__file__).parents[2] / "docs" / "access.md"
_HEAD = """\
# Who may do what

<!-- Written by `make docs` from tests/access/table.csv, which a running desk is compared with. -->

Each operation of the API is tried by every kind of caller, and must come to what stands here. An *assignee* is a member
whose ticket it is; a *member*, one whose ticket it is not. Owners, admins, members and guests are so in this workspace.

Whoever has no valid session or token gets `401 unauthenticated`. Whoever is no member of the workspace, the owner of
another one and a member who was just removed included, gets `404 not_found`, as if there were nothing. An API token
whose scopes lack the one that is named gets `403 not_allowed`; where none is named, no token may.

*token*: an API token of an admin's rights with every scope. *visitor*: somebody in a widget, with the token of their
conversation.

✓ may · ✗ is refused with `403 not_allowed`, or is not known here (`401`) · ∅ there is nothing for this caller (`404
not_found`)
"""
_SHOWN = (As.GUEST, As.MEMBER, As.ASSIGNEE, As.ADMIN, As.OWNER, As.TOKEN, As.VISITOR)
_MARKS = {401: "✗", 403: "✗", 404: "∅"}


def page() -> str:
    """Return the page."""
    known, by_tag = operations(), dict[str, list[str]]()
    for row, cells in table().items():
        id, _, variant = row.partition("/")
        operation = known[id]
        marks = [_MARKS.get(cells[each].status, "✓" if not cells[each].code else f"`{cells[each]}`") for each in _SHOWN]
        summary = f"… {variant.replace('_', ' ')}" if variant else operation.described["summary"]
        everybody = " (without a session too)" if operation.described.get("security") == [] and not variant else ""
        address = "" if variant else f"`{operation.method} {operation.path.removeprefix('/api/v1')}`"
        scope = f"`{operation.scope}`" if operation.scope and not variant else ""
        line = f"| {summary}{everybody} | {address} | {scope} | {' | '.join(marks)} |"
        by_tag.setdefault(operation.described["tags"][0], []).append(line)
    heads = ["operation", "", "scope", *_SHOWN]
    rule = "|".join(["---", "---", "---", *(":-:" for _ in _SHOWN)])
    parts = [
        "\n".join([f"\n## {tag.capitalize()}\n", f"| {' | '.join(heads)} |", f"|{rule}|", *lines])
        for tag, lines in sorted(by_tag.items())
    ]
    return _HEAD + "\n".join(parts) + "\n"
