"""Planned and flown side by side: how far each transect was covered, how straight, at which height, and its gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from counts.assignment import Assignment, TransectLines
from counts.effort import Effort
from flightplan.frames import Floats

Ints = npt.NDArray[np.int64]
Polygons = npt.NDArray[np.object_]

LEAST_GAP_M = 1.0
"""A shorter piece of line that nobody saw is rounding, not a gap."""


@dataclass(frozen=True)
class Gap:
    """A piece of a planned line that no capture on effort saw, in metres along the transect from its first start."""

    from_m: float
    to_m: float

    @property
    def length_m(self) -> float:
        """How long it is."""
        return self.to_m - self.from_m


@dataclass(frozen=True)
class LineAgreement:
    """One transect as it was flown, beside how it was planned.

    `covered_m` of the `planned_m` of line on the land surveyed lie in the strip that was searched. `off_line_m` is the
    root mean square distance of the captures on effort from the line, `worst_off_line_m` the largest. Heights above
    ground are of the same captures; the standard deviation is None for fewer than two. `strip_share` is the area
    searched over the area of the strip as planned. None where nothing was flown, or nothing is known.
    """

    transect: str
    stratum: str
    captures: int
    planned_m: float
    covered_m: float
    off_line_m: float | None
    worst_off_line_m: float | None
    height_mean_m: float | None
    height_sd_m: float | None
    widest_step_m: float | None
    strip_share: float | None
    gaps: tuple[Gap, ...]

    @property
    def covered_share(self) -> float | None:
        """Length covered over length planned, None for a line that has no length on the land surveyed."""
        return self.covered_m / self.planned_m if self.planned_m > 0 else None


def compare_with_plan(
    assignment: Assignment,
    lines: TransectLines,
    effort: Effort,
    *,
    heights_agl_m: npt.ArrayLike,
    land: Sequence[Any] | None = None,
    planned_width_m: float | None = None,
) -> tuple[LineAgreement, ...]:
    """Compare each transect of a plan with what was flown of it, in the order of `lines`.

    `heights_agl_m` (N,) of the captures, NaN where unknown; `land` one polygon for each transect, as for
    `measure_effort`. Lengths and areas in the metres of the survey's frame.
    """
    heights = np.asarray(heights_agl_m, dtype=np.float64)
    planned = _planned_lines(lines, land)
    covered = shapely.length(shapely.intersection(planned, effort.strips))
    left = shapely.difference(planned, effort.strips)
    planned_m = shapely.length(planned)
    found = []
    for index, name in enumerate(lines.identifiers):
        mine = np.flatnonzero(assignment.transect == index)
        off = np.abs(assignment.cross_m[mine])
        along = np.sort(assignment.along_m[mine])
        known = heights[mine][np.isfinite(heights[mine])]
        strip_m2 = planned_m[index] * planned_width_m if planned_width_m else 0.0
        found.append(
            LineAgreement(
                transect=name,
                stratum=lines.strata[index],
                captures=len(mine),
                planned_m=float(planned_m[index]),
                covered_m=float(covered[index]),
                off_line_m=float(np.sqrt(np.mean(off**2))) if len(mine) else None,
                worst_off_line_m=float(off.max()) if len(mine) else None,
                height_mean_m=float(known.mean()) if len(known) else None,
                height_sd_m=float(known.std(ddof=1)) if len(known) > 1 else None,
                widest_step_m=float(np.diff(along).max()) if len(mine) > 1 else None,
                strip_share=float(effort.area_m2[index] / strip_m2) if strip_m2 > 0 else None,
                gaps=_gaps(left[index], lines, index),
            )
        )
    return tuple(found)


def _planned_lines(lines: TransectLines, land: Sequence[Any] | None) -> Polygons:
    """The lines (T,) of the transects, as far as they lie on the land surveyed."""
    segments = shapely.linestrings(np.stack([lines.starts, lines.ends], axis=1))
    whole = np.full(len(lines.identifiers), shapely.LineString(), dtype=object)
    for index in range(len(whole)):
        whole[index] = shapely.union_all(segments[lines.transect == index])
    return whole if land is None else np.asarray(shapely.intersection(whole, np.array(land, dtype=object)))


def _gaps(left: Any, lines: TransectLines, index: int) -> tuple[Gap, ...]:
    first = np.flatnonzero(lines.transect == index)[:1]
    if shapely.is_empty(left) or not len(first):
        return ()
    way = (lines.ends[first] - lines.starts[first])[0]
    unit = way / np.hypot(*way)
    ends: Floats = np.array(
        [np.sort((shapely.get_coordinates(part)[[0, -1]] - lines.starts[first][0]) @ unit) for part in _parts(left)]
    )
    ends = ends[np.diff(ends, axis=1)[:, 0] >= LEAST_GAP_M]
    return tuple(Gap(float(a), float(b)) for a, b in ends[np.argsort(ends[:, 0], kind="stable")])


def _parts(left: Any) -> list[Any]:
    """The lines of a difference, those that only touch joined."""
    joined = shapely.line_merge(left) if shapely.get_type_id(left) == 5 else left
    return [part for part in shapely.get_parts(joined) if shapely.get_type_id(part) == 1]
