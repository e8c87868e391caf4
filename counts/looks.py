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
        tree = shapely.STRtree(self.footprints)
        number = np.zeros(len(points), dtype=np.int64)
        for start in range(0, len(points), _AT_ONCE):
            part = points[start : start + _AT_ONCE]
            rows = tree.query(shapely.points(part), predicate="intersects")[0]
            number[start : start + len(part)] = np.bincount(rows, minlength=len(part))
        return np.maximum(number, 1)

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
