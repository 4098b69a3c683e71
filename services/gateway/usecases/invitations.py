"""People ask others in, take it back, and come in: load, decide, save, announce."""

import datetime as dt
import secrets
from collections.abc import Awaitable, Callable
from uuid import UUID

from chassis import cursors
from chassis.database import Database
from chassis.logs import get_logger
from contracts.base import IdempotencyKey, Role, Via, now, uuid7
from contracts.mail import SendInvitation
from contracts.notifications import MailQueued
from contracts.refusals import Conflict, NotFound, Refusal
from services.gateway import domain, store
from services.gateway.domain import Cause, Invitation, User, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.accounts import Came, begin, place, workspaces_of, wrong_password
from services.gateway.usecases.acting import acting, once
from services.gateway.usecases.guards import Guard
from services.gateway.usecases.passwords import Passwords

log = get_logger()

ANSWER_INVITATION = "invitation look-up"
"""Why a transaction may see every workspace."""


class Invitations:
    """Everything about the links that let somebody in."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        guard: Guard,
        clock: Callable[[], dt.datetime] = now,
        *,
        send: Callable[[SendInvitation], Awaitable[MailQueued]] | None = None,
        public_link: Callable[[str], str] = str,
    ) -> None:
        """Keep invitations in `database`; `send` asks for a mail, with the address that `public_link` makes."""
        self._database = database
        self._passwords = passwords
        self._guard = guard
        self._clock = clock
        self._send = send
        self._public_link = public_link

    async def invite(
        self,
        visitor: Visitor,
        email: str,
        name: str,
        role: Role,
        *,
        key: IdempotencyKey | None,
        link: Callable[[str], str],
    ) -> answers.InvitationMade:
        """Ask somebody in; `link` makes an address of the token."""
        workspace, inviter_role = visitor.here
        domain.check_may_invite(inviter_role)
        cause = self._cause(visitor.via)

        async def act() -> answers.InvitationMade:
            token = secrets.token_urlsafe(32)
            invitation, invited = domain.invite(
                uuid7(),
                workspace.id,
                email,
                name,
                role,
                by=await acting(tx, visitor),
                is_member=await store.is_member(tx, workspace.id, email),
                cause=cause,
            )
            await store.add_invitation(tx, invitation, domain.token_hash(token))
            tx.announce(invited)
            return answers.InvitationMade(
                id=invitation.id, token=token, url=link(token), expires_at=invitation.expires_at
            )

        async with self._database.transaction(workspace.id) as tx:
            made = await once(tx, visitor.id, key, answers.InvitationMade, act, secret_id=lambda made: str(made.id))
        await self._mail(visitor, email, name, made)
        return made

    async def _mail(self, visitor: Visitor, email: str, name: str, made: answers.InvitationMade) -> None:
        """Have the link mailed. Its secret is kept nowhere, so a mail that can't be asked for now never is."""
        if self._send is None:
            return
        workspace, _ = visitor.here
        mail = SendInvitation(
            mail_id=made.id,
            workspace_id=workspace.id,
            workspace=workspace.name,
            by=visitor.actor.name,
            to_email=email,
            to_name=name,
            url=self._public_link(made.token),
            expires_at=made.expires_at,
        )
        try:
            await self._send(mail)
        except Refusal as refusal:
            log.warning("gateway.invitation_not_mailed", code=refusal.code, invitation=str(made.id))

    async def open(self, visitor: Visitor, cursor: str | None, limit: int) -> answers.InvitationPage:
        """Return one page of the invitations that nobody has followed yet, newest first."""
        workspace, role = visitor.here
        domain.check_may_invite(role)
        scope = f"{workspace.id} invitations"
        before = place(scope, cursor)
        async with self._database.transaction(workspace.id) as tx:
            rows = await store.invitations(tx, workspace.id, before, limit + 1, self._clock())
        page = rows[:limit]
        return answers.InvitationPage(
            items=tuple(answers.Invitation.of(each) for each in page),
            next_cursor=cursors.encode(scope, [str(page[-1].id)]) if len(rows) > limit else None,
        )

    async def revoke(self, visitor: Visitor, id: UUID, key: IdempotencyKey | None) -> answers.Invitation:
        """Take an open invitation back; returns what it was."""
        workspace, role = visitor.here
        domain.check_may_invite(role)

        async def act() -> answers.Invitation:
            by = await acting(tx, visitor)
            held = await store.invitation_by_id(tx, workspace.id, id)
            if held is None:
                raise NotFound
            told = domain.revoke_invitation(held, by=by, cause=self._cause(visitor.via))
            await store.remove_invitation(tx, held)
            tx.announce(told)
            return answers.Invitation.of(held)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, answers.Invitation, act)

    async def look(self, token: str) -> answers.Welcome:
        """Tell whoever holds the link what it is; raises NotFound where it opens nothing."""
        async with self._database.every_workspace(ANSWER_INVITATION) as tx:
            known = domain.looks_like_a_token(token)
            invitation = await store.invitation(tx, domain.token_hash(token)) if known else None
            workspace = await store.workspace(tx, invitation.workspace_id) if invitation else None
        if invitation is None or workspace is None:
            raise domain.no_such_invitation()
        invitation.check_open(self._clock())
        return answers.Welcome.of(invitation, workspace)

    async def accept(
        self, token: str, password: str, key: IdempotencyKey | None, came: Came, *, name: str | None = None
    ) -> answers.SignedIn:
        """Make whoever holds the link a member; an address that is known already must prove it with its password.

        Who is new is called `name`, else as the invitation says.
        """
        if not domain.looks_like_a_token(token):
            raise domain.no_such_invitation()
        token_hash, cause = domain.token_hash(token), self._cause(came.via)
        async with self._database.every_workspace(ANSWER_INVITATION) as tx:
            invitation = await store.invitation(tx, token_hash)
            known = await store.credentials(tx, invitation.email) if invitation else None
        if invitation is None:
            raise domain.no_such_invitation()
        if key is None or invitation.used_at is None:
            invitation.check_open(cause.at)
        user, password_hash = await self._who(invitation, known, password, came, name)

        async def act() -> answers.SignedIn:
            held = await store.invitation(tx, token_hash, lock=True)
            if held is None:
                raise domain.no_such_invitation()
            held.check_open(cause.at)
            if known is None and not await store.add_user(tx, user, password_hash, cause.at):
                raise Conflict("Somebody signed up with this address at this moment; try again.")
            if await store.password_hash(tx, user.id) != password_hash:
                raise wrong_password()
            told = await store.member_version(tx, held.workspace_id, user.id)
            member, joined = domain.join(held.workspace_id, user, held.role, cause, version=told + 1)
            if await store.add_member(tx, held.workspace_id, member):
                tx.announce(joined)
            await store.use_invitation(tx, held, cause.at)
            return await begin(tx, user, came, cause.at, told=False)

        async with self._database.transaction(invitation.workspace_id) as tx:
            signed_in = await once(
                tx,
                f"invitation {invitation.id}",
                key,
                answers.SignedIn,
                act,
                secret_id=lambda begun: str(begun.user.id),
            )
        # The transaction saw one workspace only.
        async with self._database.every_workspace(ANSWER_INVITATION) as tx:
            return signed_in.model_copy(update={"workspaces": await workspaces_of(tx, user)})

    async def _who(
        self, invitation: Invitation, known: store.Credentials | None, password: str, came: Came, name: str | None
    ) -> tuple[User, str]:
        """Return who follows the link, and the hash of their password."""
        if known is None:
            domain.check_new_password(password, invitation.email)
            fresh = await self._passwords.hash(password)
            return User(id=uuid7(), email=invitation.email, name=name or invitation.name), fresh
        if not await self._guard.knows(invitation.email, password, known.password_hash, came.address):
            raise wrong_password()
        return known.user, known.password_hash

    def _cause(self, via: Via) -> Cause:
        return Cause(command_id=uuid7(), via=via, at=self._clock())
