"""A base map from a local file, for a camp without a network: PMTiles, MBTiles or GeoTIFF."""

from __future__ import annotations

import gzip
import io
import json
import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from PIL import Image
from rasterio.enums import ColorInterp, Resampling
from rasterio.vrt import WarpedVRT

from flightplan.errors import UnreadableFileError

TILE_PX = 256
MOST_ZOOM = 24
_HALF_WORLD_M = math.pi * 6378137.0
_KINDS = {".pmtiles": "pmtiles", ".mbtiles": "mbtiles", ".tif": "raster", ".tiff": "raster"}
_MAGIC = {
    "pmtiles": (b"PMTiles\x03",),
    "mbtiles": (b"SQLite format 3",),
    "raster": (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+"),
}
_MOST_TILE_BYTES = 16 << 20
TILE_TYPES = ("image/png", "image/jpeg", "image/webp", "application/x-protobuf")
"""What tiles of a base map are, by their content."""

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class BaseMap:
    """A base map: where it is, and its kind ("pmtiles", "mbtiles" or "raster"), by which it is served."""

    path: Path
    kind: str

    @classmethod
    def open(cls, path: Path) -> BaseMap:
        """Check a file. Raises UnreadableFileError for one that is no map."""
        kind = _KINDS.get(path.suffix.lower())
        if kind is None:
            raise UnreadableFileError(
                "a base map is a PMTiles, MBTiles or GeoTIFF file",
                where=str(path),
                hint="Name it .pmtiles, .mbtiles or .tif",
            )
        try:
            with path.open("rb") as file:
                start = file.read(16)
        except OSError as error:
            raise UnreadableFileError(f"cannot be read: {error.strerror}", where=str(path)) from error
        if not start.startswith(_MAGIC[kind]):
            raise UnreadableFileError(f"is not the {kind} that its name says", where=str(path))
        return cls(path, kind)

    def tile(self, zoom: int, column: int, row: int) -> tuple[bytes, str] | None:
        """A tile of the web's grid and its media type; None where there is none. Rows go from north to south."""
        if not (0 <= zoom <= MOST_ZOOM and 0 <= column < 1 << zoom and 0 <= row < 1 << zoom):
            return None
        return self._stored(zoom, column, row) if self.kind == "mbtiles" else self._drawn(zoom, column, row)

    def facts(self) -> dict[str, Any]:
        """What a map needs to know: kind, zooms, format and names of vector layers; PMTiles tell it all themselves."""
        if self.kind != "mbtiles":
            return {"kind": self.kind, "format": "png", "minzoom": 0, "maxzoom": 22, "layers": []}
        with _reading(self.path) as base:
            said = dict(base.execute("SELECT name, value FROM metadata WHERE name IN ('format', 'json')").fetchall())
            low, high = base.execute("SELECT min(zoom_level), max(zoom_level) FROM tiles").fetchone()
        try:
            layers = [str(v["id"]) for v in json.loads(said.get("json") or "{}").get("vector_layers", [])]
        except (ValueError, TypeError, KeyError, AttributeError):
            layers = []  # The map is shown without what it does not name.
        form = str(said.get("format", "png"))
        return {"kind": self.kind, "format": form, "minzoom": low or 0, "maxzoom": high or 0, "layers": layers}

    def _stored(self, zoom: int, column: int, row: int) -> tuple[bytes, str] | None:
        with _reading(self.path) as base:
            found = base.execute(
                "SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?",
                (zoom, column, (1 << zoom) - 1 - row),
            ).fetchone()
        if found is None or not isinstance(found[0], bytes):
            return None
        content = found[0]
        if content.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(_MOST_TILE_BYTES)
        return content, _media_type(content)

    def _drawn(self, zoom: int, column: int, row: int) -> tuple[bytes, str] | None:
        side = 2 * _HALF_WORLD_M / (1 << zoom)
        west, north = -_HALF_WORLD_M + column * side, _HALF_WORLD_M - row * side
        place = Affine(side / TILE_PX, 0, west, 0, -side / TILE_PX, north)
        # GDAL's handles are no thread's but one's.
        with _ONE_AT_A_TIME, rasterio.open(self.path) as source:
            paletted = source.colorinterp[0] == ColorInterp.palette
            clear = source.nodata is None and ColorInterp.alpha not in source.colorinterp
            how = Resampling.nearest if paletted else Resampling.bilinear
            with WarpedVRT(
                source, crs="EPSG:3857", transform=place, width=TILE_PX, height=TILE_PX, resampling=how, add_alpha=clear
            ) as turned:
                there = turned.dataset_mask()
                if not there.any():
                    return None
                pixels = turned.read([1, 2, 3] if source.count >= 3 else [1, 1, 1])
            if paletted:
                table = source.colormap(1)
                colours = np.array([table.get(i, (0, 0, 0, 0))[:3] for i in range(256)], dtype=np.uint8)
                pixels = np.moveaxis(colours[pixels[0]], -1, 0)
            elif pixels.dtype != np.uint8:
                pixels = _stretched(pixels, source)
        image = Image.fromarray(np.dstack([*pixels, there]), "RGBA")
        content = io.BytesIO()
        image.save(content, "PNG")
        return content.getvalue(), "image/png"


def _stretched(pixels: npt.NDArray[Any], source: Any) -> npt.NDArray[np.uint8]:
    """Of deeper pixels: the span of nearly all the picture's values, taken from a small copy of it."""
    small = source.read(1, out_shape=(256, 256), masked=True).compressed().astype(np.float64)
    low, high = np.percentile(small[np.isfinite(small)], (2, 98)) if small.size else (0.0, 1.0)
    scaled = (pixels.astype(np.float64) - low) / max(high - low, 1e-9) * 255
    return np.clip(np.nan_to_num(scaled), 0, 255).astype(np.uint8)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
        try:
            yield base
        except sqlite3.DatabaseError as error:
            raise UnreadableFileError(f"is no MBTiles file: {error}", where=str(path)) from error


def _media_type(content: bytes) -> str:
    if content.startswith(b"\x89PNG"):
        return "image/png"
    if content.startswith(b"\xff\xd8"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return "application/x-protobuf"
