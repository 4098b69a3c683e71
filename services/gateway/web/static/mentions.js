// Names behind an @ are finished from the members of the workspace.
import { body, element, whenShown, all } from "./page.js";

let members;

async function known() {
  if (members) return members;
  const found = [];
  let cursor = "";
  do {
    const answer = await fetch(`${body.api}/members?limit=100${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    if (!answer.ok) return found;
    const page = await answer.json();
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  members = found;
  return members;
}

function complete(field) {
  const list = element("div", { class: "mentions", role: "listbox", id: `${field.id}-names`, "aria-label": "Members", hidden: "" });
  field.after(list);
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-autocomplete", "list");
  let shown = [];
  let at = 0;

  const typed = () => /(?:^|\s)@([^@\n]{0,40})$/u.exec(field.value.slice(0, field.selectionStart));
  function hide() {
    shown = [];
    list.hidden = true;
    field.removeAttribute("aria-activedescendant");
  }
  function take(index) {
    const from = field.selectionStart - typed()[1].length;
    field.setRangeText(`${shown[index].name} `, from, field.selectionStart, "end");
    hide();
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function draw() {
    list.replaceChildren(...shown.map((each, index) => {
      const row = element("div", { class: "item", role: "option", id: `${list.id}-${index}`, "aria-selected": String(index === at) },
        element("span", {}, each.name), element("span", { class: "end" }, each.role));
      row.addEventListener("mousedown", (event) => { event.preventDefault(); take(index); });
      return row;
    }));
    list.hidden = false;
    field.setAttribute("aria-activedescendant", `${list.id}-${at}`);
  }
  field.addEventListener("input", async () => {
    if (!typed()) return hide();
    const people = await known();
    const words = typed()?.[1].toLowerCase();
    if (words === undefined) return hide();
    // A name that is whole needs no help.
    shown = people.filter((each) => each.name.toLowerCase().split(/\s+/).concat(each.name.toLowerCase()).some((part) => part.startsWith(words)) && !words.startsWith(`${each.name.toLowerCase()}`)).slice(0, 6);
    at = 0;
    if (shown.length) draw();
    else hide();
  });
  field.addEventListener("keydown", (event) => {
    if (list.hidden || event.ctrlKey || event.metaKey) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at = (at + step + shown.length) % shown.length;
    else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); return take(at); }
    else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); return hide(); }
    else return;
    event.preventDefault();
    draw();
  });
  field.addEventListener("blur", hide);
}

whenShown((root) => all("textarea[data-mentions]", root).filter((field) => !field.hasAttribute("aria-controls")).forEach(complete));
