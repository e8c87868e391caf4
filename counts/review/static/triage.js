// Triage: a grid of crops, judged by single keys. What one decides shows at once; the queue sees that it is kept.

import { askLabel, Queue, read, say, showUnsent } from "/static/api.js";
import { Keys } from "/static/keys.js";

const PAGE = 60;
const desk = document.querySelector(".desk");
const grid = document.getElementById("grid");
const mayJudge = desk.dataset.role !== "viewer";
const at = { label: null, score: 0, state: "unseen", after: null, items: [], cursor: 0, selected: new Set(), loading: 0 };
let progress = [];

const queue = new Queue(
  (waiting, trouble, act) => {
    showUnsent(waiting, trouble);
    if (act && waiting === 0) refresh(act.path === "/undo");
  },
  (act, error) => say(`Refused: ${error.message}`),
);

const actions = {
  accept: () => judge("accept"),
  reject: () => judge("reject"),
  relabel: () => askLabel((label) => { judge("relabel", label); grid.focus(); }),
  undo: () => { queue.push("/undo", {}); say("The last act is taken back"); },
  next: () => nextUnseen(),
  frame: () => openFrame(),
  select: () => select(at.cursor),
  all: () => { at.items.forEach((_, i) => at.selected.add(i)); mark(); say(`${at.items.length} selected`); },
};
const keys = new Keys(mayJudge ? actions : { frame: actions.frame, next: actions.next });
keys.show(document.getElementById("keys"));

async function refresh(again = false) {
  progress = await read("/progress", { least_score: at.score });
  drawLabels();
  if (again) await load(true);
}

function drawLabels() {
  const list = document.getElementById("labels");
  list.replaceChildren();
  for (const one of progress) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(one.label === at.label));
    const name = document.createElement("span");
    name.textContent = one.label;
    const bar = document.createElement("progress");
    bar.max = Math.max(one.total, 1);
    bar.value = one.seen;
    bar.setAttribute("aria-label", `${one.seen} of ${one.total} ${one.label} judged`);
    const count = document.createElement("span");
    count.className = "quiet";
    count.textContent = `${one.seen} of ${one.total}`;
    button.append(name, count, bar);
    button.addEventListener("click", () => choose(one.label));
    const row = document.createElement("li");
    row.append(button);
    list.append(row);
  }
  const mine = progress.find((p) => p.label === at.label);
  const text = mine ? `${at.label}: ${mine.seen} of ${mine.total} judged` : "Nothing to review";
  document.getElementById("progress").textContent = text;
  document.getElementById("above").textContent = mine ? `${mine.total} from this score up` : "";
}

async function choose(label) {
  at.label = label;
  localStorage.setItem("overfly.label", label);
  drawLabels();
  drawHistogram();
  await load(true);
}

async function drawHistogram() {
  const canvas = document.getElementById("histogram");
  const { all } = await read("/scores", { label: at.label });
  const pen = canvas.getContext("2d");
  const most = Math.max(1, ...all);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  all.forEach((count, percent) => {
    const high = count ? Math.max(2, (Math.sqrt(count / most)) * canvas.height) : 0;
    pen.fillStyle = percent / 100 < at.score ? "#c9c5b8" : "#b5481b";
    pen.fillRect((percent / 101) * canvas.width, canvas.height - high, canvas.width / 101 - 0.5, high);
  });
}

async function load(anew) {
  const mine = ++at.loading;
  const after = anew ? null : at.after;
  const page = await read("/items", {
    label: at.label, state: at.state, least_score: at.score, limit: PAGE,
    after_score: after?.score, after_id: after?.detection_id,
  });
  if (mine !== at.loading) return;
  if (anew) { at.items = []; at.cursor = 0; at.selected.clear(); grid.replaceChildren(); }
  const first = at.items.length;
  at.items.push(...page.items);
  at.after = page.after;
  page.items.forEach((item, i) => grid.append(cell(item, first + i)));
  document.getElementById("more").hidden = at.after === null;
  const empty = document.getElementById("empty");
  empty.hidden = at.items.length > 0;
  empty.textContent = at.state === "unseen" ? "All are judged from this score up." : "Nothing here.";
  mark();
}

function cell(item, index) {
  const place = document.createElement("li");
  place.id = `item-${item.detection_id}`;
  place.setAttribute("role", "option");
  const picture = document.createElement("img");
  picture.loading = "lazy";
  picture.decoding = "async";
  picture.width = picture.height = 160;
  picture.alt = "";
  picture.src = `/api/v1/detections/${item.detection_id}/crop.jpg?size=192`;
  picture.addEventListener("error", () => place.classList.add("gone"));
  const text = document.createElement("span");
  text.className = "caption";
  place.append(picture, text);
  place.addEventListener("click", (event) => {
    at.cursor = index;
    if (event.shiftKey || event.ctrlKey || event.metaKey) select(index);
    mark();
    grid.focus({ preventScroll: true });
  });
  place.addEventListener("dblclick", openFrame);
  return place;
}

