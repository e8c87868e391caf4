// Drawing a box over a picture, once: with a pointer from corner to corner, or with keys from one in the middle.

import { say } from "/static/api.js";
import { ARROWS } from "/static/pixels.js";

const SVG = "http://www.w3.org/2000/svg";
const LEAST_PX = 2;
const STEP = 8;
const FIRST_PART = 8;

export class Drawing {
  // `on` is what is drawn for, null when nothing is.
  constructor(pixels, area, layer, { width_px, height_px }) {
    Object.assign(this, { pixels, area, layer, width_px, height_px, on: null, corner: null, keyed: null, rubber: null, then: null });
    area.addEventListener("pointerdown", (event) => this.#down(event), true);
    area.addEventListener("pointermove", (event) => this.#move(event), true);
    area.addEventListener("pointerup", (event) => this.#up(event), true);
    area.addEventListener("pointercancel", () => this.stop(), true);
    document.addEventListener("keydown", (event) => this.#key(event), true);
  }

  start(what, then) {
    this.on = what;
    this.then = then;
    this.area.classList.add("drawing");
    this.pixels.setMouseNavEnabled(false);
    this.area.focus({ preventScroll: true });
  }

  stop() {
    this.on = this.corner = this.keyed = this.then = null;
    this.rubber?.remove();
    this.area.classList.remove("drawing");
    this.pixels.setMouseNavEnabled(true);
  }

  #place(event) {
    const bounds = this.area.getBoundingClientRect();
    const point = new OpenSeadragon.Point(event.clientX - bounds.left, event.clientY - bounds.top);
    return this.pixels.world.getItemAt(0).viewerElementToImageCoordinates(point);
  }

  #down(event) {
    if (!this.on) return;
    this.corner = this.#place(event);
    this.keyed = null;
    this.#show([this.corner.x, this.corner.y, this.corner.x, this.corner.y]);
    this.area.setPointerCapture(event.pointerId);
  }

  #box(event) {
    const now = this.#place(event);
    const within = (value, most) => Math.max(0, Math.min(most, value));
    return [
      within(Math.min(this.corner.x, now.x), this.width_px), within(Math.min(this.corner.y, now.y), this.height_px),
      within(Math.max(this.corner.x, now.x), this.width_px), within(Math.max(this.corner.y, now.y), this.height_px),
    ];
  }

  #move(event) {
    if (!this.corner) return;
    this.#show(this.#box(event));
  }

  #show([x0, y0, x1, y1]) {
    if (!this.rubber?.isConnected) {
      this.rubber = document.createElementNS(SVG, "rect");
      this.rubber.setAttribute("class", "rubber");
      this.layer.append(this.rubber);
    }
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) this.rubber.setAttribute(name, value);
  }

  #up(event) {
    if (!this.corner) return;
    const box = this.#box(event);
    this.corner = null;
    this.rubber.remove();
    this.#finish(box);
  }

  #finish(box) {
    const { then } = this;
    if (box[2] - box[0] < LEAST_PX || box[3] - box[1] < LEAST_PX) return;
    this.stop();
    then(box);
  }

  #key(event) {
    const arrow = ARROWS[event.key];
    if (!this.on || !this.area.contains(event.target) || (!arrow && event.key !== "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter" && this.keyed) { this.#finish(this.keyed); return; }
    const image = this.pixels.world.getItemAt(0);
    const view = image.viewportToImageRectangle(this.pixels.viewport.getBounds(true));
    if (!this.keyed) {
      const [x, y, half] = [view.x + view.width / 2, view.y + view.height / 2, Math.min(view.width, view.height) / FIRST_PART / 2];
      this.keyed = [x - half, y - half, x + half, y + half];
      say("A box in the middle: arrows move it, Shift and arrows size it, Enter takes it");
    } else {
      // A step is as long on the screen however near one looks.
      const step = (STEP * view.width) / this.area.clientWidth;
      const [dx, dy] = [arrow[0] * step, arrow[1] * step];
      const [x0, y0, x1, y1] = this.keyed;
      this.keyed = event.shiftKey
        ? [x0, y0, Math.max(x0 + LEAST_PX, x1 + dx), Math.max(y0 + LEAST_PX, y1 + dy)]
        : [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
    }
    const within = (value, most) => Math.max(0, Math.min(most, value));
    this.keyed = this.keyed.map((value, i) => within(value, i % 2 ? this.height_px : this.width_px));
    this.#show(this.keyed);
  }
}
