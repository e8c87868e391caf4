// The survey at a glance.

import { read, say } from "/static/api.js";
import { limits, number } from "/static/counting.js";

const get = (id) => document.getElementById(id);
const percent = (value) => `${Math.round(value * 100)} %`;
const decimal = (value, digits = 1) => (value === null ? "not measured" : value.toFixed(digits));

function make(kind, text, parts = {}) {
  const place = Object.assign(document.createElement(kind), parts);
  place.textContent = text;
  return place;
}

function row(table, cells, kind = "") {
  const place = document.createElement("tr");
  place.className = kind;
  place.append(...cells.map((text, i) => make(i ? "td" : "th", text, i ? {} : { scope: "row" })));
  get(table).tBodies[0].append(place);
}

function share({ hits, tried, share: value, lower, upper }) {
  return tried ? `${percent(value)} (${percent(lower)}–${percent(upper)})` : "none judged";
}

function estimates(found) {
  get("no-estimates").hidden = found.length > 0;
  get("estimates").hidden = !found.length;
  const totals = found.filter((e) => e.stratum === null && e.value !== null);
  const most = Math.max(1, ...totals.map((e) => e.upper ?? e.value));
  for (const e of totals) {
    const line = make("div", "", { className: "bar-line" });
    line.append(make("span", e.species), make("strong", number(e.value)), make("span", limits(e), { className: "quiet" }));
    const scale = make("div", "", { className: "scale" });
    scale.setAttribute("aria-hidden", "true");
    const range = make("i", "");
    range.style.left = `${((e.lower ?? e.value) / most) * 100}%`;
    range.style.width = `${(((e.upper ?? e.value) - (e.lower ?? e.value)) / most) * 100}%`;
    const spot = make("b", "");
    spot.style.left = `${(e.value / most) * 100}%`;
    scale.append(range, spot);
    line.append(scale);
    get("bars").append(line);
  }
  for (const e of found) {
    row("estimates", [e.species, e.stratum ?? "in all", number(e.value), limits(e), e.cv === null ? "–" : percent(e.cv), e.individuals], e.stratum === null ? "total" : "");
  }
}

function progress(found, pairs) {
  for (const one of found) {
    const place = document.createElement("li");
    const bar = document.createElement("progress");
    bar.max = Math.max(one.total, 1);
    bar.value = one.seen;
    bar.setAttribute("aria-label", `${one.seen} of ${one.total} ${one.label} judged`);
    place.append(make("a", one.label, { href: "/" }), ` ${one.seen} of ${one.total}`, bar);
    get("progress").append(place);
  }
  const link = make("a", "Same animal?", { href: "/pairs" });
  get("pairs").append(link, pairs.total ? ` ${pairs.decided} of ${pairs.total} pairs answered` : " no pairs to answer");
}

function effort(found) {
  const facts = found === null ? [["", "not measured yet: count first"]] : [
    ["Lines", found.lines], ["Searched", `${decimal(found.searched_km2, 2)} km²`],
    ["Planned", found.planned_km2 === null ? "not measured" : `${decimal(found.planned_km2, 2)} km²`],
    ["Masked", found.masked_km2 === null ? "no masks" : `${decimal(found.masked_km2, 2)} km²`],
    ["Gaps", found.gaps ? `${found.gaps}, ${number(found.gaps_km2 * 1e6)} m² in all, the largest ${number(found.largest_gap_m2)} m²` : "none"],
  ];
  get("effort").replaceChildren(...facts.flatMap(([name, value]) => [make("dt", name), make("dd", value)]));
}

function detectors(found) {
  for (const d of found) {
    const recall = d.recall === null ? "no checked sample" : d.recall.tried ? `${share(d.recall)}, ${d.recall.hits} of ${d.recall.tried}` : "none in the sample";
    const factor = d.factor === null ? d.factor_reason || "not corrected" : `× ${d.factor.toFixed(3)}`;
    row("detector", [d.label, "all", `${d.precision.hits} of ${d.precision.tried}`, share(d.precision), recall, factor], "total");
    for (const b of d.bands) {
      row("detector", ["", `${b.from_percent}–${b.to_percent} %`, `${b.kept.hits} of ${b.kept.tried}`, share(b.kept), "", ""]);
    }
  }
}

function seasons({ seasons: found, differences, notes }) {
  get("no-seasons").textContent = found.length || notes.length ? "" : "The census has one counted survey: there is nothing to lay beside it yet.";
  get("seasons").hidden = !found.length;
  for (const s of found) {
    const ratio = s.ratio === null ? s.reason || "not told" : `${s.ratio.toFixed(2)} (${s.lower.toFixed(2)}–${s.upper.toFixed(2)})`;
    row("seasons", [s.species, s.first_survey, s.second_survey, number(s.first), number(s.second), ratio]);
  }
  get("notes").replaceChildren(...[...differences, ...notes].map((text) => make("li", text)));
}

try {
  const found = await read("/dashboard");
  get("survey").textContent = `${found.survey}, ${number(found.captures)} pictures`;
  estimates(found.estimates);
  progress(found.progress, found.pairs);
  effort(found.effort);
  detectors(found.detectors);
  seasons(found);
} catch (error) {
  say(error.message);
}
