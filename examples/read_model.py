"""Keeps a copy of every ticket in tickets.db. End it, or kill it, and start it again: it goes on where it was."""

import asyncio, json, sqlite3, nats

env = dict(line.strip().split("=", 1) for line in open("var/integration.env"))
db = sqlite3.connect("tickets.db")
db.execute("create table if not exists fields (ticket, name, value, version, primary key (ticket, name))")

def apply(kind, fact):
    who = lambda person: person["name"] if person else None
    fields = {
        "ticket_created": lambda: {"number": fact["number"], "subject": fact["subject"], "status": fact["status"],
                                   "assignee": who(fact["assignee"]), "deleted": False},
        "subject_changed": lambda: {"subject": fact["new"]},
        "status_changed": lambda: {"status": fact["new"]},
        "assigned": lambda: {"assignee": who(fact["new"])},
        "unassigned": lambda: {"assignee": None},
        "ticket_deleted": lambda: {"deleted": True},
        "ticket_restored": lambda: {"deleted": False},
    }.get(kind, dict)()
    for name, value in fields.items():  # each field keeps its newest version, in whatever order facts come, and however often
        db.execute("insert into fields values (?, ?, ?, ?) on conflict do update set value = excluded.value,"
                   " version = excluded.version where excluded.version > version",
                   (fact["ticket_id"], name, value, fact["version"]))

async def main():
    nc = await nats.connect(env["NATS_URL"], inbox_prefix=env["NATS_INBOX_PREFIX"], connect_timeout=10, max_reconnect_attempts=-1)
    facts = await nc.jetstream().pull_subscribe_bind("int_{INTEGRATION}_{WORKSPACE_ID}".format(**env), stream="TICKETS")
    while True:
        try:
            batch = await facts.fetch(100, timeout=1)  # for longer it might hold back what comes second
        except TimeoutError:
            continue  # a second of silence
        with db:
            for fact in batch:
                apply(fact.headers["ce-type"].rpartition(".")[2], json.loads(fact.data))
        for fact in batch:
            await fact.ack()  # after the commit: what is cut off between the two comes again

asyncio.run(main())
