// What a visitor sees: a button, and a panel with what was said, one input, and a card for a ticket.
const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  speech: "M4 4.5h16v11.5h-9.5L6 20v-4H4z",
  close: "m6 6 12 12M18 6 6 18",
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  ticket: "M3 6h18v4a2 2 0 0 0 0 4v4H3v-4a2 2 0 0 0 0-4zM15 7.5v1.5M15 11.25v1.5M15 15v1.5",
};
const STATUS = { new: "New", open: "Open", in_progress: "In progress", waiting_on_customer: "Waiting for you", resolved: "Resolved", closed: "Closed" };
const FULL = matchMedia("(max-width: 480px)");

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function icon(name) {
  const svg = document.createElementNS(SVG, "svg"), path = document.createElementNS(SVG, "path");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", focusable: "false" })) svg.setAttribute(key, value);
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/** Words as they were written; only addresses of the web become links. */
function words(text) {
  return text.split(/(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]])/).map((part, nth) =>
    nth % 2 ? element("a", { href: part, target: "_blank", rel: "noopener noreferrer nofollow ugc" }, part) : part);
}

const clock = (at) => new Date(at).toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });

class Panel {
  constructor(root, talk, memory, told) {
    this.root = root;
    this.talk = talk;
    this.memory = memory;
    this.told = told;
    this.shown = new Map();
    this.opened = false;
    /** What is said when tickets were switched off while the card was open. */
    this.withdrawn = "";
    this.card = new Card(this);
    this.build();
  }

