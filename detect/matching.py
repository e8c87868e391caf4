"""The same ground in two overlapping pictures: keypoints that look alike and move as one from the one to the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from detect.keypoints import Keypoints
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Complex = npt.NDArray[np.complex128]

LEAST_MATCHES = 10
"""Fewer that agree are nothing: of a hundred false ones about five can be made to agree."""

_LEAST_SHARE = 0.35
_RATIO = 0.8
_HYPOTHESES = 800
_SCALES = (0.7, 1.45)
_LOOSE, _TIGHT = 0.035, 0.015
_MOST = 40


@dataclass(frozen=True)
class Matches:
    """The same ground points in two views: `first`, `second` (N,) index the views, `pixels` (N, 2, 2) are theirs.

    `level` (N, 2, 2) are the same points as metres forward and to the right, laid level as `detect.keypoints` does.
    """

    first: Ints
    second: Ints
    pixels: Floats
    level: Floats

    def __len__(self) -> int:
        return len(self.first)

    def rows(self, chosen: npt.NDArray[np.bool_] | Ints) -> Matches:
        """Return some of the matches."""
        return Matches(self.first[chosen], self.second[chosen], self.pixels[chosen], self.level[chosen])


def neighbours(positions_m: Floats, reach_m: Floats, *, most: int = 8) -> list[tuple[int, int]]:
    """Return pairs of captures near enough to show the same ground: each with those nearest to it.

    `positions_m` (N, 2); `reach_m` (N,) how far from there each one's ground goes, headings and shifts aside.
    """
    if len(positions_m) < 2:
        return []
    tree = cKDTree(positions_m)
    distance, other = tree.query(positions_m, k=min(len(positions_m), 4 * most + 1))
    pairs: set[tuple[int, int]] = set()
    for here, (far, near) in enumerate(zip(distance, other, strict=True)):
        # Those that lie at the same distance are taken in their order, whatever the tree made of them.
        close = sorted((d, int(n)) for d, n in zip(far, near, strict=True) if n != here)
        close = [(d, n) for d, n in close if d < 0.85 * (reach_m[here] + reach_m[n])]
        pairs |= {(min(here, n), max(here, n)) for _, n in close[:most]}
    return sorted(pairs)


def match(
    keypoints: Sequence[Keypoints],
    pairs: Sequence[tuple[int, int]],
    widths_m: Floats,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Matches:
    """Find the same ground in pairs of views, at up to 40 places each.

    `widths_m` (N,) is how wide each picture is on the ground: what tilt and hills may bend a pair's fit by is in parts
    of it.
    """
    found: list[tuple[int, int, Ints, Ints]] = []
    for done, (a, b) in enumerate(pairs):
        rows = _pair(keypoints[a], keypoints[b], float(min(widths_m[a], widths_m[b])), (a, b))
        if rows is not None:
            found.append((a, b, *rows))
        if progress is not None:
            progress(done + 1, len(pairs))
    first, second = (
        np.concatenate([np.full(len(f[2]), f[side], dtype=np.int64) for f in found] or [np.empty(0, np.int64)])
        for side in (0, 1)
    )
    pixels, level = (
        np.concatenate(
            [np.stack([getattr(keypoints[a], name)[i], getattr(keypoints[b], name)[j]], axis=1) for a, b, i, j in found]
            or [np.empty((0, 2, 2))]
        )
        for name in ("pixels", "level")
    )
    return Matches(first, second, pixels, level)


def _pair(a: Keypoints, b: Keypoints, width_m: float, pair: tuple[int, int]) -> tuple[Ints, Ints] | None:
    """Rows of two pictures' keypoints that are the same ground; None where too few agree."""
    if min(len(a), len(b)) < LEAST_MATCHES:
        return None
    i, j = _alike(a, b)
    if len(i) < LEAST_MATCHES:
        return None
    za, zb = (np.asarray(level @ np.array([1, 1j])) for level in (a.level[i], b.level[j]))
    agreed = _one_motion(za, zb, _LOOSE * width_m, np.random.default_rng([*pair, len(i)]))
    if agreed.sum() < max(LEAST_MATCHES, _LEAST_SHARE * len(i)):
        return None
    agreed = _bent(za, zb, agreed, _TIGHT * width_m)
    if agreed.sum() < LEAST_MATCHES:
        return None
    rows = _apart(za, np.flatnonzero(agreed))
    return i[rows], j[rows]


