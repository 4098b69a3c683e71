"""The only thing that services know about each other: the messages they exchange, and nothing that moves them.

Every owner is imported here, so that the registries are whole, whoever asks them.
"""

from contracts import activity as activity
from contracts import erasing as erasing
from contracts import gateway as gateway
from contracts import mail as mail
from contracts import notifications as notifications
from contracts import preferences as preferences
from contracts import tickets as tickets
from contracts import transfer as transfer
from contracts import webhooks as webhooks
