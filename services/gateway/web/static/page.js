// What several modules ask of the page.
export const body = document.body.dataset;

export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Call `act` now for the whole page, and again for every part that is put in later. */
export function whenShown(act) {
  act(document);
  document.addEventListener("htmx:load", (event) => act(event.target));
  document.addEventListener("counterfoil:shown", (event) => act(event.target));
}

/** Make an element: `element("p", {class: "quiet"}, "words", child)`. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

export const isTyping = (target) =>
  target instanceof Element && target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]") !== null;
