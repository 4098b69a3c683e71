// The small card that makes a ticket of the conversation. What was typed in it outlives errors and reloads.
const FIELDS = {
  message: { label: "What is it about?", rows: "3", maxlength: "8000" },
  subject: { label: "Subject (optional)", maxlength: "200", autocomplete: "off" },
  name: { label: "Name", maxlength: "120", autocomplete: "name" },
  email: { label: "E-mail", maxlength: "254", autocomplete: "email", type: "email", inputmode: "email" },
};

// What the desk takes for an address, so that a slip is said before anything is sent.
const ADDRESS = /^[^@\s<>"(),:;\\[\]]{1,64}@[^@\s.<>"(),:;\\[\]]+(\.[^@\s.<>"(),:;\\[\]]+)+$/;

class Card {
  constructor(panel) {
    this.panel = panel;
    this.talk = panel.talk;
    this.memory = panel.memory;
    this.open = false;
    this.fields = {};
    this.build();
  }

  build() {
    this.form = element("form", { class: "card", novalidate: "", "aria-labelledby": "card-title", hidden: "" }, element("h3", { id: "card-title" }, "Create a ticket"));
    this.why = element("p", { class: "why", id: "why", dir: "auto" }, "We ask for your name and e-mail address so that we know whom to answer.");
    for (const [name, { label, ...attributes }] of Object.entries(FIELDS)) {
      const input = element(attributes.rows ? "textarea" : "input", { id: name, name, dir: "auto", ...attributes });
      const fault = element("p", { class: "fault", id: `fault-${name}`, dir: "auto", hidden: "" });
      const field = element("div", { class: "field" }, element("label", { for: name }, label), input, fault);
      this.fields[name] = { field, input, fault };
      if (name === "name") this.form.append(this.why);
      this.form.append(field);
    }
    this.said = element("p", { class: "fault", role: "alert", dir: "auto", hidden: "" });
    this.make = element("button", { class: "main", type: "submit" }, "Create the ticket");
    const cancel = element("button", { class: "quiet", type: "button" }, "Cancel");
    this.form.append(this.said, element("div", { class: "actions" }, this.make, cancel));
    cancel.addEventListener("click", () => this.panel.ticketing(false));
    this.form.addEventListener("input", () => this.keep());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
  }

  get asksWho() {
    const { begun, config, who } = this.talk;
    return Boolean(config?.require_contact_info && !(begun ? begun.known : who?.hmac));
  }

  get asksWhat() {
    return !this.talk.messages.size && !this.talk.waiting.length;
  }

  get first() {
    return Object.values(this.fields).find(({ field }) => !field.hidden).input;
  }

  show(wanted) {
    this.open = wanted;
    if (!wanted) return this.memory.drop("card");
    const kept = this.memory.get("card") ?? {};
    const { name, email } = this.talk.who ?? {};
    const values = { message: this.asksWhat ? this.panel.text.value : "", name, email, ...this.memory.get("left"), ...kept };
    for (const [field, { input }] of Object.entries(this.fields)) input.value = values[field] ?? "";
    this.faults([]);
    this.keep();
    this.draw();
  }

  get typed() {
    return Object.fromEntries(Object.entries(this.fields).map(([name, { input }]) => [name, input.value]));
  }

  keep() {
    this.memory.set("card", this.typed);
  }

  /** Close, but keep what was typed for the next time; returns the words that were not sent. */
  leave() {
    const { message, ...left } = this.typed;
    const unsent = this.fields.message.field.hidden ? "" : message.trim();
    this.memory.set("left", left);
    this.show(false);
    return unsent;
  }

  draw() {
    this.form.hidden = !this.open;
    if (!this.open) return;
    const shown = { message: this.asksWhat, subject: true, name: this.asksWho, email: this.asksWho };
    // What was asked for stays until the card is closed: nothing jumps while it is sent.
    for (const [name, { field }] of Object.entries(this.fields)) field.hidden = !shown[name] && !(this.busy && !field.hidden);
    this.why.hidden = this.fields.name.field.hidden;
  }

  faults(errors, said = "") {
    const found = Object.fromEntries(errors.map((each) => [each.field, each.detail]).reverse());
    if (found.email && this.fields.email.input.value.trim()) found.email = "Must be an e-mail address, such as name@example.com";
    for (const [name, { input, fault }] of Object.entries(this.fields)) {
      const text = found[name] ?? "";
      fault.textContent = text.charAt(0).toUpperCase() + text.slice(1);
      fault.hidden = !text;
      if (text) {
        input.setAttribute("aria-invalid", "true");
        input.setAttribute("aria-describedby", fault.id);
      } else {
        input.removeAttribute("aria-invalid");
        input.removeAttribute("aria-describedby");
      }
    }
    this.said.textContent = said;
    this.said.hidden = !said;
    Object.values(this.fields).find(({ fault, field }) => !fault.hidden && !field.hidden)?.input.focus();
  }

  async send() {
    if (this.busy) return;
    const value = (name) => (this.fields[name].field.hidden ? "" : this.fields[name].input.value.trim());
    const needed = [["message", "write a few words"], ["name", "needed before a ticket is created"], ["email", "needed before a ticket is created"]];
    const wrong = needed.filter(([name]) => !this.fields[name].field.hidden && !value(name)).map(([field, detail]) => ({ field, detail }));
    if (value("email") && !ADDRESS.test(value("email"))) wrong.push({ field: "email", detail: "must be an e-mail address" });
    if (wrong.length) return this.faults(wrong);
    this.busy = true;
    this.make.disabled = true;
    this.faults([]);
    try {
      const message = value("message");
      if (message) {
        if (this.panel.text.value.trim() === message) this.panel.clear();
        this.fields.message.input.value = "";
        this.keep();
        this.talk.say(message);
      }
      await this.talk.open({ subject: value("subject"), name: value("name"), email: value("email") });
      this.busy = false;
      this.memory.drop("left");
      this.panel.ticketing(false);
    } catch (error) {
      this.busy = false;
      if (error.code === "ticket_creation_disabled") {
        this.panel.draw();
        return this.panel.text.focus();
      }
      const fields = error.problem?.errors ?? [];
      const away = !(error instanceof Refused);
      this.draw();
      this.faults(fields, fields.length ? "" : away ? "Not sent: the chat can't be reached just now. What you typed is kept; try again in a moment." : error.message);
      if (away) this.talk.failed(error);
    } finally {
      this.make.disabled = false;
    }
  }
}
