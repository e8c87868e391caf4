// The survey on the map; a click on a sighting or a footprint opens its picture.

import { read, say } from "/static/api.js";
import { COLOURS, graticule, style, surveyLayers } from "/static/map_style.js";

const get = (id) => document.getElementById(id);
const wished = new URLSearchParams(window.location.search);
const asked = Number(wished.get("capture")) || null;
const WORLD = { west: -180, south: -90, east: 180, north: 90 };
const EMPTY = { type: "FeatureCollection", features: [] };
const OFF = new Set(["density"]);
const LEAST_ZOOM = 12;
const MOST_LISTED = 200;
const STATES = { unseen: "not judged", accept: "accepted", reject: "rejected", relabel: "relabelled", move: "moved", add: "drawn" };
const off = { species: new Set(), state: new Set() };
let sightings = EMPTY;
let reading = 0;
let underWay = 1;

const survey = await read("/map");
maplibregl.setWorkerUrl("/vendor/maplibre-gl-csp-worker.js");
const map = new maplibregl.Map({
  container: "map", style: await style(), attributionControl: false, maxZoom: 22, fadeDuration: 0, dragRotate: false, pitchWithRotate: false,
  ...(survey.bounds ? { bounds: survey.bounds, fitBoundsOptions: { padding: 30 } } : { center: [0, 0], zoom: 1 }),
});
map.on("error", ({ error }) => say(`The map: ${error?.message}`));
map.addControl(new maplibregl.NavigationControl({ showCompass: false }), "top-right");
map.addControl(new maplibregl.ScaleControl());
map.keyboard.enable();

// The map is busy from what somebody does until all that follows is read and drawn.
function busy() {
  get("map").setAttribute("aria-busy", "true");
  map.triggerRepaint();
}

function during(work) {
  underWay += 1;
  busy();
  return work.finally(() => { underWay -= 1; busy(); });
}

map.on("movestart", busy);
map.on("idle", () => { if (underWay === 0) get("map").removeAttribute("aria-busy"); });
await new Promise((done) => map.once("load", done));
const layers = surveyLayers(survey.labels);
for (const [, source, parts] of layers) {
  map.addSource(source, { type: "geojson", data: survey[source] ?? EMPTY });
  parts.forEach((part, i) => map.addLayer({ id: `${source}-${i}`, source, ...part, layout: { visibility: OFF.has(source) ? "none" : "visible" } }));
}

function checkbox(place, text, colour, checked, changed) {
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = checked;
  box.addEventListener("change", () => { busy(); changed(box.checked); });
  label.append(box, " ");
  if (colour) {
    const spot = document.createElement("span");
    spot.className = "spot";
    spot.style.background = colour;
    label.append(spot);
  }
  label.append(text);
  place.append(label);
}

for (const [title, source, parts, colour] of layers) {
  if (source === "picture" || source === "chosen") continue;
  checkbox(get("layers"), title, colour, !OFF.has(source), (on) => parts.forEach((_, i) => map.setLayoutProperty(`${source}-${i}`, "visibility", on ? "visible" : "none")));
}
survey.labels.forEach((label, i) => checkbox(get("species"), label, COLOURS[i % COLOURS.length], true, (on) => choose("species", label, on)));
for (const [state, title] of Object.entries(STATES)) checkbox(get("states"), title, null, true, (on) => choose("state", state, on));

function choose(what, value, on) {
  if (on) off[what].delete(value);
  else off[what].add(value);
  draw();
}

function wanted() {
  return sightings.features.filter((f) => !off.species.has(f.properties.species) && !off.state.has(f.properties.state));
}

function draw() {
  const features = wanted();
  map.getSource("sightings").setData({ type: "FeatureCollection", features });
  map.getSource("density").setData({ type: "FeatureCollection", features: features.filter((f) => f.properties.animal && f.properties.state !== "reject") });
  near(features);
}

