"""Land out of an orthophoto: its own pixels are the ground, and nothing else lies on it but the animals."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window, from_bounds

from flightplan.areas import StudyArea
from flightplan.errors import AreaError, UnreadableFileError
from flightplan.frames import Floats
from sim.land import Clutter, Land, Things
from sim.noise import Reals

_MOST_PIXELS = 60_000_000
_MARGIN_M = 250.0


@dataclass(frozen=True)
class PhotographedLand(Land):
    """An orthophoto under an area: `pixels` (H, W, 3) on a grid of the area's metres, the first row in the south.

    Trees in it hide nothing, for nobody knows where they are; `cover` is how green it is.
    """

    pixels: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros((1, 1, 3), dtype=np.uint8))
    pixel_m: float = 1.0

    @classmethod
    def of(cls, area: StudyArea, path: Path, seed: int) -> PhotographedLand:
        """Bring an orthophoto onto the area's metres, no finer than `_MOST_PIXELS` allow.

        Raises UnreadableFileError for a file that is no georeferenced picture of three bands, AreaError where it does
        not lie under the area.
        """
        west, south, east, north = area.localise(area.boundary).bounds
        width, height = east - west + 2 * _MARGIN_M, north - south + 2 * _MARGIN_M
        corner = (float(west - _MARGIN_M), float(south - _MARGIN_M))
        try:
            with rasterio.open(path) as file:
                if file.count < 3 or file.crs is None:
                    raise UnreadableFileError("is no georeferenced picture of three bands", where=str(path))
                to_file = Transformer.from_crs("EPSG:4326", file.crs, always_xy=True)
                ends = np.array([corner, (corner[0] + width, corner[1] + height)])
                corners = np.array([(x, y) for x in ends[:, 0] for y in ends[:, 1]])
                x, y = to_file.transform(*area.frame.to_lonlat(corners).T)
                window = from_bounds(min(x), min(y), max(x), max(y), file.transform)
                window = window.intersection(Window(0, 0, file.width, file.height))
                metres = float(np.sqrt(width * height / max(window.width * window.height, 1.0)))
                pixel = max(metres, float(np.sqrt(width * height / _MOST_PIXELS)))
                shape = (max(int(window.height * metres / pixel), 1), max(int(window.width * metres / pixel), 1))
                bands = file.read(
                    [1, 2, 3], window=window, out_shape=(3, *shape), resampling=Resampling.average, boundless=False
                )
                whole = file.transform
        except rasterio.errors.WindowError as error:
            raise AreaError("the orthophoto does not lie under the area", where=str(path)) from error
        except (RasterioError, ValueError) as error:
            raise UnreadableFileError(f"is no picture to fly over: {error}", where=str(path)) from error
        columns, rows = max(int(width / pixel), 2), max(int(height / pixel), 2)
        pixels = np.zeros((rows, columns, 3), dtype=np.uint8)
        scale = (window.width / shape[1], window.height / shape[0])
        back = ~whole
        east_m = corner[0] + pixel * (np.arange(columns) + 0.5)
        for row in range(rows):  # A row at a time: the coordinates of all pixels at once would take gigabytes.
            north_m = np.full(columns, corner[1] + pixel * (row + 0.5))
            lonlat = area.frame.to_lonlat(np.column_stack([east_m, north_m]))
            at_x, at_y = (np.asarray(v) for v in to_file.transform(lonlat[:, 0], lonlat[:, 1]))
            across = back.a * at_x + back.b * at_y + back.c - window.col_off
            down = back.d * at_x + back.e * at_y + back.f - window.row_off
            i = np.floor(across / scale[0]).astype(np.int64)
            j = np.floor(down / scale[1]).astype(np.int64)
            inside = (i >= 0) & (i < shape[1]) & (j >= 0) & (j < shape[0])
            pixels[row, inside] = bands[:, j[inside], i[inside]].T
        if not pixels.any():
            raise AreaError("the orthophoto does not lie under the area", where=str(path))
        coarse = pixels[:: max(rows // 400, 1), :: max(columns // 400, 1)].astype(np.float32)
        green = np.clip((coarse[..., 1] - 0.5 * (coarse[..., 0] + coarse[..., 2])) / 40.0, 0.0, 1.0)
        step = pixel * max(rows // 400, 1)
        return cls(seed, green.astype(np.float32), corner, step, 0.0, pixels=pixels, pixel_m=pixel)

    def colours(self, east_m: Reals, north_m: Reals) -> Reals:
        """The picture's colours (…, 3) at points, bilinear; dark where the orthophoto ends."""
        rows, columns, _ = self.pixels.shape
        u = (east_m - np.float32(self.corner_m[0])) / np.float32(self.pixel_m) - np.float32(0.5)
        v = (north_m - np.float32(self.corner_m[1])) / np.float32(self.pixel_m) - np.float32(0.5)
        u, v = np.clip(u, 0, columns - 1.001), np.clip(v, 0, rows - 1.001)
        i, j = u.astype(np.int64), v.astype(np.int64)
        u, v = (u - i)[..., None], (v - j)[..., None]
        near = self.pixels[j, i] * (1 - u) + self.pixels[j, i + 1] * u
        far = self.pixels[j + 1, i] * (1 - u) + self.pixels[j + 1, i + 1] * u
        return np.asarray(near * (1 - v) + far * v, dtype=np.float32)

    def things_in(self, clutter: Clutter, bounds_m: tuple[float, float, float, float]) -> Things:
        """Nothing: what lies there is in the picture already."""
        none = np.zeros(0)
        return Things(clutter, np.zeros((0, 2)), np.zeros((0, 2)), none, none, none, none)

    def clear_of_trees(self, points_m: Floats, margin_m: Floats) -> Floats:
        """The points as they are."""
        return points_m

    def into_shade(self, points_m: Floats) -> Floats:
        """The points as they are."""
        return points_m
