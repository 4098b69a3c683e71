"""Tells the examples to the services that keep them, each by the commands that a person's hand would give."""

from collections.abc import Mapping, Sequence
from uuid import UUID, uuid5

from chassis.bus import Bus
from chassis.logs import get_logger
from contracts.base import ActorKind, Caller, Person, Via
from contracts.refusals import InProgress, Refusal, Unavailable
from contracts.tickets import (
    AddNote,
    ChangeTicket,
    CreateAssistant,
    CreateTicket,
    NewContact,
    NoteKind,
    OpenVisitorTicket,
    PostMessage,
    PostVisitorMessage,
    StartConversation,
    TicketChange,
    VisitorContact,
    WidgetSettings,
)
from services.gateway import domain
from services.gateway.usecases.examples.people import CHATS, CUSTOMERS
from services.gateway.usecases.examples.shapes import (
    OWNER,
    Answer,
    Assign,
    Comment,
    Example,
    Move,
    Note,
    Reply,
    Step,
)

_FIRST_TO_SEE = "ada"
"""Who looks at what comes in."""

log = get_logger()


def demo_assistant(workspace_id: str) -> UUID:
    """Return the id of the assistant that the examples of a workspace begin with."""
    return _named(workspace_id, "assistant")


def _named(workspace_id: str, what: str) -> UUID:
    return uuid5(UUID(workspace_id), f"example {what}")


