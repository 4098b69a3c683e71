// Menus are disclosures; with a script they close by Escape or a click beside them, and arrows go through them.
const shown = document.querySelector(".settings-places [aria-current]");
// Places in a row that is too long for the window: the one where one is shows.
if (shown) shown.parentElement.scrollLeft = shown.offsetLeft - shown.parentElement.offsetLeft - 8;

const open = () => document.querySelector("details.menu[open]");

/** Go to a menu's first entry, unless one is there already. */
export function enter(menu) {
  const panel = menu.querySelector(".panel");
  if (menu.open && !panel.contains(document.activeElement)) panel.querySelector(".item, .input")?.focus({ preventScroll: true });
}

document.addEventListener("click", (event) => {
  const menu = open();
  if (menu && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener("toggle", (event) => {
  // Of two ways to write one is open, so that nobody takes one for the other.
  if (event.target.matches?.("details.writer") && event.target.open) {
    for (const other of event.target.parentElement.querySelectorAll("details.writer")) if (other !== event.target) other.open = false;
  }
  if (!event.target.matches?.("details.menu") || !event.target.open) return;
  enter(event.target);
}, true);

document.addEventListener("keydown", (event) => {
  const menu = open();
  if (!menu) return;
  const items = [...menu.querySelectorAll(".panel .item")];
  // A menu tells that it is open a little after it is: its first entry is where one is until then.
  const at = Math.max(0, items.indexOf(document.activeElement));
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (step && items.length) {
    items[(at + step + items.length) % items.length].focus();
  } else {
    // A letter goes to the next entry that begins with it.
    const named = event.ctrlKey || event.metaKey || event.altKey || event.key.length > 1 || !items.includes(document.activeElement) ? [] :
      [...items.slice(at + 1), ...items.slice(0, at + 1)].filter((item) => item.textContent.trim().toLowerCase().startsWith(event.key.toLowerCase()) && !item.closest("[hidden]"));
    if (!named.length || event.key === " ") return;
    named[0].focus();
  }
  event.preventDefault();
  event.stopPropagation();
}, true);
