// Menus are disclosures; with a script they close by Escape or a click beside them, and arrows go through them.
const open = () => document.querySelector("details.menu[open]");

document.addEventListener("click", (event) => {
  const menu = open();
  if (menu && !menu.contains(event.target)) menu.open = false;
});

document.addEventListener("toggle", (event) => {
  if (!event.target.matches?.("details.menu") || !event.target.open) return;
  event.target.querySelector(".item")?.focus({ preventScroll: true });
}, true);

document.addEventListener("keydown", (event) => {
  const menu = open();
  if (!menu) return;
  const items = [...menu.querySelectorAll(".panel .item")];
  const at = items.indexOf(document.activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (step && items.length) {
    items[(at + step + items.length) % items.length].focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
