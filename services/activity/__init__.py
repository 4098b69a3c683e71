"""Owns the ledger: per workspace two books, one of tickets and one of people, each dense and hash-chained.

Hears every fact of tickets and gateway (`tickets.events.*`, `gateway.events.*`), of types unknown here too, in the
order of their positions, and writes each down once, words sealed; answers the history of a ticket, the feed after a
sequence, where each book ends, and whether the chain holds; and announces each entry it recorded as
`activity.events.*`. Nothing of its own enters a hash: dropped and rebuilt from the owners' logs, a book is the same to
the byte.
"""
