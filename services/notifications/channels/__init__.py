"""Ways out of the desk: mail by SMTP, and webhooks by HTTPS."""

from services.notifications.channels.mail import Outlet, Refused, Smtp, Unanswered
from services.notifications.channels.web import Answer, Egress, Forbidden, NotAnswered, Way

__all__ = ["Answer", "Egress", "Forbidden", "NotAnswered", "Outlet", "Refused", "Smtp", "Unanswered", "Way"]
