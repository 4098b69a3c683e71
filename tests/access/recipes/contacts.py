"""Contacts and conversations."""

from tests.access.callers import Scene
from tests.access.recipes.book import Call, a_contact, a_member, a_ticket, recipe, somebody


@recipe
async def list_contacts(scene: Scene) -> Call:
    return Call()


@recipe
async def create_contact(scene: Scene) -> Call:
    return Call(body=somebody())


@recipe
async def get_contact(scene: Scene) -> Call:
    return Call(path={"contact": await a_contact(scene)})


@recipe
async def change_contact(scene: Scene) -> Call:
    return Call(path={"contact": await a_contact(scene)}, body={"name": "Another Name"})


@recipe
async def delete_contact(scene: Scene) -> Call:
    return Call(path={"contact": await a_contact(scene)})


@recipe
async def list_contact_tickets(scene: Scene) -> Call:
    return Call(path={"contact": (await a_ticket(scene))["contact"]["id"]})


@recipe
async def list_contact_conversations(scene: Scene) -> Call:
    return Call(path={"contact": await a_contact(scene)})


@recipe
async def list_conversations(scene: Scene) -> Call:
    return Call(query={"contact": await a_contact(scene), "assistant": await scene.assistant()})


@recipe
async def list_conversations__of_a_ticket(scene: Scene) -> Call:
    return Call(query={"ticket": (await a_ticket(scene))["id"]})


@recipe
async def get_conversation(scene: Scene) -> Call:
    return Call(path={"conversation": (await scene.talk())["conversation_id"]})


@recipe
async def get_conversation__of_a_ticket(scene: Scene) -> Call:
    return Call(path={"conversation": await _linked(scene)})


@recipe
async def list_messages(scene: Scene) -> Call:
    return Call(path={"conversation": (await scene.talk())["conversation_id"]})


@recipe
async def list_messages__of_a_ticket(scene: Scene) -> Call:
    return Call(path={"conversation": await _linked(scene)})


@recipe
async def post_message(scene: Scene) -> Call:
    return Call(path={"conversation": (await scene.talk())["conversation_id"]}, body={"body": "It is on its way."})


@recipe
async def post_message__of_a_ticket(scene: Scene) -> Call:
    body = {"body": "It is on its way.", "set_status": "waiting_on_customer"}
    return Call(path={"conversation": await _linked(scene)}, body=body)


@recipe
async def reply_on_ticket(scene: Scene) -> Call:
    body = {"body": "It is on its way.", "set_status": "waiting_on_customer"}
    return Call(path={"ticket": (await a_ticket(scene))["id"]}, body=body)


@recipe
async def make_ticket(scene: Scene) -> Call:
    return Call(path={"conversation": (await scene.talk())["conversation_id"]}, body={"subject": "A parcel"})


async def _linked(scene: Scene) -> str:
    """Link a conversation to a ticket of the assignee's."""
    conversation = (await scene.talk())["conversation_id"]
    await a_ticket(scene, conversation_id=conversation)
    return conversation


@recipe
async def erase_contact(scene: Scene) -> Call:
    return Call(path={"contact": await a_contact(scene)}, body={"confirm": "erase"})


@recipe
async def list_former_members(scene: Scene) -> Call:
    return Call()


@recipe
async def erase_former_member(scene: Scene) -> Call:
    user = await a_member(scene)
    removed = await scene.make("DELETE", f"members/{user}")
    assert removed is None
    return Call(path={"user": user}, body={"confirm": "erase"})


@recipe
async def list_erasures(scene: Scene) -> Call:
    return Call()
