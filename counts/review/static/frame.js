// A whole frame: everything found in it, zoom at any moment, and drawing what was missed.

import { askLabel, newName, Queue, read, redraw, say, showUnsent } from "/static/api.js";
import { askParts, merge, SAID, split } from "/static/boxes.js";
import { askBulk } from "/static/bulk.js";
import { Drawing } from "/static/drawing.js";
import { Keys } from "/static/keys.js";
import { panByKeys, sayWhy, whenDrawn } from "/static/pixels.js";

const SVG = "http://www.w3.org/2000/svg";
const get = (id) => document.getElementById(id);
const viewer = document.querySelector(".viewer");
const capture = Number(viewer.dataset.capture);
const mayJudge = viewer.dataset.role !== "viewer";
let items = [];
let here = Number(new URLSearchParams(window.location.search).get("detection")) || null;
const picked = new Set();
let loading = Promise.resolve();

const queue = new Queue(
  (waiting, trouble, act) => { showUnsent(waiting, trouble); if (act && waiting === 0) loading = load(); },
  (act, error) => { say(`Refused: ${error.message}`); load(); },
);
const current = () => items.find((i) => i.detection_id === here);
const actions = {
  accept: () => judge({ action: "accept" }),
  reject: () => judge({ action: "reject" }),
  relabel: () => askLabel((label) => judge({ action: "relabel", label })),
  undo: () => { queue.undo(); say("The last act is taken back"); },
  next: () => nextUnseen(),
  select: () => pick(here),
  bulk: () => bulk(),
  split: () => splitHere(),
  merge: () => mergePicked(),
  draw: () => draw("draw"),
  redraw: () => (current() ? draw("redraw") : say("Choose one first")),
};
new Keys(mayJudge ? actions : { next: actions.next }).onPage();

const facts = await read(`/captures/${capture}`);
get("facts").append([
  `${facts.width_px} × ${facts.height_px} px`,
  facts.time_utc ? `${facts.time_utc.slice(0, 19).replace("T", " ")} UTC` : "",
  facts.latitude_deg !== null ? `${facts.latitude_deg.toFixed(5)}, ${facts.longitude_deg.toFixed(5)}` : "",
  facts.withheld || "",
].filter(Boolean).join(" · "));
for (const [what, name] of [["line", facts.line], ["flight", facts.flight]]) {
  if (!name) continue;
  const link = document.createElement("a");
  link.href = `/map?${new URLSearchParams({ [what]: name, capture })}`;
  link.textContent = `${what} ${name}`;
  get("facts").append(" · ", link);
}

const source = {
  width: facts.width_px, height: facts.height_px, tileSize: facts.tile_px, minLevel: 0, maxLevel: facts.levels - 1,
  getTileUrl: (level, x, y) => `/api/v1/captures/${capture}/tiles/${level}/${x}/${y}.jpg`,
};
const pixels = OpenSeadragon({
  id: "pixels", showNavigationControl: false, showNavigator: false, tabIndex: -1, maxZoomPixelRatio: 8, animationTime: 0.35,
  gestureSettingsMouse: { clickToZoom: false }, gestureSettingsTouch: { clickToZoom: false }, tileSources: source,
});
const drawing = whenDrawn(capture, facts.drawn, pixels, source);
panByKeys(get("pixels"), () => pixels);
pixels.addHandler("tile-load-failed", () => { if (!drawing.on) sayWhy(capture); });

const layer = document.createElementNS(SVG, "svg");
layer.setAttribute("viewBox", `0 0 ${facts.width_px} ${facts.height_px}`);
layer.setAttribute("preserveAspectRatio", "none");
layer.setAttribute("class", "boxes");
layer.setAttribute("aria-hidden", "true");
const pen = new Drawing(pixels, get("pixels"), layer, facts);

