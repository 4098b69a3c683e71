// The page as it is now: the workspace's record comes as a stream, and the parts that changed are put in anew.
//
// One tab of a browser holds the stream for all of them: browsers open only a few connections to one host. Nothing moves
// under the pointer, and nothing that somebody is typing in is replaced.
import { around, back } from "./forms.js";
import { all, body, element } from "./page.js";

const own = body.api ? new Map(all("[data-live][id]").map((part) => [part.id, plain(part)])) : null;
const channel = "BroadcastChannel" in window ? new BroadcastChannel(`counterfoil ${body.api}`) : null;
let waiting = 0;
let due = Infinity;
let fetched = 0;
/** The newest step of somebody else, by ticket. */
const foreign = new Map();
let newest = 0;
let asking;
let whole = false;
const AT_MOST_EVERY = 700;
const arrived = location.pathname;

/** What a part says, but for what differs each time it is written. */
function plain(part) {
  return part.outerHTML.replaceAll(/value="[0-9a-f]{32,128}"/g, "");
}

function follow() {
  const source = new EventSource(`${body.api}/events?presence=true&inbox=true`);
  let away;
  source.onopen = () => {
    clearTimeout(away);
    away = undefined;
    tell({ connected: true });
  };
  source.onerror = () => {
    // Once: each try that fails is one more error, and comes as soon.
    away ??= setTimeout(() => tell({ connected: false }), 3000);
    // A browser does not try again after an answer that is no stream.
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => { source.close(); follow(); }, 5000);
      fetchPage();
    }
  };
  source.addEventListener("notified", () => tell({ inbox: true }));
  for (const type of body.events.split(" ")) {
    source.addEventListener(type, (event) => {
      const { ticket_id, version, actor } = JSON.parse(event.data);
      tell({ ticket: ticket_id, version, actor: actor.id });
    });
  }
  source.addEventListener("presence", (event) => tell({ presence: JSON.parse(event.data) }));
}

function tell(news) {
  hear(news);
  channel?.postMessage(news);
}

function hear(news) {
  if (news.presence) {
    document.dispatchEvent(new CustomEvent("counterfoil:presence", { detail: news.presence }));
    return;
  }
  if ("connected" in news) {
    showConnection(news.connected);
    clearInterval(asking);
    if (news.connected) renew(0);
    else asking = setInterval(askVersion, 5000);
    document.dispatchEvent(new CustomEvent("counterfoil:connected", { detail: news.connected }));
    return;
  }
  if (news.inbox) {
    renew(0);
    return;
  }
  if (news.actor !== body.me) foreign.set(news.ticket, news.version);
  const page = document.querySelector("article[data-ticket]");
  if (page?.dataset.ticket === news.ticket) {
    newest = Math.max(newest, news.version);
    setTimeout(showBehind, 1500);
  }
  renew(page ? (page.dataset.ticket === news.ticket ? 80 : 1500) : 150);
}

/** How many steps of the ticket the page does not show yet. */
function showBehind() {
  const reach = Number(document.getElementById("story")?.dataset.reach);
  const behind = newest - reach;
  if (reach && behind > 0) document.getElementById("behind").textContent = `${behind} change${behind > 1 ? "s" : ""} behind…`;
}

/** Without the stream the ticket itself is asked how far it is. */
async function askVersion() {
  const page = document.querySelector("article[data-ticket]");
  if (!page || document.hidden) return;
  try {
    const answer = await fetch(`${body.api}/tickets/${page.dataset.ticket}`);
    if (answer.ok) newest = Math.max(newest, (await answer.json()).version);
  } catch {
    return;
  }
  showBehind();
}

function showConnection(connected) {
  let note = document.getElementById("connection");
  if (connected) {
    note?.remove();
  } else if (!note) {
    document.body.append(element("div", { class: "toast", id: "connection", role: "status" }, "Connection lost. What you see may be older; it goes on by itself."));
  }
}

/** What somebody did themself is shown whole at once, wherever their pointer is. */
export function renewWhole() {
  whole = true;
  renew(0);
}

/** Bring the page up to date, after so many milliseconds. */
export function renew(after) {
  // A page that costs a lot to make waits until it is asked for again.
  if (document.querySelector("[data-still]")) return;
  const at = Math.max(Date.now() + after, fetched + AT_MOST_EVERY);
  if (at >= due) return;
  clearTimeout(waiting);
  due = at;
  waiting = setTimeout(fetchPage, at - Date.now());
}

/** Where the page can be read: a form that was refused is shown at an address that only takes forms. */
const readAt = () => (body.page && location.pathname === arrived ? body.page : location.href);

async function fetchPage() {
  due = Infinity;
  fetched = Date.now();
  if (document.hidden) {
    document.addEventListener("visibilitychange", () => renew(0), { once: true });
    return;
  }
  const address = readAt();
  let answer;
  try {
    answer = await fetch(address, { headers: { accept: "text/html" } });
  } catch {
    return;
  }
  // Whoever is signed out meanwhile goes to the door, and comes back here.
  if (answer.redirected && new URL(answer.url).pathname === "/sign-in") location.assign(answer.url);
  if (!answer.ok || answer.redirected || address !== readAt()) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of all("[data-live][id]", page)) put(part);
  document.title = page.title;
  whole = false;
}

