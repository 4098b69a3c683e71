// Command bar: what can be gone to and done from here, found by a few letters of it.
import { all, body, element } from "./page.js";
import { help } from "./keys.js";

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
    for (const option of all("#bulk option:not([value=''])")) add(`Selected: ${option.parentElement.options[0].text} ${option.text}`, () => many(option), "selected");
    for (const button of all("#bulk button:not([value=change])")) add(`Selected: ${button.textContent.trim()}`, () => button.click(), "selected");
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

function many(option) {
  option.parentElement.value = option.value;
  option.parentElement.form.requestSubmit(document.querySelector("#bulk [value=change]"));
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
  const input = element("input", { class: "command-input", type: "text", placeholder: "What do you want to do?", "aria-label": "What do you want to do?", role: "combobox", "aria-expanded": "true", "aria-controls": "command-list", autocomplete: "off" });
  const list = element("div", { class: "command-list", id: "command-list", role: "listbox", "aria-label": "Results" });
  const dialog = element("dialog", { id: "command", "aria-label": "Command bar" }, input, list);
  let at = 0;
  let shown = [];

  function draw() {
    const typed = input.value.trim();
    shown = items.filter((item) => fits(item.words, typed));
    if (typed) {
      shown.push({ words: `Search tickets for “${typed}”`, end: "search", act: () => location.assign(`${body.base}/tickets?${new URLSearchParams({ q: typed, status: "all" })}`) });
      if (/^#?\d+$/.test(typed)) shown.unshift({ words: `Open #${typed.replace("#", "")}`, end: "ticket", act: () => location.assign(`${body.base}/tickets/${typed.replace("#", "")}`) });
    }
    at = Math.min(at, shown.length - 1);
    list.replaceChildren(...shown.map((item, index) => {
      const row = element("div", { class: "item", role: "option", id: `command-${index}`, "aria-selected": String(index === at) },
        element("span", {}, item.words), element("span", { class: "end" }, item.end ?? ""));
      row.addEventListener("click", () => run(index));
      return row;
    }));
    input.setAttribute("aria-activedescendant", `command-${at}`);
    list.children[at]?.scrollIntoView({ block: "nearest" });
  }

  function run(index) {
    dialog.close();
    shown[index]?.act();
  }

  input.addEventListener("input", () => { at = 0; draw(); });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at = (at + step + shown.length) % shown.length;
    else if (event.key === "Enter") return event.preventDefault(), run(at);
    else return;
    event.preventDefault();
    draw();
  });
  dialog.addEventListener("close", () => dialog.remove());
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
