"""How a well-formed request of each operation is made, on a target of its own that the owner prepared.

A recipe is named by the operation's id; a variant of it, whose answer depends on what is asked, has `__` and a word
behind that. Together they give every field and parameter that may name a record, so that other ids can be put there.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.base import Role
from tests.access.callers import As, Scene, a_word
from tests.gateway.house import PASSWORD
from tests.support.eventually import eventually

type Recipe = Callable[[Scene], Awaitable["Call"]]

RECIPES: dict[str, Recipe] = {}


@dataclass(frozen=True, slots=True)
class Call:
    """A request but for its method, its caller and the workspace."""

    path: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)


def recipe(make: Recipe) -> Recipe:
    """Keep a recipe under its name: `operation` or `operation/variant`."""
    RECIPES[make.__name__.replace("__", "/")] = make
    return make


async def a_ticket(scene: Scene, **fields: Any) -> dict[str, Any]:
    """A ticket of the assignee's."""
    assignee = str(scene.people[As.ASSIGNEE].user.id)
    made: dict[str, Any] = await scene.make(
        "POST", "tickets", {"subject": "A ticket", "assignee_id": assignee, "contact": _somebody(), **fields}
    )
    return made


async def a_member(scene: Scene, role: Role = Role.MEMBER) -> str:
    """Somebody whom nobody else needs."""
    return str((await scene.premises.house.member(scene.workspace, role, "Grace Hopper")).user.id)


async def an_invitation(scene: Scene) -> dict[str, Any]:
    made: dict[str, Any] = await scene.make("POST", "invitations", _invitation())
    return made


def _somebody() -> dict[str, str]:
    return {"name": "Carl Contact", "email": f"{a_word()}@example.com"}


def _invitation() -> dict[str, str]:
    return {"email": f"{a_word()}@example.com", "name": "Ida Invited", "role": "guest"}


# People and workspaces


@recipe
async def sign_in(scene: Scene) -> Call:
    return Call(body={"email": scene.people[As.OWNER].user.email, "password": PASSWORD})


@recipe
async def sign_out(scene: Scene) -> Call:
    return Call()


@recipe
async def who_am_i(scene: Scene) -> Call:
    return Call()


@recipe
async def accept_invitation(scene: Scene) -> Call:
    return Call(path={"token": (await an_invitation(scene))["token"]}, body={"password": "a long enough pass phrase"})


@recipe
async def create_workspace(scene: Scene) -> Call:
    return Call(body={"name": "Another desk", "slug": a_word()})


@recipe
async def get_workspace(scene: Scene) -> Call:
    return Call()


@recipe
async def list_members(scene: Scene) -> Call:
    return Call()


@recipe
async def invite(scene: Scene) -> Call:
    return Call(body=_invitation())


@recipe
async def invite__an_owner(scene: Scene) -> Call:
    return Call(body=_invitation() | {"role": "owner"})


@recipe
async def change_role(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene)}, body={"role": "guest"})


@recipe
async def change_role__to_owner(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene)}, body={"role": "owner"})


@recipe
async def change_role__of_an_owner(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene, Role.OWNER)}, body={"role": "admin"})


@recipe
async def remove_member(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene)})


@recipe
async def remove_member__an_owner(scene: Scene) -> Call:
    return Call(path={"user": await a_member(scene, Role.OWNER)})


# Tickets


@recipe
async def create_ticket(scene: Scene) -> Call:
    contact = (await a_ticket(scene))["contact"]["id"]
    return Call(body={"subject": "A new ticket", "contact_id": contact, "tags": ["new"]})


@recipe
async def create_ticket__for_another(scene: Scene) -> Call:
    return Call(body={"subject": "For Ada", "assignee_id": await a_member(scene)})


@recipe
async def list_tickets(scene: Scene) -> Call:
    return Call(query={"assignee": str(scene.people[As.ASSIGNEE].user.id)})


@recipe
async def get_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def change_ticket(scene: Scene) -> Call:
    ticket, other = await a_ticket(scene), await a_ticket(scene)
    body = {"subject": "Another subject", "status": "open", "contact_id": other["contact"]["id"]}
    return Call(path={"ticket": ticket["id"]}, body=body)


@recipe
async def change_ticket__assignee(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]}, body={"assignee_id": await a_member(scene)})


@recipe
async def change_ticket__close(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]}, body={"status": "closed"})


@recipe
async def change_ticket__reopen(scene: Scene) -> Call:
    ticket = await a_ticket(scene)
    await scene.make("PATCH", f"tickets/{ticket['id']}", {"status": "closed"})
    return Call(path={"ticket": ticket["id"]}, body={"status": "open"})


@recipe
async def change_ticket__resolve(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]}, body={"status": "resolved"})


@recipe
async def add_note(scene: Scene) -> Call:
    ticket = await a_ticket(scene)
    first = await scene.make("POST", f"tickets/{ticket['id']}/notes", {"body": "First", "kind": "comment"})
    return Call(
        path={"ticket": ticket["id"]},
        body={
            "body": "Between us",
            "kind": "comment",
            "in_reply_to": first["id"],
            "mentions": [str(scene.people[As.OWNER].user.id), str(scene.people[As.ADMIN].user.id)],
        },
    )


@recipe
async def list_notes(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


# The ledger


@recipe
async def read_history(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def read_feed(scene: Scene) -> Call:
    return Call()


@recipe
async def read_people_book(scene: Scene) -> Call:
    return Call()


@recipe
async def verify_books(scene: Scene) -> Call:
    return Call()


@recipe
async def read_heads(scene: Scene) -> Call:
    return Call()


@recipe
async def follow_events(scene: Scene) -> Call:
    return Call()


# Notifications and dead letters


@recipe
async def list_notifications(scene: Scene) -> Call:
    return Call()


@recipe
async def count_unread_notifications(scene: Scene) -> Call:
    return Call()


@recipe
async def read_notifications(scene: Scene) -> Call:
    return Call(body={})


@recipe
async def read_notifications__of_the_owner(scene: Scene) -> Call:
    if "item" not in scene.made:
        ticket = await a_ticket(scene)
        await scene.make("PATCH", f"tickets/{ticket['id']}", {"status": "open"}, who=As.ASSIGNEE)

        async def told() -> Any:
            return (await scene.make("GET", "notifications"))["items"]

        scene.made["item"] = (await eventually(told))[0]["id"]
    return Call(body={"ids": [scene.made["item"]]})


@recipe
async def list_dead_letters(scene: Scene) -> Call:
    return Call()


@recipe
async def get_dead_letter(scene: Scene) -> Call:
    """A letter that is there: what is not there would say nothing of rights."""
    return Call(path={"letter": await scene.premises.dead_letter(scene.workspace.id)})
