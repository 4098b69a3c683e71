// What somebody types is kept in their own browser until it was sent: through reloads, errors, changes by others, lost
// connections, and signing out. It is kept under their own name, and nobody else's page shows it.
import { all, body, whenShown } from "./page.js";

const prefix = "counterfoil.draft.";
const named = (draft) => `${prefix}${body.me}.${body.base}.${draft}`;
const fieldsOf = (form) => [...form.elements].filter((field) => field.matches("textarea, select[data-kept], input:not([type=hidden], [type=radio], [type=checkbox])"));
const begun = (field) => field.defaultValue ?? [...field.options].find((each) => each.defaultSelected)?.value ?? "";
const sent = "counterfoil.sent";
const draftOf = (form) => form.dataset.draft ?? form.dataset.settles;
const versionOf = (form) => form.elements.version;
const failed = () => document.querySelector("#stale, [aria-invalid=true], .notice-bad") !== null;

function keep(form) {
  // What a refusal has brought back was typed before.
  const refused = form.querySelector(".fault, .notice-bad") !== null;
  const typed = Object.fromEntries(fieldsOf(form).filter((field) => refused || field.value !== begun(field)).map((field) => [field.name, field.value]));
  if (!Object.keys(typed).length) return localStorage.removeItem(named(form.dataset.draft));
  // The version that it was begun on: a change by somebody else since must not be written over unseen.
  if (versionOf(form)) typed.version = versionOf(form).value;
  localStorage.setItem(named(form.dataset.draft), JSON.stringify(typed));
}

function bringBack(form) {
  const kept = localStorage.getItem(named(form.dataset.draft));
  if (!kept || document.getElementById("stale")) return;
  const typed = JSON.parse(kept);
  const fields = fieldsOf(form).filter((field) => field.value === begun(field) && ![undefined, "", field.value].includes(typed[field.name]));
  // What a mistake has brought back is what was typed.
  if (failed() && fieldsOf(form).some((field) => field.value)) return;
  for (const field of fields) field.value = typed[field.name];
  if (!fields.length || !versionOf(form)) return;
  versionOf(form).value = typed.version;
  form.closest("details").open = true;
}

// A form that was sent and did not come back with its words has arrived.
function settle() {
  const name = sessionStorage.getItem(sent);
  if (!name) return;
  sessionStorage.removeItem(sent);
  // Whoever had to sign in first has sent nothing.
  if (document.referrer && new URL(document.referrer).pathname === "/sign-in") return;
  const back = all("form[data-draft]").find((form) => named(form.dataset.draft) === name);
  const words = back && fieldsOf(back).some((field) => field.value);
  if (!words || (versionOf(back) && !failed())) localStorage.removeItem(name);
}

settle();
// Other parts of the page are fetched meanwhile; they say nothing of what was sent.
const isAbout = (event) => {
  const draft = draftOf(event.detail.requestConfig.elt);
  return draft !== undefined && named(draft) === sessionStorage.getItem(sent);
};
document.addEventListener("htmx:afterSwap", (event) => {
  if (isAbout(event)) settle();
});
for (const name of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(name, (event) => {
    if (isAbout(event)) sessionStorage.removeItem(sent);
  });
}
whenShown((root) => all("form[data-draft]", root).forEach(bringBack));
document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form?.dataset.draft) keep(form);
});
document.addEventListener("submit", (event) => {
  const draft = draftOf(event.target);
  if (draft) sessionStorage.setItem(sent, named(draft));
}, true);
document.addEventListener("click", (event) => {
  const drops = event.target.closest?.("[data-drops]");
  if (drops) localStorage.removeItem(named(drops.dataset.drops));
});
