"""Assistants, their widgets' settings and what a site signs its visitors with: for those who run the desk."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import uuid7
from contracts.refusals import Invalid, NotAllowed, NotFound, StaleVersion
from contracts.texts import Line
from contracts.tickets import (
    AssistantChange,
    AssistantPage,
    AssistantSnapshot,
    ChangeAssistant,
    Colour,
    CreateAssistant,
    DeleteAssistant,
    GetAssistant,
    GetIdentitySecret,
    Greeting,
    IdentitySecret,
    ListAssistants,
    RotateIdentitySecret,
    WebOrigin,
    WidgetSettings,
)
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, nothing, reply
from services.gateway.routes.visitors import Desk, desk_of, inside
from services.gateway.routes.workspaces import Page

_AGAIN = 5
"""How often a change of some settings is made anew of what another has just changed."""


def _left_out() -> Any:  # noqa: ANN401 - stands where a value of any type was not given
    """Stand in a field that was not mentioned; `model_fields_set` tells."""
    return None


class WidgetPatch(Given):
    """Settings of a widget; one that is left out stays as it is, or as widgets are at first."""

    allow_ticket_creation: bool = Field(
        default_factory=_left_out, description="Whether visitors may open tickets; off at first."
    )
    require_contact_info: bool = Field(
        default_factory=_left_out, description="Whether name and e-mail address come before a ticket; off at first."
    )
    allowed_origins: Annotated[tuple[WebOrigin, ...], Field(max_length=50)] = Field(
        default_factory=_left_out,
        description="Sites that may embed it, each as `https://www.example.com`; none: any.",
    )
    require_identity: bool = Field(
        default_factory=_left_out, description="Whether only visitors whom the site vouches for are let in."
    )
    title: Line = Field(default_factory=_left_out)
    colour: Colour = Field(default_factory=_left_out)
    greeting: Greeting = Field(default_factory=_left_out, description="At most 500 characters.")

    def over(self, settings: WidgetSettings) -> WidgetSettings:
        """Return the settings with what is named here in its place."""
        named = {name: getattr(self, name) for name in self.model_fields_set}
        return settings.model_copy(update=named)


class NewAssistant(Given):
    """An assistant to be."""

    name: Line
    widget: WidgetPatch = WidgetPatch()


class AssistantPatch(Given):
    """What to change; one that is left out stays as it is, and so does each of the widget's settings."""

    name: Line = Field(default_factory=_left_out)
    widget: WidgetPatch = Field(default_factory=_left_out)


