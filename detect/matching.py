"""The same ground in two overlapping pictures, found by correlating what they show, laid out north-up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import shapely
from scipy.fft import irfft2, rfft2

from detect.georef import Pose, footprint, ground_to_pixel
from flightplan.camera import Camera
from flightplan.errors import GeoreferenceError
from flightplan.frames import Floats, LocalFrame
from flightplan.terrain import Terrain

ACROSS_PX = 500
"""How many pixels a footprint's longer side has when laid out: enough for bushes and tracks, few enough to be quick."""

_PATCH_PX, _SEARCH_PX = 96, 64
_LEAST_PEAK, _LEAST_LEAD = 0.35, 0.12
_SIDELOBE_PX = 10
_CACHED = 48
_NODE_PX = 8


@dataclass(frozen=True)
class View:
    """A picture to be matched: its small grey image (float, high-pass filtered), its camera, pose and ground."""

    grey: npt.NDArray[np.float32]
    camera: Camera
    pose: Pose
    terrain: Terrain

    def turned_half(self) -> View:
        """Return the view as if its yaw were wrong by 180°."""
        return replace(self, pose=replace(self.pose, yaw_deg=np.asarray(self.pose.yaw_deg) + 180.0))


@dataclass(frozen=True)
class Matches:
    """The same ground points in two views: `first`, `second` (N,) index the views, `pixels` (N, 2, 2) are theirs."""

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    pixels: Floats

    def __len__(self) -> int:
        return len(self.first)

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Matches:
        """Return some of the matches."""
        return Matches(self.first[chosen], self.second[chosen], self.pixels[chosen])