function caption(item) {
  const what = { unseen: "", accept: "accepted", reject: "rejected", relabel: "relabelled", move: "moved", add: "drawn" };
  return [item.label, item.score.toFixed(2), what[item.state] ?? item.state].filter(Boolean).join(" · ");
}

function mark() {
  [...grid.children].forEach((place, i) => {
    const item = at.items[i];
    place.className = [item.state, i === at.cursor ? "here" : "", place.classList.contains("gone") ? "gone" : ""].join(" ");
    place.setAttribute("aria-selected", String(at.selected.has(i)));
    place.lastChild.textContent = caption(item);
    place.setAttribute("aria-label", caption(item));
  });
  const here = grid.children[at.cursor];
  if (here) {
    grid.setAttribute("aria-activedescendant", here.id);
    here.scrollIntoView({ block: "nearest" });
  }
}

function chosen() {
  return at.selected.size ? [...at.selected].sort((a, b) => a - b) : at.items[at.cursor] ? [at.cursor] : [];
}

function judge(action, label) {
  if (!mayJudge) return;
  const rows = chosen();
  if (!rows.length) return;
  const verdicts = rows.map((i) => ({ action, detection_id: at.items[i].detection_id, ...(label ? { label } : {}) }));
  for (let start = 0; start < verdicts.length; start += 2000) queue.push("/verdicts", { verdicts: verdicts.slice(start, start + 2000) });
  rows.forEach((i) => { at.items[i].state = action; if (label) at.items[i].label = label; });
  const mine = progress.find((p) => p.label === at.label);
  if (mine) mine.seen = Math.min(mine.total, mine.seen + rows.length);
  say(`${rows.length > 1 ? `${rows.length} ` : ""}${action === "relabel" ? `now ${label}` : `${action}ed`}`);
  at.selected.clear();
  drawLabels();
  nextUnseen(rows.at(-1));
}

function nextUnseen(from = at.cursor) {
  const next = at.items.findIndex((item, i) => i > from && item.state === "unseen");
  if (next >= 0) at.cursor = next;
  else if (at.after) return load(false).then(() => nextUnseen(from));
  else {
    const first = at.items.findIndex((item) => item.state === "unseen");
    if (first >= 0) at.cursor = first;
    else if (at.state === "unseen") queue.idle().then(() => load(true));
  }
  mark();
  return undefined;
}

function select(index) {
  if (at.selected.has(index)) at.selected.delete(index);
  else at.selected.add(index);
  mark();
}

function openFrame() {
  const item = at.items[at.cursor];
  if (item) window.location.assign(`/frames/${item.capture_id}?detection=${item.detection_id}`);
}

grid.addEventListener("keydown", (event) => {
  const across = Math.max(1, Math.floor(grid.clientWidth / (grid.firstElementChild?.offsetWidth || 1)));
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -at.cursor, End: at.items.length };
  if (event.key === "Enter") { event.preventDefault(); openFrame(); return; }
  if (event.key === " ") { event.preventDefault(); select(at.cursor); return; }
  if (!(event.key in steps)) return;
  event.preventDefault();
  const from = at.cursor;
  at.cursor = Math.max(0, Math.min(at.items.length - 1, at.cursor + steps[event.key]));
  if (event.shiftKey) for (let i = Math.min(from, at.cursor); i <= Math.max(from, at.cursor); i++) at.selected.add(i);
  if (at.after && at.cursor > at.items.length - across * 2) load(false);
  mark();
});

document.querySelectorAll("[data-act]").forEach((button) => {
  if (!mayJudge && button.dataset.act !== "frame") button.disabled = true;
  button.addEventListener("click", () => actions[button.dataset.act]());
});
document.getElementById("more").addEventListener("click", () => load(false));
document.querySelectorAll("[name=state]").forEach((radio) =>
  radio.addEventListener("change", () => { at.state = radio.value; load(true); }));
const score = document.getElementById("score");
let slid;
score.addEventListener("input", () => {
  at.score = Number(score.value);
  document.getElementById("score-shown").textContent = at.score.toFixed(2);
  clearTimeout(slid);
  slid = setTimeout(async () => { await refresh(); drawHistogram(); load(true); }, 120);
});
document.getElementById("remap").addEventListener("click", () =>
  keys.edit(document.getElementById("mapping"), document.getElementById("mapping-rows"), () => keys.show(document.getElementById("keys"))));
document.getElementById("keys-reset").addEventListener("click", () => {
  keys.reset();
  keys.show(document.getElementById("keys"));
  document.getElementById("mapping").close();
});

await refresh();
const kept = localStorage.getItem("overfly.label");
const open = progress.filter((p) => p.seen < p.total).sort((a, b) => (b.total - b.seen) - (a.total - a.seen));
const first = progress.find((p) => p.label === kept && p.seen < p.total) || open[0] || progress[0];
if (first) await choose(first.label);
else {
  document.getElementById("empty").hidden = false;
  document.getElementById("empty").textContent = "Nothing was found in this survey.";
}
grid.focus({ preventScroll: true });
