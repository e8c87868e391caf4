// Pictures in the viewer: moving about with the arrow keys, and waiting for a mosaic that is drawn for the first time.

import { read, say } from "/static/api.js";

const STEP_PX = 80;
const AGAIN_MS = 1500;
export const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// `viewer` gives the picture's viewer, which may be another one later.
export function panByKeys(area, viewer) {
  area.addEventListener("keydown", (event) => {
    const step = ARROWS[event.key];
    const viewport = viewer()?.viewport;
    if (!step || !viewport || event.target !== area) return;
    event.preventDefault();
    viewport.panBy(viewport.deltaPointsFromPixels(new OpenSeadragon.Point(step[0] * STEP_PX, step[1] * STEP_PX)));
    viewport.applyConstraints();
  });
}

// Says how far the coarse levels of a picture are drawn, and shows them when they are; close to, it is shown at once.
// `on` while that lasts, `was` if it ever did.
export function whenDrawn(capture, share, viewer, source) {
  const state = { on: share < 1, was: share < 1 };
  const look = async () => {
    const { drawn } = await read(`/captures/${capture}`);
    if (!document.contains(viewer.element)) return;
    if (drawn < 1) { tell(drawn); return; }
    state.on = false;
    say("");
    const bounds = viewer.isOpen() ? viewer.viewport.getBounds() : null;
    viewer.addOnceHandler("open", () => { if (bounds) viewer.viewport.fitBounds(bounds, true); });
    viewer.open(source);
  };
  const tell = (drawn) => {
    say(`This picture is large: it is drawn for the first time, ${Math.floor(100 * drawn)} % done. Close to, it is shown already`);
    setTimeout(() => look().catch((error) => say(error.message)), AGAIN_MS);
  };
  if (state.on) tell(share);
  return state;
}

// Why a picture cannot be shown: the server knows, and the viewer does not tell.
export async function sayWhy(capture) {
  const answer = await fetch(`/api/v1/captures/${capture}/tiles/0/0/0.jpg`).catch(() => null);
  const reason = answer && !answer.ok ? (await answer.json()).detail : "the server does not answer";
  if (!answer?.ok) say(`${reason[0].toUpperCase()}${reason.slice(1)}`);
}
