// The desk by keyboard. Every key stands for something that can be clicked as well.
import { enter } from "./menus.js";
import { all, element, isTyping } from "./page.js";

const KEYS = [
  ["j", "k", "Next and previous ticket"],
  ["Enter", null, "Open it"],
  ["x", "Esc", "Select for bulk changes, or clear"],
  ["c", null, "New ticket"],
  ["/", null, "Search"],
  ["s", null, "Status of the ticket, or of those selected"],
  ["p", null, "Priority"],
  ["a", null, "Assignee"],
  ["z", null, "Undo what was just done"],
  ["r", null, "Reply to the customer"],
  ["n", null, "Write an internal note"],
  ["u", null, "Back to the list"],
  ["g t", "g m", "Tickets, and those of mine"],
  ["g i", "g n", "Conversations, notifications"],
  ["g c", "g e", "Contacts, reports"],
  ["g s", null, "Settings"],
  ["Ctrl K", null, "Command bar"],
  ["?", null, "Keyboard shortcuts"],
];
let went = 0;

const rows = () => all(".row .subject, .letter .open, .letter .talk a");

function move(step) {
  const found = rows();
  if (!found.length) return false;
  const at = found.indexOf(document.activeElement);
  const next = at < 0 ? (step > 0 ? 0 : found.length - 1) : Math.min(found.length - 1, Math.max(0, at + step));
  found[next].focus();
  found[next].scrollIntoView({ block: "nearest" });
  return true;
}

function write(id) {
  const writer = document.getElementById(id);
  if (!writer) return false;
  writer.open = true;
  writer.querySelector("textarea").focus();
  return true;
}

function tick() {
  const box = document.activeElement.closest(".row")?.querySelector(".pick");
  box?.click();
  return Boolean(box);
}

function use(key) {
  const named = `[data-key="${CSS.escape(key)}"]`;
  const many = document.querySelector(".pick:checked") && document.querySelector(`#main [data-key-all="${CSS.escape(key)}"]`);
  const target = many || all(`#main ${named}, .side ${named}, .toast ${named}`).find((each) => !each.closest("[hidden]"));
  if (!target) return false;
  if (target.matches("input, select, textarea")) {
    target.focus();
    target.select?.();
  } else {
    target.click();
    if (target.matches("details.menu > summary")) enter(target.parentElement);
  }
  return true;
}

export function help() {
  const known = document.getElementById("keys");
  if (known) return known.showModal();
  const list = element("dl", { class: "keys" });
  for (const [first, second, words] of KEYS) {
    list.append(element("dt", {}, element("kbd", {}, first), ...(second ? [" ", element("kbd", {}, second)] : [])), element("dd", {}, words));
  }
  const shut = element("button", { class: "button button-quiet", type: "button" }, "Close");
  const dialog = element("dialog", { id: "keys", "aria-labelledby": "keys-title" },
    element("header", {}, element("h2", { id: "keys-title" }, "Keyboard shortcuts"), shut), list);
  shut.addEventListener("click", () => dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const undoes = event.key === "z" && event.target.matches?.("select") && document.querySelector(".toast .undo");
  if (isTyping(event.target) && !undoes) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const after = Date.now() - went < 1500;
  went = 0;
  let done = true;
  if (after) {
    const target = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    if (target) target.click();
    else done = false;
  } else if (event.key === "g") went = Date.now();
  else if (event.key === "j" || event.key === "k") done = move(event.key === "j" ? 1 : -1);
  else if (event.key === "n") done = write("writer-note");
  else if (event.key === "r") done = write("writer-reply") || use("r");
  else if (event.key === "u") document.querySelector("[data-back]")?.click();
  else if (event.key === "x") done = tick();
  else if (event.key === "?") help();
  else if (event.key.length === 1) done = use(event.key);
  else done = false;
  if (done) event.preventDefault();
});

// The way back leads to the list that one came from, with what was looked for in it.
const LIST = "counterfoil.list";
if (document.querySelector("[data-list]")) {
  const remember = () => sessionStorage.setItem(LIST, location.href);
  remember();
  document.addEventListener("htmx:replacedInHistory", remember);
}
document.addEventListener("click", (event) => {
  const back = event.target.closest?.("[data-back]");
  const list = sessionStorage.getItem(LIST);
  if (back && list?.startsWith(new URL(back.href).href)) back.href = list;
}, true);
