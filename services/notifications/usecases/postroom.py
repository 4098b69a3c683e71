"""What those who run a desk see and do about its mail."""

from dataclasses import dataclass

from chassis.database import Transaction
from contracts.base import Caller, now
from contracts.mail import (
    GetMail,
    Lifted,
    LiftSuppression,
    ListMails,
    ListSuppressed,
    MailKind,
    MailPage,
    MailServer,
    MailShown,
    MailState,
    ResendMail,
    SuppressedAddress,
    SuppressedAddresses,
)
from contracts.refusals import Conflict, NotAllowed, NotFound
from services.notifications import domain, store
from services.notifications.usecases import news

_MOST_SUPPRESSED = 200


@dataclass(frozen=True, slots=True)
class Postroom:
    """The mail of workspaces, for their admins."""

    configured: bool
    """Whether there is a server to send by."""
    public_url: str

    async def list(self, query: ListMails, tx: Transaction) -> MailPage:
        """Read a page of a workspace's mail, and how its server does."""
        _check(query.caller)
        rows, more = await store.mail_page(tx, query.state, query.cursor, query.limit, now())
        said, at = await store.last_said(tx) or (None, None)
        server = MailServer(configured=self.configured, said=said, at=at)
        return MailPage(items=tuple(rows), next_cursor=more, server=server)

    async def get(self, query: GetMail, tx: Transaction) -> MailShown:
        """Read one mail, with the words that are no secret."""
        _check(query.caller)
        row = await store.mail_row(tx, query.id, now())
        mail = await store.mail(tx, query.id)
        if row is None or mail is None:
            raise NotFound
        letter = mail.letter if mail.kind not in domain.UNTOLD else None
        if mail.kind is MailKind.NEWS and mail.state is not MailState.SENT:
            # Whoever has the link in it may stop somebody else's mail.
            letter = await news.write(tx, mail, self.public_url, leave="…")
        said = {"subject": letter and letter.subject, "text": letter and letter.text}
        return MailShown.model_validate(row.model_dump() | said)

    async def resend(self, command: ResendMail, tx: Transaction) -> MailShown:
        """Have a mail sent again, as the same mail."""
        _check(command.caller)
        if await store.mail(tx, command.id) is None:
            raise NotFound
        if not await store.resend_mail(tx, command.id, now()):
            raise Conflict("It is sent or still to be sent, or too old to be sent again.")
        return await self.get(GetMail(caller=command.caller, id=command.id), tx)

    async def suppressed(self, query: ListSuppressed, tx: Transaction) -> SuppressedAddresses:
        """Read which addresses are not written to."""
        _check(query.caller)
        found = await store.suppressions(tx, _MOST_SUPPRESSED)
        items = (
            SuppressedAddress(id=each.id, address=each.address, reason=each.reason, since=each.since) for each in found
        )
        return SuppressedAddresses(items=tuple(items))

    async def lift(self, command: LiftSuppression, tx: Transaction) -> Lifted:
        """Write to an address again."""
        _check(command.caller)
        if not await store.lift(tx, command.id):
            raise NotFound
        return Lifted()


def _check(caller: Caller) -> None:
    if not caller.role.runs_the_desk:
        raise NotAllowed
