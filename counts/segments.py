"""What a density surface is fitted to and summed over: segments of the transects, and a grid over each stratum.

Everything is in the local metric frame of the study area.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from counts.assignment import Assignment, Ints, TransectLines
from counts.effort import CoreZones
from flightplan.errors import EstimateError
from flightplan.frames import Floats

SEGMENT_STRIPS = 2.0
"""How long a segment is, in widths of the strip: short against a stratum, long against an animal's own ground."""

MOST_CELLS = 2500


@dataclass(frozen=True)
class Segments:
    """Pieces of the searched strips: `of_capture` (N,) is the segment of each capture, −1 off effort.

    `areas_m2` (G,) were searched, `places_m` (G, 2) are their middles, `transect` (G,) whose pieces they are.
    """

    of_capture: Ints
    areas_m2: Floats
    places_m: Floats
    transect: Ints


@dataclass(frozen=True)
class Cells:
    """A grid over one stratum: the middles (m, 2) of its cells, and their areas (m,), which sum to the stratum's."""

    places_m: Floats
    areas_m2: Floats


@dataclass(frozen=True)
class Surface:
    """Everything that a density surface of a survey needs beside the animals: `cells` by the name of their stratum."""

    segments: Segments
    cells: Mapping[str, Cells]


def segments_of(assignment: Assignment, zones: CoreZones, lines: TransectLines, length_m: float) -> Segments:
    """Cut each transect's searched strip into segments of about `length_m`, of whole core zones.

    Captures of a piece without any area (off the land, or on ground that others answer for) are in the nearest segment
    of their line. Raises EstimateError for a length that is not positive.
    """
    if not length_m > 0:
        raise EstimateError("a segment has no length", where="density surface")
    on = np.flatnonzero(assignment.transect >= 0)
    step = np.floor(assignment.along_m[on] / length_m).astype(np.int64)
    order = np.lexsort((on, step, assignment.transect[on]))
    on, step = on[order], step[order]
    unit = assignment.transect[on]
    first = np.flatnonzero((np.diff(unit, prepend=-1) != 0) | (np.diff(step, prepend=-1) != 0))
    piece = np.searchsorted(first, np.arange(len(on)), side="right") - 1
    area = np.bincount(piece, weights=zones.areas_m2[on], minlength=len(first))
    kept = np.flatnonzero(area > 0)
    number = np.full(len(first), -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    # An animal beside the land's edge may be nearest to a capture whose zone is empty: it needs an area all the same.
    for i in np.flatnonzero(area <= 0).tolist():
        of_line = np.flatnonzero(unit[first[kept]] == unit[first[i]])
        if len(of_line):
            number[i] = of_line[np.abs(kept[of_line] - i).argmin()]
    segment = number[piece]
    of_capture = np.full(len(assignment.transect), -1, dtype=np.int64)
    of_capture[on] = segment
    inside = (segment >= 0) & (zones.areas_m2[on] > 0)
    weight = zones.areas_m2[on[inside]]
    middle = shapely.get_coordinates(shapely.centroid(zones.polygons[on[inside]]))
    total: Floats = np.bincount(segment[inside], weights=weight, minlength=len(kept)).astype(np.float64)
    places = np.column_stack(
        [np.bincount(segment[inside], weights=weight * middle[:, k], minlength=len(kept)) / total for k in (0, 1)]
    )
    transect = np.full(len(kept), -1, dtype=np.int64)
    transect[segment[inside]] = unit[inside]
    return Segments(of_capture, total, places, transect)


def cells_of(land: shapely.Geometry, *, most: int = MOST_CELLS) -> Cells:
    """Lay a square grid of at most about `most` cells over a stratum, in metres; what lies outside is cut off."""
    west, south, east, north = land.bounds
    side = float(np.sqrt(land.area / most))
    xs, ys = (np.arange(low, high, side) for low, high in ((west, east), (south, north)))
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    shapely.prepare(land)
    squares = shapely.box(x, y, x + side, y + side)
    squares = squares[shapely.intersects(land, squares)]
    whole = shapely.contains_properly(land, squares)
    squares[~whole] = shapely.intersection(squares[~whole], land)
    areas = shapely.area(squares)
    squares, areas = squares[areas > 0], areas[areas > 0]
    return Cells(shapely.get_coordinates(shapely.centroid(squares)), areas)


def surface_of(
    assignment: Assignment,
    zones: CoreZones,
    lines: TransectLines,
    habitat: Mapping[str, shapely.Geometry],
    *,
    strip_width_m: float,
) -> Surface:
    """Return segments and grids of a survey; `habitat` is the ground of each stratum whose animals are estimated."""
    return Surface(
        segments_of(assignment, zones, lines, SEGMENT_STRIPS * strip_width_m),
        {name: cells_of(ground) for name, ground in habitat.items()},
    )


def strata_of(segments: Segments, strata: Sequence[str]) -> np.typing.NDArray[np.str_]:
    """The stratum (G,) of each segment, from those of the transects."""
    return np.array(list(strata), dtype=np.str_)[segments.transect]
