"""Points of a picture that another one of the same ground shows too, each with a description that turning leaves alone.

Lowe (2004), "Distinctive image features from scale-invariant keypoints": extrema of differences of Gaussians, with
histograms of gradients around them; compared by their square roots (Arandjelović and Zisserman 2012, RootSIFT). Before
that a picture is laid level: what a camera looking straight down from the same place would show, on one ground pixel
for the whole flight, so that tilt and height as read cost nothing; only the heading is left open.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from flightplan.camera import Camera, rotation
from flightplan.frames import Floats

Grey = npt.NDArray[np.float32]
Descriptors = npt.NDArray[np.float16]

ACROSS_PX = 900
"""Pixels of a level picture along the root of its area: enough for bushes and tracks, few enough to be quick."""

MOST = 700
"""Keypoints kept of a picture."""

_STEEPEST = 3.0
"""Ground farther away than so many heights is left out: there a level picture shows almost nothing but blur."""

_LARGEST_PX = 2600
_NODE_PX = 8
_SCALES, _FIRST_SIGMA, _LEVELS = 2, 1.6, 3
_LEAST_CONTRAST = 0.6
_EDGE_RATIO = 10.0
_CELLS = 10
_BINS, _SIDE = 8, 4
_SAMPLES = 16


@dataclass(frozen=True)
class Keypoints:
    """Keypoints of one picture, a row each.

    `level` (K, 2) where they lie on level ground, metres forward of and to the right of the point below the camera, as
    far as tilt and height as read are right; `pixels` (K, 2) in the picture; `descriptors` (K, 128) of unit length.
    """

    level: Floats
    pixels: Floats
    descriptors: Descriptors

    def __len__(self) -> int:
        return len(self.level)


def find_keypoints(
    pixels: npt.NDArray[np.uint8], camera: Camera, pitch_deg: float, roll_deg: float, height_m: float, cell_m: float
) -> Keypoints:
    """Find the keypoints of a picture (height, width, 3) taken `height_m` above the ground, at `cell_m` a pixel."""
    turned = rotation(0.0, pitch_deg, roll_deg)
    layout = _laid_level(pixels, camera, turned, height_m, cell_m)
    if layout is None:
        return Keypoints(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 16 * _BINS), dtype=np.float16))
    level, shown, (back, left) = layout
    places, descriptors = _described(level, shown)
    # Rows run backwards, columns to the right.
    ground = np.column_stack([back - places[:, 1] * cell_m, left + places[:, 0] * cell_m])
    local = np.column_stack([ground, np.full(len(ground), height_m)])
    return Keypoints(ground, camera.project(local @ turned), descriptors)


def ground_cell_m(camera: Camera, pitch_deg: float, roll_deg: float, height_m: float) -> float:
    """Return the ground pixel at which the level picture has `ACROSS_PX` along the root of its area; NaN for sky.

    It is never smaller than the picture's own.
    """
    bounds = _bounds(camera, rotation(0.0, pitch_deg, roll_deg))
    if bounds is None:
        return np.nan
    low, high = bounds
    return float(height_m * max(np.sqrt(np.prod(high - low)) / ACROSS_PX, 1 / camera.focal_length_px))


def _bounds(camera: Camera, turned: Floats) -> tuple[Floats, Floats] | None:
    """Least and greatest of (forward, right) on level ground, in heights; None where a picture shows none."""
    x, y = np.meshgrid(np.linspace(0, camera.image_width_px - 1, 9), np.linspace(0, camera.image_height_px - 1, 9))
    local = camera.rays(np.column_stack([x.ravel(), y.ravel()])) @ turned.T
    down = local[:, 2] > 1 / np.hypot(1.0, _STEEPEST)
    if not down.any():
        return None
    flat = np.clip(local[down, :2] / local[down, 2:], -_STEEPEST, _STEEPEST)
    return flat.min(axis=0), flat.max(axis=0)


def _laid_level(
    pixels: npt.NDArray[np.uint8], camera: Camera, turned: Floats, height_m: float, cell_m: float
) -> tuple[Grey, npt.NDArray[np.bool_], tuple[float, float]] | None:
    """The level picture, where it shows anything, and metres forward and right of its first pixel."""
    bounds = _bounds(camera, turned)
    if bounds is None:
        return None
    (back, left), (front, right) = (height_m * np.asarray(b) for b in bounds)
    rows, columns = (int(np.clip((b - a) / cell_m + 1, 32, _LARGEST_PX)) for a, b in ((back, front), (left, right)))
    # Of a picture too long to be laid out whole the near part is kept.
    front = min(front, back + (rows - 1) * cell_m)
    nodes_y, nodes_x = np.arange(0, rows + _NODE_PX, _NODE_PX), np.arange(0, columns + _NODE_PX, _NODE_PX)
    forward, rightward = np.meshgrid(front - nodes_y * cell_m, left + nodes_x * cell_m, indexing="ij")
    local = np.column_stack([forward.ravel(), rightward.ravel(), np.full(forward.size, height_m)])
    nodes = camera.project(local @ turned).reshape(*forward.shape, 2)
    dense = _between(_between(nodes, rows).swapaxes(0, 1), columns).swapaxes(0, 1)
    step = max(1, int(cell_m / height_m * camera.focal_length_px))
    small = _shrunk(pixels, step)
    places = [(dense[:, :, axis] + 0.5) / step - 0.5 for axis in (1, 0)]
    with np.errstate(invalid="ignore"):
        shown = (
            (places[0] >= 0) & (places[0] <= small.shape[0] - 1) & (places[1] >= 0) & (places[1] <= small.shape[1] - 1)
        )
    filled = [np.where(shown, place, 0.0) for place in places]
    level = scipy.ndimage.map_coordinates(small, filled, order=1, mode="nearest")
    level[~shown] = level[shown].mean() if shown.any() else 0.0
    return level, shown, (float(front), float(left))


def _shrunk(pixels: npt.NDArray[np.uint8], step: int) -> Grey:
    rows, columns = pixels.shape[0] // step * step, pixels.shape[1] // step * step
    cut = pixels[:rows, :columns].reshape(rows // step, step, columns // step, step, -1)
    return np.asarray(cut.mean(axis=(1, 3, 4), dtype=np.float32))


def _between(nodes: Floats, count: int) -> Floats:
    """Interpolate along the first axis between nodes `_NODE_PX` apart, to `count` rows: lenses are smooth."""
    whole, part = np.divmod(np.arange(count), _NODE_PX)
    share = (part / _NODE_PX)[:, None, None]
    return np.asarray(nodes[whole] * (1 - share) + nodes[whole + 1] * share)


def _described(level: Grey, shown: npt.NDArray[np.bool_]) -> tuple[Floats, Descriptors]:
    """Keypoints (K, 2) as column and row of a level picture, and their descriptors, over `_SCALES` octaves."""
    parts: list[tuple[Floats, Floats, Descriptors]] = []
    image, seen = level, shown
    for octave in range(_SCALES):
        if min(image.shape) < 32:
            break
        smooth = [
            scipy.ndimage.gaussian_filter(image, _FIRST_SIGMA * 2 ** (n / _LEVELS), truncate=3.0)
            for n in range(_LEVELS + 2)
        ]
        places, sigma, strength = _extrema(smooth, seen)
        places, descriptors, origin = _descriptors(smooth[1], places, sigma)
        parts.append(((places + 0.5) * 2**octave - 0.5, strength[origin], descriptors))
        image = _shrunk((image * 1.0)[:, :, None], 2)  # type: ignore[arg-type]
        seen = seen[: image.shape[0] * 2 : 2, : image.shape[1] * 2 : 2]
    if not parts:
        return np.empty((0, 2)), np.empty((0, 16 * _BINS), dtype=np.float16)
    places, strength, descriptors = (np.concatenate(column) for column in zip(*parts, strict=True))
    best = _spread(places, strength, level.shape)
    return places[best], descriptors[best]


def _extrema(smooth: list[Grey], shown: npt.NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Column and row (K, 2), sigma (K,) and strength (K,) of the extrema in place and scale, to parts of a pixel."""
    stack = np.stack([b - a for a, b in pairwise(smooth)])
    # What lies near the edge of the picture is not seen whole.
    inner = scipy.ndimage.binary_erosion(shown, iterations=int(6 * _FIRST_SIGMA), border_value=0)
    size = np.abs(stack)
    top = scipy.ndimage.maximum_filter(stack, size=3) == stack
    bottom = scipy.ndimage.minimum_filter(stack, size=3) == stack
    peak = (top | bottom) & (size > _LEAST_CONTRAST) & inner
    peak[[0, -1]] = False
    n, row, column = np.nonzero(peak)
    if not len(n):
        return np.empty((0, 2)), np.empty(0), np.empty(0)
    here = stack[n, row, column]
    right, left = stack[n, row, column + 1], stack[n, row, column - 1]
    below, above = stack[n, row + 1, column], stack[n, row - 1, column]
    xx, yy = right + left - 2 * here, below + above - 2 * here
    xy = (
        stack[n, row + 1, column + 1]
        - stack[n, row + 1, column - 1]
        - stack[n, row - 1, column + 1]
        + stack[n, row - 1, column - 1]
    ) / 4
    trace, determinant = xx + yy, xx * yy - xy * xy
    corner = (determinant > 0) & (trace * trace * _EDGE_RATIO < (_EDGE_RATIO + 1) ** 2 * determinant)
    with np.errstate(invalid="ignore", divide="ignore"):
        dx = np.clip(-(yy * (right - left) - xy * (below - above)) / 2 / determinant, -0.5, 0.5)
        dy = np.clip(-(xx * (below - above) - xy * (right - left)) / 2 / determinant, -0.5, 0.5)
    places = np.column_stack([column + dx, row + dy])[corner].astype(np.float64)
    return places, _FIRST_SIGMA * 2 ** (n[corner] / _LEVELS), np.abs(here[corner]).astype(np.float64)


