"""A workspace's mail, for those who run the desk: what became of it, and which addresses take none."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress as passing_over
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.mail import (
    GetMail,
    LiftSuppression,
    ListMails,
    ListSuppressed,
    MailKind,
    MailRecipient,
    MailState,
    ResendMail,
)
from contracts.refusals import Conflict, NotAllowed, NotFound
from contracts.tickets import ContactSnapshot, GetContact
from services.gateway.routes.bodies import path_id, query
from services.gateway.routes.mails import MailFilter
from services.gateway.web.forms import Form
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/mail"
_KINDS = {
    MailKind.PASSWORD_RESET: "New password",
    MailKind.INVITATION: "Invitation",
    MailKind.NEWS: "Notifications",
    MailKind.RECEIVED: "Ticket received",
    MailKind.REPLIED: "Answer",
    MailKind.RESOLVED: "Ticket resolved",
}
_STATES = {
    MailState.PENDING: "Waiting",
    MailState.SENT: "Sent",
    MailState.FAILED: "Failed",
    MailState.UNCERTAIN: "Uncertain",
    MailState.SUPPRESSED: "Held back",
}
_REASONS = {
    "ok": "It takes mail.",
    "no_server": "The mail server can't be reached.",
    "no_answer": "The server had the mail and did not answer. It may have arrived.",
    "restored": "It waited when the backup was made, and may have been sent since.",
    "not_supported": "The mail server lacks what is needed, such as TLS.",
    "expired": "It could not be sent in time.",
    "address": "This address takes no mail, or is none.",
    "words": "What it says can't be put into a mail.",
    "nothing_left": "There was nothing left that they may see and want.",
    "no_member": "They are no member any more.",
}
_DONE = {"resent": "It is sent again.", "lifted": "Mail goes to this address again."}


class Listed(MailFilter):
    """Which part of the list, and what was done before."""

    done: str = ""


@get(_PAGE)
async def mail_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the latest mail, how the server does, and which addresses take none."""
    here = _manager(await enter(request, workspace))
    wanted, caller = query(request, Listed), here.visitor.caller
    found = await here.desk.bus.ask(
        ListMails(caller=caller, state=wanted.state, cursor=wanted.cursor, limit=wanted.limit)
    )
    suppressed = await here.desk.bus.ask(ListSuppressed(caller=caller))
    return await page(
        request,
        here,
        "mails.html",
        found=found,
        contacts=await _contacts(here, (mail.recipient for mail in found.items)),
        wanted=wanted,
        suppressed=suppressed.items,
        done=_DONE.get(wanted.done),
        kinds=_KINDS,
        states=_STATES,
        reason=reason,
        place="mail",
    )


@get(f"{_PAGE}/{{mail:str}}")
async def one_mail(request: Request[Any, Any, Any], workspace: FromPath[str], mail: FromPath[str]) -> ASGIResponse:
    """Show one mail, with its words while they are kept."""
    here = _manager(await enter(request, workspace))
    return await _show(request, here, path_id(mail), Form())


@post(f"{_PAGE}/{{mail:str}}")
async def resend(request: Request[Any, Any, Any], workspace: FromPath[str], mail: FromPath[str]) -> ASGIResponse:
    """Have one sent again."""
    here, form = await enter_by_form(request, workspace)
    _manager(here)
    try:
        await here.desk.bus.ask(
            ResendMail(
                caller=here.visitor.caller, via=here.visitor.via, idempotency=form.promise(request), id=path_id(mail)
            )
        )
    except Conflict as refusal:
        form.refusal = refusal
        return await _show(request, here, path_id(mail), form)
    return see(f"{here.base}/settings/mail?done=resent")


@post(f"{_PAGE}/suppressed/{{address:str}}")
async def lift(request: Request[Any, Any, Any], workspace: FromPath[str], address: FromPath[str]) -> ASGIResponse:
    """Write to an address again."""
    here, form = await enter_by_form(request, workspace)
    _manager(here)
    await here.desk.bus.ask(
        LiftSuppression(
            caller=here.visitor.caller, via=here.visitor.via, idempotency=form.promise(request), id=path_id(address)
        )
    )
    return see(f"{here.base}/settings/mail?done=lifted")


def reason(code: str) -> str:
    """Return why in words; a mail server's own code is said as it is."""
    return _REASONS.get(code, f"The mail server said {code.removeprefix('smtp ')}.")


async def _contacts(here: Here, recipients: Iterable[MailRecipient]) -> dict[UUID, ContactSnapshot]:
    """Return the contacts among them who are still there: a mail keeps no name of theirs."""

    async def one(id: UUID) -> ContactSnapshot | None:
        with passing_over(NotFound):
            return await here.desk.bus.ask(GetContact(caller=here.visitor.caller, contact_id=id))
        return None

    wanted = {each.id for each in recipients if each.kind == "contact" and each.id is not None}
    return {each.id: each for each in await asyncio.gather(*map(one, wanted)) if each is not None}


def _manager(here: Here) -> Here:
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


async def _show(request: Request[Any, Any, Any], here: Here, id: UUID, form: Form) -> ASGIResponse:
    found = await here.desk.bus.ask(GetMail(caller=here.visitor.caller, id=id))
    return await page(
        request,
        here,
        "mail.html",
        status=form.status,
        mail=found,
        contacts=await _contacts(here, [found.recipient]),
        form=form,
        kinds=_KINDS,
        states=_STATES,
        reason=reason,
        place="mail",
    )


HANDLERS = (mail_page, one_mail, resend, lift)
