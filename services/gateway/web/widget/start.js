// Puts the widget into the page that loaded the script, and gives the page a few words to say to it.
const script = document.currentScript;

function begin() {
  const assistant = (script.dataset.assistant ?? "").trim();
  const desk = new URL(script.src).origin;
  const memory = new Memory(assistant);
  const told = (name, detail = {}) => window.dispatchEvent(new CustomEvent(`counterfoil:${name}`, { detail }));

  customElements.define("counterfoil-widget", class extends HTMLElement {});
  const host = document.createElement("counterfoil-widget");
  const shadow = host.attachShadow({ mode: "open" });
  const look = new CSSStyleSheet(), colours = new CSSStyleSheet();
  look.replaceSync(LOOK);
  shadow.adoptedStyleSheets = [look, colours];
  const root = element("div", { class: "root", lang: "en" });
  shadow.append(root);

  const turn = () => (root.dir = script.dataset.dir ?? getComputedStyle(document.documentElement).direction);
  let drawn = "", unread = 0, numbers = new Set();
  function draw() {
    const colour = talk.face.colour ?? "#2f5d50";
    if (colour !== drawn) colours.replaceSync(coloursOf((drawn = colour)));
    turn();
    panel.draw();
    for (const { id, number } of talk.tickets) {
      if (!numbers.has(id)) told("ticket", { number });
      numbers.add(id);
    }
  }
  const remembered = (open) => {
    try {
      sessionStorage.setItem(`${memory.prefix}open`, open ? "yes" : "");
    } catch {
      // Then it is closed on the next page.
    }
  };
  const wasOpen = () => {
    try {
      return sessionStorage.getItem(`${memory.prefix}open`) === "yes";
    } catch {
      return false;
    }
  };
  const talk = new Talk(new Line(desk, assistant), memory, draw);
  const panel = new Panel(root, talk, memory, (name, detail) => {
    if (name === "unread") {
      if (detail.count === unread) return;
      unread = detail.count;
    } else {
      talk.watched = name === "open";
      remembered(talk.watched);
      if (name === "open") {
        turn();
        talk.look();
      }
    }
    told(name, detail);
  });

  window.Counterfoil = Object.freeze({
    open: () => panel.open(),
    close: () => panel.close(),
    identify: (who) => talk.identify({ ...who }),
    forget() {
      panel.ticketing(false);
      panel.clear();
      talk.forget();
    },
  });
  window.addEventListener("storage", (event) => {
    if (event.key === null || event.key.startsWith(memory.prefix)) talk.moved(event.key === null ? "talk" : event.key.slice(memory.prefix.length));
  });
  for (const kind of ["online", "offline", "focus"]) window.addEventListener(kind, () => (kind === "offline" ? draw() : talk.look()));
  document.addEventListener("visibilitychange", () => talk.look());
  // The status of a ticket changes without a word being said.
  setInterval(() => panel.opened && talk.ticket && talk.look(), 20_000);

  draw();
  document.documentElement.append(host);
  if (memory.get("card")) panel.card.show(true);
  if (wasOpen()) panel.open({ focus: false });
  talk.meet();
  told("ready");
}

function coloursOf(colour) {
  const rules = Object.entries(grounds).map(([scheme, ground]) => {
    const accent = visible(colour, ground);
    return `@media (prefers-color-scheme: ${scheme}) { .root { --accent: ${accent}; --on-accent: ${inkOn(accent)}; } }`;
  });
  return rules.join("\n");
}

if (window.Counterfoil) console.warn("Counterfoil: the widget's script is in this page twice.");
else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
