"""Where recipes are written down, and what several of them need."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, overload

from contracts.base import Role
from tests.access.callers import As, Scene, a_word

type Make = Callable[[Scene], Awaitable["Call"]]

RECIPES: "dict[str, Recipe]" = {}


@dataclass(frozen=True, slots=True)
class Call:
    """A request but for its method, its caller and the workspace."""

    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""
    """A body that is a file of lines."""
    visitor: str = ""
    """The token of the visitor whose conversation it is about."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a request is made; `alone`: in a workspace that is not needed afterwards, for it changes who is in it."""

    make: Make
    alone: bool = False


@overload
def recipe(make: Make) -> Make: ...
@overload
def recipe(*, alone: bool) -> Callable[[Make], Make]: ...
def recipe(make: Make | None = None, *, alone: bool = False) -> Make | Callable[[Make], Make]:
    """Keep a recipe under its name: `operation` or `operation/variant`."""

    def keep(make: Make) -> Make:
        RECIPES[make.__name__.replace("__", "/")] = Recipe(make, alone)
        return make

    return keep if make is None else keep(make)


async def a_ticket(scene: Scene, **fields: Any) -> dict[str, Any]:
    """A ticket of the assignee's."""
    assignee = await scene.id_of(As.ASSIGNEE)
    made: dict[str, Any] = await scene.make(
        "POST", "tickets", {"subject": "A ticket", "assignee_id": assignee, "contact": somebody(), **fields}
    )
    return made


async def a_member(scene: Scene, role: Role = Role.MEMBER) -> str:
    """Somebody whom nobody else needs."""
    return str((await scene.premises.house.member(scene.workspace, role, "Grace Hopper")).user.id)


async def a_contact(scene: Scene) -> str:
    """A contact without anything."""
    return str((await scene.make("POST", "contacts", somebody()))["id"])


def somebody() -> dict[str, str]:
    """Name a contact whom nobody knows."""
    return {"name": "Carl Contact", "email": f"{a_word()}@example.com"}
