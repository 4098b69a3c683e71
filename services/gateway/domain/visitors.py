"""Whoever a request comes from."""

from dataclasses import dataclass
from uuid import UUID

from contracts.base import Actor, Caller, Role, Via
from contracts.refusals import NotAllowed, NotFound
from services.gateway.domain.people import User
from services.gateway.domain.sessions import Session
from services.gateway.domain.tokens import ApiToken
from services.gateway.domain.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever a request comes from: a person or a program, and a member here where a workspace is named."""

    credential: Session | ApiToken
    """What they came with."""
    person: User | None
    """Who signed in; None for a program."""
    via: Via
    workspace: Workspace | None = None
    role: Role | None = None

    @property
    def here(self) -> tuple[Workspace, Role]:
        """The workspace and the role in it; a stranger learns no more than that there is nothing."""
        if self.workspace is None or self.role is None:
            raise NotFound
        return self.workspace, self.role

    @property
    def user(self) -> User:
        """The person; a program is refused."""
        if self.person is None:
            raise _takes_a_person()
        return self.person

    @property
    def member_id(self) -> UUID:
        """The member who came, or who stands behind the program: a ticket that is theirs is the visitor's own."""
        return self.token.maker_id if self.token else self.user.id

    @property
    def session(self) -> Session:
        """The person's session; a program is refused."""
        if not isinstance(self.credential, Session):
            raise _takes_a_person()
        return self.credential

    @property
    def token(self) -> ApiToken | None:
        """The program's token; None for a person."""
        return self.credential if isinstance(self.credential, ApiToken) else None

    @property
    def id(self) -> str:
        """What names the visitor among all who come."""
        return self.credential.actor.id if isinstance(self.credential, ApiToken) else str(self.user.id)

    @property
    def actor(self) -> Actor:
        """The visitor as the actor of a fact."""
        if self.token is None:
            return self.user.actor
        return self.token.assistant if self.via is Via.MCP else self.token.actor

    @property
    def caller(self) -> Caller:
        """The visitor as other services are told of them."""
        workspace, role = self.here
        actor = self.actor
        return Caller(
            workspace_id=workspace.id,
            kind=actor.kind,
            id=actor.id,
            name=actor.name,
            role=role,
            scopes=self.token.scopes if self.token else (),
            behind=self.token.maker_id if self.token else None,
        )

    def check_scope(self, scope: str | None) -> None:
        """Refuse a program that was not allowed this; None is what no program may do."""
        if self.token is None:
            return
        if scope is None:
            raise _takes_a_person()
        if scope not in self.token.scopes:
            raise NotAllowed(f"This token lacks the scope {scope}.")


def _takes_a_person() -> NotAllowed:
    return NotAllowed("This takes a person who signed in; an API token can't do it.")
