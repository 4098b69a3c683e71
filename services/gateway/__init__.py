"""Gateway: the only door for HTTP, and the owner of people.

It owns workspaces, users, memberships, invitations and sessions. It hears nothing and answers nothing on NATS; over
HTTP it authenticates, shapes and asks the service that owns the thing, and holds no ticket itself. It announces
`gateway.events.*`: a workspace came to be, somebody was invited, somebody joined.
"""