def _descriptors(smooth: Grey, places: Floats, sigma: Floats) -> tuple[Floats, Descriptors, npt.NDArray[np.int64]]:
    """Keypoints, their descriptors, and which of those given each is: one with two directions comes twice."""
    if not len(places):
        return places, np.empty((0, 16 * _BINS), dtype=np.float16), np.empty(0, dtype=np.int64)
    gradient = (
        scipy.ndimage.correlate1d(smooth, [-0.5, 0.0, 0.5], axis=1),
        scipy.ndimage.correlate1d(smooth, [-0.5, 0.0, 0.5], axis=0),
    )
    origin, direction = _directions(gradient, places, sigma)
    places, sigma = places[origin], sigma[origin]
    offsets = (np.arange(_SAMPLES) - (_SAMPLES - 1) / 2) * _SIDE / _SAMPLES
    across, down = (a.ravel() for a in np.meshgrid(offsets, offsets))
    gx, gy = _sampled(gradient, places, 3.0 * sigma, across, down, direction)
    # Seen from the keypoint's own direction; weighted towards its middle.
    cosine, sine = np.cos(direction)[:, None], np.sin(direction)[:, None]
    along, beside = gx * cosine + gy * sine, gy * cosine - gx * sine
    size = np.hypot(along, beside) * np.exp(-(across**2 + down**2) / (2 * (_SIDE / 2) ** 2))
    turn = np.arctan2(beside, along) * (_BINS / (2 * np.pi)) % _BINS
    cells = np.maximum(0, 1 - np.abs(across[:, None] - (np.arange(_SIDE) - 1.5)))[:, :, None] * np.maximum(
        0, 1 - np.abs(down[:, None] - (np.arange(_SIDE) - 1.5))
    ).reshape(-1, 1, _SIDE)
    cells = cells.reshape(len(across), -1).astype(np.float32)
    histogram = np.empty((len(places), _SIDE * _SIDE, _BINS), dtype=np.float32)
    for b in range(_BINS):
        apart = np.abs((turn - b + _BINS / 2) % _BINS - _BINS / 2)
        histogram[:, :, b] = (size * np.maximum(0, 1 - apart)).astype(np.float32) @ cells
    flat = histogram.reshape(len(places), -1)
    flat = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    flat = np.minimum(flat, 0.2)
    flat = flat / np.maximum(flat.sum(axis=1, keepdims=True), 1e-9)
    return places, np.sqrt(flat).astype(np.float16), origin


