"""A picture of any size as a pyramid of tiles, drawn from the top down, a band of rows at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from detect.images import Mosaic, Pixels, Raster

TILE_PX = 512
_BAND_PX, _PART_PX = 512, 8192

WriteTile = Callable[[int, int, int, Image.Image], None]


def count_levels(width_px: int, height_px: int) -> int:
    """Levels of a pyramid; the last one is the picture itself, the first fits into one tile."""
    levels = 1
    while max(width_px, height_px) > TILE_PX << (levels - 1):
        levels += 1
    return levels


def draw_levels(raster: Raster, scale: int, write: WriteTile, told: Callable[[float], None], whole_rows: bool) -> None:
    """Draw the levels from `scale` pixels a pixel (a power of two) to the coarsest; `write(level, column, row, tile)`.

    Held in memory are a band of 512 rows of each level and a part of the picture 8192 pixels wide, or whole rows where
    it can only be read so. `told` hears the share that is drawn. Raises CaptureError for what cannot be read.
    """
    levels = count_levels(raster.width_px, raster.height_px)
    first = levels - scale.bit_length()
    if first < 0:
        return
    bands = _Bands(first, write)
    part_px = raster.width_px if whole_rows else _PART_PX
    for top in range(0, raster.height_px, _BAND_PX):
        rows = min(_BAND_PX, raster.height_px - top)
        parts = [
            _reduced(raster, left, top, min(part_px, raster.width_px - left), rows, scale)
            for left in range(0, raster.width_px, part_px)
        ]
        bands.add(first, np.concatenate(parts, axis=1))
        told(min(1.0, (top + rows) / raster.height_px))
    bands.finish()


def _reduced(raster: Raster, left: int, top: int, width: int, height: int, scale: int) -> Pixels:
    # Its own overviews are read in a fraction of the time.
    reduces = isinstance(raster, Mosaic) and bool(raster.overviews)
    if isinstance(raster, Mosaic) and reduces:
        found = raster.read_reduced(left, top, width, height, scale)
    else:
        found = raster.read(left, top, width, height)
    if found is None:
        return np.zeros((-(-height // scale), -(-width // scale), 3), np.uint8)
    return found if scale == 1 or reduces else np.asarray(Image.fromarray(found).reduce(scale))


class _Bands:
    """The rows of each level that wait until they are a row of tiles."""

    def __init__(self, first: int, write: WriteTile) -> None:
        self._write = write
        self._waiting: list[list[Pixels]] = [[] for _ in range(first + 1)]
        self._rows = [0] * (first + 1)

    def add(self, level: int, rows: Pixels) -> None:
        """Rows of a level, from the top down."""
        self._waiting[level].append(rows)
        while sum(len(part) for part in self._waiting[level]) >= TILE_PX:
            held = np.concatenate(self._waiting[level])
            self._waiting[level] = [held[TILE_PX:]] if len(held) > TILE_PX else []
            self._cut(level, held[:TILE_PX])

    def finish(self) -> None:
        """What is left of each level, finest first: it makes the last rows of the next."""
        for level in reversed(range(len(self._waiting))):
            if self._waiting[level]:
                held = np.concatenate(self._waiting[level])
                self._waiting[level] = []
                self._cut(level, held)

    def _cut(self, level: int, band: Pixels) -> None:
        image = Image.fromarray(np.ascontiguousarray(band))
        row = self._rows[level]
        self._rows[level] += 1
        for left in range(0, image.width, TILE_PX):
            tile = image.crop((left, 0, min(left + TILE_PX, image.width), image.height))
            self._write(level, left // TILE_PX, row, tile)
        if level:
            self.add(level - 1, np.asarray(image.reduce(2)))
