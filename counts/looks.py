"""How often the ground was looked at: what counts animals where nobody can tell them apart.

Of n looks at a spot each tells of 1/n of the animals there. Summed over all sightings, 1/n counts an animal once on
average however it walks, without any knowledge of who is who, and over the recall it counts the missed ones too
(Horvitz and Thompson 1952, weights by multiplicity: Birnbaum and Sirken 1965). It is right in the mean, for animals
that do not walk with the flight lines or against them; how far one count may be off is told by `counts.movement`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from flightplan.errors import EstimateError
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]

WANDERING_S = 60.0
"""An animal walks in a circle whose radius it walks in this time: straight on from frame to frame, at home in all."""

MOST_WALKERS = 300
_AT_ONCE = 200_000


@dataclass(frozen=True)
class Looks:
    """Every frame that was searched, with animals or without: polygons (F,) in metres, the pass of each, its time."""

    footprints: npt.NDArray[np.object_]
    of_pass: Ints
    times_s: Floats

    @classmethod
    def checked(cls, footprints: npt.ArrayLike, of_pass: npt.ArrayLike, times_s: npt.ArrayLike) -> Looks:
        """Return looks. Raises EstimateError for arrays that do not match, or a frame without footprint or time."""
        polygons = np.asarray(footprints, dtype=object)
        rows, times = np.asarray(of_pass, dtype=np.int64), np.asarray(times_s, dtype=np.float64)
        if not len(polygons) == len(rows) == len(times):
            raise EstimateError(
                f"{len(polygons)} frames, but {len(rows)} passes and {len(times)} times", where="identity"
            )
        if (shapely.is_missing(polygons) | shapely.is_empty(polygons)).any() or not np.isfinite(times).all():
            raise EstimateError("a frame that was searched has no footprint or no time", where="identity")
        return cls(polygons, rows, times)

    def number_at(self, points: Floats) -> Ints:
        """How many frames show each point (N, 2); at least 1, for it was seen in one."""
        return np.maximum(self.number_within(points), 1)

    def number_within(self, points: Floats) -> Ints:
        """How many frames show each point (N, 2)."""
        tree = shapely.STRtree(self.footprints)
        number = np.zeros(len(points), dtype=np.int64)
        for start in range(0, len(points), _AT_ONCE):
            part = points[start : start + _AT_ONCE]
            rows = tree.query(shapely.points(part), predicate="intersects")[0]
            number[start : start + len(part)] = np.bincount(rows, minlength=len(part))
        return number

    def rows(self, chosen: npt.NDArray[np.bool_]) -> Looks:
        """Some of the frames."""
        return Looks(self.footprints[chosen], self.of_pass[chosen], self.times_s[chosen])

    def row_of(self, passes: Ints, times_s: Floats) -> Ints:
        """The row of each frame (N,) by its pass and time; −1 where there is none."""
        order = np.lexsort((self.times_s, self.of_pass))
        mine = np.column_stack([self.of_pass, self.times_s])[order]
        asked, which = np.unique(np.column_stack([passes, times_s]), axis=0, return_inverse=True)
        keys = {(float(a), float(b)): int(i) for i, (a, b) in zip(order.tolist(), mine.tolist(), strict=True)}
        rows = np.array([keys.get((float(a), float(b)), -1) for a, b in asked.tolist()], dtype=np.int64)
        return rows[which.ravel()] if len(rows) else np.empty(0, dtype=np.int64)

    def moved(self, shift: Floats) -> Looks:
        """The same frames, each (F, 2) metres taken off its place."""
        corners, of = shapely.get_coordinates(self.footprints, return_index=True)
        moved = shapely.set_coordinates(self.footprints.copy(), corners - shift[of])
        return Looks(np.asarray(moved), self.of_pass, self.times_s)

    def between(self, passes: Ints, first_s: Floats, last_s: Floats) -> Ints:
        """How many frames of a pass were taken after one time and before another, (T,)."""
        number = np.zeros(len(passes), dtype=np.int64)
        order = np.lexsort((self.times_s, self.of_pass))
        rows, times = self.of_pass[order], self.times_s[order]
        for value in np.unique(passes).tolist():
            mine = passes == value
            taken = times[np.searchsorted(rows, value) : np.searchsorted(rows, value, side="right")]
            number[mine] = np.searchsorted(taken, last_s[mine]) - np.searchsorted(taken, first_s[mine], side="right")
        return np.maximum(number, 0)

    def intervals_s(self, passes: int) -> Floats:
        """The usual time between two frames of each pass, (P,) seconds; 0 where there is but one."""
        result = np.zeros(passes)
        order = np.lexsort((self.times_s, self.of_pass))
        same = np.diff(self.of_pass[order]) == 0
        steps, row = np.diff(self.times_s[order])[same], self.of_pass[order][1:][same]
        for value in np.unique(row).tolist():
            result[value] = np.median(steps[row == value])
        return result


def spread_by_walking(looks: Looks, places: Floats, speed_limit_mps: float, detection: float) -> tuple[float, float]:
    """The variance of what one animal adds to a count by looks, 1 on average, and the share that no frame shows.

    Animals at `places` (M, 2) walk on circles whose radius they walk in `WANDERING_S`, each its own way, briskly: at
    half to all of `speed_limit_mps`. What an animal adds depends on how many frames it walks into, and is found in.
    """
    rng = np.random.default_rng([len(places), 0x5A])
    some = places[np.linspace(0, len(places) - 1, min(len(places), MOST_WALKERS)).astype(np.int64)]
    speed = speed_limit_mps * rng.uniform(0.5, 1.0, len(some))
    phase, turning = rng.uniform(0, 2 * np.pi, len(some)), rng.choice([-1.0, 1.0], len(some))
    radius = speed * WANDERING_S
    middle_s = float(np.median(looks.times_s))
    centre = some - radius[:, None] * np.column_stack([np.cos(phase), np.sin(phase)])
    tree = shapely.STRtree(looks.footprints)
    animal, frame = tree.query(shapely.points(centre), predicate="dwithin", distance=radius.max())
    angle = phase[animal] + turning[animal] * (looks.times_s[frame] - middle_s) / WANDERING_S
    where = centre[animal] + radius[animal, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    inside = shapely.contains_xy(looks.footprints[frame], where[:, 0], where[:, 1])
    animal, where = animal[inside], where[inside]
    share = 1.0 / looks.number_at(where)
    added = np.bincount(animal, weights=share, minlength=len(some))
    missed = np.bincount(animal, weights=share**2, minlength=len(some)) * (1 - detection) / detection
    return float(np.mean((added - 1) ** 2 + missed)), float(np.mean(added == 0))


def thinned(weights: Floats, order: Ints) -> npt.NDArray[np.bool_]:
    """Pick as many of the rows (N,) as their weights add up to, to the nearest whole, evenly along `order`.

    A systematic sample with probability in proportion to weight: where the weights of a stretch add up to k, k or k + 1
    of its rows are picked, so that what is counted stands where the animals were.
    """
    picked = np.zeros(len(weights), dtype=np.bool_)
    # A row counts at most once; what a heavy one has above that passes to those after it.
    due = np.floor(np.cumsum(weights[order]) + 0.5 + 1e-9)
    ahead = np.minimum.accumulate(due - np.arange(1, len(order) + 1))
    taken = np.arange(1, len(order) + 1) + np.minimum(ahead, 0.0)
    picked[order] = np.diff(taken, prepend=0.0) > 0.5
    return picked
