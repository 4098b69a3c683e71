"""Owns who hears of what and by which channel: inboxes, preferences, watchers, mail, webhooks, and proof of delivery.

Will hear the facts of tickets and gateway and keep its own copy of the members; answer requests on a member's inbox,
their preferences and the workspace's webhooks; and announce `notifications.events.*` when an inbox changed. An effect
that left the house is in a send ledger and is never repeated.
"""
