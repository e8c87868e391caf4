// Says on every page how many of the survey's pictures are not there, and what to do about it.

import { read } from "/static/api.js";

const place = document.getElementById("absent");
const AGAIN_MS = 60000;

async function look() {
  const { total, missing, hint } = await read("/pictures");
  place.hidden = missing === 0;
  const text = missing ? `${missing.toLocaleString("en")} of ${total.toLocaleString("en")} pictures are not there. ${hint}` : "";
  if (place.textContent !== text) place.textContent = text;
  if (missing) setTimeout(() => look().catch(() => {}), AGAIN_MS);
}

look().catch(() => {});