@operation(
    "GET",
    f"{W}/assistants",
    "list_assistants",
    scope="settings:read",
    tag="assistants",
    summary="List the assistants by name",
    query=Page,
    answer=AssistantPage,
    refusals=(NotFound, NotAllowed),
)
async def list_assistants(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of assistants."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    found = await desk_of(request).bus.ask(ListAssistants(caller=visitor.caller, cursor=page.cursor, limit=page.limit))
    return reply(found)


@operation(
    "POST",
    f"{W}/assistants",
    "create_assistant",
    scope="settings:write",
    tag="assistants",
    summary="Add an assistant",
    body=NewAssistant,
    answer=AssistantSnapshot,
    status=201,
    headers=("ETag", "Location"),
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def create_assistant(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Add an assistant; its widget is as widgets are at first, but for what is said here."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewAssistant)
    made = await desk_of(request).bus.ask(
        CreateAssistant(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            assistant_id=uuid7(),
            name=sent.body.name,
            widget=sent.body.widget.over(WidgetSettings()),
        )
    )
    here, _ = visitor.here
    location = f"{API}/workspaces/{here.id}/assistants/{made.id}"
    return reply(made, 201, version=made.version, headers={"location": location})


@operation(
    "GET",
    f"{W}/assistants/{{assistant:str}}",
    "get_assistant",
    scope="settings:read",
    tag="assistants",
    summary="Read an assistant",
    answer=AssistantSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed),
    if_none_match=True,
)
async def get_assistant(
    request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]
) -> ASGIResponse:
    """Return an assistant with its widget's settings."""
    visitor = await inside(request, workspace)
    found = await _current(desk_of(request), visitor, path_id(assistant))
    return fresh_or(request, found, found.version)


@operation(
    "PATCH",
    f"{W}/assistants/{{assistant:str}}",
    "change_assistant",
    scope="settings:write",
    tag="assistants",
    summary="Change an assistant's name or some of its widget's settings",
    body=AssistantPatch,
    answer=AssistantSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_assistant(
    request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]
) -> ASGIResponse:
    """Change what is named. Two who change different settings at once both have their way."""
    visitor = await inside(request, workspace)
    id = path_id(assistant)
    versions = expected_versions(request)
    sent = await read(request, AssistantPatch)
    named = sent.body.model_fields_set
    if not named or ("widget" in named and not sent.body.widget.model_fields_set and named == {"widget"}):
        raise Invalid("There is nothing to change.", errors=[])
    desk = desk_of(request)
    for left in reversed(range(_AGAIN)):
        current = await _current(desk, visitor, id)
        change: dict[str, Any] = {"name": sent.body.name} if "name" in named else {}
        if "widget" in named:
            change["widget"] = sent.body.widget.over(current.widget)
        expected = current.version if not versions or current.version in versions else max(versions)
        try:
            changed = await desk.bus.ask(
                ChangeAssistant(
                    caller=visitor.caller,
                    via=visitor.via,
                    idempotency=sent.key,
                    assistant_id=id,
                    expected_version=expected,
                    change=AssistantChange(**change),
                )
            )
        except StaleVersion:
            # Somebody changed it since it was read here: who named no version does not mean that one.
            if versions or not left:
                raise
        else:
            return reply(changed, version=changed.version)
    raise StaleVersion


@operation(
    "DELETE",
    f"{W}/assistants/{{assistant:str}}",
    "delete_assistant",
    scope="settings:write",
    tag="assistants",
    summary="Remove an assistant; its conversations stay, its visitors are shut out",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def delete_assistant(
    request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]
) -> ASGIResponse:
    """Remove an assistant."""
    visitor = await inside(request, workspace)
    id = path_id(assistant)
    versions = expected_versions(request)
    desk = desk_of(request)
    expected = versions[0] if versions else None
    if len(versions) > 1:
        current = (await _current(desk, visitor, id)).version
        expected = current if current in versions else max(versions)
    await desk.bus.ask(
        DeleteAssistant(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            assistant_id=id,
            expected_version=expected,
        )
    )
    return nothing()


@operation(
    "GET",
    f"{W}/assistants/{{assistant:str}}/identity-secret",
    "get_identity_secret",
    scope="settings:write",
    tag="assistants",
    summary="Read the secret that a site signs its visitors with",
    answer=IdentitySecret,
    refusals=(NotFound, NotAllowed),
)
async def get_identity_secret(
    request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]
) -> ASGIResponse:
    """Return the secret."""
    visitor = await inside(request, workspace)
    secret = await desk_of(request).bus.ask(GetIdentitySecret(caller=visitor.caller, assistant_id=path_id(assistant)))
    return reply(secret)


@operation(
    "POST",
    f"{W}/assistants/{{assistant:str}}/identity-secret",
    "rotate_identity_secret",
    scope="settings:write",
    tag="assistants",
    summary="Draw a new secret; what was signed with the old one is void at once",
    answer=AssistantSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def rotate_identity_secret(
    request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]
) -> ASGIResponse:
    """Draw a new secret; it is read by a request of its own, so that no stored answer holds it."""
    visitor = await inside(request, workspace)
    rotated = await desk_of(request).bus.ask(
        RotateIdentitySecret(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            assistant_id=path_id(assistant),
        )
    )
    return reply(rotated, version=rotated.version)


async def _current(desk: Desk, visitor: Visitor, id: UUID) -> AssistantSnapshot:
    return await desk.bus.ask(GetAssistant(caller=visitor.caller, assistant_id=id))


HANDLERS = (
    list_assistants,
    create_assistant,
    get_assistant,
    change_assistant,
    delete_assistant,
    get_identity_secret,
    rotate_identity_secret,
)
