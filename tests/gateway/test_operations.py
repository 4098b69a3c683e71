"""What each operation declares of who may call it."""

from typing import Any

import pytest

from services.gateway.domain import Scope
from services.gateway.routes import _HANDLERS
from services.gateway.routes.operations import API, describe, operation

DOCUMENT = describe(_HANDLERS, "/")


def declare(**more: Any) -> None:
    operation("GET", f"{API}/things", "list_things", tag="things", summary="List things", answer=None, **more)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"scope": "things:read"},
        {"scope": Scope.TICKETS_READ, "open": True},
        {"scope": Scope.TICKETS_READ, "in_person": True},
        {"in_person": True, "open": True},
    ],
)
def test_an_operation_that_does_not_say_who_may_call_it_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="list_things"):
        declare(**more)


def test_the_document_names_the_scope_of_each_operation_that_takes_one() -> None:
    scopes = {each.value for each in Scope}
    for methods in DOCUMENT["paths"].values():
        for described in methods.values():
            match described.get("security"):
                case [{"bearer": [scope]}, {"cookie": []}]:
                    assert scope in scopes
                case security:
                    assert security in (None, [], [{"visitor": []}]), described["operationId"]
