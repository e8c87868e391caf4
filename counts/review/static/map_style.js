// How the map is drawn: the base map or a plain ground with a graticule, and the survey's layers over it.

export const COLOURS = ["#a33f14", "#1f5f8b", "#7a3b9a", "#2c6e3c", "#b07a00", "#00727a", "#8d2a62", "#55584f"];
const EMPTY = { type: "FeatureCollection", features: [] };
const GROUND = "#f2f0e6";
// One pixel that one sees through, as PNG.
const CLEAR = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=";

export function graticule(west, south, east, north) {
  const wide = Math.max(east - west, north - south);
  const step = [10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001].find((s) => wide / s >= 5) ?? 0.0005;
  const features = [];
  const line = (coordinates) => features.push({ type: "Feature", properties: {}, geometry: { type: "LineString", coordinates } });
  for (let x = Math.ceil(west / step); x <= east / step; x++) line([[x * step, south], [x * step, north]]);
  for (let y = Math.ceil(south / step); y <= north / step; y++) line([[west, y * step], [east, y * step]]);
  return { step, data: { type: "FeatureCollection", features } };
}

// Of vector tiles MapLibre refuses to be told a size.
const kind = (vector) => (vector ? { type: "vector" } : { type: "raster", tileSize: 256 });

async function base() {
  const facts = await (await fetch("/api/v1/basemap")).json();
  if (facts === null) return null;
  if (facts.kind === "pmtiles") {
    const url = `${window.location.origin}/api/v1/basemap.pmtiles`;
    const file = new pmtiles.PMTiles(url);
    const protocol = new pmtiles.Protocol();
    protocol.add(file);
    maplibregl.addProtocol("pmtiles", async (asked, abort) => {
      const found = await protocol.tile(asked, abort);
      // For a picture that is nothing MapLibre waits for ever.
      return found.data === null ? { ...found, data: Uint8Array.from(window.atob(CLEAR), (c) => c.charCodeAt(0)) } : found;
    });
    const header = await file.getHeader();
    const said = await file.getMetadata();
    const vector = header.tileType === 1;
    return { vector, layers: (said.vector_layers || []).map((l) => l.id), source: { ...kind(vector), url: `pmtiles://${url}` } };
  }
  const vector = facts.format === "pbf";
  const tiles = [`${window.location.origin}/api/v1/basemap/{z}/{x}/{y}`];
  return { vector, layers: facts.layers, source: { ...kind(vector), tiles, minzoom: facts.minzoom, maxzoom: facts.maxzoom } };
}

export async function style() {
  const found = await base();
  const sources = { graticule: { type: "geojson", data: EMPTY } };
  const layers = [{ id: "ground", type: "background", paint: { "background-color": GROUND } }];
  if (found) {
    sources.base = found.source;
    if (!found.vector) layers.push({ id: "base", type: "raster", source: "base" });
    for (const name of found.vector ? found.layers : []) {
      const blue = /water|ocean|river|lake/i.test(name);
      const common = { source: "base", "source-layer": name };
      layers.push({ id: `base-fill-${name}`, type: "fill", ...common, filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": blue ? "#c5dbe8" : "#dfe3cd", "fill-opacity": 0.6 } });
      layers.push({ id: `base-line-${name}`, type: "line", ...common, filter: ["!=", ["geometry-type"], "Point"], paint: { "line-color": blue ? "#7ba7c2" : "#a9a693", "line-width": 0.8 } });
    }
  } else {
    layers.push({ id: "graticule", type: "line", source: "graticule", paint: { "line-color": "#d9d6ca", "line-width": 1 } });
  }
  return { version: 8, sources, layers };
}

export function surveyLayers(labels) {
  const species = ["match", ["get", "species"], ...labels.flatMap((l, i) => [l, COLOURS[i % COLOURS.length]]), "#55584f"];
  const colour = labels.length ? species : "#55584f";
  const rejected = ["==", ["get", "state"], "reject"];
  return [
    // Of each, what it is called, its source, how it is drawn, and the colour that the list of layers shows.
    ["Strata", "strata", [{ type: "fill", paint: { "fill-color": "#8a8f6a", "fill-opacity": 0.12 } }, { type: "line", paint: { "line-color": "#55584f", "line-width": 2 } }], "#c9cbb8"],
    ["Left out", "exclusions", [{ type: "fill", paint: { "fill-color": "#55584f", "fill-opacity": 0.28 } }], "#b8b9b1"],
    ["Masks", "masks", [{ type: "fill", paint: { "fill-color": "#4b8fb5", "fill-opacity": 0.4 } }], "#a9c8d8"],
    ["Footprints", "footprints", [{ type: "fill", paint: { "fill-color": "#ffffff", "fill-opacity": 0.3 } }, { type: "line", paint: { "line-color": ["case", ["==", ["get", "on_effort"], true], "#6d7066", "#b9b6a8"], "line-width": 0.7 } }], "#ffffff"],
    ["Chosen", "chosen", [{ type: "line", paint: { "line-color": "#a33f14", "line-width": 1.6 } }]],
    ["Lines planned", "planned", [{ type: "line", paint: { "line-color": "#22251f", "line-width": 1, "line-dasharray": [4, 3] } }], "#22251f"],
    ["Lines flown", "flown", [{ type: "line", paint: { "line-color": "#6f8494", "line-width": 1.2 } }], "#6f8494"],
    ["Gaps", "gaps", [{ type: "fill", paint: { "fill-color": "#c22f20", "fill-opacity": 0.55 } }, { type: "line", paint: { "line-color": "#c22f20", "line-width": 1.5 } }], "#d97a70"],
    ["Density", "density", [{ type: "heatmap", paint: { "heatmap-radius": ["interpolate", ["exponential", 2], ["zoom"], 8, 6, 13, 34, 16, 120], "heatmap-opacity": 0.75, "heatmap-color": ["interpolate", ["linear"], ["heatmap-density"], 0, "rgba(242,240,230,0)", 0.2, "#f3d9a4", 0.5, "#e08a3c", 1, "#8d2a22"] } }]],
    ["Sightings", "sightings", [{ type: "circle", paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 10, 2.5, 16, 7], "circle-color": ["case", rejected, "#ffffff", colour], "circle-stroke-color": ["case", rejected, colour, "#ffffff"], "circle-stroke-width": ["case", rejected, 2, 1] } }]],
    ["Picture", "picture", [{ type: "line", paint: { "line-color": "#a33f14", "line-width": 3.5 } }]],
  ];
}
