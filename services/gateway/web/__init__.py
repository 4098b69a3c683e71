"""The dashboard: pages for browsers, on the same use cases as the API and through the same door.

Every page is whole without a script; scripts make it quicker. A refusal is a page too, and keeps what was typed.
"""

from typing import Any
from urllib.parse import quote
from uuid import UUID

from litestar import Request, Response

from contracts.refusals import Unauthenticated
from services.gateway.routes import Pages
from services.gateway.routes.problems import headers_of, refusal_of
from services.gateway.routes.visits import visit_of
from services.gateway.web import (
    account,
    assets,
    assistants,
    audit,
    bulk,
    contacts,
    conversations,
    dead_letters,
    demo,
    doors,
    embed,
    forgotten,
    importing,
    inbox,
    integrations,
    leaving,
    linking,
    mails,
    members,
    opening,
    preferences,
    presence,
    quick,
    reports,
    ticket,
    ticket_settings,
    ticket_words,
    tickets,
    tokens,
    undoing,
    unsubscribe,
    views,
    webhooks,
    workspace,
)
from services.gateway.web.rendering import HTML, SAFETY, Site, page_of, written

__all__ = ["pages"]


def pages(demo_assistant: UUID | None = None) -> Pages:
    """Return the dashboard, to be put beside the API; the demo's page has this assistant unless it names another."""
    return Pages(
        handlers=(
            assets.asset,
            embed.script,
            demo.demo,
            *doors.HANDLERS,
            *forgotten.HANDLERS,
            *unsubscribe.HANDLERS,
            *tickets.HANDLERS,
            *bulk.HANDLERS,
            *undoing.HANDLERS,
            *quick.HANDLERS,
            *views.HANDLERS,
            *opening.HANDLERS,
            *ticket.HANDLERS,
            *ticket_words.HANDLERS,
            *linking.HANDLERS,
            *presence.HANDLERS,
            *conversations.HANDLERS,
            *contacts.HANDLERS,
            *inbox.HANDLERS,
            *preferences.HANDLERS,
            *account.HANDLERS,
            *workspace.HANDLERS,
            *members.HANDLERS,
            *assistants.HANDLERS,
            *reports.HANDLERS,
            *tokens.HANDLERS,
            *webhooks.HANDLERS,
            *integrations.HANDLERS,
            *ticket_settings.HANDLERS,
            *leaving.HANDLERS,
            *importing.HANDLERS,
            *audit.HANDLERS,
            *dead_letters.HANDLERS,
            *mails.HANDLERS,
        ),
        answer_exception=answer_exception,
        state={"site": Site.build(), "embed": embed.Embed(), "demo_assistant": demo_assistant},
        home="/w",
    )


def answer_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer whatever a page raised: whoever must sign in first comes back to where they wanted to go."""
    refusal = refusal_of(error)
    visit_of(request.scope).code = refusal.code
    if isinstance(refusal, Unauthenticated):
        door = f"/sign-in?next={quote(page_of(request), safe='/')}"
        if "hx-request" in request.headers:
            # htmx asked for a part: the whole page goes.
            return Response(b"", status_code=200, media_type=HTML, headers={"hx-redirect": door})
        return Response(b"", status_code=303, media_type=HTML, headers={**SAFETY, "location": door})
    body, headers = written(request, "error.html", {"refusal": refusal})
    if later := headers_of(refusal).get("retry-after"):
        headers["retry-after"] = later
    return Response(body, status_code=refusal.status, media_type=HTML, headers=headers)
