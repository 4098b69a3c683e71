// The conversation: what was said, what waits to be sent, and what stands in the way. It never shows anything itself.
const LONGEST_PAUSE = 30_000;
const LONGEST_WATCHED = 3_500; // a quarter more at most, while somebody looks or something waits to be sent
const MOST_KEPT = 50;

let turn = Promise.resolve();

/** Let one tab at a time do it; on sites without TLS, where browsers have no locks, one part of this tab at a time. */
function alone(name, act) {
  if (navigator.locks) return navigator.locks.request(name, act);
  const mine = turn.then(act);
  turn = mine.catch(() => {});
  return mine;
}

class Talk {
  constructor(line, memory, changed) {
    this.line = line;
    this.memory = memory;
    this.changed = () => {
      this.keep();
      changed();
    };
    this.config = null;
    /** Whether the panel is open. */
    this.watched = false;
    /** "unknown": no such assistant; "elsewhere": not for this site; "barred": not for this visitor. */
    this.trouble = null;
    this.why = "";
    this.away = false;
    this.over = false;
    this.who = null;
    this.sleepers = new Set();
    this.empty();
  }

  empty() {
    this.held = this.begun?.id;
    const kept = this.memory.get("said");
    const own = kept?.id !== undefined && kept.id === this.held;
    /** What was said is there before the desk is reached, and read anew once it is. */
    this.messages = new Map(own ? kept.messages.map((each) => [each.seq, each]) : []);
    this.tickets = own ? kept.tickets : [];
    this.kept = "";
    /** Everything up to here was read. */
    this.last = 0;
  }

  /** Keep the latest of what was said, for a reload while the desk is away. */
  keep() {
    if (!this.held || this.held !== this.begun?.id || !this.messages.size) return;
    const messages = [...this.messages.values()].sort((a, b) => a.seq - b.seq).slice(-MOST_KEPT);
    const said = { id: this.held, messages, tickets: this.tickets };
    const mark = JSON.stringify([messages.map((each) => each.seq), this.tickets]);
    if (mark !== this.kept) this.memory.set("said", said);
    this.kept = mark;
  }

  /** How it presents itself: as it did the last time, until the desk is reached. */
  get face() {
    return this.config ?? this.memory.get("face") ?? {};
  }

  know(config) {
    this.config = config;
    const { name, title, greeting, colour } = config;
    this.memory.set("face", { name, title, greeting, colour });
  }

  get begun() {
    return this.memory.get("talk");
  }

  get waiting() {
    return this.memory.waiting();
  }

  /** The ticket that is being worked on. */
  get ticket() {
    return this.tickets.find((each) => each.status !== "closed") ?? null;
  }

  get unread() {
    const seen = this.memory.get("seen") ?? 0;
    return [...this.messages.values()].filter((each) => each.seq > seen && each.author.kind !== "visitor").length;
  }

  saw() {
    const latest = Math.max(0, ...this.messages.keys());
    if (latest > (this.memory.get("seen") ?? 0)) this.memory.set("seen", latest);
  }

  /** Ask what the assistant is, until there is an answer; then go on where this browser was. */
  async meet() {
    if (!this.line.assistant) {
      this.unknown("The script names no assistant.");
      return this.changed();
    }
    for (let tries = 0; ; tries++) {
      try {
        this.know(await this.line.ask("GET", "/config"));
        this.reached();
        if (this.trouble !== "barred") this.trouble = null;
        break;
      } catch (error) {
        if (await this.failed(error)) return;
        await this.pause(tries, error.wait);
      }
    }
    if (this.config.require_identity && !this.who?.hmac && !this.begun) this.barred("Sign in on this site to write here.");
    this.changed();
    this.follow();
    this.send();
  }

  /** Remember who the page says it is; another person than before begins anew. */
  identify(who) {
    if (this.begun?.user && who.user_id && this.begun.user !== who.user_id) this.forget();
    this.who = who;
    if (this.trouble === "barred") this.trouble = null;
    this.changed();
    this.send();
  }

