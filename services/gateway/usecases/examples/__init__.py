"""What a first workspace has to look at: its people, those who ask, and what they say to each other."""

from services.gateway.usecases.examples.current import CURRENT
from services.gateway.usecases.examples.people import COLLEAGUES
from services.gateway.usecases.examples.settled import SETTLED
from services.gateway.usecases.examples.shapes import OWNER
from services.gateway.usecases.examples.telling import Telling, demo_assistant

TICKETS = SETTLED + CURRENT
"""In the order of their numbers."""

__all__ = ["COLLEAGUES", "OWNER", "TICKETS", "Telling", "demo_assistant"]