class Telling:
    """The examples of one workspace. Every id is the same each time, so whoever tells again tells nothing twice."""

    def __init__(self, bus: Bus, workspace_id: str, people: Mapping[str, Person]) -> None:
        """Speak for `people`, by their keys; the owner stands in for whoever is not there."""
        self._bus = bus
        self._workspace_id = workspace_id
        self._people = people

    async def tell(self, tickets: Sequence[Example]) -> None:
        """Open all the tickets, then take turns with them. Raises the refusal of what can't be begun now."""
        await self._bus.ask(
            CreateAssistant(
                caller=self._caller(OWNER),
                command_id=self._named("assistant made"),
                assistant_id=demo_assistant(self._workspace_id),
                name="Web site",
                widget=WidgetSettings(
                    allow_ticket_creation=True, greeting="Hello! Ask us anything, we answer within the hour."
                ),
            )
        )
        for number, example in enumerate(tickets):
            await (self._chatted(number, example) if example.chat else self._written_down(number, example))
        for number, chat in enumerate(CHATS):
            conversation = self._named(f"chat {number}")
            first, *rest = chat.story
            await self._begin(conversation, chat.customer, first.words)
            for count, said in enumerate(rest):
                await self._take(said, conversation, conversation, f"{conversation} step {count}")
        for turn in range(max(len(example.story) for example in tickets)):
            for number, example in enumerate(tickets):
                for step in example.story[turn : turn + 1]:
                    await self._take(
                        step, self._ticket(number), self._named(f"conversation {number}"), f"{number} step {turn}"
                    )

    async def _written_down(self, number: int, example: Example) -> None:
        customer = CUSTOMERS[example.customer]
        await self._bus.ask(
            CreateTicket(
                caller=self._caller(example.assignee or _FIRST_TO_SEE),
                command_id=self._named(f"create {number}"),
                ticket_id=self._ticket(number),
                subject=example.subject,
                description=example.words,
                priority=example.priority,
                assignee=self._person(example.assignee) if example.assignee else None,
                contact=NewContact(name=customer.name, email=customer.email),
                tags=tuple(example.tags),
            )
        )

    async def _chatted(self, number: int, example: Example) -> None:
        conversation = self._named(f"conversation {number}")
        await self._begin(conversation, example.customer, example.words)
        await self._bus.ask(
            OpenVisitorTicket(
                caller=domain.visitor(self._workspace_id, conversation),
                command_id=self._named(f"create {number}"),
                via=Via.WIDGET,
                conversation_id=conversation,
                ticket_id=self._ticket(number),
                subject=example.subject,
            )
        )
        seen = TicketChange(priority=example.priority, tags=tuple(example.tags))
        if example.assignee:
            seen = seen.model_copy(update={"assignee": self._person(example.assignee)})
        await self._change(self._ticket(number), _FIRST_TO_SEE, seen, f"{number} seen")

    async def _begin(self, conversation: UUID, who: str, words: str) -> None:
        assistant, customer = demo_assistant(self._workspace_id), CUSTOMERS[who]
        await self._bus.ask(
            StartConversation(
                caller=domain.visitor(self._workspace_id, assistant),
                command_id=self._named(f"{conversation} begun"),
                via=Via.WIDGET,
                assistant_id=assistant,
                conversation_id=conversation,
                message_id=self._named(f"{conversation} first"),
                body=words,
                contact=VisitorContact(name=customer.name, email=customer.email),
            )
        )

    async def _take(self, step: Step | Answer, ticket: UUID, conversation: UUID, name: str) -> None:
        try:
            await self._act(step, ticket, conversation, name)
        except (Unavailable, InProgress):
            raise
        except Refusal as refusal:
            # Somebody was quicker: what people do with a ticket goes before what was thought up for it.
            log.info("gateway.example_left", step=name, code=refusal.code)

    async def _act(self, step: Step | Answer, ticket: UUID, conversation: UUID, name: str) -> None:
        match step:
            case Assign():
                await self._change(ticket, step.who, TicketChange(assignee=self._person(step.to)), name)
            case Move():
                await self._change(ticket, step.who, TicketChange(status=step.to), name)
            case Note():
                await self._note(ticket, step.who, step.words, name, pinned=step.pinned)
            case Comment():
                await self._note(ticket, step.who, step.words, name, kind=NoteKind.COMMENT, calls=step.calls)
            case Reply():
                await self._bus.ask(
                    PostMessage(
                        caller=self._caller(step.who),
                        command_id=self._named(name),
                        via=Via.WEB,
                        conversation_id=conversation,
                        message_id=self._named(f"{name} id"),
                        body=step.words,
                        set_status=step.then,
                    )
                )
            case Answer():
                await self._bus.ask(
                    PostVisitorMessage(
                        caller=domain.visitor(self._workspace_id, conversation),
                        command_id=self._named(name),
                        via=Via.WIDGET,
                        conversation_id=conversation,
                        message_id=self._named(f"{name} id"),
                        body=step.words,
                    )
                )

    async def _change(self, ticket: UUID, who: str, change: TicketChange, name: str) -> None:
        await self._bus.ask(
            ChangeTicket(
                caller=self._caller(who),
                command_id=self._named(name),
                via=Via.WEB,
                ticket=str(ticket),
                change=change,
            )
        )

    async def _note(
        self,
        ticket: UUID,
        who: str,
        words: str,
        name: str,
        *,
        kind: NoteKind = NoteKind.NOTE,
        pinned: bool = False,
        calls: Sequence[str] = (),
    ) -> None:
        await self._bus.ask(
            AddNote(
                caller=self._caller(who),
                command_id=self._named(name),
                via=Via.WEB,
                ticket=str(ticket),
                note_id=self._named(f"{name} id"),
                body=words,
                kind=kind,
                pinned=pinned,
                mentions=tuple(self._person(key) for key in calls),
            )
        )

    def _caller(self, who: str) -> Caller:
        person = self._person(who)
        return Caller(
            workspace_id=self._workspace_id,
            kind=ActorKind.USER,
            id=str(person.id),
            name=person.name,
            role=person.role,
        )

    def _person(self, who: str) -> Person:
        return self._people.get(who, self._people[OWNER])

    def _ticket(self, number: int) -> UUID:
        return self._named(f"{number} ticket")

    def _named(self, what: str) -> UUID:
        return _named(self._workspace_id, what)