  build() {
    this.badge = element("span", { class: "badge", "aria-hidden": "true", hidden: "" });
    this.launch = element("button", { class: "launch", type: "button", "aria-expanded": "false", "aria-controls": "panel" }, icon("speech"), icon("close"), this.badge);
    this.title = element("h2", { id: "title", tabindex: "-1", dir: "auto" });
    this.shut = element("button", { class: "bare", type: "button", "aria-label": "Close the chat" }, icon("close"));
    this.log = element("div", { class: "log", role: "log", tabindex: "0", "aria-label": "Conversation" });
    this.note = element("p", { class: "note", role: "status", dir: "auto" });
    this.text = element("textarea", { id: "text", rows: "1", maxlength: "8000", placeholder: "Write a message", dir: "auto" });
    this.go = element("button", { class: "go", type: "submit", "aria-label": "Send" }, icon("send"));
    this.compose = element("form", { class: "compose" }, element("label", { class: "unseen", for: "text" }, "Message"), this.text, this.go);
    this.wish = element("button", { class: "wish", type: "button" }, icon("ticket"), "Create a ticket");
    this.off = element("p", { class: "off", dir: "auto", hidden: "" }, "Tickets are off here; we answer in this chat.");
    this.foot = element("div", { class: "foot" }, this.compose, this.wish, this.off);
    this.panel = element("div", { class: "panel", id: "panel", role: "dialog", "aria-labelledby": "title", hidden: "" },
      element("div", { class: "head" }, this.title, this.shut), this.log, this.note, this.card.form, this.foot);
    this.root.append(this.panel, this.launch);
    this.text.value = this.memory.get("draft") ?? "";

    this.launch.addEventListener("click", () => (this.opened ? this.close() : this.open()));
    this.shut.addEventListener("click", () => this.close());
    this.wish.addEventListener("click", () => this.ticketing(true));
    this.compose.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.text.addEventListener("input", () => this.typed());
    this.text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.send();
    });
    // Keys that are pressed here are no business of the page's own shortcuts.
    for (const kind of ["keydown", "keyup", "keypress"]) this.root.addEventListener(kind, (event) => event.stopPropagation());
    this.panel.addEventListener("keydown", (event) => this.key(event));
    FULL.addEventListener("change", () => this.modal());
  }

  key(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      if (this.card.open) this.ticketing(false);
      else this.close();
    } else if (event.key === "Tab" && FULL.matches) {
      const stops = [...this.panel.querySelectorAll("a, button, input, textarea, [tabindex='0']")].filter((each) => each.offsetParent && !each.disabled);
      const from = event.shiftKey ? stops[0] : stops.at(-1), to = event.shiftKey ? stops.at(-1) : stops[0];
      const at = this.root.getRootNode().activeElement;
      if (at === from || at === this.title) {
        event.preventDefault();
        to.focus();
      }
    }
  }

  modal() {
    if (FULL.matches && this.opened) this.panel.setAttribute("aria-modal", "true");
    else this.panel.removeAttribute("aria-modal");
  }

  /** Show the panel; without `focus`, as after a reload, whoever reads the page is left where they are. */
  open({ focus = true } = {}) {
    if (!this.opened) {
      this.opened = true;
      this.panel.hidden = false;
      this.launch.setAttribute("aria-expanded", "true");
      this.root.classList.add("open");
      this.modal();
      this.told("open");
      this.draw();
      this.grow();
      this.log.scrollTop = this.log.scrollHeight;
    }
    if (focus) (this.foot.hidden ? (this.card.open ? this.card.first : this.title) : this.text).focus();
  }

  close() {
    if (!this.opened) return;
    const inside = this.root.getRootNode().activeElement !== null;
    this.opened = false;
    this.withdrawn = "";
    this.panel.hidden = true;
    this.launch.setAttribute("aria-expanded", "false");
    this.root.classList.remove("open");
    this.told("close");
    this.draw();
    if (inside) this.launch.focus();
  }

  ticketing(wanted) {
    this.card.show(wanted);
    this.draw();
    if (wanted) this.card.first.focus();
    else if (!this.foot.hidden) this.text.focus();
  }

  /** Close the card because tickets are off now. */
  withdraw() {
    const unsent = this.card.leave();
    if (unsent) {
      this.text.value = unsent;
      this.typed();
    }
    const next = unsent ? "What you wrote is not sent yet: send it here; we answer in this chat." : "Your message was sent; we answer in this chat.";
    this.withdrawn = `Tickets can't be created here just now. ${next}`;
  }

  send() {
    const body = this.text.value.trim();
    if (!body) return;
    this.clear();
    this.talk.say(body);
    this.log.scrollTop = this.log.scrollHeight;
  }

  clear() {
    this.text.value = "";
    this.typed();
  }

  typed() {
    if (this.text.value) this.memory.set("draft", this.text.value);
    else this.memory.drop("draft");
    this.grow();
  }

  grow() {
    this.text.rows = 1;
    while (this.text.rows < 6 && this.text.scrollHeight > this.text.clientHeight + 2) this.text.rows++;
  }

  /** Show things as they are now. */
  draw() {
    const { talk } = this;
    const title = talk.face.title ?? "Chat";
    if (this.title.textContent !== title) this.title.textContent = title;
    if (this.opened && !document.hidden) talk.saw();
    const unread = this.opened ? 0 : talk.unread;
    this.badge.hidden = !unread;
    this.badge.textContent = unread > 9 ? "9+" : unread;
    const many = unread ? `, ${unread} unread ${unread === 1 ? "message" : "messages"}` : "";
    this.launch.setAttribute("aria-label", this.opened ? "Close the chat" : `${title}: open the chat${many}`);
    this.told("unread", { count: unread });

    const had = this.root.getRootNode().activeElement;
    const barred = talk.trouble !== null;
    const may = talk.config?.allow_ticket_creation && !barred;
    const off = Boolean(talk.config) && !barred && !may && !talk.ticket;
    if (!off) this.withdrawn = "";
    if (this.card.open && (barred || talk.ticket)) this.card.show(false);
    if (this.card.open && off) this.withdraw();
    this.card.draw();
    this.root.classList.toggle("barred", barred);
    this.foot.hidden = barred || this.card.open;
    this.wish.hidden = !may || talk.ticket !== null;
    this.off.hidden = !off || this.withdrawn !== "";
    this.say(this.state());
    this.lines();
    // Whoever was in a part that has gone is not left nowhere.
    if (this.opened && had && had !== this.launch && !had.offsetParent) (this.foot.hidden ? this.title : this.text).focus();
  }

  state() {
    const { talk } = this;
    if (talk.trouble === "unknown") return "This chat is not set up: check the assistant ID.";
    if (talk.trouble === "elsewhere") return "This chat can't be used on this site.";
    if (talk.trouble === "barred") return talk.why;
    if (talk.away) return `${navigator.onLine ? "The chat can't be reached just now." : "You are offline."} What you write is kept here, and sent once there is a connection.`;
    if (this.withdrawn) return this.withdrawn;
    if (talk.over) return "The earlier conversation is over. What you write begins a new one.";
    return "";
  }

  say(note) {
    if (this.note.textContent !== note) this.note.textContent = note;
  }

  lines() {
    const near = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 80;
    const wanted = this.wanted();
    let at = this.log.firstChild;
    for (const [key, make] of wanted) {
      if (!this.shown.has(key)) this.shown.set(key, make());
      const line = this.shown.get(key);
      make.update?.(line);
      if (line === at) at = at.nextSibling;
      else this.log.insertBefore(line, at);
    }
    for (const [key, line] of this.shown) {
      if (wanted.has(key)) continue;
      line.remove();
      this.shown.delete(key);
    }
    if (near) this.log.scrollTop = this.log.scrollHeight;
  }

  /** What stands in the log, in order, and how each is made. */
  wanted() {
    const { talk } = this, wanted = new Map();
    const { greeting, name: speaker } = talk.face;
    if (greeting) wanted.set(`greeting ${greeting}`, () => bubble("theirs", greeting, speaker));
    const tickets = [...talk.tickets].sort((a, b) => a.number - b.number);
    const said = [...talk.messages.values()].sort((a, b) => a.seq - b.seq);
    let before = "";
    for (const message of said) {
      while (tickets.length && Date.parse(tickets[0].created_at) < Date.parse(message.at)) ticketLine(wanted, tickets.shift());
      const mine = message.author.kind === "visitor";
      const name = mine || before === message.author.name ? "" : message.author.name;
      before = mine ? "" : message.author.name;
      wanted.set(`message ${talk.held} ${message.seq}`, () => bubble(mine ? "mine" : "theirs", message.body, name, message.at));
    }
    tickets.forEach((ticket) => ticketLine(wanted, ticket));
    // One that was sent but not acknowledged here may stand among what was said already.
    const arrived = said.filter((each) => each.author.kind === "visitor");
    for (const entry of talk.waiting) {
      const there = arrived.findIndex((each) => each.seq > entry.after && each.body === entry.body);
      if (there >= 0) arrived.splice(0, there + 1);
      else waitingLine(wanted, entry, this);
    }
    return wanted;
  }
}

