// Moving about in a picture with the arrow keys, where it has the focus.

const STEP_PX = 80;
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
