// What the desk itself finds for a few words: tickets, contacts and conversations, as far as its reader may see them.
import { body } from "./page.js";

const MOST = 6;

const label = (status) => status.split("_").map((word) => (word === "on" ? word : word[0].toUpperCase() + word.slice(1))).join(" ");

const KINDS = [
  { group: "Tickets", place: "tickets", query: { status: "all" }, item: (each) => [`#${each.number} ${each.subject}`, label(each.status), each.number] },
  { group: "Contacts", place: "contacts", query: {}, item: (each) => [each.name, each.email ?? "", each.id] },
  { group: "Conversations", place: "conversations", query: {}, item: (each) => [`${each.contact?.name ?? "A visitor"}: ${each.last_message?.body ?? "nothing written yet"}`, each.awaits_reply ? "Waiting" : "", each.id] },
];

/** Return where the words lead to, kind by kind; whoever has no such place is not asked for it. */
export async function lookUp(q, signal) {
  const kinds = KINDS.filter(({ place }) => document.querySelector(`.side .place[href="${body.base}/${place}"]`));
  const found = await Promise.all(kinds.map(async ({ group, place, query, item }) => {
    const answer = await fetch(`${body.api}/${place}?${new URLSearchParams({ q, limit: MOST, ...query })}`, { signal });
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json()).items.map((each) => {
      const [words, end, id] = item(each);
      return { group, words, end, url: `${body.base}/${place}/${id}` };
    });
  }));
  return found.flat();
}
