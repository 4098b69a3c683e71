// One of many, found as one types and chosen by keyboard or click. Without this a button searches.
import { all, body, element, whenShown } from "./page.js";

const NAME = (each) => (each.number ? `#${each.number} ${each.subject}` : each.name);
const MORE = (each) => (each.number ? each.status.replaceAll("_", " ") : each.email ?? "");

function begin(chooser) {
  const input = chooser.querySelector("input[type=search]");
  const choices = chooser.querySelector(".choices");
  const said = chooser.querySelector("[role=status]");
  const list = element("div", { class: "found", id: `${input.id}-found`, role: "listbox", "aria-label": chooser.querySelector("label").textContent, hidden: "" });
  let found = [];
  let at = 0;
  let waiting;
  let asked = 0;
  // Below the row, where it pushes down what follows and covers nothing.
  chooser.querySelector(".chooser-row").after(list);
  for (const [name, value] of Object.entries({ role: "combobox", "aria-expanded": "false", "aria-controls": list.id, "aria-autocomplete": "list" })) input.setAttribute(name, value);

  function draw() {
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    list.replaceChildren(...found.map((each, index) => {
      const row = element("div", { class: "item", role: "option", id: `${list.id}-${index}`, "aria-selected": String(index === at) },
        element("span", {}, NAME(each)), element("span", { class: "end" }, MORE(each)));
      row.addEventListener("mousedown", (event) => { event.preventDefault(); choose(each); });
      return row;
    }));
    if (list.hidden) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `${list.id}-${at}`);
    list.children[at].scrollIntoView({ block: "nearest" });
  }

  function close() {
    clearTimeout(waiting);
    asked += 1;
    found = [];
    draw();
  }

  async function search() {
    const q = input.value.trim();
    const mine = (asked += 1);
    if (!q) return close();
    const answer = await fetch(`${body.api}/${chooser.dataset.find}&${new URLSearchParams({ q })}`).catch(() => null);
    if (mine !== asked) return;
    if (!answer?.ok) return (said.textContent = "The search can't be reached at this moment.");
    found = (await answer.json()).items;
    at = 0;
    said.textContent = found.length ? "" : chooser.dataset.nothing;
    draw();
  }

  function radio(value, checked, ...words) {
    return element("label", { class: "choice" }, element("input", { type: "radio", name: chooser.dataset.choose, value, ...(checked ? { checked: "" } : {}) }), element("span", {}, ...words));
  }

  function choose(each) {
    choices.replaceChildren(
      radio(each.id, true, NAME(each), " ", element("span", { class: "quiet" }, MORE(each))),
      radio("", false, element("span", { class: "quiet" }, chooser.dataset.nobody)));
    input.value = each.number ? `#${each.number}` : each.email || each.name;
    said.textContent = `Chosen: ${NAME(each)}`;
    close();
    // What was typed is kept as a draft.
    input.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "chosen" }));
  }

  input.addEventListener("input", (event) => {
    if (event.detail === "chosen") return;
    clearTimeout(waiting);
    waiting = setTimeout(search, 150);
  });
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return event.key === "ArrowDown" ? search() : undefined;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at = (at + step + found.length) % found.length;
    else if (event.key === "Enter") choose(found[at]);
    else if (event.key === "Escape") { event.stopPropagation(); close(); }
    else return;
    event.preventDefault();
    draw();
  });
  // What is being pressed must not move away from under the pointer.
  let pressed = false;
  document.addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const type of ["pointerup", "pointercancel"]) document.addEventListener(type, () => { pressed = false; }, true);
  input.addEventListener("blur", () => {
    if (pressed) document.addEventListener("pointerup", () => setTimeout(close), { once: true });
    else close();
  });
  choices.addEventListener("change", (event) => {
    if (event.target.value) return;
    input.value = "";
    choices.replaceChildren();
    input.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "chosen" }));
    input.focus();
  });
  return { input, search, choose, choices, found: () => found };
}

/** A draft that was brought back says whom it means: chosen again where that is one alone. */
async function again({ input, search, choose, choices, found }) {
  if (!input.value || choices.children.length) return;
  await search();
  const [one, ...others] = found();
  if (one && !others.length) choose(one);
  else input.dispatchEvent(new Event("blur"));
}

whenShown((root) => all(".chooser:not([data-begun])", root).forEach((chooser) => {
  chooser.dataset.begun = "yes";
  again(begin(chooser));
}));
