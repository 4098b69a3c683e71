// The list of tickets at hand: what is ticked, what a row lets one do, and the place one comes back to.
import { say } from "./forms.js";
import { renewRow, renewWhole } from "./live.js";
import { all, element, isTyping } from "./page.js";

const results = () => document.querySelector("#results[data-list]");
const parse = (text) => new DOMParser().parseFromString(text, "text/html");
const posted = (form, button) =>
  fetch(form.action, { method: "POST", headers: { accept: "text/html" }, body: new URLSearchParams(new FormData(form, button)) });

function idle(form) {
  delete form.dataset.busy;
  form.removeAttribute("aria-busy");
}

// What is ticked
let last = null;

function count() {
  const boxes = all(".pick");
  const many = boxes.filter((box) => box.checked).length;
  const every = document.getElementById("pick-all");
  if (!every) return;
  document.getElementById("picked").textContent = `${many} selected`;
  every.checked = many === boxes.length;
  every.indeterminate = many > 0 && many < boxes.length;
}

function tickAll(on) {
  for (const box of all(".pick")) box.checked = on;
  count();
}

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!box.matches?.(".pick")) return;
  const boxes = all(".pick");
  const from = event.shiftKey ? boxes.indexOf(last) : -1;
  const to = boxes.indexOf(box);
  if (from >= 0) for (const each of boxes.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = box.checked;
  last = box;
  count();
});
document.addEventListener("change", (event) => event.target.id === "pick-all" && tickAll(event.target.checked));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !isTyping(event.target) && !document.querySelector("dialog[open]")) tickAll(false);
});

async function together(form, button) {
  const answer = await posted(form, button);
  let page = parse(await answer.text());
  for (;;) {
    const outcome = page.getElementById("outcome");
    const tags = page.querySelector("#bulk .tagging:has(.fault)");
    if (tags) {
      form.querySelector(".tagging").replaceWith(tags);
      tags.parentElement.open = true;
      tags.querySelector("[autofocus]").focus();
      return;
    }
    if (!outcome) return say((page.querySelector("[role=alert]") ?? page.querySelector("h1 + p"))?.textContent.trim() ?? "Nothing was changed.");
    const words = page.getElementById("summary").textContent.trim();
    if (outcome.dataset.state === "done") {
      const undo = page.querySelector(".undo-many");
      undo?.querySelector("button").classList.replace("button", "link");
      say(element("span", {}, words), ...(undo ? [undo] : []), element("a", { href: answer.url }, "Details"));
      break;
    }
    document.getElementById("picked").textContent = words.split(".")[0];
    await new Promise((go) => setTimeout(go, 400));
    page = parse(await (await fetch(answer.url, { headers: { accept: "text/html" } })).text());
  }
  form.reset();
  for (const menu of all("details[open]", form)) menu.open = false;
  // The key was this change's.
  for (const key of all("[name=key][form=bulk]")) key.value = "";
  tickAll(false);
  renewWhole();
}

async function back(form, button) {
  const page = parse(await (await posted(form, button)).text());
  say((page.getElementById("summary") ?? page.querySelector("h1 + p"))?.textContent.trim() ?? "Nothing was undone.");
  renewWhole();
}

// What a row lets one do
let bar = null;

function place(row) {
  const template = document.getElementById("quick");
  if (!template || !row.dataset.may || bar?.parentElement === row) return;
  if (bar?.isConnected && (bar.querySelector("details[open]") || bar.contains(document.activeElement))) return;
  bar ??= template.content.firstElementChild.cloneNode(true);
  const may = row.dataset.may.split(" ");
  const is = row.dataset.is.split(" ");
  for (const each of all("[data-needs]", bar)) each.hidden = is.includes(each.value) || !each.dataset.needs.split(" ").some((need) => may.includes(need));
  for (const menu of all("details", bar)) {
    menu.hidden = !menu.querySelector(".item:not([hidden])");
    menu.open = false;
    menu.querySelector(".panel").classList.toggle("panel-up", row.getBoundingClientRect().bottom > innerHeight * 0.6);
  }
  bar.elements.ticket.value = row.dataset.ticket;
  bar.elements.seen.value = row.dataset.is;
  if (bar.querySelector("[data-needs]:not([hidden])")) row.append(bar);
  else bar.remove();
}

for (const name of ["pointerover", "focusin"]) {
  document.addEventListener(name, (event) => {
    const row = event.target.closest?.(".row[data-may]");
    if (row) place(row);
  });
}

async function quick(form, button) {
  const row = form.closest(".row");
  const answer = await posted(form, button);
  const page = parse(await answer.text());
  for (const menu of all("details[open]", form)) menu.open = false;
  if (row?.contains(document.activeElement)) row.querySelector(".subject").focus({ preventScroll: true });
  const fresh = page.querySelector(".row");
  const old = fresh && document.querySelector(`.row[data-ticket="${CSS.escape(fresh.dataset.ticket)}"]`);
  if (old) renewRow(old, fresh);
  else if (document.querySelector("article[data-ticket]")) {
    // What was undone is where one is then.
    if (form.contains(document.activeElement)) document.querySelector(`#facts [data-key="${button.name[0]}"]`)?.focus({ preventScroll: true });
    window.htmx.ajax("GET", location.href, { target: "#main", select: "#main", swap: "outerHTML show:none" });
  }
  say(...(page.querySelector(".toast")?.childNodes ?? ["That didn't work; nothing was changed."]));
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  const act = form.id === "bulk" ? together : form.matches(".quick, .undo") ? quick : form.matches(".toast .undo-many") ? back : null;
  if (!act || event.defaultPrevented) return;
  event.preventDefault();
  try {
    await act(form, event.submitter);
  } catch {
    say("Not sent: the desk can't be reached. Nothing was changed.");
  } finally {
    idle(form);
  }
});

// A row that was written anew has lost what was put into it.
document.addEventListener("counterfoil:shown", (event) => {
  if (event.target.matches?.(".row") && (event.target.matches(":hover") || event.target.contains(document.activeElement))) {
    bar?.remove();
    place(event.target);
  }
  count();
});

// What is looked for is where one is: in the frame and in the title, too.
document.addEventListener("htmx:afterSettle", () => {
  const list = results();
  if (!list) return;
  for (const link of all("#nav .place")) {
    if (link.getAttribute("href") === list.dataset.url) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if ("taken" in list.dataset) document.getElementById("who").value = "";
  document.getElementById("title").textContent = list.dataset.title;
  count();
});

// Whoever comes back finds the row that they left; where it went elsewhere, the one that took its place.
const PLACE = "counterfoil.place";
document.addEventListener("click", (event) => {
  const row = event.target.closest?.(".subject")?.closest(".row");
  if (!row) return;
  const { ticket, version } = row.dataset;
  sessionStorage.setItem(PLACE, JSON.stringify({ url: location.href, ticket, version, index: all(".row").indexOf(row), top: scrollY }));
});

function comeBack() {
  const kept = JSON.parse(sessionStorage.getItem(PLACE) ?? "null");
  if (!results() || kept?.url !== location.href) return;
  sessionStorage.removeItem(PLACE);
  const rows = all(".row");
  const same = rows.find((row) => row.dataset.ticket === kept.ticket && row.dataset.version === kept.version);
  const row = same ?? rows[Math.min(kept.index, rows.length - 1)];
  scrollTo(0, kept.top);
  row?.querySelector(".subject").focus({ preventScroll: true });
  row?.scrollIntoView({ block: "nearest" });
}

comeBack();
count();