def _directions(gradient: tuple[Grey, Grey], places: Floats, sigma: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """The direction in which the picture mostly brightens around each keypoint; two where they are nearly alike."""
    offsets = np.arange(-6.0, 7.0) * 0.75
    across, down = (a.ravel() for a in np.meshgrid(offsets, offsets))
    gx, gy = _sampled(gradient, places, sigma, across, down, None)
    weight = np.hypot(gx, gy) * np.exp(-(across**2 + down**2) / (2 * 1.5**2))
    bins = 36
    turn = np.arctan2(gy, gx) * (bins / (2 * np.pi)) % bins
    low = turn.astype(np.int64) % bins
    share = turn - np.floor(turn)
    rows = np.arange(len(places))[:, None] * bins
    flat = np.bincount(
        np.concatenate([(rows + low).ravel(), (rows + (low + 1) % bins).ravel()]),
        np.concatenate([(weight * (1 - share)).ravel(), (weight * share).ravel()]),
        minlength=len(places) * bins,
    )
    histogram: Floats = np.asarray(flat, dtype=np.float64).reshape(-1, bins)
    for _ in range(2):
        histogram = (np.roll(histogram, 1, axis=1) + histogram + np.roll(histogram, -1, axis=1)) / 3
    before, after = np.roll(histogram, 1, axis=1), np.roll(histogram, -1, axis=1)
    peak = (histogram > before) & (histogram >= after) & (histogram >= 0.8 * histogram.max(axis=1, keepdims=True))
    # No more than two of each: the highest, and the first other one.
    rank = np.argsort(np.argsort(-np.where(peak, histogram, -1.0), axis=1, kind="stable"), axis=1, kind="stable")
    origin, chosen = np.nonzero(peak & (rank < 2))
    a, h, b = (m[origin, chosen] for m in (before, histogram, after))
    vertex = chosen + (a - b) / (2 * np.where(a - 2 * h + b < 0, a - 2 * h + b, -1.0))
    return origin.astype(np.int64), np.asarray(vertex * (2 * np.pi / bins))


def _sampled(
    gradient: tuple[Grey, Grey], places: Floats, scale: Floats, across: Floats, down: Floats, direction: Floats | None
) -> tuple[Grey, Grey]:
    """Gradients (K, S) at offsets from keypoints, in units of `scale`, turned with their direction."""
    cosine, sine = (1.0, 0.0) if direction is None else (np.cos(direction)[:, None], np.sin(direction)[:, None])
    x = places[:, :1] + scale[:, None] * (cosine * across - sine * down)
    y = places[:, 1:] + scale[:, None] * (sine * across + cosine * down)
    rows, columns = gradient[0].shape
    # The nearest pixel will do: the picture is smooth at this scale.
    at = np.clip(np.rint(y), 0, rows - 1).astype(np.int64), np.clip(np.rint(x), 0, columns - 1).astype(np.int64)
    return gradient[0][at], gradient[1][at]


def _spread(places: Floats, strength: Floats, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Which keypoints to keep: the strongest of each part of the picture in turn."""
    if len(places) <= MOST:
        return np.arange(len(places))
    cell = (places[:, 1] * _CELLS / shape[0]).astype(np.int64) * _CELLS + (places[:, 0] * _CELLS / shape[1]).astype(
        np.int64
    )
    order = np.lexsort((places[:, 0], places[:, 1], -strength, cell))
    first = np.r_[True, np.diff(cell[order]) != 0]
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    place_in_cell = np.empty(len(order), dtype=np.int64)
    place_in_cell[order] = np.arange(len(order)) - start
    return np.sort(np.lexsort((places[:, 0], places[:, 1], -strength, place_in_cell))[:MOST])
