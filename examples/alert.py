"""Opens a ticket when an alert fires, and resolves it when the alert ends: alert.py fires|ends NAME [WORDS]"""

import asyncio, json, sys, nats

env = dict(line.strip().split("=", 1) for line in open("var/integration.env"))
what, name, words = (sys.argv[1:] + [""])[:3]
kind, message = {
    "fires": ("ticket_requested", {"subject": words or name, "priority": "critical", "tags": ["alert"]}),
    "ends": ("ticket_updated", {"status": "resolved", "note": words or "The alert has ended."}),
}[what]

async def main():
    async with await nats.connect(env["NATS_URL"], inbox_prefix=env["NATS_INBOX_PREFIX"], connect_timeout=10) as nc:
        subject = "tickets.intake.v1.{}.{WORKSPACE_ID}.{INTEGRATION}".format(kind, **env)
        body = json.dumps(message | {"external_id": name}).encode()
        print(await nc.jetstream().publish(subject, body, headers={"ce-id": f"{name}-{what}"}))

asyncio.run(main())
