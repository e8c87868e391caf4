// The random sample: frames counted blind, a mark on each animal. Nothing that was detected is asked for here.

import { Queue, newName, read, redraw, say, send, showUnsent } from "/static/api.js";
import { Keys } from "/static/keys.js";
import { panByKeys, sayWhy, whenDrawn } from "/static/pixels.js";

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = ["#ffd23f", "#5ad1ff", "#ff8ad8", "#8cf28c", "#ffb066", "#c9b3ff", "#ffffff", "#a7ffe4", "#ff7b6b"];
const get = (id) => document.getElementById(id);
let state = null;
let frame = null;
let marks = [];
let species = null;
let pixels = null;
let layer = null;

const queue = new Queue(
  (waiting, trouble, act, answer) => { showUnsent(waiting, trouble); if (answer?.species) { state = answer; drawState(); } },
  (act, error) => { say(`Refused: ${error.message}`); refresh(); },
);
const actions = {
  done: () => done(),
  mark: () => { if (pixels?.isOpen()) put(pixels.viewport.viewportToImageCoordinates(pixels.viewport.getCenter(true))); },
  undo: () => { if (marks.pop()) { drawMarks(); say("The last mark is taken back"); } },
  back: () => { if (frame?.before) open(frame.before); else say("There is no frame before this one"); },
};
new Keys(actions).onPage();
panByKeys(get("pixels"), () => pixels);

async function refresh() {
  state = await read("/sample");
  drawState();
  await next();
  await agreement();
}

function drawState() {
  const { sample_id, frames, counted, counted_twice, mine, open: left, first_left, second_left, may_draw } = state;
  get("progress").textContent = sample_id === null ? "" :
    `yours: ${mine - left} of ${mine} done · all: ${counted} of ${frames} counted, ${counted_twice} by two people`;
  get("take").hidden = sample_id === null;
  get("left").textContent = `Not given out yet: ${first_left} for a first look, ${second_left} for a second.`;
  const form = get("draw");
  if (form) form.hidden = !may_draw;
}

async function next() {
  show(state.sample_id === null ? null : await read("/sample/next"));
}

async function open(key) {
  show(await read(`/sample/frames/${key}`));
}

function show(found) {
  frame = found;
  get("checking").hidden = frame === null;
  get("empty").hidden = frame !== null;
  if (frame === null) {
    get("empty").textContent = state.sample_id === null ? "No sample is drawn yet: a manager draws one."
      : state.counted >= state.frames ? "Every frame of the sample is counted. A second look at some shows how far two people agree: take them below."
      : state.mine ? "All your frames are done. Take more below." : "You have no frames yet: take some below.";
    return;
  }
  marks = Object.entries(frame.marks_px || {}).flatMap(([label, places]) => places.map((place) => ({ label, place })));
  drawSpecies();
  const source = {
    width: frame.width_px, height: frame.height_px, tileSize: frame.tile_px, minLevel: 0, maxLevel: frame.levels - 1,
    getTileUrl: (level, x, y) => `/api/v1/captures/${frame.capture_id}/tiles/${level}/${x}/${y}.jpg`,
  };
  pixels?.destroy();
  get("pixels").setAttribute("aria-busy", "true");
  pixels = OpenSeadragon({
    id: "pixels", showNavigationControl: false, tabIndex: -1, maxZoomPixelRatio: 8, animationTime: 0.35,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false }, gestureSettingsTouch: { dblClickToZoom: false }, tileSources: source,
  });
  const drawing = whenDrawn(frame.capture_id, frame.drawn, pixels, source);
  pixels.addHandler("tile-load-failed", () => { if (!drawing.on) sayWhy(frame.capture_id); });
  pixels.addHandler("open", () => {
    layer = document.createElementNS(SVG, "svg");
    layer.setAttribute("viewBox", `0 0 ${frame.width_px} ${frame.height_px}`);
    layer.setAttribute("preserveAspectRatio", "none");
    layer.setAttribute("class", "boxes");
    layer.setAttribute("aria-hidden", "true");
    pixels.addOverlay({ element: layer, location: pixels.world.getItemAt(0).getBounds() });
    if (frame.part) toPart();
    drawMarks();
    get("pixels").removeAttribute("aria-busy");
  });
  pixels.addHandler("canvas-click", (event) => {
    if (event.quick) put(pixels.viewport.viewerElementToImageCoordinates(event.position), true);
  });
}

// A part of an orthomosaic is one in thousands: it alone is shown, with a little of what lies around it.
function partBounds() {
  const points = frame.zone_px.flat();
  const [xs, ys] = [points.map((p) => p[0]), points.map((p) => p[1])];
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  return { left, top, width: Math.max(...xs) - left, height: Math.max(...ys) - top };
}

function toPart() {
  const { left, top, width, height } = partBounds();
  const room = 0.06 * Math.max(width, height);
  pixels.viewport.fitBounds(pixels.viewport.imageToViewportRectangle(left - room, top - room, width + 2 * room, height + 2 * room), true);
}

