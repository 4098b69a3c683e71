"""Webhooks: where other systems hear of what happens, for those who run the desk."""

import base64
import secrets
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import AwareDatetime, Field

from contracts.base import uuid7
from contracts.refusals import AlreadyAnswered, Conflict, NotAllowed, NotFound, StaleVersion
from contracts.texts import SearchText, WebAddress
from contracts.webhooks import (
    ChangeWebhook,
    CreateWebhook,
    DeleteWebhook,
    Delivery,
    DeliveryPage,
    DeliveryState,
    EventTypes,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Redeliver,
    Replay,
    ReplayEvents,
    RotateWebhookSecret,
    Secret,
    SendTest,
    Webhook,
    WebhookChange,
    WebhookPage,
)
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, left_out, path_id, promise, query, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, nothing, reply
from services.gateway.routes.visitors import Desk, desk_of, inside
from services.gateway.routes.workspaces import Page

_SECRET_BYTES = 32


class NewWebhook(Given):
    """A receiver to be."""

    url: WebAddress = Field(description="An `https` address on the public internet.")
    event_types: EventTypes = Field(description="Names of facts, such as `status_changed`; `*`: all of them.")
    description: SearchText = ""


class WebhookPatch(Given):
    """What to change; one that is left out stays as it is."""

    url: WebAddress = Field(default_factory=left_out)
    event_types: EventTypes = Field(default_factory=left_out)
    description: SearchText = Field(default_factory=left_out)
    enabled: bool = Field(default_factory=left_out, description="What happens while it is off is not told.")


class Since(Given):
    """From where the past is told again."""

    from_: AwareDatetime | Annotated[int, Field(ge=1, lt=2**53)] = Field(
        alias="from", description="A time; or a `seq` of the tickets book, which is told from there on."
    )


class WebhookMade(Webhook):
    """A webhook with its secret, which is told this once."""

    secret: Secret


class Deliveries(Page):
    """Which part of the list."""

    state: DeliveryState | None = None


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
    made, secret = await add_webhook(
        desk_of(request),
        visitor,
        sent.key,
        url=sent.body.url,
        event_types=sent.body.event_types,
        description=sent.body.description,
    )
    here, _ = visitor.here
    location = f"{API}/workspaces/{here.id}/webhooks/{made.id}"
    whole = WebhookMade(**made.model_dump(), secret=secret)
    return reply(whole, 201, version=made.version, headers={"location": location})


async def add_webhook(desk: Desk, visitor: Visitor, key: Any, **wanted: Any) -> tuple[Webhook, str]:  # noqa: ANN401 - as the command has them
    """Add a webhook and return it with its secret; raises AlreadyAnswered for a repeat.

    The secret is drawn here, so that no stored answer holds it: a repeat is known by the other id that it gets.
    """
    id, secret = uuid7(), a_secret()
    made = await desk.bus.ask(
        CreateWebhook(caller=visitor.caller, via=visitor.via, idempotency=key, webhook_id=id, secret=secret, **wanted)
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
    changed = await desk_of(request).bus.ask(
        ChangeWebhook(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            webhook_id=id,
            expected_version=expected,
            change=WebhookChange(**{name: getattr(sent.body, name) for name in sent.body.model_fields_set}),
        )
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
    await desk_of(request).bus.ask(
        DeleteWebhook(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            webhook_id=id,
            expected_version=expected,
        )
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


async def rotate(desk: Desk, visitor: Visitor, id: UUID, key: Any) -> tuple[Webhook, str]:  # noqa: ANN401 - as above
    """Draw another secret and return it with the webhook; raises AlreadyAnswered for a repeat."""
    rotation, secret = uuid7(), a_secret()
    rotated = await desk.bus.ask(
        RotateWebhookSecret(
            caller=visitor.caller, via=visitor.via, idempotency=key, webhook_id=id, rotation_id=rotation, secret=secret
        )
    )
    if rotated.rotation_id != rotation:
        raise AlreadyAnswered(id=str(id))
    return rotated.webhook, secret


@operation(
    "GET",
    f"{W}/webhooks/{{webhook:str}}/deliveries",
    "list_deliveries",
    scope="settings:read",
    tag="webhooks",
    summary="List what is and was sent, newest first, with what came of each try",
    query=Deliveries,
    answer=DeliveryPage,
    refusals=(NotFound, NotAllowed),
)
async def list_deliveries(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Return one page of deliveries: status and latency of each try, and nothing of what was said."""
    visitor = await inside(request, workspace)
    page = query(request, Deliveries)
    found = await desk_of(request).bus.ask(
        ListDeliveries(
            caller=visitor.caller,
            webhook_id=path_id(webhook),
            state=page.state,
            cursor=page.cursor,
            limit=page.limit,
        )
    )
    return reply(found)


@operation(
    "POST",
    f"{W}/webhooks/{{webhook:str}}/deliveries/{{delivery:str}}/redeliver",
    "redeliver",
    scope="settings:write",
    tag="webhooks",
    summary="Send an event again, under the same id",
    answer=Delivery,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def redeliver(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str], delivery: FromPath[str]
) -> ASGIResponse:
    """Send it again, whatever became of it."""
    visitor = await inside(request, workspace)
    again = await desk_of(request).bus.ask(
        Redeliver(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            webhook_id=path_id(webhook),
            delivery_id=path_id(delivery),
        )
    )
    return reply(again)


@operation(
    "POST",
    f"{W}/webhooks/{{webhook:str}}/test",
    "test_webhook",
    scope="settings:write",
    tag="webhooks",
    summary="Send an event that means nothing",
    answer=Delivery,
    status=202,
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def test_webhook(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Send a `webhook_test`; the deliveries tell what came of it."""
    visitor = await inside(request, workspace)
    queued = await desk_of(request).bus.ask(
        SendTest(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            webhook_id=path_id(webhook),
            delivery_id=uuid7(),
        )
    )
    return reply(queued, 202)


@operation(
    "POST",
    f"{W}/webhooks/{{webhook:str}}/replay",
    "replay_events",
    scope="settings:write",
    tag="webhooks",
    summary="Send what happened since a time or a sequence again, under the same ids",
    body=Since,
    answer=Replay,
    status=202,
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def replay_events(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Begin to tell the past again: since a time both books, from a sequence on the tickets book."""
    visitor = await inside(request, workspace)
    sent = await read(request, Since)
    since = sent.body.from_
    begun = await desk_of(request).bus.ask(
        ReplayEvents(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            webhook_id=path_id(webhook),
            replay_id=uuid7(),
            from_time=None if isinstance(since, int) else since,
            from_sequence=since if isinstance(since, int) else None,
        )
    )
    return reply(begun, 202)


def a_secret() -> str:
    """Draw what signs: `whsec_` and the base64 of 32 bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


async def _expected(request: Request[Any, Any, Any], visitor: Visitor, id: UUID) -> int | None:
    versions = expected_versions(request)
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await desk_of(request).bus.ask(GetWebhook(caller=visitor.caller, webhook_id=id))).version
    return current if current in versions else max(versions)


HANDLERS = (
    list_webhooks,
    create_webhook,
    get_webhook,
    change_webhook,
    delete_webhook,
    rotate_webhook_secret,
    list_deliveries,
    redeliver,
    test_webhook,
    replay_events,
)
