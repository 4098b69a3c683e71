"""Tickets, their notes, links and watchers, bulk changes, and the ledger of them."""

from typing import Any

from tests.access.callers import As, Scene
from tests.access.recipes.book import Call, a_contact, a_member, a_ticket, recipe
from tests.support.eventually import eventually


@recipe
async def create_ticket(scene: Scene) -> Call:
    body = {"subject": "A new ticket", "contact_id": await a_contact(scene), "tags": ["new"]}
    return Call(body=body | {"conversation_id": (await scene.talk())["conversation_id"]})


@recipe
async def create_ticket__for_another(scene: Scene) -> Call:
    return Call(body={"subject": "For Ada", "assignee_id": await a_member(scene)})


@recipe
async def list_tickets(scene: Scene) -> Call:
    assignee = await scene.id_of(As.ASSIGNEE)
    return Call(query={"assignee": assignee, "contact": await a_contact(scene)})


@recipe
async def list_tickets__deleted(scene: Scene) -> Call:
    return Call(query={"deleted": "true"})


@recipe
async def count_tickets(scene: Scene) -> Call:
    assignee = await scene.id_of(As.ASSIGNEE)
    return Call(query={"assignee": assignee, "contact": await a_contact(scene)})


@recipe
async def get_ticket__deleted(scene: Scene) -> Call:
    return Call(path={"ticket": await a_deleted_ticket(scene)})


@recipe
async def get_ticket__as_it_was(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]}, query={"as_of": "1"})


@recipe
async def change_ticket__deleted(scene: Scene) -> Call:
    return Call(path={"ticket": await a_deleted_ticket(scene)}, body={"status": "open"})


@recipe
async def delete_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def restore_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": await a_deleted_ticket(scene)})


async def a_deleted_ticket(scene: Scene) -> str:
    """A ticket that can be restored."""
    id: str = (await a_ticket(scene))["id"]
    await scene.make("DELETE", f"tickets/{id}")
    return id


@recipe
async def mark_not_spam(scene: Scene) -> Call:
    ticket = await a_ticket(scene)
    await scene.make("PATCH", f"tickets/{ticket['id']}", {"status": "spam"})
    return Call(path={"ticket": ticket["id"]})


@recipe
async def change_tickets(scene: Scene) -> Call:
    ids = [(await a_ticket(scene))["id"] for _ in range(2)]
    change = {"assignee_id": await a_member(scene), "contact_id": await a_contact(scene)}
    return Call(body={"ids": ids, "change": change})


@recipe
async def change_tickets__of_a_filter(scene: Scene) -> Call:
    return Call(body={"filter": {"contact": await a_contact(scene)}, "change": {"priority": "high"}})


@recipe
async def get_bulk(scene: Scene) -> Call:
    ids = [(await a_ticket(scene))["id"]]
    return Call(
        path={"bulk": (await scene.make("POST", "tickets/bulk", {"ids": ids, "change": {"priority": "high"}}))["id"]}
    )


@recipe
async def link_conversation(scene: Scene) -> Call:
    talk = await scene.talk()
    return Call(path={"ticket": (await a_ticket(scene))["id"]}, body={"conversation_id": talk["conversation_id"]})


@recipe
async def unlink_conversation(scene: Scene) -> Call:
    conversation = (await scene.talk())["conversation_id"]
    ticket = (await a_ticket(scene, conversation_id=conversation))["id"]
    return Call(path={"ticket": ticket, "conversation": conversation})


@recipe
async def watch_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def unwatch_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def mute_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def unmute_ticket(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def list_watchers(scene: Scene) -> Call:
    return Call(path={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def change_note(scene: Scene) -> Call:
    ticket = await a_ticket(scene)
    note = await scene.make("POST", f"tickets/{ticket['id']}/notes", {"body": "Standing"})
    return Call(path={"ticket": ticket["id"], "note": note["id"]}, body={"pinned": True})


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
            "mentions": [await scene.id_of(As.OWNER), await scene.id_of(As.ADMIN)],
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
async def read_report(scene: Scene) -> Call:
    return Call(query={"from": "2026-01-01", "to": "2026-01-31", "utc_offset": "60"})


@recipe
async def read_report_as_csv(scene: Scene) -> Call:
    return Call()


@recipe
async def list_tickets_as_csv(scene: Scene) -> Call:
    assignee = await scene.id_of(As.ASSIGNEE)
    return Call(query={"assignee": assignee, "contact": await a_contact(scene)})


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
async def export_books(scene: Scene) -> Call:
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
async def get_notification_preferences(scene: Scene) -> Call:
    return Call()


@recipe
async def change_notification_preferences(scene: Scene) -> Call:
    return Call(body={"status": {"inbox": False}})


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
async def retry_dead_letters(scene: Scene) -> Call:
    return Call(body={"ids": [await scene.premises.dead_letter(scene.workspace.id)]})


@recipe
async def drop_dead_letters(scene: Scene) -> Call:
    return Call(body={"ids": [await scene.premises.dead_letter(scene.workspace.id)]})


@recipe
async def retry_dead_letter(scene: Scene) -> Call:
    return Call(path={"letter": await scene.premises.dead_letter(scene.workspace.id)})


@recipe
async def drop_dead_letter(scene: Scene) -> Call:
    return Call(path={"letter": await scene.premises.dead_letter(scene.workspace.id)})


@recipe
async def get_dead_letter(scene: Scene) -> Call:
    """A letter that is there: what is not there would say nothing of rights."""
    return Call(path={"letter": await scene.premises.dead_letter(scene.workspace.id)})
