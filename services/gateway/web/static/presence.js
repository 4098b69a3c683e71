// Who else is at this ticket. A page that is looked at says so again and again, and is forgotten when it falls silent.
import { body, element } from "./page.js";

const EVERY = 10_000;
const PAUSE = 4_000;
let typed = 0;
let told = 0;

const box = () => document.getElementById("present");

function say(state) {
  const here = box();
  if (!here) return;
  told = Date.now();
  const said = new URLSearchParams({ csrf: document.querySelector("[name=csrf]").value, state });
  fetch(here.dataset.say, { method: "POST", body: said, keepalive: true }).catch(() => {});
}

const beat = () => { if (!document.hidden) say(Date.now() - typed < PAUSE ? "writing" : "here"); };

function initials(name) {
  const parts = name.split(/\s+/).filter((part) => /^[\p{L}\p{N}]/u.test(part));
  const [first = name, ...more] = parts;
  return (first.slice(0, 1) + (more.length ? more.at(-1).slice(0, 1) : "")).toUpperCase();
}

function draw(people) {
  const others = people.filter((each) => each.id !== body.me);
  box().replaceChildren(...others.map((each) => element("span", { class: "someone" },
    element("span", { class: "avatar", "aria-hidden": "true" }, initials(each.name)),
    element("span", { class: "someone-words" }, `${each.name} is ${each.writing ? "writing…" : "here"}`))));
}

document.addEventListener("counterfoil:presence", ({ detail }) => {
  if (box()?.dataset.ticketId === detail.ticket_id) draw(detail.people);
});
document.addEventListener("counterfoil:connected", ({ detail }) => {
  // Without the stream nobody would be seen to leave.
  if (!detail && box()) draw([]);
  else beat();
});
document.addEventListener("input", (event) => {
  if (!event.target.closest?.(".composer") || !box()) return;
  const first = Date.now() - typed > PAUSE;
  typed = Date.now();
  if (first) say("writing");
});
document.addEventListener("visibilitychange", () => (document.hidden ? say("gone") : beat()));
window.addEventListener("pagehide", () => say("gone"));
window.addEventListener("pageshow", beat);
document.addEventListener("htmx:afterSettle", () => { if (box() && Date.now() - told > PAUSE) beat(); });
setInterval(() => { if (Date.now() - told > EVERY - 500) beat(); }, EVERY / 2);
