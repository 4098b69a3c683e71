"""Webhooks: where other systems hear of what happens, for those who run the desk."""

import base64
import secrets
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import IdempotencyKey, uuid7
from contracts.refusals import AlreadyAnswered, Conflict, NotAllowed, NotFound, StaleVersion
from contracts.texts import SearchText, WebAddress
from contracts.webhooks import (
    ANY,
    ChangeWebhook,
    CreateWebhook,
    DeleteWebhook,
    EventType,
    GetWebhook,
    ListWebhooks,
    RotateWebhookSecret,
    Secret,
    Webhook,
    WebhookChange,
    WebhookPage,
    event_types,
)
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, left_out, path_id, promise, query, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, nothing, reply
from services.gateway.routes.visitors import Desk, desk_of, inside
from services.gateway.routes.workspaces import Page

_SECRET_BYTES = 32


_Told = Annotated[EventType, Field(json_schema_extra={"enum": [ANY, *event_types()]})]
_AllTold = Annotated[tuple[_Told, ...], Field(min_length=1, max_length=100)]


class NewWebhook(Given):
    """A receiver to be."""

    url: WebAddress = Field(description="An `https` address on the public internet.")
    event_types: _AllTold = Field(description="Names of facts, such as `status_changed`; `*`: all of them.")
    description: SearchText = ""


class WebhookPatch(Given):
    """What to change; one that is left out stays as it is."""

    url: WebAddress = Field(default_factory=left_out)
    event_types: _AllTold = Field(default_factory=left_out)
    description: SearchText = Field(default_factory=left_out)
    enabled: bool = Field(default_factory=left_out, description="What happens while it is off is not told.")


class WebhookMade(Webhook):
    """A webhook with its secret, which is told this once."""

    secret: Secret


@operation(
    "GET",
    f"{W}/webhooks",
    "list_webhooks",
    scope="settings:read",
    tag="webhooks",
    summary="List the webhooks, oldest first",
    query=Page,
    answer=WebhookPage,
    refusals=(NotFound, NotAllowed),
)
async def list_webhooks(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of webhooks, without their secrets."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    found = await desk_of(request).bus.ask(ListWebhooks(caller=visitor.caller, cursor=page.cursor, limit=page.limit))
    return reply(found)


@operation(
    "POST",
    f"{W}/webhooks",
    "create_webhook",
    scope="settings:write",
    tag="webhooks",
    summary="Add a webhook; its secret is told this once",
    body=NewWebhook,
    answer=WebhookMade,
    status=201,
    headers=("ETag", "Location"),
    refusals=(NotFound, NotAllowed, Conflict, AlreadyAnswered),
    keyed=True,
)
async def create_webhook(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Add a webhook; it is told of what happens from now on."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewWebhook)
    made, secret = await add_webhook(desk_of(request), visitor, sent.key, sent.body)
    here, _ = visitor.here
    location = f"{API}/workspaces/{here.id}/webhooks/{made.id}"
    whole = WebhookMade(**made.model_dump(), secret=secret)
    return reply(whole, 201, version=made.version, headers={"location": location})


async def add_webhook(
    desk: Desk, visitor: Visitor, key: IdempotencyKey | None, wanted: NewWebhook
) -> tuple[Webhook, str]:
    """Add a webhook and return it with its secret; raises AlreadyAnswered for a repeat.

    The secret is drawn here, so that no stored answer holds it: a repeat is known by the other id that it gets.
    """
    id, secret = uuid7(), a_secret()
    made = await desk.hooks.do(
        visitor,
        CreateWebhook(
            caller=visitor.caller, via=visitor.via, idempotency=key, webhook_id=id, secret=secret, **wanted.model_dump()
        ),
    )
    if made.id != id:
        raise AlreadyAnswered(id=str(made.id))
    return made, secret


@operation(
    "GET",
    f"{W}/webhooks/{{webhook:str}}",
    "get_webhook",
    scope="settings:read",
    tag="webhooks",
    summary="Read a webhook",
    answer=Webhook,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed),
    if_none_match=True,
)
async def get_webhook(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Return a webhook without its secret."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(GetWebhook(caller=visitor.caller, webhook_id=path_id(webhook)))
    return fresh_or(request, found, found.version)


@operation(
    "PATCH",
    f"{W}/webhooks/{{webhook:str}}",
    "change_webhook",
    scope="settings:write",
    tag="webhooks",
    summary="Change where a webhook leads and what it is told, or turn it on or off",
    body=WebhookPatch,
    answer=Webhook,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_webhook(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Change what is named."""
    visitor = await inside(request, workspace)
    id = path_id(webhook)
    expected = await _expected(request, visitor, id)
    sent = await read(request, WebhookPatch)
    changed = await desk_of(request).hooks.do(
        visitor,
        ChangeWebhook(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            webhook_id=id,
            expected_version=expected,
            change=WebhookChange(**{name: getattr(sent.body, name) for name in sent.body.model_fields_set}),
        ),
    )
    return reply(changed, version=changed.version)


@operation(
    "DELETE",
    f"{W}/webhooks/{{webhook:str}}",
    "delete_webhook",
    scope="settings:write",
    tag="webhooks",
    summary="Remove a webhook; what waits for it is not sent",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def delete_webhook(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Remove a webhook."""
    visitor = await inside(request, workspace)
    id = path_id(webhook)
    expected = await _expected(request, visitor, id)
    await desk_of(request).hooks.do(
        visitor,
        DeleteWebhook(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            webhook_id=id,
            expected_version=expected,
        ),
    )
    return nothing()


@operation(
    "POST",
    f"{W}/webhooks/{{webhook:str}}/rotate",
    "rotate_webhook_secret",
    scope="settings:write",
    tag="webhooks",
    summary="Draw another secret, told this once; the one before signs too for a day",
    answer=WebhookMade,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, AlreadyAnswered),
    keyed=True,
)
async def rotate_webhook_secret(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Sign with another secret."""
    visitor = await inside(request, workspace)
    rotated, secret = await rotate(desk_of(request), visitor, path_id(webhook), promise(request))
    return reply(WebhookMade(**rotated.model_dump(), secret=secret), version=rotated.version)


async def rotate(desk: Desk, visitor: Visitor, id: UUID, key: IdempotencyKey | None) -> tuple[Webhook, str]:
    """Draw another secret and return it with the webhook; raises AlreadyAnswered for a repeat."""
    rotation, secret = uuid7(), a_secret()
    rotated = await desk.hooks.rotate(
        visitor,
        RotateWebhookSecret(
            caller=visitor.caller, via=visitor.via, idempotency=key, webhook_id=id, rotation_id=rotation, secret=secret
        ),
    )
    if rotated.rotation_id != rotation:
        raise AlreadyAnswered(id=str(id))
    return rotated.webhook, secret


def a_secret() -> str:
    """Draw what signs: `whsec_` and the base64 of 32 bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


async def _expected(request: Request[Any, Any, Any], visitor: Visitor, id: UUID) -> int | None:
    versions = expected_versions(request)
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await desk_of(request).bus.ask(GetWebhook(caller=visitor.caller, webhook_id=id))).version
    return current if current in versions else max(versions)


HANDLERS = (list_webhooks, create_webhook, get_webhook, change_webhook, delete_webhook, rotate_webhook_secret)
