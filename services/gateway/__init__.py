"""Gateway: the only door for HTTP, and the owner of people.

It owns workspaces, users, memberships, invitations, sessions and API tokens. It hears nothing and answers nothing on
NATS but for its own log; over HTTP it authenticates, shapes and asks the service that owns the thing, and holds no
ticket itself. It announces `gateway.events.*`: a workspace came to be, has other names or ended; somebody was invited
or not after all, joined, got another role, was removed, signed in, has another password; an API token was made or
revoked. Every replica follows, as hints, what the ledger recorded and who may no longer read, for the pages that are
open through it.
"""
