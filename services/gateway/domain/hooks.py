"""What the book of people says of webhooks."""

from urllib.parse import urlsplit

from contracts.base import Actor, Subject
from contracts.gateway import HookChanged, HookCreated, HookDeleted, HookSecretRotated
from contracts.webhooks import ChangeWebhook, CreateWebhook, DeleteWebhook, RotateWebhookSecret, Webhook
from services.gateway.domain.people import Cause, told


def hook_fact(
    act: CreateWebhook | ChangeWebhook | DeleteWebhook | RotateWebhookSecret,
    hook: Webhook,
    workspace_id: str,
    actor: Actor,
    cause: Cause,
) -> HookCreated | HookChanged | HookDeleted | HookSecretRotated:
    """Return the fact that this was done to a webhook, with the version that it has since."""
    about = told(workspace_id, actor, cause) | {
        "subject": Subject(kind="webhook", id=str(hook.id), version=hook.version),
        "host": urlsplit(hook.url).netloc.rpartition("@")[2],
    }
    match act:
        case CreateWebhook():
            return HookCreated(**about, event_types=hook.event_types)
        case ChangeWebhook():
            return HookChanged(**about, event_types=hook.event_types, enabled=hook.enabled)
        case DeleteWebhook():
            return HookDeleted(**about)
        case RotateWebhookSecret():
            return HookSecretRotated(**about)
