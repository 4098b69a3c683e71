"""How a workspace handles its tickets, for those who run the desk."""

from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.refusals import Invalid, NotAllowed, NotFound, StaleVersion
from contracts.tickets import ChangeSettings, Days, GetSettings, Priority, SettingsChange, SettingsSnapshot
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, left_out, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, reply
from services.gateway.routes.visitors import Desk, desk_of, inside
from services.gateway.usecases import settling


class SettingsPatch(Given):
    """The settings to change; one that is left out stays as it is. Null takes a limit of days away."""

    members_may_claim: bool = Field(
        default_factory=left_out, description="Whether a member may take a ticket that nobody has."
    )
    members_may_note_any: bool = Field(
        default_factory=left_out, description="Whether a member may add notes and comments to every ticket."
    )
    default_priority: Priority = Field(default_factory=left_out, description="Of a ticket whose maker names none.")
    auto_close_days: Days | None = Field(
        default=None, description="Close what lies resolved and untouched so long; null: never."
    )
    follow_up_days: Days | None = Field(
        default=None, description="How long after its closing a message opens a follow-up; null: always."
    )
    mail_received: bool = Field(
        default_factory=left_out, description="Whether a contact is told by mail that their ticket has come."
    )
    mail_replied: bool = Field(
        default_factory=left_out, description="Whether a contact is sent by mail what agents answer."
    )
    mail_resolved: bool = Field(
        default_factory=left_out, description="Whether a contact is told by mail that their ticket is resolved."
    )


@operation(
    "GET",
    f"{W}/settings",
    "get_settings",
    scope="settings:read",
    tag="settings",
    summary="Read the ticket settings",
    answer=SettingsSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed),
    if_none_match=True,
)
async def get_settings(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the settings as they are."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(GetSettings(caller=visitor.caller))
    return fresh_or(request, found, found.version)


@operation(
    "PATCH",
    f"{W}/settings",
    "change_settings",
    scope="settings:write",
    tag="settings",
    summary="Change the ticket settings",
    body=SettingsPatch,
    answer=SettingsSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_settings(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Change any settings at once: all of them or none."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    sent = await read(request, SettingsPatch)
    desk, patch = desk_of(request), sent.body
    if not patch.model_fields_set:
        raise Invalid("There is nothing to change.", errors=[])
    changed = await settling.change_settings(
        desk.bus,
        ChangeSettings(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            expected_version=await _expected(desk, visitor, versions),
            change=SettingsChange(**{name: getattr(patch, name) for name in patch.model_fields_set}),
        ),
    )
    return reply(changed, version=changed.version)


async def _expected(desk: Desk, visitor: Visitor, versions: tuple[int, ...]) -> int | None:
    """Return the one version to insist on; of several, the one that is current, if any is."""
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await desk.bus.ask(GetSettings(caller=visitor.caller))).version
    return current if current in versions else max(versions)


HANDLERS = (get_settings, change_settings)
