"""What the contracts say of themselves: `docs` writes the page, `ship` writes down what must never change again."""

import sys
from pathlib import Path

from contracts.catalogue import SAMPLES, breaks, fields_of, json_schemas, messages_markdown, read_shipped, write_shipped

PAGE = Path(__file__).parents[1] / "docs" / "messages.md"


def docs() -> None:
    """Write the page of messages."""
    PAGE.write_text(messages_markdown(SAMPLES), encoding="utf-8")


def ship() -> None:
    """Add new messages and fields to what is shipped. What breaks with it is refused, and nothing is written."""
    shipped = read_shipped()
    today = {name: fields_of(schema) for name, schema in json_schemas().items()}
    if found := breaks(shipped, today):
        sys.exit("\n".join([*found, "A contract only grows: give the new form a v2 subject beside v1."]))
    write_shipped(today)


if __name__ == "__main__":
    verbs = {"docs": docs, "ship": ship}
    match sys.argv[1:]:
        case [verb] if verb in verbs:
            verbs[verb]()
        case _:
            sys.exit(f"usage: python -m contracts {'|'.join(verbs)}")
