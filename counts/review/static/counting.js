// Counting again, and the new estimates beside the old.

import { newName, read, say, send } from "/static/api.js";

const PAUSE_MS = 700;

export function number(value) {
  return value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en-GB").replace(/,/g, " ");
}

export function limits(estimate) {
  if (estimate.lower === null || estimate.upper === null) return estimate.limits_reason || "no limits";
  return `${number(estimate.lower)}–${number(estimate.upper)}`;
}

function cell(text, kind = "td") {
  const place = document.createElement(kind);
  place.textContent = text;
  if (kind === "th") place.scope = "row";
  return place;
}

function draw(found) {
  const again = document.getElementById("again");
  again.hidden = !found.possible;
  again.disabled = found.state === "running";
  const says = {
    running: `${found.who} is having it counted again…`, failed: found.error, done: "Counted again.", never: "",
  };
  document.getElementById("counting").textContent = says[found.state];
  const rows = found.after.map((now) => {
    const old = found.before.find((e) => e.species === now.species && e.stratum === now.stratum);
    const row = document.createElement("tr");
    if (now.stratum === null) row.className = "total";
    const moved = old && old.value !== null && now.value !== null ? now.value - old.value : null;
    row.append(
      cell(now.species, "th"), cell(now.stratum ?? "in all"), cell(old ? `${number(old.value)} (${limits(old)})` : "–"),
      cell(`${number(now.value)} (${limits(now)})`),
      cell(moved === null ? "–" : `${moved > 0 ? "+" : ""}${Math.abs(moved) < 0.05 ? "none" : moved.toFixed(1)}`),
    );
    return row;
  });
  document.getElementById("estimates").replaceChildren(...rows);
}

export async function showRecount(afterwards) {
  const follow = async () => {
    let found = await read("/count");
    draw(found);
    while (found.state === "running") {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      found = await read("/count");
      draw(found);
    }
    return found;
  };
  document.getElementById("again").addEventListener("click", async () => {
    try {
      draw(await send("/count", { request: newName() }));
      const found = await follow();
      say(found.state === "done" ? "Counted again" : found.error);
      afterwards();
    } catch (error) {
      say(`Refused: ${error.message}`);
    }
  });
  await follow();
}
