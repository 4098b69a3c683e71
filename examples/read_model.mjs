// Keeps a copy of every ticket in tickets.db. End it, or kill it, and start it again: it goes on where it was.
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const env = Object.fromEntries(readFileSync("var/integration.env", "utf8").trim().split("\n").map((line) => line.split(/=(.*)/s)));
const server = new URL(env.NATS_URL);
const db = new DatabaseSync("tickets.db", { timeout: 5_000 });
db.exec("create table if not exists fields (ticket, name, value, version, primary key (ticket, name))");
// Each field keeps its newest version, in whatever order facts come, and however often.
const keep = db.prepare(`insert into fields values (?, ?, ?, ?) on conflict do update set value = excluded.value,
  version = excluded.version where excluded.version > version`);

function apply(kind, fact) {
  const fields = {
    ticket_created: { number: fact.number, subject: fact.subject, status: fact.status, assignee: fact.assignee?.name, deleted: 0 },
    subject_changed: { subject: fact.new },
    status_changed: { status: fact.new },
    assigned: { assignee: fact.new?.name },
    unassigned: { assignee: null },
    ticket_deleted: { deleted: 1 },
    ticket_restored: { deleted: 0 },
  }[kind] ?? {};
  for (const [name, value] of Object.entries(fields)) keep.run(fact.ticket_id, name, value ?? null, fact.version);
}

const nc = await connect({
  servers: server.host, user: server.username, pass: server.password, inboxPrefix: env.NATS_INBOX_PREFIX,
  timeout: 10_000, maxReconnectAttempts: -1,
});
// JetStream answers from another account: by its domain's name clients find it.
const consumer = await jetstream(nc, { domain: "APP" }).consumers.get("TICKETS", `int_${env.INTEGRATION}_${env.WORKSPACE_ID}`);
for await (const fact of await consumer.consume({ max_messages: 100 })) {
  apply(fact.headers.get("ce-type").split(".").at(-1), fact.json());
  fact.ack(); // after the row is written: what is cut off between the two comes again
}
