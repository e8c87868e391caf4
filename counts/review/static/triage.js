// Triage: a grid of crops, judged by single keys. What one decides shows at once; the queue sees that it is kept.

import { askLabel, Queue, read, redraw, say, showUnsent } from "/static/api.js";
import { askParts, merge, SAID, split } from "/static/boxes.js";
import { askBulk } from "/static/bulk.js";
import { Keys } from "/static/keys.js";

const PAGE = 60;
const MOST_IN_ACT = 2000;
const desk = document.querySelector(".desk");
const grid = document.getElementById("grid");
const mayJudge = desk.dataset.role !== "viewer";
const at = { label: null, score: 0, state: "unseen", after: null, items: [], cursor: 0, selected: new Set(), loading: 0 };
let progress = [];
let asking = 0;
let newest = null;

const queue = new Queue(
  (waiting, trouble, act) => {
    showUnsent(waiting, trouble);
    if (act && waiting === 0) refresh(/undo|bulk/.test(act.path));
  },
  (act, error) => { say(`Refused: ${error.message}`); load(true); },
);

const actions = {
  accept: () => judge("accept"),
  reject: () => judge("reject"),
  relabel: () => askLabel((label) => { judge("relabel", label); grid.focus(); }),
  undo: () => { queue.undo(); say("The last act is taken back"); },
  next: () => nextUnseen(),
  frame: () => openFrame(),
  select: () => select(at.cursor),
  all: () => { at.items.forEach((_, i) => at.selected.add(i)); paintAll(); say(`${at.items.length} selected`); },
  bulk: () => askBulk(queue, { label: at.label, least_score: at.score }, `${at.label} from ${at.score.toFixed(2)} up`, (act) => {
    queue.push("/verdicts/bulk", act);
    say(`${act.expected} ${SAID[act.action]}`);
  }).catch((error) => say(error.message)),
  split: () => splitHere(),
  merge: () => mergeSelected(),
};
new Keys(mayJudge ? actions : { frame: actions.frame, next: actions.next }).onPage();

function refresh(again = false) {
  asking += 1;
  newest = ask(asking, again);
  return newest;
}

async function ask(mine, again) {
  const found = await read("/progress", { least_score: at.score }).catch(() => null);
  // Whoever waits for an answer that a later question has overtaken waits for that one's.
  if (mine !== asking) { await newest; return; }
  if (found === null) return;
  progress = found;
  drawLabels();
  if (again) await load(true);
}

function drawLabels() {
  redraw(document.getElementById("labels"), progress.map((one) => {
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
    return row;
  }));
  const mine = progress.find((p) => p.label === at.label);
  const text = mine ? `${at.label}: ${mine.seen} of ${mine.total} judged` : "Nothing to review";
  document.getElementById("progress").textContent = text;
  document.getElementById("above").textContent = mine ? `${mine.total} from this score up, ${mine.total - mine.seen} not judged` : "";
}

async function choose(label) {
  at.label = label;
  localStorage.setItem("overfly.label", label);
  drawLabels();
  drawHistogram();
  await change();
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

function clear() {
  at.items = [];
  at.cursor = 0;
  at.selected.clear();
  grid.replaceChildren();
}

// Another label or filter: what is shown is not what the page says any more, so no key is about it.
function change() {
  clear();
  return load(true);
}

// Whether there is a page more, or anew the first one, to go on with.
async function load(anew) {
  const mine = ++at.loading;
  grid.setAttribute("aria-busy", "true");
  const after = anew ? null : at.after;
  let page;
  try {
    page = await read("/items", {
      label: at.label, state: at.state, least_score: at.score, limit: PAGE,
      after_score: after?.score, after_id: after?.detection_id,
    });
  } catch (error) {
    if (mine === at.loading) { grid.removeAttribute("aria-busy"); say(`Not read: ${error.message}`); }
    return false;
  }
  if (mine !== at.loading) return false;
  if (anew) clear();
  const first = at.items.length;
  at.items.push(...page.items);
  at.after = page.after;
  page.items.forEach((item, i) => { grid.append(cell(item, first + i)); paint(first + i); });
  grid.removeAttribute("aria-busy");
  document.getElementById("more").hidden = at.after === null;
  const empty = document.getElementById("empty");
  empty.hidden = at.items.length > 0;
  empty.textContent = at.state === "unseen" ? "All are judged from this score up." : "Nothing here.";
  moveTo(at.cursor, false);
  return true;
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
    if (event.shiftKey || event.ctrlKey || event.metaKey) select(index);
    moveTo(index);
    grid.focus({ preventScroll: true });
  });
  place.addEventListener("dblclick", openFrame);
  return place;
}

function paint(index) {
  const place = grid.children[index];
  const item = at.items[index];
  if (!place || !item) return;
  const text = [`${item.label} · ${item.score.toFixed(2)}`, SAID[item.state] ?? item.state].filter(Boolean).join("\n");
  place.className = [item.state, index === at.cursor ? "here" : "", place.classList.contains("gone") ? "gone" : ""].join(" ");
  place.setAttribute("aria-selected", String(at.selected.has(index)));
  place.lastChild.textContent = text;
  place.setAttribute("aria-label", text);
}

function paintAll() {
  at.items.forEach((_, i) => paint(i));
}

