"""What visitors may do: talk in their own conversation, and make a ticket of it as far as the widget allows."""

import asyncio
import datetime as dt
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from contracts.base import ActorKind, Caller, Request, Role, Via, uuid7
from contracts.refusals import (
    AssistantNotFound,
    Conflict,
    ContactInfoRequired,
    Invalid,
    NotAllowed,
    NotFound,
    RateLimited,
    Refusal,
    TicketCreationDisabled,
)
from contracts.tickets import (
    AssistantSnapshot,
    AuthorKind,
    CreateAssistant,
    DeleteAssistant,
    GetContact,
    GetIdentitySecret,
    Identity,
    ListContacts,
    MessageSnapshot,
    OpenVisitorTicket,
    PostVisitorMessage,
    ReadVisitorConversation,
    StartConversation,
    Status,
    VisitorContact,
    VisitorConversation,
    VisitorTicket,
    VisitorTranscript,
    WidgetSettings,
)
from services.tickets import store
from services.tickets.domain import visiting
from services.tickets.domain.identity import signature
from tests.tickets.desk import Desk, types_of

OPEN = {"allow_ticket_creation": True}


def as_visitor(desk: Desk, id: UUID) -> Caller:
    return Caller(workspace_id=desk.workspace, kind=ActorKind.CONTACT, id=str(id), name="Visitor", role=Role.GUEST)


@dataclass
class Site:
    """A site with an assistant, and what its visitors do."""

    desk: Desk
    assistant: AssistantSnapshot
    secret: str
    started: list[VisitorConversation] = field(default_factory=list)

    @classmethod
    async def opens(cls, desk: Desk, **widget: Any) -> "Site":
        made = await desk.ask(
            CreateAssistant(caller=desk.who(), assistant_id=uuid7(), name="Shop", widget=WidgetSettings(**widget))
        )
        secret = (await desk.ask(GetIdentitySecret(caller=desk.who(), assistant_id=made.id))).secret
        return cls(desk, made, secret)

    def signed(self, **fields: Any) -> Identity:
        given: dict[str, Any] = {"user_id": "u-1", "exp": int(time.time()) + 600, "nonce": uuid7().hex, "name": "Kim"}
        identity = Identity(**given | fields, hmac="0" * 64)
        return identity.model_copy(update={"hmac": signature(self.secret, self.assistant.id, identity)})

    async def start(self, body: str | None = "Hello", **fields: Any) -> VisitorConversation:
        given: dict[str, Any] = {"conversation_id": uuid7(), "message_id": uuid7(), "body": body, "via": Via.WIDGET}
        caller = as_visitor(self.desk, self.assistant.id)
        return await self.desk.ask(StartConversation(caller=caller, assistant_id=self.assistant.id, **given | fields))

    async def post(self, conversation: VisitorConversation, body: str = "And another thing") -> MessageSnapshot:
        id = conversation.conversation_id
        caller = as_visitor(self.desk, id)
        return await self.desk.ask(
            PostVisitorMessage(caller=caller, conversation_id=id, message_id=uuid7(), body=body, via=Via.WIDGET)
        )

    async def ticket(self, conversation: VisitorConversation, **fields: Any) -> VisitorTicket:
        id = conversation.conversation_id
        caller = as_visitor(self.desk, id)
        return await self.desk.ask(
            OpenVisitorTicket(caller=caller, conversation_id=id, ticket_id=uuid7(), via=Via.WIDGET, **fields)
        )

    async def read(self, conversation: VisitorConversation, **fields: Any) -> VisitorTranscript:
        id = conversation.conversation_id
        return await self.desk.ask(
            ReadVisitorConversation(caller=as_visitor(self.desk, id), conversation_id=id, **fields)
        )


# Talking


async def test_what_a_visitor_says_is_read_by_them_in_order_and_told(desk: Desk) -> None:
    site = await Site.opens(desk)
    begun = await site.start("One")
    second = await site.post(begun, "Two")

    assert (begun.identified, begun.known) == (False, False)
    assert [each.body for each in begun.messages] == ["One"]
    transcript = await site.read(begun)
    assert transcript.messages == (*begun.messages, second)
    assert [each.seq for each in transcript.messages] == [1, 2]
    assert {(each.author.kind, each.author.id, each.author.name) for each in transcript.messages} == {
        (AuthorKind.VISITOR, None, "Visitor")
    }
    assert (transcript.tickets, transcript.more) == ((), False)
    told = await desk.told_of(begun.conversation_id)
    assert types_of(told) == ["conversation_started", "message_posted", "message_posted"]
    assert {(fact["via"], fact["actor"]["kind"], fact["actor"]["id"], fact["audience"]) for fact in told} == {
        ("widget", "contact", str(begun.conversation_id), "team")
    }