def _alike(a: Keypoints, b: Keypoints) -> tuple[Ints, Ints]:
    """Keypoints that are each other's likest by far (Lowe 2004, section 7.1)."""
    likeness = a.descriptors.astype(np.float32) @ b.descriptors.astype(np.float32).T
    best = likeness.argmax(axis=1)
    mutual = likeness.argmax(axis=0)[best] == np.arange(len(a))
    two = -np.partition(-likeness, 1, axis=1)[:, :2]
    clear = 1 - two[:, 0] < _RATIO**2 * (1 - two[:, 1])
    rows = np.flatnonzero(mutual & clear)
    # A place with two directions may be matched by both.
    _, once = np.unique(np.round(np.column_stack([a.level[rows], b.level[best[rows]]]), 3), axis=0, return_index=True)
    rows = rows[np.sort(once)]
    return rows.astype(np.int64), best[rows].astype(np.int64)


def _one_motion(za: Complex, zb: Complex, tolerance_m: float, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which matches one turn, scale and shift explains: the best of many drawn from two (Fischler and Bolles 1981)."""
    count = len(za)
    one = rng.integers(0, count, _HYPOTHESES)
    two = (one + rng.integers(1, count, _HYPOTHESES)) % count
    way = za[one] - za[two]
    usable = np.abs(way) > 3 * tolerance_m
    turn = np.where(usable, zb[one] - zb[two], np.nan) / np.where(usable, way, 1.0)
    with np.errstate(invalid="ignore"):
        turn = np.where((np.abs(turn) > _SCALES[0]) & (np.abs(turn) < _SCALES[1]), turn, np.nan)
        miss = np.abs(turn[:, None] * (za - za[one][:, None]) + zb[one][:, None] - zb)
        agreed = miss < tolerance_m
    return np.asarray(agreed[agreed.sum(axis=1).argmax()])


def _bent(za: Complex, zb: Complex, agreed: npt.NDArray[np.bool_], tolerance_m: float) -> npt.NDArray[np.bool_]:
    """Which matches a map of second degree explains, which is what tilts that are off by degrees do to level ground."""
    scale = np.abs(za).max() or 1.0
    x, y = za.real / scale, za.imag / scale
    terms = np.column_stack([np.ones(len(za)), x, y, x * x, x * y, y * y])
    for degree in (3, 3, 6):
        if agreed.sum() < 2 * degree:
            break
        used = terms[:, :degree]
        fit, *_ = np.linalg.lstsq(used[agreed], zb[agreed], rcond=None)
        agreed = np.abs(used @ fit - zb) < tolerance_m * (2 if degree == 3 else 1)
    return agreed


def _apart(places: Complex, rows: Ints) -> Ints:
    """Up to `_MOST` of the rows, spread: one from each cell of a grid, then a second one, and so on."""
    if len(rows) <= _MOST:
        return rows
    z = places[rows]
    side = int(np.ceil(np.sqrt(_MOST)))
    cells = [
        np.minimum(((v - v.min()) / max(np.ptp(v), 1e-9) * side).astype(np.int64), side - 1) for v in (z.real, z.imag)
    ]
    cell = cells[0] * side + cells[1]
    order = np.argsort(cell, kind="stable")
    first = np.r_[True, np.diff(cell[order]) != 0]
    start = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - start
    return np.sort(rows[np.argsort(rank, kind="stable")[:_MOST]])
