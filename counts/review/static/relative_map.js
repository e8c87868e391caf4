// Where two detections lie to each other: metres on a plain ground, so that it tells nothing of where on earth.

const METRES_PER_DEG = 111319.49;
const toMap = ([east, north]) => [east / METRES_PER_DEG, north / METRES_PER_DEG];
const COLOURS = ["#1f5f8b", "#a33f14"];

export class RelativeMap {
  constructor(place) {
    maplibregl.setWorkerUrl("/vendor/maplibre-gl-csp-worker.js");
    this.map = new maplibregl.Map({
      container: place, attributionControl: false, dragRotate: false, keyboard: false, maxZoom: 24, fadeDuration: 0,
      style: { version: 8, sources: {}, layers: [{ id: "ground", type: "background", paint: { "background-color": "#f2f0e6" } }] },
    });
    this.map.addControl(new maplibregl.ScaleControl({ maxWidth: 90 }));
    this.ready = new Promise((done) => this.map.once("load", done));
    this.map.once("load", () => {
      this.map.addSource("pair", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
      const colour = ["match", ["get", "side"], 0, COLOURS[0], COLOURS[1]];
      this.map.addLayer({ id: "seen", type: "fill", source: "pair", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour, "fill-opacity": 0.1 } });
      this.map.addLayer({ id: "edge", type: "line", source: "pair", filter: ["==", ["geometry-type"], "Polygon"], paint: { "line-color": colour, "line-width": 1.5 } });
      this.map.addLayer({ id: "between", type: "line", source: "pair", filter: ["==", ["geometry-type"], "LineString"], paint: { "line-color": "#22251f", "line-width": 1.5, "line-dasharray": [2, 2] } });
      this.map.addLayer({ id: "spot", type: "circle", source: "pair", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": colour, "circle-radius": 6, "circle-stroke-width": 2, "circle-stroke-color": "#fff" } });
    });
  }

  async show(pair) {
    await this.ready;
    const features = [];
    const spots = [];
    [pair.first, pair.second].forEach((side, index) => {
      if (side.footprint_m.length) {
        features.push({ type: "Feature", properties: { side: index }, geometry: { type: "Polygon", coordinates: side.footprint_m.map((ring) => ring.map(toMap)) } });
      }
      if (side.place_m) {
        spots.push(toMap(side.place_m));
        features.push({ type: "Feature", properties: { side: index }, geometry: { type: "Point", coordinates: toMap(side.place_m) } });
      }
    });
    if (spots.length === 2) features.push({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates: spots } });
    this.map.getSource("pair").setData({ type: "FeatureCollection", features });
    const bounds = new maplibregl.LngLatBounds();
    const corners = features.flatMap((f) => (f.geometry.type === "Polygon" ? f.geometry.coordinates.flat() : f.geometry.type === "Point" ? [f.geometry.coordinates] : []));
    corners.forEach((corner) => bounds.extend(corner));
    if (!bounds.isEmpty()) this.map.fitBounds(bounds, { padding: 24, duration: 0, maxZoom: 23 });
  }
}
