"""Owns tickets: their life, who works on them, the people who asked, and the conversations they came from.

Hears what other systems ask through intake (`tickets.intake.*`) and which workspaces exist (`gateway.events.*`);
answers requests to open, read, list, change and annotate tickets, and to read what could not be applied;
announces every change of a ticket, once and in order, as `tickets.events.*`. The rule who may do what with a ticket
lives in `domain.policy` and nowhere else.
"""
