"""Gateway: the only door for HTTP, and the owner of people.

It owns workspaces, users, memberships, invitations and sessions. It hears nothing and answers nothing on NATS but for
its own log; over HTTP it authenticates, shapes and asks the service that owns the thing, and holds no ticket itself. It
announces `gateway.events.*`: a workspace came to be, somebody was invited, joined, got another role, was removed. Every
replica follows, as hints, what the ledger recorded and who may no longer read, for the pages that are open through it.
"""