def prepared(pixels: npt.NDArray[np.uint8], across_px: int = 2 * ACROSS_PX) -> npt.NDArray[np.float32]:
    """Return a small grey image without its slow changes of brightness, from (height, width, 3)."""
    step = max(1, max(pixels.shape[:2]) // across_px)
    rows, columns = pixels.shape[0] // step * step, pixels.shape[1] // step * step
    cut = pixels[:rows, :columns].reshape(rows // step, step, columns // step, step, -1)
    grey = cut.mean(axis=(1, 3, 4), dtype=np.float32)
    fine, coarse = (scipy.ndimage.gaussian_filter(grey, sigma) for sigma in (1.0, 8.0))
    return np.asarray(fine - coarse, dtype=np.float32)


def neighbours(views: list[View], frame: LocalFrame, *, most: int = 8) -> list[tuple[int, int]]:
    """Return the pairs of views that overlap, each view with those it shares most ground with."""
    outlines = [_outline(view, frame) for view in views]
    tree = shapely.STRtree(outlines)
    pairs: set[tuple[int, int]] = set()
    for index, outline in enumerate(outlines):
        if outline.is_empty:
            continue
        others = [int(o) for o in tree.query(outline, predicate="intersects") if o != index]
        shared = {o: outline.intersection(outlines[o]).area for o in others}
        best = sorted((o for o in others if shared[o] > 0.05 * outline.area), key=lambda o: (-shared[o], o))[:most]
        pairs |= {(min(index, o), max(index, o)) for o in best}
    return sorted(pairs)


def match(
    views: list[View],
    pairs: list[tuple[int, int]],
    frame: LocalFrame,
    *,
    patches: int = 18,
    progress: Callable[[int, int], None] | None = None,
) -> Matches:
    """Find the same ground in pairs of views, at up to so many places each, up to 64 laid-out pixels apart."""
    found: list[tuple[int, int, Floats]] = []
    layouts = _Layouts(views, frame)
    for done, (a, b) in enumerate(pairs):
        found += [(a, b, pixels) for pixels in _pair(layouts, a, b, patches)]
        if progress is not None:
            progress(done + 1, len(pairs))
    first, second = (np.array([f[side] for f in found], dtype=np.int64) for side in (0, 1))
    return Matches(first, second, np.array([f[2] for f in found]).reshape(-1, 2, 2))


class _Layouts:
    """Views laid out north-up on one grid of the ground; `cell_m` is its pixel."""

    def __init__(self, views: list[View], frame: LocalFrame) -> None:
        self.views, self.frame = views, frame
        self.outlines = [_outline(view, frame) for view in views]
        sides = [max(o.bounds[2] - o.bounds[0], o.bounds[3] - o.bounds[1]) for o in self.outlines if not o.is_empty]
        self.cell_m = float(np.median(sides)) / ACROSS_PX if sides else 1.0
        self.layout = lru_cache(maxsize=_CACHED)(self._layout)

    def _layout(self, index: int) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
        """Return the picture, NaN outside of it, and the grid column and row of its first pixel (rows run north)."""
        view = self.views[index]
        west, south, east, north = (int(np.floor(v / self.cell_m)) for v in self.outlines[index].bounds)
        columns, rows = np.arange(west, east + 1), np.arange(south, north + 1)
        # Lenses are smooth: every eighth pixel is computed, and those between are interpolated.
        nodes_x, nodes_y = (
            np.arange(west, east + _NODE_PX + 1, _NODE_PX),
            np.arange(south, north + _NODE_PX + 1, _NODE_PX),
        )
        grid = np.stack(np.meshgrid(nodes_x, nodes_y), axis=2) * self.cell_m
        nodes = self.pixels(index, np.asarray(grid.reshape(-1, 2), dtype=np.float64)).reshape(grid.shape)
        dense = _between(_between(nodes, len(rows)).swapaxes(0, 1), len(columns)).swapaxes(0, 1)
        step = round(view.camera.image_width_px / view.grey.shape[1])
        small = [(dense[:, :, axis] + 0.5) / step - 0.5 for axis in (1, 0)]
        shown = scipy.ndimage.map_coordinates(view.grey, small, order=1, mode="constant", cval=np.nan)
        return np.asarray(shown, dtype=np.float32), (west, south)

    def pixels(self, index: int, local: Floats) -> Floats:
        """Return the pixels of ground points (N, 2) in the frame's metres."""
        view = self.views[index]
        lonlat = self.frame.to_lonlat(local)
        return ground_to_pixel(view.camera, view.pose, lonlat, view.terrain.heights_m(lonlat))


def _between(nodes: Floats, count: int) -> Floats:
    """Interpolate along the first axis between nodes `_NODE_PX` apart, to `count` rows."""
    whole, part = np.divmod(np.arange(count), _NODE_PX)
    share = (part / _NODE_PX)[:, None, None]
    return np.asarray(nodes[whole] * (1 - share) + nodes[whole + 1] * share)


def _pair(layouts: _Layouts, a: int, b: int, patches: int) -> list[Floats]:
    shared = layouts.outlines[a].intersection(layouts.outlines[b])
    if shared.is_empty:
        return []
    (image_a, origin_a), (image_b, origin_b) = layouts.layout(a), layouts.layout(b)
    found = []
    for column, row in _centres(shared, layouts.cell_m, patches):
        template = _window(image_a, column - origin_a[0], row - origin_a[1], _PATCH_PX // 2)
        around = _window(image_b, column - origin_b[0], row - origin_b[1], _PATCH_PX // 2 + _SEARCH_PX)
        if template is None or around is None:
            continue
        shift = _shift(template, around)
        if shift is not None:
            places = np.array([[column, row], [column + shift[0], row + shift[1]]]) * layouts.cell_m
            found.append(np.vstack([layouts.pixels(a, places[:1]), layouts.pixels(b, places[1:])]))
    return found


def _centres(shared: shapely.Geometry, cell_m: float, most: int) -> list[tuple[int, int]]:
    """Spread patch centres over the shared ground, on a grid, the same for the same shape."""
    inner = shapely.buffer(shared, -_PATCH_PX / 3 * cell_m)
    if inner.is_empty:
        return []
    west, south, east, north = (v / cell_m for v in inner.bounds)
    step = max(_PATCH_PX / 2, float(np.sqrt(inner.area / cell_m**2 / most)))
    columns, rows = np.arange(west + step / 4, east, step), np.arange(south + step / 4, north, step)
    grid = np.array([(round(c), round(r)) for r in rows for c in columns], dtype=np.int64).reshape(-1, 2)
    inside = shapely.contains_xy(inner, grid[:, 0] * cell_m, grid[:, 1] * cell_m)
    return [(int(c), int(r)) for c, r in grid[inside]]


def _window(image: npt.NDArray[np.float32], column: int, row: int, half: int) -> npt.NDArray[np.float32] | None:
    """Cut a square out of a layout, NaN beyond it; None where less than half of it shows anything."""
    size = 2 * half
    cut = np.full((size, size), np.nan, dtype=np.float32)
    top, left = row - half, column - half
    rows = slice(max(top, 0), min(top + size, image.shape[0]))
    columns = slice(max(left, 0), min(left + size, image.shape[1]))
    if rows.start < rows.stop and columns.start < columns.stop:
        cut[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = image[rows, columns]
    return cut if np.isfinite(cut).mean() > 0.5 else None


def _shift(template: npt.NDArray[np.float32], around: npt.NDArray[np.float32]) -> tuple[float, float] | None:
    """Where a patch lies in its surroundings, in pixels from the middle; None when nowhere, or in more than one place.

    Normalised cross-correlation (Lewis 1995, "Fast normalized cross-correlation").
    """
    if np.isfinite(template).mean() < 0.95:
        return None
    patch = np.nan_to_num(template - np.nanmean(template))
    energy = float((patch * patch).sum())
    if energy <= 0:
        return None
    shown = np.isfinite(around)
    filled = np.nan_to_num(around)
    size, valid = around.shape, around.shape[0] - patch.shape[0] + 1
    ones, spectrum = _window_spectrum(patch.shape, size), np.conj(rfft2(patch, size))
    seen = rfft2(filled)

    def slid(product: npt.NDArray[np.complexfloating]) -> npt.NDArray[np.float32]:
        return np.asarray(irfft2(product, size)[:valid, :valid])

    count = np.float32(patch.size) if shown.all() else slid(rfft2(shown.astype(np.float32)) * ones)
    total, squares = slid(seen * ones), slid(rfft2(filled * filled) * ones)
    spread = np.maximum(squares - total**2 / np.maximum(count, 1.0), 1e-6 * energy)
    score = np.where(count > 0.9 * patch.size, slid(seen * spectrum) / np.sqrt(spread * energy), -1.0)
    row, column = np.unravel_index(int(score.argmax()), score.shape)
    peak = score[row, column]
    rest = score.copy()
    rest[
        max(0, row - _SIDELOBE_PX) : row + _SIDELOBE_PX + 1, max(0, column - _SIDELOBE_PX) : column + _SIDELOBE_PX + 1
    ] = -1
    if peak < _LEAST_PEAK or peak - rest.max() < _LEAST_LEAD:
        return None
    dx, dy = _vertex(score[row, :], int(column)), _vertex(score[:, column], int(row))
    return dx - _SEARCH_PX, dy - _SEARCH_PX


@lru_cache(maxsize=4)
def _window_spectrum(shape: tuple[int, int], size: tuple[int, int]) -> npt.NDArray[np.complexfloating]:
    return np.asarray(np.conj(rfft2(np.ones(shape, dtype=np.float32), size)))


def _vertex(line: Floats, peak: int) -> float:
    """The top of a parabola through a peak and its neighbours."""
    if not 0 < peak < len(line) - 1:
        return float(peak)
    before, at, after = line[peak - 1 : peak + 2]
    bend = before - 2 * at + after
    return peak + float((before - after) / (2 * bend)) if bend < 0 else float(peak)


def _outline(view: View, frame: LocalFrame) -> shapely.Geometry:
    try:
        return frame.localise(footprint(view.camera, view.pose, view.terrain))
    except GeoreferenceError:
        return shapely.Polygon()
