// Drawing a box over a picture, once: with a pointer, from corner to corner.

const SVG = "http://www.w3.org/2000/svg";
const LEAST_PX = 2;

export class Drawing {
  // `on` is what is drawn for, null when nothing is.
  constructor(pixels, area, layer, { width_px, height_px }) {
    Object.assign(this, { pixels, area, layer, width_px, height_px, on: null, corner: null, rubber: null, then: null });
    area.addEventListener("pointerdown", (event) => this.#down(event), true);
    area.addEventListener("pointermove", (event) => this.#move(event), true);
    area.addEventListener("pointerup", (event) => this.#up(event), true);
    area.addEventListener("pointercancel", () => this.stop(), true);
  }

  start(what, then) {
    this.on = what;
    this.then = then;
    this.area.classList.add("drawing");
    this.pixels.setMouseNavEnabled(false);
  }

  stop() {
    this.on = this.corner = this.then = null;
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
    this.rubber = document.createElementNS(SVG, "rect");
    this.rubber.setAttribute("class", "rubber");
    this.layer.append(this.rubber);
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
    const [x0, y0, x1, y1] = this.#box(event);
    for (const [name, value] of Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 })) this.rubber.setAttribute(name, value);
  }

  #up(event) {
    if (!this.corner) return;
    const box = this.#box(event);
    const { then } = this;
    this.corner = null;
    this.rubber.remove();
    if (box[2] - box[0] < LEAST_PX || box[3] - box[1] < LEAST_PX) return;
    this.stop();
    then(box);
  }
}
