// A whole frame: everything found in it, zoom at any moment, and drawing what was missed.

import { askLabel, newName, Queue, read, say, showUnsent } from "/static/api.js";
import { Keys } from "/static/keys.js";

const SVG = "http://www.w3.org/2000/svg";
const viewer = document.querySelector(".viewer");
const capture = Number(viewer.dataset.capture);
const mayJudge = viewer.dataset.role !== "viewer";
const asked = Number(new URLSearchParams(window.location.search).get("detection"));
let items = [];
let here = asked || null;
let drawing = false;

const queue = new Queue(
  (waiting, trouble, act) => { showUnsent(waiting, trouble); if (act && waiting === 0) load(); },
  (act, error) => { say(`Refused: ${error.message}`); load(); },
);
const actions = {
  accept: () => judge({ action: "accept" }),
  reject: () => judge({ action: "reject" }),
  relabel: () => askLabel((label) => judge({ action: "relabel", label })),
  undo: () => { queue.push("/undo", {}); say("The last act is taken back"); },
  next: () => step(1),
  draw: () => setDrawing(!drawing),
};
new Keys(mayJudge ? actions : { next: actions.next });

const facts = await read(`/captures/${capture}`);
document.getElementById("facts").textContent = [
  `${facts.width_px} × ${facts.height_px} px`,
  facts.time_utc ? `${facts.time_utc.slice(0, 19).replace("T", " ")} UTC` : "",
  facts.latitude_deg !== null ? `${facts.latitude_deg.toFixed(5)}, ${facts.longitude_deg.toFixed(5)}` : "",
  facts.withheld || "",
].filter(Boolean).join(" · ");

const pixels = OpenSeadragon({
  id: "pixels", showNavigationControl: false, showNavigator: false, maxZoomPixelRatio: 8, animationTime: 0.35,
  gestureSettingsMouse: { clickToZoom: false },
  tileSources: {
    width: facts.width_px, height: facts.height_px, tileSize: facts.tile_px, minLevel: 0, maxLevel: facts.levels - 1,
    getTileUrl: (level, x, y) => `/api/v1/captures/${capture}/tiles/${level}/${x}/${y}.jpg`,
  },
});
pixels.addHandler("tile-load-failed", () => say("The picture cannot be shown: is the card or the disk there?"));

const layer = document.createElementNS(SVG, "svg");
layer.setAttribute("viewBox", `0 0 ${facts.width_px} ${facts.height_px}`);
layer.setAttribute("preserveAspectRatio", "none");
layer.setAttribute("class", "boxes");
layer.setAttribute("aria-hidden", "true");

pixels.addHandler("open", () => {
  pixels.addOverlay({ element: layer, location: pixels.world.getItemAt(0).getBounds() });
  if (here) zoomTo(here, true);
});

async function load() {
  items = (await read(`/captures/${capture}/items`)).filter((i) => i.state !== "withdrawn");
  draw();
}

function draw() {
  layer.replaceChildren();
  const list = document.getElementById("found");
  list.replaceChildren();
  for (const item of items) {
    const [x0, y0, x1, y1] = item.box_px;
    const box = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) box.setAttribute(name, value);
    box.setAttribute("class", `${item.state}${item.detection_id === here ? " here" : ""}`);
    layer.append(box);
    const row = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.className = item.state;
    button.setAttribute("aria-current", String(item.detection_id === here));
    button.textContent = `${item.label} ${item.score.toFixed(2)}${item.state === "unseen" ? "" : ` · ${item.state}`}`;
    button.addEventListener("click", () => { here = item.detection_id; draw(); zoomTo(here); });
    row.append(button);
    list.append(row);
  }
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
  const item = items.find((i) => i.detection_id === here);
  if (!item) { say("Choose one first"); return; }
  queue.push("/verdicts", { verdicts: [{ ...verdict, detection_id: item.detection_id }] });
  item.state = verdict.action;
  if (verdict.label) item.label = verdict.label;
  draw();
  step(1);
}

function step(by) {
  if (!items.length) return;
  const index = items.findIndex((i) => i.detection_id === here);
  here = items[(index + by + items.length) % items.length].detection_id;
  draw();
  zoomTo(here);
}

function setDrawing(on) {
  drawing = on;
  document.querySelector("[data-act=draw]").setAttribute("aria-pressed", String(on));
  document.getElementById("pixels").classList.toggle("drawing", on);
  pixels.setMouseNavEnabled(!on);
  if (on) say("Draw a box around the animal");
}

let corner = null;
let rubber = null;
const place = (event) => {
  const bounds = document.getElementById("pixels").getBoundingClientRect();
  const point = new OpenSeadragon.Point(event.clientX - bounds.left, event.clientY - bounds.top);
  return pixels.world.getItemAt(0).viewerElementToImageCoordinates(point);
};
const area = document.getElementById("pixels");
area.addEventListener("pointerdown", (event) => {
  if (!drawing) return;
  corner = place(event);
  rubber = document.createElementNS(SVG, "rect");
  rubber.setAttribute("class", "rubber");
  layer.append(rubber);
  area.setPointerCapture(event.pointerId);
}, true);
area.addEventListener("pointermove", (event) => {
  if (!corner) return;
  const now = place(event);
  rubber.setAttribute("x", Math.min(corner.x, now.x));
  rubber.setAttribute("y", Math.min(corner.y, now.y));
  rubber.setAttribute("width", Math.abs(now.x - corner.x));
  rubber.setAttribute("height", Math.abs(now.y - corner.y));
}, true);
area.addEventListener("pointerup", (event) => {
  if (!corner) return;
  const now = place(event);
  const within = (value, most) => Math.max(0, Math.min(most, value));
  const box = [
    within(Math.min(corner.x, now.x), facts.width_px), within(Math.min(corner.y, now.y), facts.height_px),
    within(Math.max(corner.x, now.x), facts.width_px), within(Math.max(corner.y, now.y), facts.height_px),
  ];
  corner = null;
  rubber.remove();
  if (box[2] - box[0] < 2 || box[3] - box[1] < 2) return;
  askLabel((label) => {
    queue.push("/verdicts", { verdicts: [{ action: "add", capture_id: capture, label, box_px: box }] });
    items.push({ detection_id: newName(), label, score: 1, state: "add", box_px: box });
    draw();
    setDrawing(false);
  });
}, true);

document.querySelectorAll("[data-act]").forEach((button) => {
  button.disabled = !mayJudge;
  button.addEventListener("click", () => actions[button.dataset.act]());
});
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, dialog")) return;
  if (event.key === "Escape" && drawing) setDrawing(false);
  else if (event.key === "d" && mayJudge) setDrawing(!drawing);
  else if (event.key === "Tab" || event.ctrlKey) return;
  else if (event.key === "+") pixels.viewport.zoomBy(1.4);
  else if (event.key === "-") pixels.viewport.zoomBy(1 / 1.4);
});
await load();
if (here) zoomTo(here, true);