function bubble(whose, body, name, at) {
  const line = element("div", { class: `line ${whose}` });
  if (name) line.append(element("p", { class: "who", dir: "auto" }, name));
  if (whose === "mine") line.append(element("span", { class: "unseen" }, "You: "));
  line.append(element("p", { class: "words", dir: "auto" }, ...words(body)));
  if (at) line.append(element("time", { datetime: at, dir: "auto" }, clock(at)));
  return line;
}

function waitingLine(wanted, entry, panel) {
  const make = () => {
    const line = bubble("mine waiting", entry.body);
    line.append(element("p", { class: "meta" }));
    return line;
  };
  make.update = (line) => {
    const meta = line.querySelector(".meta");
    const state = entry.refused ? `Not sent. ${entry.refused}` : panel.talk.away ? "Waits for a connection" : "Sending…";
    if (meta.firstChild?.textContent === state) return;
    meta.replaceChildren(state);
    if (!entry.refused) return;
    const edit = element("button", { class: "link", type: "button" }, "Edit");
    edit.addEventListener("click", () => {
      panel.memory.done(entry);
      panel.text.value = [entry.body, panel.text.value].filter(Boolean).join("\n");
      panel.typed();
      panel.draw();
      panel.text.focus();
    });
    meta.append(" ", edit);
  };
  wanted.set(`waiting ${entry.key}`, make);
}

function ticketLine(wanted, ticket) {
  const make = () => element("div", { class: "made" },
    element("p", { class: "made-what" }, icon("ticket"), element("strong", {}, "Ticket ", element("bdi", {}, `#${ticket.number}`)), element("span", { class: "status" })),
    element("p", { class: "subject", dir: "auto" }, ticket.subject),
    element("p", { class: "next", dir: "auto" }));
  make.update = (line) => {
    const over = ticket.status === "closed";
    const next = over ? "It is closed. Write again if there is more to it." : "We have it and answer here. You can go on writing.";
    for (const [name, text] of [["status", STATUS[ticket.status]], ["next", next]]) {
      const part = line.querySelector(`.${name}`);
      if (part.textContent !== text) part.textContent = text;
    }
  };
  wanted.set(`ticket ${ticket.id}`, make);
}
