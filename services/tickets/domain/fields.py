"""What people add to a ticket beside what each ticket has: fields with names of their own, a line of words each."""

from collections.abc import Mapping

from contracts.refusals import Invalid
from contracts.tickets import MOST_FIELDS, TicketField

type Fields = tuple[TicketField, ...]


def fields_of(values: Mapping[str, str]) -> Fields:
    """Return the fields with these values, by name: the same ones are told alike in whichever order they came."""
    return tuple(TicketField(name=name, value=value) for name, value in sorted(values.items()))


def field_values(fields: Fields) -> dict[str, str]:
    """Return the values by name."""
    return {field.name: field.value for field in fields}


def changed(fields: Fields, change: Mapping[str, str | None]) -> Fields:
    """Return the fields after a change of those that it names; None takes one away, and another's absence stays.

    Raises Invalid for more than a ticket has room for.
    """
    values: dict[str, str | None] = {**field_values(fields), **change}
    after = fields_of({name: value for name, value in values.items() if value is not None})
    if len(after) > MOST_FIELDS:
        raise Invalid.field("fields", "too_long", f"a ticket has at most {MOST_FIELDS} fields")
    return after
