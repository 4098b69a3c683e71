"""Webhooks: which other systems are told what happens, and what became of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Command, Event, uuid7
from contracts.refusals import Refusal, StaleVersion
from contracts.webhooks import (
    ANY,
    ChangeWebhook,
    DeleteWebhook,
    Delivery,
    DeliveryState,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Redeliver,
    Replay,
    ReplayEvents,
    SendTest,
    Webhook,
    WebhookChange,
)
from services.gateway.routes.bodies import path_id, query
from services.gateway.routes.deliveries import Deliveries
from services.gateway.routes.webhooks import NewWebhook, add_webhook, rotate
from services.gateway.web.forms import Form, Seen, wrong
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/webhooks"
_ONE = f"{_PAGE}/{{webhook:str}}"
_MOST, _SHOWN = 100, 25
_GROUPS: Mapping[str, tuple[str, ...]] = {
    "Tickets": (
        "ticket_",
        "status_",
        "priority_",
        "assigned",
        "unassigned",
        "subject_",
        "description_",
        "tags_",
        "fields_",
        "follow_",
    ),
    "Words": ("note_", "comment_", "customer_", "agent_", "message_", "conversation_"),
    "Contacts": ("contact_",),
}
"""Which events stand together, by how their names begin."""
_REST = "Settings and people"
_DONE = {
    "saved": "Saved.",
    "tested": "A test event is on its way; see below what comes of it.",
    "again": "It is on its way again.",
    "replay": "The past is on its way; it is told beside everything else.",
    "on": "It is on. What happened while it was off is not told; a replay tells it.",
    "off": "It is off. What happens from now on is not told.",
}
_REASONS = {
    "timeout": "no answer within 15 seconds",
    "no_connection": "nobody listens there",
    "broken_off": "the connection broke",
    "tls": "its certificate can't be trusted",
    "no_http": "its answer is no HTTP",
    "no_address": "its host has no address",
    "not_public": "its address is not public",
    "https_only": "only https is allowed",
    "port": "that port is not allowed",
    "not_kept": "the event is no longer kept",
}


@get(_PAGE)
async def webhooks_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the webhooks, and the form for another."""
    return await _show_all(request, await enter(request, workspace), Form())


@post(_PAGE)
async def add(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Add one. Its secret is shown on the page that answers, this once."""
    here, form = await enter_by_form(request, workspace)
    try:
        made, secret = await add_webhook(here.desk, here.visitor, form.promise(request), _wanted(form))
    except Refusal as refusal:
        form.refusal = refusal
        return await _show_all(request, here, form)
    return await _show_one(request, here, made.id, Form(), secret=secret)


@get(_ONE)
async def webhook_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]
) -> ASGIResponse:
    """Show one: what it is told, how it goes, and how its receiver knows that it is us."""
    return await _show_one(request, await enter(request, workspace), path_id(webhook), Form())


@post(_ONE)
async def settle(request: Request[Any, Any, Any], workspace: FromPath[str], webhook: FromPath[str]) -> ASGIResponse:
    """Do with one what a button says."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(webhook)
    here_again = f"{here.base}/settings/webhooks/{id}"
    try:
        done = await _do(request, here, id, form)
    except Refusal as refusal:
        form.refusal = refusal
        return await _show_one(request, here, id, form)
    if form.text("do") == "rotate":
        return await _show_one(request, here, id, Form(), secret=done)
    return see(f"{here.base}/settings/webhooks" if done is None else f"{here_again}?done={done}")


async def _do(request: Request[Any, Any, Any], here: Here, id: UUID, form: Form) -> str | None:
    """Do it; return what was done, the new secret, or None where there is no webhook any more."""
    key, does = form.promise(request), form.text("do")
    if does == "rotate":
        return (await rotate(here.desk, here.visitor, id, key))[1]
    by: dict[str, Any] = {"caller": here.visitor.caller, "via": here.visitor.via, "idempotency": key, "webhook_id": id}
    command: DeleteWebhook | ChangeWebhook | Command[Delivery] | Command[Replay]
    done: str | None = does
    match does:
        case "delete":
            command, done = DeleteWebhook(**by), None
        case "on" | "off":
            command = ChangeWebhook(**by, change=WebhookChange(enabled=does == "on"))
        case "test":
            command, done = SendTest(**by, delivery_id=uuid7()), "tested"
        case "redeliver":
            command, done = Redeliver(**by, delivery_id=path_id(form.text("delivery"))), "again"
        case "replay":
            command, done = ReplayEvents(**by, replay_id=uuid7(), **_since(form)), "replay"
        case _:
            wanted = _wanted(form)
            change = WebhookChange(url=wanted.url, event_types=wanted.event_types, description=wanted.description)
            seen = form.read(Seen).version
            command, done = ChangeWebhook(**by, expected_version=seen, change=change), "saved"
    if isinstance(command, DeleteWebhook | ChangeWebhook):
        await here.desk.hooks.do(here.visitor, command)
    else:
        await here.desk.bus.ask(command)  # type: ignore[misc]  # whatever it answers
    return done


def _wanted(form: Form) -> NewWebhook:
    if not form.all("event_types"):
        raise wrong("event_types", "too_short", "choose at least one")
    return form.read(NewWebhook)


def _since(form: Form) -> dict[str, Any]:
    since = form.moment("from", "a time such as 2026-03-01 09:30, or a number of the record")
    return {"from_sequence" if isinstance(since, int) else "from_time": since}


async def _show_all(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    found = await here.desk.bus.ask(ListWebhooks(caller=here.visitor.caller, limit=_MOST))
    return await page(
        request,
        here,
        "webhooks.html",
        status=form.status,
        form=form,
        webhooks=found.items,
        groups=groups(),
        any=ANY,
        place="webhooks",
    )


async def _show_one(
    request: Request[Any, Any, Any], here: Here, id: UUID, form: Form, *, secret: str | None = None
) -> ASGIResponse:
    ask, caller = here.desk.bus.ask, here.visitor.caller
    webhook: Webhook = await ask(GetWebhook(caller=caller, webhook_id=id))
    wanted = query(request, _Shown) if request.method == "GET" else _Shown()
    deliveries = await ask(
        ListDeliveries(caller=caller, webhook_id=id, state=wanted.state, cursor=wanted.cursor, limit=_SHOWN)
    )
    return await page(
        request,
        here,
        "webhook.html",
        status=form.status,
        form=form,
        stale=isinstance(form.refusal, StaleVersion),
        quiet=Form(),
        webhook=webhook,
        secret=secret,
        deliveries=deliveries,
        state=wanted.state,
        states=DeliveryState,
        done=_DONE.get(wanted.done),
        reasons=_REASONS,
        groups=groups(),
        any=ANY,
        place="webhooks",
    )


class _Shown(Deliveries):
    """Which part of the deliveries, and what was done before."""

    done: str = ""


def groups() -> dict[str, list[str]]:
    """Return the names of events, those that belong together."""
    found: dict[str, list[str]] = {name: [] for name in (*_GROUPS, _REST)}
    for owner in ("tickets", "gateway"):
        for type in sorted(event.TYPE for event in Event.of_kind(owner)):
            name = next((name for name, starts in _GROUPS.items() if type.startswith(starts)), _REST)
            found[name if owner == "tickets" else _REST].append(type)
    return found


HANDLERS = (webhooks_page, add, webhook_page, settle)
