// How the desk is asked. What it refuses is told apart from not reaching it.
class Refused extends Error {
  constructor(status, problem, wait) {
    super(problem.detail ?? "This can't be done.");
    this.status = status;
    this.code = problem.code ?? "";
    this.problem = problem;
    this.wait = wait;
  }
}

class Away extends Error {
  /** `mute`: there was no answer that this page may read. */
  constructor(mute = false) {
    super("The desk can't be reached.");
    this.mute = mute;
  }
}

const PATIENCE = 20_000;
const SILENCE = 40_000; // the desk says something every 15 seconds

class Line {
  constructor(desk, assistant) {
    this.desk = desk;
    this.assistant = assistant;
    this.base = `${desk}/widget/v1/${encodeURIComponent(assistant)}`;
  }

  async ask(method, path, { body, token, key } = {}) {
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (token) headers.Authorization = `Bearer ${token}`;
    if (key) headers["Idempotency-Key"] = key;
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), PATIENCE);
    try {
      const answer = await fetch(this.base + path, {
        method, headers, body: body && JSON.stringify(body), signal: over.signal, credentials: "omit",
      });
      if (answer.ok) return await answer.json();
      throw await refusal(answer);
    } catch (error) {
      throw told(error) ? error : new Away(!over.signal.aborted);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Follow the conversation behind a message until the desk ends it; `heard` gets each message, and each ticket that moved. */
  async follow(token, after, signal, heard) {
    const over = new AbortController();
    const end = () => over.abort();
    signal.addEventListener("abort", end);
    let timer = setTimeout(end, PATIENCE);
    try {
      const answer = await fetch(`${this.base}/events?tickets=true`, {
        headers: { Authorization: `Bearer ${token}`, "Last-Event-ID": String(after) },
        signal: over.signal, credentials: "omit", cache: "no-store",
      });
      if (!answer.ok) throw await refusal(answer);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        clearTimeout(timer);
        timer = setTimeout(end, SILENCE);
        const { done, value } = await reader.read();
        if (done) return;
        const blocks = (rest + value).split("\n\n");
        rest = blocks.pop();
        for (const block of blocks) {
          const data = block.split("\n").filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
          if (data.length) heard(JSON.parse(data.join("\n")));
        }
      }
    } catch (error) {
      throw told(error) ? error : new Away(!over.signal.aborted);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      over.abort();
    }
  }

  /** Tell whether the desk answers other pages: then it is this one that it does not. */
  async isThere() {
    try {
      return (await fetch(`${this.desk}/widget.js`, { credentials: "omit", cache: "no-cache" })).ok;
    } catch {
      return false;
    }
  }
}

const told = (error) => error instanceof Refused || error instanceof Away;

async function refusal(answer) {
  const problem = await answer.json().catch(() => ({}));
  const passing = answer.status >= 500 || problem.code === "in_progress";
  return passing ? new Away() : new Refused(answer.status, problem, Number(answer.headers.get("Retry-After")) || 5);
}
