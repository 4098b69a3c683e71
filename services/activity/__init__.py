"""Owns the ledger: per workspace two books, one of tickets and one of people, each dense and hash-chained.

Will hear every fact of tickets and gateway in the order of their positions and write each down once, words sealed;
answer the history of a ticket, the feed after a sequence, and whether the chain still holds; and announce each entry
it recorded as `activity.events.*`. Dropped and rebuilt from the owners' logs, a book is the same to the byte.
"""