function near(features) {
  // What a click does with a pointer, this list does with the keyboard.
  const { lng, lat } = map.getCenter();
  const apart = (f) => Math.hypot(f.geometry.coordinates[0] - lng, f.geometry.coordinates[1] - lat);
  const closest = features.filter((f) => f.properties.capture).sort((a, b) => apart(a) - apart(b)).slice(0, 8);
  get("near").replaceChildren(...closest.map((f) => {
    const row = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/frames/${f.properties.capture}?detection=${f.properties.detection}`;
    link.textContent = `${f.properties.species}, ${STATES[f.properties.state] ?? f.properties.state}, ${f.properties.detection}`;
    row.append(link);
    return row;
  }));
}

async function moved() {
  const mine = ++reading;
  const bounds = map.getBounds();
  const clamp = (value, most) => Math.max(-most, Math.min(most, value));
  const part = { west: clamp(bounds.getWest(), 180), south: clamp(bounds.getSouth(), 90), east: clamp(bounds.getEast(), 180), north: clamp(bounds.getNorth(), 90) };
  if (map.getLayer("graticule")) map.getSource("graticule").setData(graticule(part.west, part.south, part.east, part.north).data);
  const close = map.getZoom() >= LEAST_ZOOM;
  const [seen, ground] = await Promise.all([read("/map/sightings", part), close ? read("/map/footprints", part) : null]);
  if (mine !== reading) return;
  sightings = seen.features;
  map.getSource("footprints").setData(ground?.features ?? EMPTY);
  get("withheld").textContent = [survey.withheld, seen.withheld, ground?.withheld].filter(Boolean).join(". ");
  const capped = [seen.truncated && "sightings", ground?.truncated && "footprints"].filter(Boolean).join(" and ");
  get("shown").textContent = `${sightings.features.length} sightings${ground ? `, ${ground.features.features.length} footprints` : ", footprints from nearer"} here${capped ? `; more ${capped} than are drawn: go nearer` : ""}`;
  draw();
}

map.on("moveend", () => during(moved()).catch((error) => say(error.message)));
map.on("click", (event) => {
  const around = [[event.point.x - 4, event.point.y - 4], [event.point.x + 4, event.point.y + 4]];
  const [spot] = map.queryRenderedFeatures(around, { layers: ["sightings-0"] });
  if (spot && !spot.properties.capture) { say(`${spot.properties.species}: the place is that of a cell`); return; }
  // A strip is a line from afar; from nearer there is room beside its line for a click on one picture.
  const lines = spot ? [] : map.queryRenderedFeatures(around, { layers: ["planned-0", "flown-0"] });
  const line = lines.find((l) => l.source === "planned") ?? lines[0];
  if (line) { during(chooseLine(line.source === "planned" ? "line" : "flight", line.properties.name)).catch((error) => say(error.message)); return; }
  const [found] = spot ? [spot] : map.queryRenderedFeatures(event.point, { layers: ["footprints-0"] });
  if (!found) return;
  const { capture, detection } = found.properties;
  window.location.assign(`/frames/${capture}${detection ? `?detection=${detection}` : ""}`);
});
for (const layer of ["sightings-0", "footprints-0", "planned-0", "flown-0"]) {
  map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
  map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
}

// Pictures of a planned line or a flight: outlined on the map, and listed to be opened.
async function chooseLine(what, name) {
  get("line").value = name ? `${what} ${name}` : "";
  const { features, withheld } = name ? await read("/map/footprints", { ...WORLD, [what]: name }) : { features: EMPTY };
  map.getSource("chosen").setData(features);
  get("chosen").hidden = !name;
  get("chosen-title").textContent = `${what === "line" ? "Line" : "Flight"} ${name}: ${features.features.length} pictures${withheld ? `; ${withheld}` : ""}`;
  get("pictures").replaceChildren(...features.features.slice(0, MOST_LISTED).map((f) => {
    const row = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/frames/${f.properties.capture}`;
    link.textContent = f.properties.picture;
    row.append(link);
    return row;
  }));
  window.history.replaceState(null, "", name ? `/map?${new URLSearchParams({ [what]: name })}` : "/map");
  return features;
}

function fit(features, padding) {
  const corners = features.features.flatMap((f) => f.geometry.coordinates.flat());
  if (corners.length) map.fitBounds(corners.reduce((b, c) => b.extend(c), new maplibregl.LngLatBounds(corners[0], corners[0])), { padding, duration: 0 });
  return corners.length > 0;
}

[["line", survey.planned], ["flight", survey.flown]].forEach(([what, { features }], i) => {
  const names = [...new Set(features.map((f) => f.properties.name))];
  get("line").querySelectorAll("optgroup")[i].append(...names.map((name) => new Option(name, `${what} ${name}`)));
  if (names.length) get("of").hidden = false;
});
get("line").addEventListener("change", () => {
  const [what, ...name] = get("line").value.split(" ");
  during(chooseLine(what, name.join(" ")).then((features) => fit(features, 60))).catch((error) => say(error.message));
});
for (const what of ["line", "flight"]) {
  const name = wished.get(what);
  if (name) fit(await chooseLine(what, name), 60);
}
if (asked) {
  const { features, withheld } = await read("/map/footprints", { ...WORLD, capture: asked });
  map.getSource("picture").setData(features);
  if (!fit(features, 140)) say(withheld || "Where this picture was taken is not known");
}
await during(moved()).finally(() => { underWay -= 1; });
busy();