  forget() {
    this.memory.forget();
    this.stream?.abort();
    this.empty();
    this.who = null;
    this.over = false;
    this.changed();
  }

  say(body) {
    this.memory.keep({ key: drawn(), body, at: Date.now(), after: Math.max(this.last, ...this.messages.keys()) });
    this.changed();
    this.send();
  }

  /** Send what waits, in order, however long it takes. */
  async send() {
    if (this.sending) return this.wake();
    this.sending = true;
    try {
      for (let tries = 0; this.config && !this.trouble && this.unrefused().length; tries++) {
        try {
          await this.deliver();
          break;
        } catch (error) {
          if (await this.failed(error)) break;
          await this.pause(tries, error.wait);
        }
      }
    } finally {
      this.sending = false;
    }
    this.changed();
    if (this.config && !this.trouble && this.unrefused().length) this.send();
  }

  unrefused() {
    return this.waiting.filter((entry) => !entry.refused);
  }

  deliver() {
    return alone(`${this.memory.prefix}send`, async () => {
      for (let entry; (entry = this.unrefused()[0]); ) {
        const { id, token } = this.begun ?? (await this.begin());
        try {
          const message = await this.line.ask("POST", `/conversations/${id}/messages`, { body: { body: entry.body }, token, key: entry.key });
          this.memory.done(entry);
          this.take(message);
          this.reached();
        } catch (error) {
          if (![400, 413, 422].includes(error.status)) throw error;
          this.memory.keep({ ...entry, refused: error.message });
        }
        this.changed();
      }
    });
  }

  async begin() {
    const { hmac, name, email } = this.who ?? {};
    const body = hmac ? { identity: this.who } : name || email ? { contact: { name, email } } : {};
    let begun;
    try {
      begun = await this.line.ask("POST", "/conversations", { body });
    } catch (error) {
      if (error.status === 422 && this.who) {
        console.warn(`Counterfoil: identify() was told something else than a name and an e-mail address. ${error.message}`);
        this.who = null;
        return this.begin();
      }
      if (error.code === "not_allowed") this.barred(error.message);
      throw error;
    }
    const talk = { id: begun.conversation_id, token: begun.visitor_token, known: begun.known, user: this.who?.user_id };
    this.over = false;
    this.memory.drop("seen");
    this.memory.set("talk", talk);
    this.empty();
    this.follow();
    return talk;
  }

  /** Make a ticket of what was said. Raises Refused or Away; what was wished is made once, however often it is sent. */
  async open(wished) {
    await this.deliver();
    const { id, token } = this.begun ?? {};
    if (!id) throw new Refused(422, { code: "invalid", errors: [{ field: "message", detail: "write what it is about" }] }, 0);
    const body = Object.fromEntries(Object.entries(wished).filter(([, value]) => value));
    const said = JSON.stringify([id, body]);
    let wish = this.memory.get("wish");
    if (wish?.said !== said) wish = { said, key: drawn() };
    this.memory.set("wish", wish);
    try {
      const made = await this.line.ask("POST", `/conversations/${id}/ticket`, { body, token, key: wish.key });
      if (body.name && body.email && this.begun) this.memory.set("talk", { ...this.begun, known: true });
      this.memory.drop("wish");
      this.tickets = [made, ...this.tickets.filter((each) => each.id !== made.id)];
    } catch (error) {
      if (error instanceof Refused) this.memory.drop("wish");
      if (error.code === "ticket_creation_disabled") this.config.allow_ticket_creation = false;
      if (error.code === "contact_info_required") this.config.require_contact_info = true;
      if (error.code !== "conflict") throw error;
      // There is one already: another tab was quicker, or its answer was lost.
      await this.read();
    }
    this.changed();
  }

