// Command bar: what can be gone to and done from here, found by a few letters of it.
import { all, body, element } from "./page.js";
import { help } from "./keys.js";
import { lookUp } from "./lookup.js";

function known() {
  const found = [];
  const add = (words, act, end = "") => found.push({ words, act, end });
  for (const item of all("#main .move .item")) add(`Move to ${item.textContent.trim()}`, () => item.click(), "status");
  for (const option of all("#main #priority option", document).filter((each) => each.closest("form").method === "post")) {
    add(`Priority: ${option.textContent}`, () => choose(option), "priority");
  }
  for (const option of all("#main #assignee option").filter((each) => each.closest("form").method === "post")) {
    add(`Assign to ${option.textContent}`, () => choose(option), "assignee");
  }
  for (const button of all("#main .quick [data-needs]:not([hidden])")) {
    add(`${button.closest(".row").querySelector(".number").textContent}: ${button.dataset.name}`, () => button.click(), "this row");
  }
  if (document.querySelector(".pick:checked")) {
    for (const item of all("#bulk [data-key-all] + .panel .item")) {
      add(`Selected: ${item.closest("details").querySelector("summary").dataset.name} ${item.querySelector("span:last-child").textContent.trim()}`, () => item.click(), "selected");
    }
    for (const button of all("#bulk button[data-name]:not([value=change])")) add(`Selected: ${button.dataset.name}`, () => button.click(), "selected");
  }
  const every = document.querySelector(".pick") && document.getElementById("pick-all");
  if (every) add("Select all on this page", () => { every.checked = true; every.dispatchEvent(new Event("change", { bubbles: true })); });
  for (const naming of all("#main .naming > summary")) add(naming.dataset.name, () => naming.click());
  for (const summary of all("#main .writer > summary")) {
    add(summary.textContent.trim(), () => { summary.parentElement.open = true; summary.parentElement.querySelector("textarea").focus(); }, "write");
  }
  for (const each of all("#main [data-command]")) add(each.dataset.command, () => each.click(), "here");
  const places = new Map(all(".side .place, .bottom .panel > a.item").map((link) => [link.href, link]));
  for (const link of places.values()) add(link.querySelector("span").textContent, () => link.click(), "go to");
  for (const link of all(".side > a.button")) add(link.textContent.trim(), () => link.click(), "C");
  for (const item of all(".side .me .item")) add(item.querySelector("span").textContent, () => item.click());
  add("Keyboard shortcuts", help, "?");
  return found;
}

function choose(option) {
  option.parentElement.value = option.value;
  option.form.requestSubmit();
}

const fits = (words, typed) => typed.toLowerCase().split(/\s+/).every((word) => words.toLowerCase().includes(word));

function show() {
  const open = document.getElementById("command");
  if (open) return open.close();
  const items = known();
  const input = element("input", { class: "command-input", type: "text", placeholder: "Find a ticket or a person, or say what to do", "aria-label": "Find a ticket or a person, or say what to do", role: "combobox", "aria-expanded": "true", "aria-controls": "command-list", autocomplete: "off", maxlength: "200" });
  const list = element("div", { class: "command-list", id: "command-list", role: "listbox", "aria-label": "Results" });
  const said = element("p", { class: "command-said quiet", role: "status" });
  const dialog = element("dialog", { id: "command", "aria-label": "Command bar" }, input, list, said);
  let at = 0;
  let shown = [];
  let found = [];
  let waiting;
  let asking = new AbortController();
  let asked = false;

  function sought(typed) {
    const search = { group: "Search", words: `Search tickets for “${typed}”`, url: `${body.base}/tickets?${new URLSearchParams({ q: typed, status: "all" })}` };
    const [, number] = typed.match(/^#?(\d+)$/) ?? [];
    // Until the desk has answered, a number may be a ticket's.
    const direct = number && !asked ? [{ group: "Tickets", words: `Open #${number}`, url: `${body.base}/tickets/${number}` }] : [];
    return [...direct, ...found, ...(asked && !found.length ? [] : [search])];
  }

  function draw() {
    const typed = input.value.trim();
    shown = items.filter((item) => fits(item.words, typed));
    if (typed) shown.push(...sought(typed));
    at = Math.max(0, Math.min(at, shown.length - 1));
    const groups = new Map();
    for (const [index, item] of shown.entries()) {
      const row = element("div", { class: "item", role: "option", id: `command-${index}`, "aria-selected": String(index === at) },
        element("span", {}, item.words), element("span", { class: "end" }, item.end ?? ""));
      row.addEventListener("click", () => run(index));
      const name = item.group ?? "Actions and places";
      if (!groups.has(name)) groups.set(name, element("div", { role: "group", "aria-label": name }, element("div", { class: "item-title", "aria-hidden": "true" }, name)));
      groups.get(name).append(row);
    }
    list.replaceChildren(...groups.values());
    list.hidden = !shown.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    if (list.hidden) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `command-${at}`);
    document.getElementById(`command-${at}`)?.scrollIntoView({ block: "nearest" });
  }

  function run(index) {
    const item = shown[index];
    if (!item) return;
    dialog.close();
    if (item.url) return location.assign(item.url);
    // What it was made of may have been put in anew since.
    (known().find((each) => each.words === item.words) ?? item).act();
  }

  async function search() {
    const typed = input.value.trim();
    const { signal } = (asking = new AbortController());
    try {
      found = await lookUp(typed, signal);
      asked = true;
      draw();
      if (!shown.length) said.textContent = `Nothing fits “${typed}”.`;
    } catch {
      if (!signal.aborted) said.textContent = "The search can't be reached at this moment.";
    }
  }

  input.addEventListener("input", () => {
    clearTimeout(waiting);
    asking.abort();
    at = 0;
    found = [];
    asked = false;
    said.textContent = "";
    if (input.value.trim()) waiting = setTimeout(search, 150);
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at = (at + step + shown.length) % (shown.length || 1);
    else if (event.key === "Enter") return event.preventDefault(), run(at);
    else return;
    event.preventDefault();
    draw();
  });
  dialog.addEventListener("close", () => {
    clearTimeout(waiting);
    asking.abort();
    dialog.remove();
  });
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  draw();
  dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  show();
});