function drawSpecies() {
  species ??= state.species[0];
  redraw(get("species"), state.species.map((label, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("role", "radio");
    button.setAttribute("aria-checked", String(label === species));
    const spot = document.createElement("span");
    spot.className = "spot";
    spot.style.background = COLOURS[index % COLOURS.length];
    const count = marks.filter((m) => m.label === label).length;
    button.append(spot, `${index + 1} ${label}: ${count}`);
    button.addEventListener("click", () => { species = label; drawSpecies(); });
    return button;
  }));
  get("sum").textContent = `Frame ${frame.number} of ${state.mine}: ${marks.length ? state.species
    .map((label) => [label, marks.filter((m) => m.label === label).length]).filter(([, n]) => n)
    .map(([label, n]) => `${n} ${label}`).join(", ") : frame.zone_px?.length === 0 ? "nothing here counts, other frames show it all" : "none marked"}${frame.marks_px ? " (counted before)" : ""}`;
}

function path() {
  return (frame.zone_px ?? []).map((ring) => `M${ring.map((p) => p.join(" ")).join("L")}Z`).join("");
}

function drawMarks() {
  drawSpecies();
  if (!layer) return;
  const zone = path();
  const shade = document.createElementNS(SVG, "path");
  shade.setAttribute("d", `M0 0H${frame.width_px}V${frame.height_px}H0Z${zone}`);
  shade.setAttribute("class", "shade");
  const edge = document.createElementNS(SVG, "path");
  edge.setAttribute("d", zone);
  edge.setAttribute("class", "zone");
  layer.replaceChildren(...(frame.zone_px ? [shade, edge] : []), ...marks.map(({ label, place }) => {
    const dot = document.createElementNS(SVG, "circle");
    const radius = Math.max(6, (frame.part ? partBounds().width : frame.width_px) / 130);
    for (const [name, value] of Object.entries({ cx: place[0], cy: place[1], r: radius })) dot.setAttribute(name, value);
    dot.setAttribute("class", "dot");
    dot.style.stroke = COLOURS[state.species.indexOf(label) % COLOURS.length] || "#fff";
    return dot;
  }));
}

function inside([x, y]) {
  if (frame.zone_px === null) return true;
  let within = false;
  for (const ring of frame.zone_px) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [[xi, yi], [xj, yj]] = [ring[i], ring[j]];
      if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) within = !within;
    }
  }
  return within;
}

function put(point, mayRemove = false) {
  const place = [Math.round(point.x * 10) / 10, Math.round(point.y * 10) / 10];
  const near = pixels.viewport.deltaPointsFromPixels(new OpenSeadragon.Point(9, 0)).x * frame.width_px;
  const there = mayRemove ? marks.findIndex((m) => Math.hypot(m.place[0] - place[0], m.place[1] - place[1]) < near) : -1;
  if (there >= 0) { marks.splice(there, 1); drawMarks(); say("The mark is taken away"); return; }
  if (!inside(place)) { say("That is outside of the outline: it belongs to another frame"); return; }
  marks.push({ label: species, place });
  drawMarks();
}

async function done() {
  if (!frame) return;
  const marks_px = {};
  for (const { label, place } of marks) (marks_px[label] ??= []).push(place);
  queue.push("/sample/counts", { frame_id: frame.frame_id, marks_px });
  say(marks.length ? `${marks.length} counted` : "None there: counted");
  frame = null;
  await queue.idle();
  await next();
  await agreement();
}

async function agreement() {
  const table = get("agreement");
  if (!table) return;
  const found = (await read("/sample/agreement")).filter((a) => a.frames);
  table.hidden = !found.length;
  get("no-agreement").textContent = found.length ? "κ is 1 where two people always agree and 0 where chance alone would have them agree as often." : "No frame was counted by two people yet.";
  const shown = (value) => (value === null ? "–" : value.toFixed(2));
  table.tBodies[0].replaceChildren(...found.map((a) => {
    const row = document.createElement("tr");
    row.append(...[a.species, a.frames, a.first_total, a.second_total, a.same === null ? "–" : `${Math.round(a.same * 100)} %`, shown(a.presence_kappa), shown(a.count_kappa)].map((text, i) => {
      const cell = document.createElement(i ? "td" : "th");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
}

async function asked(form, path, said) {
  const content = { request: newName() };
  for (const [name, value] of new FormData(form)) content[name] = Number(value);
  try {
    state = await send(path, content);
    // Said when the page is as it is said to be: what is typed before would be lost when it is drawn anew.
    await refresh();
    say(said);
  } catch (error) {
    say(`Refused: ${error.message}`);
  }
}

get("take").addEventListener("submit", (event) => { event.preventDefault(); asked(event.target, "/sample/assignments", "The frames are yours"); });
get("draw")?.addEventListener("submit", (event) => { event.preventDefault(); asked(event.target, "/sample", "The sample is drawn"); });
document.querySelectorAll("[data-act]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.act]()));
document.addEventListener("keydown", (event) => {
  if (!frame || event.target.closest("input, select, dialog") || event.ctrlKey || event.metaKey || event.altKey) return;
  const index = Number(event.key) - 1;
  if (index >= 0 && index < state.species.length) { species = state.species[index]; drawSpecies(); say(species); }
  else if (event.key === "+") pixels.viewport.zoomBy(1.4);
  else if (event.key === "-") pixels.viewport.zoomBy(1 / 1.4);
});
await refresh();