/** Whether somebody is at work in a part, so that it must stay as it is. */
function isBusy(part) {
  const focused = document.activeElement;
  if (part.querySelector("details.menu[open], details.was[open], form[data-busy]")) return true;
  if (!focused || !part.contains(focused)) return false;
  return focused.matches("textarea, select, input:not(.pick)");
}

function put(fresh) {
  const old = document.getElementById(fresh.id);
  const words = plain(fresh);
  if (!old || own.get(fresh.id) === words) return;
  if (isBusy(old)) {
    old.addEventListener("focusout", () => renew(300), { once: true });
    return;
  }
  const list = old.matches("[data-list]");
  if (list && !whole && (old.querySelector(".row:hover, .pick:checked") || old.querySelector("#rows")?.contains(document.activeElement))) {
    inPlace(old, fresh);
    return;
  }
  const seen = new Map(all("[data-ticket][data-version], .story > [id]", old).map((row) => [row.dataset.ticket ?? row.id, row.dataset.version]));
  const left = old.contains(document.activeElement) ? around() : [];
  const shown = document.adoptNode(fresh);
  for (const row of all(".row[data-ticket]", shown)) {
    const before = seen.get(row.dataset.ticket);
    if (before !== row.dataset.version && isForeign(row.dataset.ticket, before ?? 0)) row.classList.add("changed");
  }
  for (const entry of all(".story > [id]", shown)) if (!seen.has(entry.id)) entry.classList.add("fresh");
  const ticked = new Set(all(".pick:checked", old).map((box) => box.value));
  for (const box of all(".pick", shown)) box.checked ||= ticked.has(box.value);
  own.set(fresh.id, words);
  const held = scrollY ? all("[id]", old).find((each) => each.getClientRects()[0]?.top >= 0) : null;
  const top = held?.getBoundingClientRect().top;
  old.replaceWith(shown);
  // What is looked at stays where it is, whatever came above it.
  const again = held && document.getElementById(held.id);
  if (again) scrollBy(0, again.getBoundingClientRect().top - top);
  back(left);
  window.htmx?.process(shown);
  shown.dispatchEvent(new CustomEvent("counterfoil:shown", { bubbles: true }));
}

/** Whether somebody else did something after this version of a ticket; said once. */
function isForeign(ticket, version) {
  const step = foreign.get(ticket) ?? 0;
  foreign.delete(ticket);
  return step > Number(version);
}

/** Have a row say what it says now, where it is; what somebody else did to it is washed in once. */
export function renewRow(row, now) {
  const focused = row.contains(document.activeElement);
  const ticked = row.querySelector(".pick")?.checked;
  const before = row.dataset.version;
  Object.assign(row.dataset, now.dataset);
  row.replaceChildren(...document.adoptNode(now).childNodes);
  const box = row.querySelector(".pick");
  if (box && ticked) box.checked = true;
  row.classList.remove("changed");
  void row.offsetWidth;
  if (isForeign(row.dataset.ticket, before)) row.classList.add("changed");
  if (focused) row.querySelector(".subject").focus({ preventScroll: true });
  row.dispatchEvent(new CustomEvent("counterfoil:shown", { bubbles: true }));
}

/** Rows keep their places; what a row says is renewed, and a button brings the new order. */
function inPlace(old, fresh) {
  const rows = new Map(all(".row[data-ticket]", fresh).map((row) => [row.dataset.ticket, row]));
  let moved = all(".row[data-ticket]", old).map((row) => row.dataset.ticket).join() !== [...rows.keys()].join();
  for (const row of all(".row[data-ticket]", old)) {
    const now = rows.get(row.dataset.ticket);
    row.classList.toggle("gone", !now);
    row.classList.toggle("unread", now?.classList.contains("unread") ?? false);
    if (now && now.dataset.version !== row.dataset.version) renewRow(row, now);
  }
  const [chips, counted] = [old, fresh].map((each) => each.querySelector(".chips"));
  if (!chips.contains(document.activeElement)) chips.replaceWith(document.adoptNode(counted));
  if (!moved) return;
  if (!document.getElementById("moved")) {
    const button = element("button", { class: "button", id: "moved", type: "button" }, "The list has changed: show it");
    button.addEventListener("click", renewWhole);
    old.append(button);
  }
  const rest = () => { if (!old.querySelector(".row:hover")) { old.removeEventListener("pointerleave", rest); renew(200); } };
  old.addEventListener("pointerleave", rest);
}

if (body.api && "EventSource" in window) {
  channel?.addEventListener("message", (event) => hear(event.data));
  // Where no tab can be chosen, each follows by itself.
  if (channel && navigator.locks) navigator.locks.request(`counterfoil ${body.api}`, () => new Promise(follow));
  else follow();
  // What a script of ours has put in is what the page is now.
  document.addEventListener("htmx:afterSettle", () => {
    for (const part of all("[data-live][id]")) own.delete(part.id);
  });
}