  /** Follow the conversation for as long as somebody may be looking. */
  async follow() {
    if (this.following || this.trouble) return;
    this.following = true;
    let tries = 0;
    while (this.begun && !this.trouble && !document.hidden) {
      const { id, token } = this.begun;
      this.stream = new AbortController();
      const since = Date.now();
      try {
        await this.read();
        await this.line.follow(token, this.last, this.stream.signal, (news) => {
          if (this.begun?.id !== id) return;
          if (news.seq) this.take(news);
          this.changed();
          this.read().catch(() => {});
        });
      } catch (error) {
        if (this.stream.signal.aborted) continue;
        if (await this.failed(error)) break;
      }
      tries = Date.now() - since > LONGEST_PAUSE ? 0 : tries + 1;
      await this.pause(tries - 1);
    }
    this.following = false;
  }

  /** Read what was said since, and how the tickets are. */
  async read() {
    for (let more = true; more; ) {
      const { id, token } = this.begun ?? {};
      if (!id) return;
      const page = await this.line.ask("GET", `/conversations/${id}?after=${this.last}&limit=100`, { token });
      if (this.begun?.id !== id) return;
      this.reached();
      page.messages.forEach((message) => this.take(message));
      this.tickets = page.tickets;
      more = page.more;
    }
    this.changed();
  }

  take(message) {
    this.messages.set(message.seq, message);
    while (this.messages.has(this.last + 1)) this.last++;
  }

  /** Look again at once: somebody does. */
  look() {
    if (document.hidden) return this.stream?.abort();
    this.wake();
    this.follow();
    if (!this.config || this.trouble) return;
    this.read().catch(() => {});
    const renewed = (config) => {
      this.know(config);
      this.changed();
    };
    this.line.ask("GET", "/config").then(renewed, () => {});
  }

  /** Another tab wrote in the memory. */
  moved(name) {
    if (name === "talk" && this.held !== this.begun?.id) {
      this.stream?.abort();
      this.empty();
      this.follow();
    }
    this.changed();
  }

  reached() {
    this.away = false;
  }

  barred(why) {
    this.trouble = "barred";
    this.why = why;
  }

  unknown(why) {
    this.trouble = "unknown";
    this.memory.drop("face");
    console.error(`Counterfoil: ${why} The script's data-assistant must be the ID that Settings > Widget shows.`);
  }

  /** Tell whether the refusal means that this conversation is over; then the next words begin another. */
  ends(error) {
    const over = error.status === 401 || (error.status === 404 && error.code === "not_found");
    if (over && this.begun) {
      this.memory.drop("talk");
      this.memory.drop("said");
      this.empty();
      this.over = true;
    }
    return over;
  }

  /** Note what went wrong; returns whether trying again is of no use. */
  async failed(error) {
    if (error instanceof Refused) {
      this.reached();
      if (error.code === "assistant_not_found") {
        this.unknown(error.message);
      }
      if (this.ends(error)) this.send();
    } else if (error.mute && (await this.isForOthers())) {
      this.trouble = "elsewhere";
      console.error(`Counterfoil: the assistant is not for ${location.origin}. Settings > Widget lists the origins that it is for.`);
    } else {
      this.away = true;
    }
    this.changed();
    return this.trouble !== null;
  }

  /** Tell whether the desk answers others, and this page alone gets nothing that it may read. */
  async isForOthers() {
    if (!navigator.onLine || !(await this.line.isThere())) return false;
    return this.line.ask("GET", "/config").then(() => false, (error) => error.mute === true);
  }

  /** Wait longer each time, within bounds, unless somebody looks or the network is back. */
  pause(tries, seconds = 0) {
    const longest = this.watched || this.waiting.length ? LONGEST_WATCHED : LONGEST_PAUSE;
    const usual = Math.min(longest, 1000 * 2 ** Math.max(0, tries)) * (0.75 + Math.random() / 2);
    return new Promise((resolve) => {
      const awake = () => {
        clearTimeout(timer);
        this.sleepers.delete(awake);
        resolve();
      };
      const timer = setTimeout(awake, Math.max(usual, seconds * 1000));
      if (!seconds) this.sleepers.add(awake);
    });
  }

  wake() {
    [...this.sleepers].forEach((awake) => awake());
  }
}
