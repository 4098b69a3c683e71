"""Assistants and their widgets: for those who run the desk; and which workspace one belongs to, for visitors."""

import secrets
from uuid import UUID

from chassis.database import Transaction
from contracts.base import Caller
from contracts.refusals import AssistantNotFound, NotFound, StaleVersion
from contracts.tickets import (
    AssistantPage,
    AssistantSnapshot,
    ChangeAssistant,
    CreateAssistant,
    DeleteAssistant,
    FindAssistant,
    FoundAssistant,
    GetAssistant,
    GetIdentitySecret,
    IdentitySecret,
    ListAssistants,
    RotateIdentitySecret,
)
from services.tickets import domain, store
from services.tickets.domain import Assistant
from services.tickets.usecases.shown import by


async def create_assistant(command: CreateAssistant, tx: Transaction) -> AssistantSnapshot:
    """Add an assistant."""
    made, fact = Assistant.create(
        id=command.assistant_id, name=command.name, widget=command.widget, caller=command.caller, by=by(command)
    )
    await store.add_assistant(tx, made, _a_secret())
    tx.announce(fact)
    return made.snapshot


async def change_assistant(command: ChangeAssistant, tx: Transaction) -> AssistantSnapshot:
    """Edit its name or its widget."""
    assistant = await _load(tx, command.assistant_id, command.caller, for_update=True)
    await _require_version(tx, command.expected_version, assistant)
    changed, fact = assistant.change(command.change, command.caller, by(command))
    if fact is not None:
        await store.save_assistant(tx, changed)
        tx.announce(fact)
    return changed.snapshot


async def delete_assistant(command: DeleteAssistant, tx: Transaction) -> AssistantSnapshot:
    """Remove an assistant; its conversations stay."""
    assistant = await _load(tx, command.assistant_id, command.caller, for_update=True)
    await _require_version(tx, command.expected_version, assistant)
    gone, fact = assistant.delete(command.caller, by(command))
    await store.save_assistant(tx, gone, deleted_at=fact.at)
    tx.announce(fact)
    return gone.snapshot


async def get_assistant(query: GetAssistant, tx: Transaction) -> AssistantSnapshot:
    """Read an assistant."""
    return (await _load(tx, query.assistant_id, query.caller)).snapshot


async def list_assistants(query: ListAssistants, tx: Transaction) -> AssistantPage:
    """Read a page of assistants."""
    domain.require_desk(query.caller)
    page, more = await store.assistant_page(tx, query.cursor, query.limit)
    return AssistantPage(items=tuple(each.snapshot for each in page), next_cursor=more)


async def get_identity_secret(query: GetIdentitySecret, tx: Transaction) -> IdentitySecret:
    """Read what the customer's site signs its visitors with."""
    domain.require_desk(query.caller)
    secret = await store.identity_secret(tx, query.assistant_id)
    if secret is None:
        raise NotFound
    return IdentitySecret(assistant_id=query.assistant_id, secret=secret)


async def rotate_identity_secret(command: RotateIdentitySecret, tx: Transaction) -> AssistantSnapshot:
    """Draw a new secret: what was signed with the old one is void at once."""
    assistant = await _load(tx, command.assistant_id, command.caller, for_update=True)
    rotated, fact = assistant.rotate(command.caller, by(command))
    await store.save_assistant(tx, rotated, secret=_a_secret())
    tx.announce(fact)
    return rotated.snapshot


async def find_assistant(lookup: FindAssistant, tx: Transaction) -> FoundAssistant:
    """Tell whose an assistant is."""
    assistant = await store.find_assistant(tx, lookup.assistant_id)
    if assistant is None:
        raise AssistantNotFound
    return FoundAssistant(workspace_id=assistant.workspace_id, assistant=assistant.snapshot)


async def _load(tx: Transaction, id: UUID, caller: Caller, *, for_update: bool = False) -> Assistant:
    domain.require_desk(caller)
    if assistant := await store.assistant(tx, id, for_update=for_update):
        return assistant
    raise NotFound


async def _require_version(tx: Transaction, expected: int | None, assistant: Assistant) -> None:
    if expected is not None and expected != assistant.version:
        missed = await store.assistant_since(tx, assistant, expected)
        raise StaleVersion(version=assistant.version, missed=missed)


def _a_secret() -> str:
    return secrets.token_urlsafe(32)
