"""Opens a ticket when an alert fires, and resolves it when the alert ends: alert.py fires|ends NAME [WORDS]"""

import asyncio, json, pathlib, sys, time, urllib.parse, nats

what, name, words = (sys.argv[1:] + [""] * 3)[:3]
if what not in ("fires", "ends") or not name:
    sys.exit(__doc__)
env = dict(line.strip().split("=", 1) for line in open("var/integration.env"))
kept = pathlib.Path("var", "firing-" + urllib.parse.quote(name, safe=""))  # what this firing is called: the next is another
if what == "fires" and not kept.exists():
    kept.write_text(f"{kept.name}-{time.time_ns()}")
elif what == "ends" and not kept.exists():
    sys.exit(f"{name} does not fire.")
firing = kept.read_text()
kind, message = {
    "fires": ("ticket_requested", {"subject": words or name, "priority": "critical", "tags": ["alert"]}),
    "ends": ("ticket_updated", {"status": "resolved", "note": words or "The alert has ended."}),
}[what]

async def main():
    async with await nats.connect(env["NATS_URL"], inbox_prefix=env["NATS_INBOX_PREFIX"], connect_timeout=10) as nc:
        subject = "tickets.intake.v1.{}.{WORKSPACE_ID}.{INTEGRATION}".format(kind, **env)
        body = json.dumps(message | {"external_id": firing}).encode()
        print(await nc.jetstream().publish(subject, body, headers={"ce-id": f"{firing}-{what}"}))

asyncio.run(main())
if what == "ends":
    kept.unlink()