function moveTo(index, inView = true) {
  const before = at.cursor;
  at.cursor = index;
  paint(before);
  paint(index);
  const here = grid.children[index];
  if (!here) { grid.removeAttribute("aria-activedescendant"); return; }
  grid.setAttribute("aria-activedescendant", here.id);
  if (inView) here.scrollIntoView({ block: "nearest" });
  // The next page comes before the last of this one is reached: whoever judges fast does not wait for it.
  if (at.after && index > at.items.length - PAGE && !grid.hasAttribute("aria-busy")) load(false);
}

function chosen() {
  return at.selected.size ? [...at.selected].sort((a, b) => a - b) : at.items[at.cursor] ? [at.cursor] : [];
}

function judge(action, label) {
  if (!mayJudge) return;
  const rows = chosen();
  if (!rows.length) return;
  const verdicts = rows.map((i) => ({ action, detection_id: at.items[i].detection_id, ...(label ? { label } : {}) }));
  for (let start = 0; start < verdicts.length; start += MOST_IN_ACT) queue.push("/verdicts", { verdicts: verdicts.slice(start, start + MOST_IN_ACT) });
  say(`${rows.length > 1 ? `${rows.length} ` : ""}${action === "relabel" ? `now ${label}` : SAID[action]}`);
  judged(rows, action, label);
}

function judged(rows, state, label) {
  const mine = progress.find((p) => p.label === at.label);
  if (mine) mine.seen = Math.min(mine.total, mine.seen + rows.filter((i) => at.items[i].state === "unseen").length);
  const selected = [...at.selected];
  at.selected.clear();
  rows.forEach((i) => { at.items[i].state = state; if (label) at.items[i].label = label; });
  [...rows, ...selected].forEach(paint);
  drawLabels();
  nextUnseen(rows.at(-1));
}

function splitHere() {
  const item = at.items[at.cursor];
  if (!item || !mayJudge) return;
  const row = at.cursor;
  askParts((animals) => {
    queue.push("/verdicts", { verdicts: split(item, animals) });
    say(`${animals} animals instead of one`);
    judged([row], "split");
    grid.focus();
  });
}

function mergeSelected() {
  const rows = chosen();
  const [into, ...others] = rows.map((i) => at.items[i]);
  if (!mayJudge || !others.length) { say("Select the boxes that are one animal first"); return; }
  if (others.every((item) => item.capture_id === into.capture_id)) {
    queue.push("/verdicts", { verdicts: merge(into, others) });
    say(`${rows.length} boxes are one animal`);
    judged(rows.slice(1), "merge");
  } else if (others.length === 1) {
    queue.push("/pairs/answers", { detection_ids: [into.detection_id, others[0].detection_id], answer: "same" });
    say("One animal in two pictures: the next count follows");
    at.selected.clear();
    paintAll();
  } else say("Select boxes of one picture, or one in each of two");
}

function nextUnseen(from = at.cursor) {
  const next = at.items.findIndex((item, i) => i > from && item.state === "unseen");
  if (next >= 0) { moveTo(next); return; }
  // Until there is one to see no key is about any.
  moveTo(at.items.length);
  if (at.after) { load(false).then((more) => more && nextUnseen(from)); return; }
  const first = at.items.findIndex((item) => item.state === "unseen");
  if (first >= 0) moveTo(first);
  else if (at.state === "unseen") queue.idle().then(() => load(true));
  else moveTo(Math.max(0, at.items.length - 1));
}

function select(index) {
  if (!at.items[index]) return;
  if (at.selected.has(index)) at.selected.delete(index);
  else at.selected.add(index);
  paint(index);
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
  const to = Math.max(0, Math.min(at.items.length - 1, from + steps[event.key]));
  if (event.shiftKey) for (let i = Math.min(from, to); i <= Math.max(from, to); i++) { at.selected.add(i); paint(i); }
  moveTo(to);
});

document.querySelectorAll("[data-act]").forEach((button) => {
  if (!mayJudge && button.dataset.act !== "frame") button.disabled = true;
  button.addEventListener("click", () => actions[button.dataset.act]());
});
document.getElementById("more").addEventListener("click", () => load(false));
document.querySelectorAll("[name=state]").forEach((radio) =>
  radio.addEventListener("change", () => { at.state = radio.value; change(); }));
const score = document.getElementById("score");
let slid;
score.addEventListener("input", () => {
  at.score = Number(score.value);
  at.after = null;
  document.getElementById("score-shown").textContent = at.score.toFixed(2);
  clear();
  clearTimeout(slid);
  slid = setTimeout(async () => {
    await refresh();
    // Before the first answer there is no label; choosing one reads it from this score up.
    if (at.label !== null) { drawHistogram(); load(true); }
  }, 120);
});

if (window.matchMedia("(max-width: 620px)").matches) document.querySelector(".filters").open = false;
await refresh();
const wished = new URLSearchParams(window.location.search).get("label");
const kept = localStorage.getItem("overfly.label");
const open = progress.filter((p) => p.seen < p.total).sort((a, b) => (b.total - b.seen) - (a.total - a.seen));
const first = progress.find((p) => p.label === wished) || progress.find((p) => p.label === kept && p.seen < p.total) || open[0] || progress[0];
if (first) await choose(first.label);
else {
  grid.removeAttribute("aria-busy");
  document.getElementById("empty").hidden = false;
  document.getElementById("empty").textContent = "Nothing was found in this survey.";
}
grid.focus({ preventScroll: true });
