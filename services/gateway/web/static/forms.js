// Fields that save by themselves, previews, and the same form not sent twice.
import { all, whenShown } from "./page.js";

document.addEventListener("change", (event) => {
  const field = event.target;
  if (!field.matches?.("[data-saves]")) return;
  if (field.value.trim() === "" && field.required) field.value = field.defaultValue;
  else if (field.tagName === "SELECT" || field.value !== field.defaultValue) field.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  const field = event.target;
  if (!(field instanceof HTMLElement)) return;
  if (field.matches("[data-one-line]")) {
    if (event.key === "Enter") {
      event.preventDefault();
      field.blur();
    } else if (event.key === "Escape") {
      field.value = field.defaultValue;
      field.blur();
    }
  } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && field.tagName === "TEXTAREA") {
    event.preventDefault();
    field.form?.requestSubmit();
  }
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.busy) {
    event.preventDefault();
    event.stopImmediatePropagation();
    return;
  }
  form.dataset.busy = "yes";
  form.setAttribute("aria-busy", "true");
}, true);

const idle = (form) => {
  if (!(form instanceof HTMLElement)) return;
  delete form.dataset.busy;
  form.removeAttribute("aria-busy");
};
document.addEventListener("htmx:afterRequest", (event) => idle(event.target));
window.addEventListener("pageshow", () => all("form[data-busy]").forEach(idle));

// Where the reader was stays where it was when the page around it is put in anew.
/** Return the ids of what the reader is in, from within, so that `back` finds it in what takes its place. */
export const around = (at = document.activeElement) => (at ? [...(at.id ? [at.id] : []), ...around(at.parentElement)] : []);

/** Lead the reader back to where they were, unless they are somewhere. */
export function back(ids) {
  for (const id of ids) {
    if (document.activeElement !== document.body) break;
    const found = document.getElementById(id);
    (found?.matches("details") ? found.querySelector("summary") : found)?.focus({ preventScroll: true });
  }
}

let left = [];
document.addEventListener("htmx:beforeSwap", () => { left = around(); });
document.addEventListener("htmx:afterSwap", (event) => {
  event.target.querySelector?.("[autofocus]")?.focus();
  const said = document.getElementById("said");
  if (said) say(...said.content.childNodes);
  said?.remove();
});
document.addEventListener("htmx:afterSettle", () => {
  back(left);
  left = [];
});
document.addEventListener("htmx:sendError", () => say("Not sent: the desk can't be reached. What you typed is still here."));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status >= 500) say("That didn't work; nothing was changed. Try again in a moment.");
});

/** Say something that goes away again. */
export function say(...words) {
  document.querySelector(".toast:not(#connection)")?.remove();
  const toast = document.createElement("div");
  toast.className = "toast";
  toast.setAttribute("role", "status");
  toast.append(...words);
  document.body.append(toast);
  setTimeout(() => toast.remove(), 8000);
}

async function preview(details) {
  const field = document.getElementById(details.dataset.of);
  const shown = details.querySelector("[aria-live]");
  const said = new URLSearchParams({ csrf: field.form.elements.csrf.value, description: field.value });
  const answer = await fetch(details.dataset.preview, { method: "POST", body: said });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  shown.replaceChildren(...page.body.childNodes);
}

whenShown((root) => {
  for (const details of all("details[data-preview]", root)) {
    const field = document.getElementById(details.dataset.of);
    let waiting;
    details.addEventListener("toggle", () => details.open && preview(details));
    field.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => details.open && preview(details), 300);
    });
  }
});
