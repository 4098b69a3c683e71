"""A member's own inbox: shaped here, kept by the notifications service. Nobody has a way to another's."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.notifications import CountUnread, MarkRead, Notices, ReadNotices, Unread
from contracts.preferences import ChangePreferences, Clock, GetPreferences, Preferences, PreferencesChange
from contracts.refusals import Invalid, NotAllowed, NotFound, StaleVersion
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Flag, Given, left_out, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page


class InboxFilter(Page):
    """Which part of the inbox."""

    unread: Flag = Field(default=False, description="Only what is not read.")
    digest: UUID | None = Field(
        default=None, description="Only what this notification tells of: each cause on each ticket by itself."
    )


class ToRead(Given):
    """What was read."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=100)] = Field(
        default_factory=left_out, description="Which notifications; left out, all of them."
    )


class Ways(Given):
    """By which way you want to hear of it."""

    inbox: bool = Field(default_factory=left_out, description="In your inbox.")
    mail: bool = Field(default_factory=left_out, description="By mail.")


class Quiet(Given):
    """When mail waits, each day."""

    start: Clock = Field(description="From this time on, such as `22:00`.")
    end: Clock = Field(description="Up to this time, which may be on the next day.")
    zone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="An IANA time zone, such as `Europe/Berlin`."
    )


class PreferencesPatch(Given):
    """What you want to hear of otherwise; what is left out stays as it is."""

    assigned: Ways = Field(default_factory=left_out, description="A ticket was given to you.")
    unassigned: Ways = Field(default_factory=left_out, description="A ticket was taken from you.")
    mention: Ways = Field(default_factory=left_out, description="You were called by name.")
    message: Ways = Field(default_factory=left_out, description="The customer wrote on a ticket that you watch.")
    note: Ways = Field(default_factory=left_out, description="A note or comment on a ticket that you watch.")
    status: Ways = Field(default_factory=left_out, description="A ticket that you watch was moved.")
    priority: Ways = Field(default_factory=left_out, description="A ticket that you watch became more or less urgent.")
    created: Ways = Field(default_factory=left_out, description="Somebody opened a ticket that you may see.")
    arrived: Ways = Field(default_factory=left_out, description="A ticket came by the widget or another system.")
    dead_letter: Ways = Field(default_factory=left_out, description="A message could not be applied; for admins.")
    webhook: Ways = Field(default_factory=left_out, description="A webhook was turned off; for admins.")
    mail_paused: bool = Field(default_factory=left_out, description="No mail at all, whatever else is chosen.")
    quiet_hours: Quiet | None = Field(default_factory=left_out, description="When mail waits; null: never.")


@operation(
    "GET",
    f"{W}/notifications",
    "list_notifications",
    scope="notifications:read",
    tag="notifications",
    summary="Read your inbox, newest first",
    query=InboxFilter,
    answer=Notices,
    refusals=(NotFound,),
)
async def list_notifications(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of the visitor's inbox."""
    visitor = await inside(request, workspace)
    wanted = query(request, InboxFilter)
    inbox = await desk_of(request).bus.ask(
        ReadNotices(
            caller=visitor.caller,
            unread_only=wanted.unread,
            digest=wanted.digest,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    return reply(inbox)


@operation(
    "GET",
    f"{W}/notifications/unread",
    "count_unread_notifications",
    scope="notifications:read",
    tag="notifications",
    summary="Count what you have not read",
    answer=Unread,
    refusals=(NotFound,),
)
async def count_unread_notifications(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the number beside the bell."""
    visitor = await inside(request, workspace)
    left = await desk_of(request).bus.ask(CountUnread(caller=visitor.caller))
    return reply(left)


@operation(
    "POST",
    f"{W}/notifications/read",
    "read_notifications",
    scope="notifications:write",
    tag="notifications",
    summary="Mark some of your notifications, or all, as read",
    body=ToRead,
    answer=Unread,
    refusals=(NotFound,),
    keyed=True,
)
async def read_notifications(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Mark as read, and return what is left."""
    visitor = await inside(request, workspace)
    sent = await read(request, ToRead)
    if "ids" in sent.body.model_fields_set and not sent.body.ids:
        # To the notifications service no ids are all of them; a client that has selected none means none.
        unread = await desk_of(request).bus.ask(CountUnread(caller=visitor.caller))
        return reply(unread)
    left = await desk_of(request).bus.ask(
        MarkRead(caller=visitor.caller, via=visitor.via, idempotency=sent.key, ids=sent.body.ids or ())
    )
    return reply(left)


@operation(
    "GET",
    f"{W}/notifications/preferences",
    "get_notification_preferences",
    scope="notifications:read",
    tag="notifications",
    summary="Read what you want to hear of",
    answer=Preferences,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed),
    if_none_match=True,
)
async def get_notification_preferences(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the visitor's own choices, and what holds where they made none."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(GetPreferences(caller=visitor.caller))
    return fresh_or(request, found, found.version)


@operation(
    "PATCH",
    f"{W}/notifications/preferences",
    "change_notification_preferences",
    scope="notifications:write",
    tag="notifications",
    summary="Choose what you want to hear of, from now on",
    body=PreferencesPatch,
    answer=Preferences,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_notification_preferences(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Change some choices; what is in the inbox stays."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    sent = await read(request, PreferencesPatch)
    if not sent.body.model_fields_set:
        raise Invalid("There is nothing to change.", errors=[])
    change = PreferencesChange.model_validate(sent.body.model_dump(exclude_unset=True))
    changed = await desk_of(request).bus.ask(
        ChangePreferences(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            expected_version=await _expected(request, visitor, versions),
            change=change,
        )
    )
    return reply(changed, version=changed.version)


async def _expected(request: Request[Any, Any, Any], visitor: Visitor, versions: tuple[int, ...]) -> int | None:
    """Return the one version to insist on; of several, the one that is current, if any is."""
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await desk_of(request).bus.ask(GetPreferences(caller=visitor.caller))).version
    return current if current in versions else max(versions)


HANDLERS = (
    list_notifications,
    count_unread_notifications,
    read_notifications,
    get_notification_preferences,
    change_notification_preferences,
)
