// Buttons that copy a field; without a script there is the field.
import { all, whenShown } from "./page.js";
import { say } from "./forms.js";

whenShown((root) => all("button[data-copies]", root).forEach((button) => { button.hidden = !navigator.clipboard; }));

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("button[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  field.select?.();
  try {
    await navigator.clipboard.writeText(field.value ?? field.textContent);
    say("Copied.");
  } catch {
    say("Your browser doesn't allow it: it is selected, so copy it by hand.");
  }
});
