"""What tickets says of its contacts, for stories about mail."""

from typing import Any

from chassis.database import Database
from contracts.refusals import Unavailable
from contracts.tickets import Correspondence, GetCorrespondence
from services.notifications.usecases.contacts import Scribe
from tests.notifications.builders import id_of


def a_correspondence(**fields: Any) -> Correspondence:
    """A ticket whose contact is vouched for."""
    given: dict[str, Any] = {
        "ticket_id": id_of("ticket"),
        "number": 42,
        "subject": "The printer is on fire",
        "resolved": False,
        "contact_id": id_of("Maria"),
        "name": "Maria Sol",
        "email": "maria@example.org",
        "verified": True,
        "conversation_id": id_of("conversation"),
    }
    return Correspondence.model_validate(given | fields)


def nobody_to_ask(database: Database) -> Scribe:
    """A scribe who knows of no contact, as tickets is away."""

    async def ask(_: GetCorrespondence) -> Correspondence:
        raise Unavailable

    return Scribe(database, ask)