async def test_a_conversation_may_begin_without_a_word(desk: Desk) -> None:
    site = await Site.opens(desk)
    begun = await site.start(None)

    assert begun.messages == (await site.read(begun)).messages == ()
    assert types_of(await desk.told_of(begun.conversation_id)) == ["conversation_started"]


async def test_whom_the_team_takes_for_a_spammer_is_not_told_so(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start("Buy now")
    ticket = await site.ticket(begun)
    await desk.change(str(ticket.id), status="spam")

    assert [each.status for each in (await site.read(begun)).tickets] == [Status.CLOSED]


async def test_a_transcript_is_read_on_after_a_seq(desk: Desk) -> None:
    site = await Site.opens(desk)
    begun = await site.start("1")
    for n in range(2, 6):
        await site.post(begun, str(n))

    first = await site.read(begun, limit=2)
    rest = await site.read(begun, after=first.messages[-1].seq)

    assert ([each.body for each in first.messages], first.more) == (["1", "2"], True)
    assert ([each.body for each in rest.messages], rest.more) == (["3", "4", "5"], False)


async def test_nobody_but_its_visitor_reads_or_writes_in_a_conversation_this_way(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun, other = await site.start(), await site.start()
    id = begun.conversation_id
    strangers = [
        as_visitor(desk, other.conversation_id),
        as_visitor(desk, site.assistant.id),
        as_visitor(Desk(desk.database), id),
        as_visitor(desk, id).model_copy(update={"kind": ActorKind.USER}),
        desk.who(),
    ]

    for who in strangers:
        asked: list[Request[Any]] = [
            PostVisitorMessage(caller=who, conversation_id=id, message_id=uuid7(), body="Mine"),
            OpenVisitorTicket(caller=who, conversation_id=id, ticket_id=uuid7()),
            ReadVisitorConversation(caller=who, conversation_id=id),
        ]
        for request in asked:
            with pytest.raises(NotFound):
                await desk.ask(request)
    assert len(await desk.told_of(id)) == 2


async def test_w17_a_conversation_has_an_end(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert visiting.MOST_MESSAGES == 5_000
    monkeypatch.setattr(visiting, "MOST_MESSAGES", 3)
    site = await Site.opens(desk)
    begun = await site.start()
    for _ in range(2):
        await site.post(begun)

    with pytest.raises(RateLimited):
        await site.post(begun)
    assert len((await site.read(begun)).messages) == 3


async def test_the_visitors_of_a_deleted_assistant_are_shut_out_and_their_words_stay(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start()
    await desk.ask(DeleteAssistant(caller=desk.who(), assistant_id=site.assistant.id))

    for act in (site.start(), site.post(begun), site.ticket(begun)):
        with pytest.raises(AssistantNotFound):
            await act
    with pytest.raises(NotFound):
        await site.read(begun)
    assert await desk.count("messages") == 1


# Tickets

WHO = {"name": "Kim", "email": "kim@example.com"}


@pytest.mark.parametrize(
    ("allowed", "required", "known", "outcome"),
    [
        (False, False, "nobody", TicketCreationDisabled),
        (False, False, "typed", TicketCreationDisabled),
        (False, True, "nobody", TicketCreationDisabled),
        (False, True, "typed", TicketCreationDisabled),
        (True, False, "nobody", None),
        (True, False, "typed", None),
        (True, True, "nobody", ContactInfoRequired),
        (True, True, "named", ContactInfoRequired),
        (True, True, "typed", None),
        (True, True, "typed now", None),
        (True, True, "half now", None),
        (True, True, "identified", None),
        (True, True, "identified by id", ContactInfoRequired),
    ],
)
async def test_the_two_settings_and_what_is_known_decide_about_a_ticket(
    desk: Desk, *, allowed: bool, required: bool, known: str, outcome: type[Refusal] | None
) -> None:
    site = await Site.opens(desk, allow_ticket_creation=allowed, require_contact_info=required)
    begins: dict[str, dict[str, Any]] = {
        "typed": {"contact": VisitorContact(**WHO)},
        "named": {"contact": VisitorContact(name="Kim")},
        "half now": {"contact": VisitorContact(name="Kim")},
        "identified": {"identity": site.signed(email=WHO["email"])},
        "identified by id": {"identity": site.signed(name=None)},
    }
    says: dict[str, dict[str, Any]] = {
        "typed now": {"contact": VisitorContact(**WHO)},
        "half now": {"contact": VisitorContact(email=WHO["email"])},
    }
    begun = await site.start(**begins.get(known, {}))
    now = says.get(known, {})

    if outcome is None:
        assert (await site.ticket(begun, **now)).number == 1
        return
    with pytest.raises(outcome) as refused:
        await site.ticket(begun, **now)
    if outcome is ContactInfoRequired:
        missing = ["email"] if known == "named" else ["name", "email"]
        assert [each["field"] for each in refused.value.facts["errors"]] == missing
    assert await desk.count("tickets") == 0


async def test_a_visitors_ticket_is_linked_has_its_words_and_its_contact_and_is_told_as_theirs(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start("My parcel\nis **late**.", contact=VisitorContact(**WHO))
    made = await site.ticket(begun)

    assert (made.number, made.subject, made.status) == (1, "My parcel is **late**.", Status.NEW)
    ticket = await desk.get("1")
    assert ticket.description == "My parcel\nis **late**."
    assert ticket.contact is not None
    assert (ticket.contact.name, ticket.contact.email, ticket.assignee) == ("Kim", "kim@example.com", None)
    assert [each.id for each in ticket.conversations] == [begun.conversation_id]
    assert [(each.id, each.number) for each in (await site.read(begun)).tickets] == [(made.id, 1)]
    created, linked = await desk.told(ticket)
    assert (created["type"], linked["type"]) == ("ticket_created", "conversation_linked")
    assert (created["via"], created["actor"]["kind"]) == ("widget", "contact")


async def test_a_subject_may_be_given(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)

    assert (await site.ticket(await site.start(), subject="  Parcel  ")).subject == "Parcel"


async def test_nothing_said_is_no_ticket(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)

    with pytest.raises(Invalid):
        await site.ticket(await site.start(None), subject="Something")


async def test_one_ticket_at_a_time_is_worked_on_for_a_conversation(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start()
    made = await site.ticket(begun)

    with pytest.raises(Conflict) as refused:
        await site.ticket(begun)
    assert (refused.value.facts["number"], refused.value.facts["id"]) == (1, str(made.id))

    await desk.change("1", status="closed")
    assert (await site.ticket(begun)).number == 2


async def test_a_visitor_is_not_told_that_their_ticket_is_taken_for_spam(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start()
    await site.ticket(begun)
    await desk.change("1", status="spam")

    assert [each.status for each in (await site.read(begun)).tickets] == [Status.CLOSED]
    assert (await site.ticket(begun)).number == 2


async def test_a_visitor_sees_no_ticket_of_others_that_an_agent_tied_to_their_conversation(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start(contact=VisitorContact(**WHO))
    for subject in ("Outage of another customer", "Outage"):
        await desk.create(subject=subject)
    for ticket in ("1", "2"):
        await desk.links(ticket, begun.conversation_id)
    contact = (await desk.ask(ListContacts(caller=desk.who(), email=WHO["email"]))).items[0]
    await desk.change("2", contact_id=contact.id)

    assert [each.number for each in (await site.read(begun)).tickets] == [2]
    await desk.change("2", status="closed")
    assert (await site.ticket(begun)).number == 3
    assert [each.number for each in (await site.read(begun)).tickets] == [2, 3]


async def test_ten_tries_at_once_make_one_ticket(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start()

    outcomes = await asyncio.gather(*(site.ticket(begun) for _ in range(10)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["Conflict"] * 9 + ["VisitorTicket"]
    assert await desk.count("tickets") == 1


async def test_the_visitors_answer_opens_a_ticket_that_waited_for_it(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start()
    await site.ticket(begun)
    await desk.change("1", status="waiting_on_customer")

    await site.post(begun, "Here I am")

    ticket = await desk.get("1")
    assert ticket.status is Status.OPEN
    assert types_of(await desk.told(ticket))[-2:] == ["customer_message", "status_changed"]


# Who it is


async def test_an_unknown_address_makes_a_contact_once(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    for _ in range(2):
        await site.start(contact=VisitorContact(**WHO))

    assert await desk.count("contacts") == 1


async def test_a_name_alone_makes_nobody_until_there_is_a_ticket(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    begun = await site.start(contact=VisitorContact(name="Kim"))
    assert await desk.count("contacts") == 0

    await site.ticket(begun)
    ticket = await desk.get("1")
    assert ticket.contact is not None
    assert ticket.contact.name == "Kim"


async def test_who_types_a_known_address_learns_nothing_and_changes_nobody(desk: Desk) -> None:
    site = await Site.opens(desk, allow_ticket_creation=True, require_contact_info=True)
    known = await desk.create(contact={"name": "Kim Sørensen", "email": "kim@example.com"})

    begun = await site.start("It is me", contact=VisitorContact(email="KIM@example.com"))

    assert (begun.identified, begun.known) == (False, False)
    assert "Sørensen" not in begun.model_dump_json() + (await site.read(begun)).model_dump_json()
    with pytest.raises(ContactInfoRequired):
        await site.ticket(begun)
    made = await site.ticket(begun, contact=VisitorContact(name="Mallory"))
    ticket = await desk.get(str(made.number))
    # An agent sees whose address it is; the name beside the words is the one that was typed.
    assert known.contact is not None
    assert ticket.contact == known.contact
    assert await desk.count("contacts") == 1
    assert (await site.post(begun)).author.name == "Mallory"


async def test_whom_the_site_vouches_for_is_known_again_by_its_name_for_them(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    first = await site.start(identity=site.signed(email="kim@example.com"))
    second = await site.start(identity=site.signed(name=None))

    assert (first.identified, first.known) == (True, True)
    assert (second.identified, second.known) == (True, True)
    assert {each.messages[0].author.name for each in (first, second)} == {"Kim"}
    assert await desk.count("contacts") == 1


async def test_whom_the_site_vouches_for_by_address_is_who_has_it(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    known = await desk.create(contact={"name": "Kim Sørensen", "email": "kim@example.com"})
    begun = await site.start(identity=site.signed(email="kim@example.com"))
    made = await site.ticket(begun)

    assert (await desk.get(str(made.number))).contact == known.contact
    assert await desk.count("contact_sources") == 1


async def test_whoever_comes_in_by_ten_doors_at_once_is_one_contact_and_vouched_for(desk: Desk) -> None:
    site = await Site.opens(desk)
    known = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    begun = await asyncio.gather(*(site.start(identity=site.signed(email="kim@example.com")) for _ in range(10)))

    assert len({each.conversation_id for each in begun}) == 10
    assert known.contact is not None
    contact = await desk.ask(GetContact(caller=desk.who(), contact_id=known.contact.id))
    assert (contact.verified, [(each.source, each.id) for each in contact.external_ids]) == (True, [("widget", "u-1")])
    assert await desk.count("contacts") == 1


async def test_an_agent_sees_whether_the_site_vouched_for_the_visitor(desk: Desk) -> None:
    site = await Site.opens(desk)
    typed, signed = await site.start(contact=VisitorContact(**WHO)), await site.start(identity=site.signed(**WHO))

    for begun, vouched in ((typed, False), (signed, True)):
        seen = await desk.reads(begun.conversation_id)
        assert (seen.identified, seen.assistant and seen.assistant.name) == (vouched, "Shop")
        assert seen.contact is not None
        assert seen.contact.email == "kim@example.com"


async def test_an_address_that_is_typed_beside_a_signature_leads_to_nobody_else(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    victim = await desk.create(contact={"name": "Victim", "email": "victim@example.com"})
    begun = await site.start(
        identity=site.signed(user_id="mallory", name="Mallory"), contact=VisitorContact(email="victim@example.com")
    )
    made = await site.ticket(begun, contact=VisitorContact(name="Victim", email="victim@example.com"))

    ticket = await desk.get(str(made.number))
    assert ticket.contact is not None
    assert ticket.contact != victim.contact
    assert ticket.contact.name == "Mallory"


async def test_w4_where_the_site_must_vouch_nobody_else_is_let_in(desk: Desk) -> None:
    site = await Site.opens(desk, require_identity=True)

    with pytest.raises(NotAllowed):
        await site.start(contact=VisitorContact(**WHO))
    assert await desk.count("conversations") == 0
    assert (await site.start(identity=site.signed())).identified


@pytest.mark.parametrize("required", [True, False])
async def test_w5_w6_w7_a_wrong_signature_is_refused_even_where_none_is_needed(desk: Desk, *, required: bool) -> None:
    site, other = await Site.opens(desk, require_identity=required), await Site.opens(Desk(desk.database))
    wrong = [
        site.signed().model_copy(update={"user_id": "u-2"}),
        other.signed(),
        other.signed().model_copy(update={"hmac": signature(other.secret, site.assistant.id, site.signed())}),
        site.signed(exp=int(time.time()) - 1),
        site.signed(exp=int(time.time()) + 25 * 3600),
    ]

    for identity in wrong:
        with pytest.raises(NotAllowed):
            await site.start(identity=identity)
    assert await desk.count("conversations") == await desk.count("identity_nonces") == 0


async def test_w8_a_signature_counts_once(desk: Desk) -> None:
    site = await Site.opens(desk)
    identity = site.signed()

    outcomes = await asyncio.gather(*(site.start(identity=identity) for _ in range(5)), return_exceptions=True)

    assert sorted(type(each).__name__ for each in outcomes) == ["NotAllowed"] * 4 + ["VisitorConversation"]
    assert await desk.count("contacts") == await desk.count("conversations") == 1


async def test_what_is_void_is_forgotten_and_what_still_counts_is_not(desk: Desk) -> None:
    site = await Site.opens(desk)
    identity = site.signed()
    await site.start(identity=identity)
    ends = dt.datetime.fromtimestamp(identity.exp, dt.UTC)

    async with desk.database.transaction(desk.workspace) as tx:
        kept = await store.forget_nonces(tx, ends - dt.timedelta(seconds=1))
        gone = await store.forget_nonces(tx, ends)
    assert (kept, gone) == (0, 1)
