"""Owns who hears of what: each member's inbox, who watches which ticket, and what was read.

Hears the facts of tickets, and those of gateway for its own copy of the members; answers requests on the caller's own
inbox; announces `notifications.events.*` when something came into one.

The two streams have no order between them. Whoever a ticket names was a member when the gateway asked for it, so a
name that is not known here is known soon: what they are to be told waits beside the inbox and enters it, or is
dropped, as their role says once `member_joined` has come. Nothing else waits for it, and nothing is a dead letter
because of it.
"""
