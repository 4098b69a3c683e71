"""What is on its way to webhooks, and what is sent to them by hand, for those who run the desk."""

from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import uuid7
from contracts.refusals import Conflict, NotAllowed, NotFound
from contracts.webhooks import (
    Delivery,
    DeliveryPage,
    DeliveryState,
    ListDeliveries,
    Redeliver,
    Replay,
    ReplayEvents,
    SendTest,
)
from services.gateway.routes.bodies import Given, Moment, path_id, promise, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page


class Since(Given):
    """From where the past is told again."""

    from_: Moment = Field(
        alias="from", description="A time; or a `seq` of the tickets book, which is told from there on."
    )


class Deliveries(Page):
    """Which part of the list."""

    state: DeliveryState | None = None


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


HANDLERS = (list_deliveries, redeliver, test_webhook, replay_events)
