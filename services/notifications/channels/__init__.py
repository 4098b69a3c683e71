"""Ways out of the desk, mail by SMTP and webhooks by HTTPS, and the way in for answers by mail."""

from services.notifications.channels.inbound import Full, Listener
from services.notifications.channels.mail import Outlet, Refused, Smtp, Unanswered
from services.notifications.channels.web import Answer, Egress, Forbidden, NotAnswered, Way

__all__ = [
    "Answer",
    "Egress",
    "Forbidden",
    "Full",
    "Listener",
    "NotAnswered",
    "Outlet",
    "Refused",
    "Smtp",
    "Unanswered",
    "Way",
]
