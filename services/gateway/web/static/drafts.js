// What somebody types is kept in their own browser until it was sent: through reloads, errors and lost connections.
import { all, body, whenShown } from "./page.js";

const prefix = "counterfoil.draft.";
const nameOf = (form) => `${prefix}${body.me}.${body.base}.${form.dataset.draft}`;
const fieldsOf = (form) => [...form.elements].filter((field) => field.matches("textarea, select[data-kept], input:not([type=hidden]):not([type=radio])"));
const sent = "counterfoil.sent";

function keep(form) {
  const typed = Object.fromEntries(fieldsOf(form).filter((field) => field.value).map((field) => [field.name, field.value]));
  if (Object.keys(typed).length) localStorage.setItem(nameOf(form), JSON.stringify(typed));
  else localStorage.removeItem(nameOf(form));
}

function bringBack(form) {
  const kept = localStorage.getItem(nameOf(form));
  if (!kept) return;
  const typed = JSON.parse(kept);
  for (const field of fieldsOf(form)) {
    if (!field.value && typed[field.name]) field.value = typed[field.name];
  }
}

// A form that was sent and did not come back with its words has arrived.
function settle() {
  const name = sessionStorage.getItem(sent);
  if (!name) return;
  sessionStorage.removeItem(sent);
  const back = all("form[data-draft]").find((form) => nameOf(form) === name);
  if (!back || fieldsOf(back).every((field) => !field.value || field.type === "checkbox")) localStorage.removeItem(name);
}

settle();
document.addEventListener("htmx:afterSwap", (event) => {
  const failed = event.detail.xhr.status >= 500;
  if (failed) sessionStorage.removeItem(sent);
  else settle();
});
document.addEventListener("htmx:sendError", () => sessionStorage.removeItem(sent));
whenShown((root) => all("form[data-draft]", root).forEach(bringBack));
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.dataset.draft) keep(form);
});
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.draft) sessionStorage.setItem(sent, nameOf(form));
  if (new URL(form.action).pathname === "/sign-out") {
    for (const key of Object.keys(localStorage)) if (key.startsWith(prefix)) localStorage.removeItem(key);
  }
}, true);
