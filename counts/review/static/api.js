// Requests to the server, and the acts that wait for it: each has a name, is kept in this browser until the server
// has it on disk, and is sent again under the same name when an answer was lost.

const API = "/api/v1";
const WAITING = "overfly.waiting";
const MOST_ACTS = 40;
const MOST_VERDICTS = 500;
const PLACE = document.body.dataset.place;

// Not refused: logged out, too slow, or too often.
const AGAIN = new Set([401, 408, 429]);

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

async function asked(path, options) {
  const answer = await fetch(API + path, { headers: { "X-Overfly": "1", "Content-Type": "application/json" }, ...options });
  if (answer.status === 401 && window.location.pathname !== "/login") window.location.assign("/login");
  const content = answer.status === 204 ? null : await answer.json();
  if (!answer.ok) throw new Refused(answer.status, said(content));
  return content;
}

function said(content) {
  const detail = content?.detail;
  if (Array.isArray(detail)) return detail.map((d) => d.msg).join("; ");
  return detail || "the server refused it";
}

export function read(path, params = {}) {
  const known = Object.entries(params).filter(([, value]) => value !== undefined && value !== null);
  const query = new URLSearchParams(known).toString();
  return asked(query ? `${path}?${query}` : path);
}

export function send(path, body) {
  return asked(path, { method: "POST", body: JSON.stringify(body) });
}

export function newName() {
  return crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random().toString(16).slice(2)}-${performance.now()}`;
}

export class Queue {
  // Acts in the order they were made, one at a time. `onChange(waiting, trouble)` is told of every change.
  constructor(onChange, onRefused) {
    this.waiting = kept();
    this.made = [];
    this.number = 0;
    this.onChange = onChange;
    this.onRefused = onRefused;
    this.busy = false;
    this.alone = 0;
    this.pause = 500;
    this.done = [];
    onChange(this.waiting.length, null);
    this.#go();
  }

  push(path, body) {
    this.#keep({ path, body: { request: newName(), ...body } });
    this.made.push(path);
    this.#go();
  }

  undo() {
    // Answers about pairs and verdicts on boxes are taken back each by their own kind, in the order made on this page.
    const path = this.made.pop() === "/pairs/answers" ? "/pairs/undo" : "/undo";
    this.#keep({ path, body: { request: newName() } });
    this.#go();
  }

  idle() {
    return this.waiting.length === 0 ? Promise.resolve() : new Promise((done) => this.done.push(done));
  }

  #keep(act) {
    // Each act under a key of its own: a second tab does not overwrite what the first one waits for.
    this.number += 1;
    act.key = `${WAITING}.${Date.now()}.${String(this.number).padStart(6, "0")}.${act.body.request}`;
    localStorage.setItem(act.key, JSON.stringify({ ...act, place: PLACE }));
    this.waiting.push(act);
    this.onChange(this.waiting.length, null);
  }

  #forget() {
    const act = this.waiting.shift();
    localStorage.removeItem(act.key);
    return act;
  }

  async #go() {
    if (this.busy) return;
    this.busy = true;
    while (this.waiting.length) {
      const several = this.alone ? 1 : together(this.waiting);
      try {
        const { path, body } = this.waiting[0];
        const answers = several > 1
          ? await send("/acts", { acts: this.waiting.slice(0, several).map((act) => act.body) })
          : [await send(path, body)];
        this.pause = 500;
        this.alone = Math.max(0, this.alone - 1);
        for (const answer of answers) this.onChange(this.waiting.length - 1, null, this.#forget(), answer);
      } catch (error) {
        if (error instanceof Refused && !AGAIN.has(error.status) && error.status < 500) {
          // Of several none was written: each is sent alone, and the one that is refused is found.
          if (several > 1) { this.alone = several; continue; }
          this.alone = Math.max(0, this.alone - 1);
          this.onRefused(this.#forget(), error);
          this.onChange(this.waiting.length, null);
          continue;
        }
        this.onChange(this.waiting.length, "the server does not answer: it is tried again");
        await new Promise((resolve) => setTimeout(resolve, this.pause));
        this.pause = Math.min(this.pause * 2, 8000);
      }
    }
    this.busy = false;
    this.done.splice(0).forEach((done) => done());
  }
}

// How many of the acts that wait go in one request: verdicts and undos, few enough to be answered at once.
function together(waiting) {
  let count = 0;
  let verdicts = 0;
  for (const { path, body } of waiting) {
    verdicts += body.verdicts?.length ?? 0;
    if ((path !== "/verdicts" && path !== "/undo") || count === MOST_ACTS || (count && verdicts > MOST_VERDICTS)) break;
    count += 1;
  }
  return Math.max(1, count);
}

// What waited when a page was left. What somebody else made, or was about another census, is not ours to send.
function kept() {
  return Object.keys(localStorage).filter((key) => key.startsWith(`${WAITING}.`)).sort()
    .map((key) => ({ ...JSON.parse(localStorage.getItem(key)), key })).filter((act) => act.place === PLACE);
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

// New rows for a list; the one that has the focus hands it on to the one in its place.
export function redraw(list, rows) {
  const at = [...list.children].findIndex((row) => row.contains(document.activeElement));
  list.replaceChildren(...rows);
  const row = at < 0 ? null : list.children[Math.min(at, list.children.length - 1)];
  (row?.matches("button") ? row : row?.querySelector("button, a"))?.focus({ preventScroll: true });
}

export function showUnsent(count, trouble) {
  const place = document.getElementById("unsent");
  place.hidden = count === 0;
  place.textContent = count === 0 ? "" : `${count} not on disk yet${trouble ? `: ${trouble}` : ""}`;
}

// Asks for a label, the last one given filled in; `then` is called with it unless it was cancelled.
export function askLabel(then) {
  const dialog = document.getElementById("relabel");
  const input = dialog.querySelector("input");
  input.value = localStorage.getItem("overfly.relabel") || "";
  dialog.returnValue = "";
  dialog.showModal();
  input.select();
  dialog.addEventListener("close", () => {
    const label = input.value.trim();
    if (dialog.returnValue !== "ok" || !label) return;
    localStorage.setItem("overfly.relabel", label);
    then(label);
  }, { once: true });
}
