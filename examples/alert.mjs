// Opens a ticket when an alert fires, and resolves it when the alert ends: alert.mjs fires|ends NAME [WORDS]
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";

const [what, name, words] = process.argv.slice(2);
if (!["fires", "ends"].includes(what) || !name) {
  console.error("usage: alert.mjs fires|ends NAME [WORDS]");
  process.exit(1);
}
const env = Object.fromEntries(readFileSync("var/integration.env", "utf8").trim().split("\n").map((line) => line.split(/=(.*)/s)));
const server = new URL(env.NATS_URL);
const kept = `var/firing-${encodeURIComponent(name)}`; // what this firing is called: the next is another
if (what === "fires" && !existsSync(kept)) writeFileSync(kept, `firing-${encodeURIComponent(name)}-${Date.now()}`);
if (!existsSync(kept)) {
  console.error(`${name} does not fire.`);
  process.exit(1);
}
const firing = readFileSync(kept, "utf8");
const [kind, message] = {
  fires: ["ticket_requested", { subject: words || name, priority: "critical", tags: ["alert"] }],
  ends: ["ticket_updated", { status: "resolved", note: words || "The alert has ended." }],
}[what];

const nc = await connect({
  servers: server.host, user: server.username, pass: server.password, inboxPrefix: env.NATS_INBOX_PREFIX,
  timeout: 10_000,
});
const id = headers();
id.set("ce-id", `${firing}-${what}`);
const subject = `tickets.intake.v1.${kind}.${env.WORKSPACE_ID}.${env.INTEGRATION}`;
console.log(await jetstream(nc).publish(subject, JSON.stringify({ ...message, external_id: firing }), { headers: id }));
await nc.close();
if (what === "ends") rmSync(kept);
