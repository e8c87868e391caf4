"""Tiles: how a picture is cut so that a detector of bounded size sees every animal whole at least once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from detect.images import Pixels, Raster

MAX_TILE_PX = 640
OVERLAP_PX = 64
MULTIPLE_PX = 32
PADDING = 114
"""The grey that ultralytics pads with in training, so that networks know it as nothing."""


@dataclass(frozen=True)
class Tile:
    """One tile: the window the detector sees, and the core that it answers for.

    In pixels of the image: the window starts at (`x_px`, `y_px`) and measures `width_px` by `height_px`; what of it
    lies outside of the image is padding. `core_px` is x_min, y_min, x_max, y_max; the cores of an image's tiles fill it
    without overlap.
    """

    x_px: int
    y_px: int
    width_px: int
    height_px: int
    core_px: tuple[float, float, float, float]


@dataclass(frozen=True)
class TilePolicy:
    """How large tiles may be and how much they overlap.

    An axis gets the fewest tiles of at most `max_px` that overlap by `overlap_px` or more; they then share it evenly,
    rounded up to a multiple of `multiple_px`. An overlap as long as the largest animal lets each be seen whole.
    `fixed_px` (width, height) is for a network of one input size: every tile has it. `target_gsd_cm` is the ground
    sampling distance that pictures are brought to before they are cut, see `detect.resampling`; all lengths are in its
    pixels.
    """

    max_px: int = MAX_TILE_PX
    overlap_px: int = OVERLAP_PX
    multiple_px: int = MULTIPLE_PX
    fixed_px: tuple[int, int] | None = None
    target_gsd_cm: float | None = None

    def __post_init__(self) -> None:
        smallest = min(self.fixed_px or (self.max_px,))
        if not 0 <= self.overlap_px < smallest:
            raise ValueError(f"overlap_px must be from 0 to below the tile's {smallest} px, not {self.overlap_px}")
        if self.target_gsd_cm is not None and not 0.0 < self.target_gsd_cm < math.inf:
            raise ValueError(f"target_gsd_cm must be above 0, not {self.target_gsd_cm:g}")
        if self.max_px % self.multiple_px:
            raise ValueError(f"max_px must be a multiple of {self.multiple_px}, not {self.max_px}")

    def cut(self, width_px: int, height_px: int) -> list[Tile]:
        """The tiles of an image, row by row from the top left."""
        columns = self._axis(width_px, 0)
        rows = self._axis(height_px, 1)
        return [
            Tile(x, y, width, height, (left, top, right, bottom))
            for y, height, top, bottom in rows
            for x, width, left, right in columns
        ]

    def _axis(self, length_px: int, axis: int) -> list[tuple[int, int, float, float]]:
        """Start, length, and the core's two ends of each tile along one axis."""
        if length_px < 1:
            raise ValueError(f"an image measures at least 1 px, not {length_px}")
        limit = self.fixed_px[axis] if self.fixed_px else self.max_px
        count = max(1, math.ceil((length_px - self.overlap_px) / (limit - self.overlap_px)))
        if self.fixed_px:
            tile = limit
        else:
            tile = math.ceil((length_px + (count - 1) * self.overlap_px) / count)
            tile = math.ceil(tile / self.multiple_px) * self.multiple_px
        last = max(0, length_px - tile)
        starts = [round(i * last / (count - 1)) for i in range(count)] if count > 1 else [0]
        borders = [(here + tile + after) / 2 for here, after in pairwise(starts)]
        ends = [0.0, *borders, float(length_px)]
        return [(start, tile, ends[i], ends[i + 1]) for i, start in enumerate(starts)]


def read_tile(raster: Raster, tile: Tile) -> Pixels | None:
    """Read one tile as (height, width, 3), padded to its full size; None where the raster holds no data."""
    width = min(tile.width_px, raster.width_px - tile.x_px)
    height = min(tile.height_px, raster.height_px - tile.y_px)
    pixels = raster.read(tile.x_px, tile.y_px, width, height)
    if pixels is None or (height, width) == (tile.height_px, tile.width_px):
        return pixels
    padded = np.full((tile.height_px, tile.width_px, 3), PADDING, np.uint8)
    padded[:height, :width] = pixels
    return padded
