// What a browser keeps for its visitor. Where the page may keep nothing, it lasts as long as the page.
const drawn = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

class Memory {
  constructor(assistant) {
    this.prefix = `counterfoil.${assistant}.`;
    this.spare = new Map();
  }

  get(name) {
    try {
      const kept = localStorage.getItem(this.prefix + name);
      if (kept !== null) return JSON.parse(kept);
    } catch {
      // Storage is closed, or somebody else wrote in it.
    }
    return this.spare.get(name) ?? null;
  }

  set(name, value) {
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify(value));
    } catch {
      this.spare.set(name, value);
    }
  }

  drop(name) {
    this.spare.delete(name);
    try {
      localStorage.removeItem(this.prefix + name);
    } catch {
      // Then nothing was kept.
    }
  }

  names() {
    const names = new Set(this.spare.keys());
    try {
      for (const key of Object.keys(localStorage)) if (key.startsWith(this.prefix)) names.add(key.slice(this.prefix.length));
    } catch {
      // Then nothing is kept.
    }
    return [...names];
  }

  forget() {
    this.names().forEach((name) => this.drop(name));
  }

  // Messages that were not acknowledged, each under a name of its own: two tabs never write over one another's.

  waiting() {
    const entries = this.names().filter((name) => name.startsWith("waiting.")).map((name) => this.get(name));
    return entries.filter((entry) => entry?.key && entry.body).sort((a, b) => a.at - b.at);
  }

  keep(entry) {
    this.set(`waiting.${entry.key}`, entry);
  }

  done(entry) {
    this.drop(`waiting.${entry.key}`);
  }
}