const opened = new Promise((done) => pixels.addOnceHandler("open", done));
pixels.addHandler("open", () => {
  pixels.addOverlay({ element: layer, location: pixels.world.getItemAt(0).getBounds() });
  if (here && !drawing.was) zoomTo(here, true);
});
pixels.addHandler("canvas-click", (event) => {
  if (!event.quick || pen.on) return;
  const { x, y } = pixels.world.getItemAt(0).viewerElementToImageCoordinates(event.position);
  const under = items.filter(({ box_px: [x0, y0, x1, y1] }) => x0 <= x && x <= x1 && y0 <= y && y <= y1);
  const size = ({ box_px: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
  const [one] = under.sort((a, b) => size(a) - size(b));
  if (!one) return;
  if (event.originalEvent.shiftKey || event.originalEvent.ctrlKey) pick(one.detection_id);
  go(one.detection_id, false);
});

async function load() {
  const found = await read(`/captures/${capture}/items`);
  const before = current();
  items = found.filter((i) => i.state !== "withdrawn");
  // A box that was only just drawn has another key once it is on disk; whoever has chosen it goes on with it.
  if (before && !current()) here = items.find((i) => i.label === before.label && near(i.box_px, before.box_px))?.detection_id ?? here;
  show();
}

function near(one, other) {
  return one.every((value, i) => Math.abs(value - other[i]) < 0.5);
}

function show() {
  const boxes = items.map((item) => {
    const [x0, y0, x1, y1] = item.box_px;
    const box = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) box.setAttribute(name, value);
    box.setAttribute("class", `${item.state}${item.detection_id === here ? " here" : ""}${picked.has(item.detection_id) ? " picked" : ""}`);
    return box;
  });
  layer.replaceChildren(...boxes);
  redraw(get("found"), items.map((item) => {
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = item.state;
    button.setAttribute("aria-current", String(item.detection_id === here));
    if (mayJudge) button.setAttribute("aria-pressed", String(picked.has(item.detection_id)));
    button.textContent = [`${item.label} ${item.score.toFixed(2)}`, SAID[item.state] ?? item.state].filter(Boolean).join(" · ");
    button.addEventListener("click", (event) => {
      if (event.shiftKey || event.ctrlKey) pick(item.detection_id);
      go(item.detection_id);
    });
    row.append(button);
    return row;
  }));
  const judged = items.filter((i) => i.state !== "unseen").length;
  get("progress").textContent = items.length ? `${judged} of ${items.length} judged in this picture` : "Nothing was found in this picture";
}

let looked = null;
async function showElsewhere() {
  if (looked === here) return;
  looked = here;
  const mine = here;
  const others = Number.isInteger(mine) ? (await read(`/detections/${mine}/animal`)).others : [];
  if (mine !== here) return;
  get("elsewhere").hidden = others.length === 0;
  get("others").replaceChildren(...others.map((other) => {
    const row = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/frames/${other.capture_id}?detection=${other.detection_id}`;
    const crop = document.createElement("img");
    crop.src = `/api/v1/detections/${other.detection_id}/crop.jpg?size=192`;
    crop.alt = "";
    crop.width = crop.height = 96;
    link.append(crop, other.picture);
    row.append(link);
    if (mayJudge) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "Another animal";
      button.addEventListener("click", () => {
        queue.push("/pairs/answers", { detection_ids: [mine, other.detection_id], answer: "different" });
        say("Two animals: the next count follows");
        button.disabled = true;
      });
      row.append(button);
    }
    return row;
  }));
}

function go(key, zoom = true) {
  here = key;
  show();
  if (zoom) zoomTo(key);
  showElsewhere().catch((error) => say(error.message));
}

function zoomTo(key, atOnce = false) {
  const item = items.find((i) => i.detection_id === key);
  if (!item || !pixels.isOpen()) return;
  const [x0, y0, x1, y1] = item.box_px;
  const side = Math.max(x1 - x0, y1 - y0, 40) * 6;
  const image = pixels.world.getItemAt(0);
  pixels.viewport.fitBounds(image.imageToViewportRectangle((x0 + x1 - side) / 2, (y0 + y1 - side) / 2, side, side), atOnce);
}

function judge(verdict) {
  const item = current();
  if (!item) { say("Choose one first"); return; }
  if (!Number.isInteger(item.detection_id)) {
    // It was drawn a moment ago, and is judged when it has its key.
    queue.idle().then(() => loading).then(() => (Number.isInteger(current()?.detection_id) ? judge(verdict) : say("Choose one first")));
    return;
  }
  queue.push("/verdicts", { verdicts: [{ ...verdict, detection_id: item.detection_id }] });
  item.state = verdict.action;
  if (verdict.label) item.label = verdict.label;
  if (verdict.box_px) item.box_px = verdict.box_px;
  say(verdict.label ? `now ${verdict.label}` : SAID[verdict.action]);
  show();
  if (verdict.action !== "move") nextInPicture();
}

function nextInPicture() {
  const index = items.findIndex((i) => i.detection_id === here);
  const after = [...items.slice(index + 1), ...items.slice(0, index + 1)];
  const next = after.find((i) => i.state === "unseen");
  if (next) go(next.detection_id);
  else say("All in this picture are judged");
  return Boolean(next);
}

// What `n` leads to after this picture is drawn meanwhile: asking for it is all that it takes.
async function askAhead() {
  const item = current() || items[0];
  if (item) await read("/items/next", { label: item.label, after_score: item.score, after_id: item.detection_id });
}

// The next one that nobody has judged: in this picture, and when there is none, in the next picture that has one.
async function nextUnseen() {
  if (nextInPicture()) return;
  await queue.idle();
  const item = current() || items[0];
  const progress = await read("/progress");
  const label = progress.find((p) => p.label === item?.label && p.seen < p.total)?.label ?? progress.find((p) => p.seen < p.total)?.label;
  const place = item?.label === label ? { after_score: item.score, after_id: item.detection_id } : {};
  const next = label === undefined ? null : await read("/items/next", { label, ...place });
  if (next) window.location.assign(`/frames/${next.capture_id}?detection=${next.detection_id}`);
  else say("Everything is judged");
}

function pick(key) {
  if (!current() && key === here) return;
  if (picked.has(key)) picked.delete(key);
  else picked.add(key);
  show();
}

function bulk() {
  const label = current()?.label ?? items.find((i) => i.state === "unseen")?.label;
  if (!label) { say("Nothing was found in this picture"); return; }
  askBulk(queue, { label, capture_id: capture }, `${label} in this picture`, (act) => {
    queue.push("/verdicts/bulk", act);
    say(`${act.expected} ${SAID[act.action]}`);
  }).catch((error) => say(error.message));
}

function splitHere() {
  const item = current();
  if (!item) { say("Choose one first"); return; }
  askParts((animals) => {
    queue.push("/verdicts", { verdicts: split({ ...item, capture_id: capture }, animals) });
    item.state = "split";
    say(`${animals} animals instead of one`);
    show();
  });
}

function mergePicked() {
  const into = current();
  const others = items.filter((i) => picked.has(i.detection_id) && i !== into);
  if (!into || !others.length) { say("Select the boxes that are one animal, and go to the one that stays"); return; }
  queue.push("/verdicts", { verdicts: merge(into, others) });
  others.forEach((item) => { item.state = "merge"; });
  picked.clear();
  say(`${others.length + 1} boxes are one animal`);
  show();
}

function draw(what) {
  const same = pen.on === what;
  pen.stop();
  if (!same) {
    say("Draw a box around the animal, or press Enter for one in the middle");
    pen.start(what, (box) => {
      press();
      if (what === "redraw") { judge({ action: "move", box_px: box }); return; }
      askLabel((label) => {
        queue.push("/verdicts", { verdicts: [{ action: "add", capture_id: capture, label, box_px: box }] });
        items.push({ detection_id: newName(), label, score: 1, state: "add", box_px: box });
        show();
      });
    });
  }
  press();
}

function press() {
  for (const name of ["draw", "redraw"]) document.querySelector(`[data-act=${name}]`).setAttribute("aria-pressed", String(pen.on === name));
}

document.querySelectorAll("[data-act]").forEach((button) => {
  button.disabled = !mayJudge;
  button.addEventListener("click", () => actions[button.dataset.act]());
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, dialog") || event.ctrlKey) return;
  if (event.key === "Escape" && pen.on) { pen.stop(); press(); }
  else if (event.key === "+") pixels.viewport.zoomBy(1.4);
  else if (event.key === "-") pixels.viewport.zoomBy(1 / 1.4);
});
await load();
if (here) go(here);
await opened;
get("pixels").removeAttribute("aria-busy");
if (mayJudge) askAhead().catch(() => {});
