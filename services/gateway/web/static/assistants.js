// The widget as it will look, while its settings are typed; with the very rule by which it mends colours.
import { contrast, grounds, inkOn, visible } from "./colour.js";
import { whenShown } from "./page.js";

function show(form) {
  const shown = form.querySelector(".widget-shown");
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark" ||
    (getComputedStyle(document.documentElement).colorScheme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  const colour = form.elements.colour.value;
  const accent = visible(colour, grounds[dark ? "dark" : "light"]);
  shown.style.setProperty("--shown", accent);
  shown.style.setProperty("--on-shown", inkOn(accent));
  for (const part of shown.querySelectorAll("[data-shows]")) part.textContent = form.elements[part.dataset.shows].value;

  const told = Object.entries(grounds).map(([scheme, ground]) => {
    const used = visible(colour, ground), ink = inkOn(used);
    const words = `${ink === "#ffffff" ? "white" : "black"} words on it at ${contrast(used, ink).toFixed(1)} : 1`;
    return `${scheme === "light" ? "By day" : "In the dark"} ${used === colour ? "as it is" : `shown as ${used}, for it could hardly be seen`}, ${words}.`;
  });
  form.querySelector("#contrast").textContent = told.join(" ");
}

whenShown((root) => root.querySelectorAll("form[data-widget]").forEach((form) => {
  show(form);
  form.addEventListener("input", () => show(form));
}));
