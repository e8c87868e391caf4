"""Parallel lines over a polygon: where they run, what of the polygon their strips see, in which direction.

Everything here is in one local frame's metres. Inside this module a plane is turned so that the lines run along its
second axis: x is the distance across the lines (along the baseline), y the distance along them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry import Polygon

from flightplan.frames import Floats

SHORTEST_SEGMENT_M = 5.0
SMALLEST_STRIP_SHARE = 0.005
_SMALLEST_FILL_SHARE = 0.05
_FILL_ROUNDS, _FILL_TRIES, _FILL_BESIDE_M = 3, 9, 0.5


Trim = Callable[[Floats], Floats]
"""Cuts segments (K, 2, 2), (east, north), to what an aircraft can enter and leave; NaN where nothing is left."""


@dataclass(frozen=True)
class Line:
    """One line across a polygon.

    `offset_m` is where it crosses the baseline; `segments` is (K, 2, 2): start and end of each piece flown on effort,
    (east, north), in the line's direction; `strip_area_m2` is the part of the polygon that the pieces' strip holds.
    """

    offset_m: float
    segments: Floats
    strip_area_m2: float

    @property
    def length_m(self) -> float:
        """The length flown on effort."""
        return float(np.hypot(*(self.segments[:, 1] - self.segments[:, 0]).T).sum())


def baseline(polygon: Any, heading_deg: float) -> tuple[float, float, float]:
    """Return where the polygon begins and ends across lines of a heading, and how much of that it fills, in metres.

    The filled length is shorter than the extent where the polygon's parts leave a gap that no line of it crosses.
    """
    bounds = shapely.bounds(shapely.get_parts(turn(polygon, heading_deg)))
    starts, ends = merge_intervals(bounds[:, 0], bounds[:, 2])
    return float(starts[0]), float(ends[-1]), float((ends - starts).sum())


def lines_across(
    polygon: Any,
    heading_deg: float,
    offsets_m: npt.ArrayLike,
    strip_width_m: float,
    flyable: Any,
    *,
    bridge_m: float,
    trim: Trim | None = None,
) -> list[Line]:
    """Lay lines of one heading at given offsets, clipped to what they have to see and where they may fly.

    A line is flown wherever its strip holds some of the polygon, so its pieces reach beyond the polygon where the
    border runs at a slant, and a line beside the polygon is flown when its strip still grazes it: every point of the
    polygon is then seen by exactly the lines that pass within half a strip of it, as long as `flyable` lets them.
    Pieces less than `bridge_m` apart are flown as one. Lines that see nothing are left out. `trim` cuts pieces further.
    """
    offsets = np.asarray(offsets_m, dtype=np.float64)
    turned = turn(polygon, heading_deg)
    room = turn(flyable, heading_deg)
    _, south, _, north = shapely.bounds(turned)
    half = strip_width_m / 2
    strips = shapely.box(offsets - half, south - 1, offsets + half, north + 1)
    pieces, index = shapely.get_parts(shapely.intersection(strips, turned), return_index=True)
    worthwhile = shapely.area(pieces) > SMALLEST_STRIP_SHARE * strip_width_m**2
    pieces, index = pieces[worthwhile], index[worthwhile]
    if not len(pieces):
        return []
    bounds = shapely.bounds(pieces)
    line, start, end = merge_by_line(index, bounds[:, 1], bounds[:, 3], bridge_m)
    start, end, line = _clip(offsets, line, start, end, room)
    back = rotation(heading_deg)
    if trim is not None and len(line):
        x = offsets[line]
        ends = np.stack([np.column_stack([x, start]), np.column_stack([x, end])], axis=1)
        start, end = (trim(ends @ back) @ back.T)[:, :, 1].T
    keep = end - start >= SHORTEST_SEGMENT_M
    start, end, line = start[keep], end[keep], line[keep]
    seen = shapely.area(
        shapely.intersection(shapely.box(offsets[line] - half, start, offsets[line] + half, end), turned)
    )
    order = np.argsort(line, kind="stable")
    line, start, end, seen = line[order], start[order], end[order], seen[order]
    x = offsets[line]
    ends = np.stack([np.column_stack([x, start]), np.column_stack([x, end])], axis=1) @ back
    firsts = np.flatnonzero(np.diff(line, prepend=-1)).tolist()
    return [
        Line(float(x[first]), ends[first:last], float(seen[first:last].sum()))
        for first, last in pairwise([*firsts, len(line)])
    ]


def fill_gaps(
    polygon: Any,
    heading_deg: float,
    lines: Sequence[Line],
    strip_width_m: float,
    flyable: Any,
    *,
    trim: Trim | None = None,
) -> list[Line]:
    """Return the further lines, each where it sees most, that look at what lines of full coverage leave out.

    A line that would pass over an exclusion is not flown there, and with it goes the ground that its strip holds beside
    the exclusion; a line squeezed alongside sees that ground as far as any may.
    """
    half = strip_width_m / 2
    found: list[Line] = []
    missed = _without_strips(polygon, lines, half)
    if not missed.is_empty:
        missed = shapely.difference(missed, out_of_reach(missed, heading_deg, strip_width_m, flyable))
    for _ in range(_FILL_ROUNDS):
        further: list[Line] = []
        # Slivers along the border would tie gaps far apart together into one that no line sees.
        opened = shapely.buffer(shapely.buffer(missed, -_FILL_BESIDE_M), _FILL_BESIDE_M, join_style="mitre")
        for part in whole(opened):
            if part.area < _SMALLEST_FILL_SHARE * strip_width_m**2:
                break
            west, _, east, _ = (float(b) for b in shapely.bounds(turn(part, heading_deg)))
            # The line that would see all of it may run along the very edge of what is legal, and be refused there.
            ends = np.array([east - half, west + half])
            offsets = np.linspace(ends.min() - _FILL_BESIDE_M, ends.max() + _FILL_BESIDE_M, _FILL_TRIES)
            tried = [
                lines_across(part, heading_deg, [x], strip_width_m, flyable, bridge_m=strip_width_m, trim=trim)
                for x in offsets
            ]
            further += max(tried, key=lambda t: sum(line.strip_area_m2 for line in t))
        if not further:
            break
        found += further
        missed = _without_strips(missed, further, half)
    return found


def _without_strips(polygon: Any, lines: Sequence[Line], half_width_m: float) -> Any:
    ends = np.concatenate([line.segments for line in lines])
    strips = shapely.buffer(shapely.linestrings(ends), half_width_m, cap_style="flat")
    return shapely.difference(polygon, shapely.union_all(strips))


def out_of_reach(polygon: Any, heading_deg: float, strip_width_m: float, flyable: Any) -> Any:
    """Return the ground of a polygon that no legal line of a heading passes within half a strip of."""
    turned, room = turn(polygon, heading_deg), turn(flyable, heading_deg)
    half = strip_width_m / 2
    # What a line at any place sees is the room smeared across the lines: the room and what each edge of it sweeps.
    edges = [np.asarray(ring.coords) for part in whole(room) for ring in (part.exterior, *part.interiors)]
    starts, ends = np.concatenate([e[:-1] for e in edges]), np.concatenate([e[1:] for e in edges])
    left, right = np.array([-half, 0.0]), np.array([half, 0.0])
    swept = shapely.polygons(np.stack([starts + left, ends + left, ends + right, starts + right], axis=1))
    seen = shapely.union_all(np.append(shapely.buffer(swept, 0.0), room))
    missed = shapely.difference(turned, seen)
    back = rotation(heading_deg)
    return shapely.transform(missed, lambda points: points @ back)


def best_heading(polygon: Any, spacing_m: float, *, step_deg: float = 5.0) -> float:
    """Return the heading in [0, 180) that needs the fewest pieces of line, the shortest sum of them on a tie.

    Searched in steps, with the directions of the smallest rectangle around the polygon among them; at most 60 lines a
    heading are laid, at equal distances, and their pieces scaled up.
    """
    hull = np.asarray(shapely.minimum_rotated_rectangle(polygon).exterior.coords)
    sides = np.diff(hull[:3], axis=0)
    own = np.degrees(np.arctan2(sides[:, 0], sides[:, 1])) % 180
    candidates = np.unique(np.round(np.concatenate([own, np.arange(0.0, 180.0, step_deg)]), 6))
    return float(min(candidates, key=lambda heading: _effort(polygon, float(heading), spacing_m)))


def long_axis_heading(polygon: Any) -> float:
    """Return the heading in [0, 180) of the longer side of the smallest rectangle around the polygon."""
    hull = np.asarray(shapely.minimum_rotated_rectangle(polygon).exterior.coords)
    sides = np.diff(hull[:3], axis=0)
    east, north = sides[np.hypot(*sides.T).argmax()]
    return float(np.degrees(np.arctan2(east, north)) % 180)


def _effort(polygon: Any, heading_deg: float, spacing_m: float) -> tuple[float, float]:
    turned = turn(polygon, heading_deg)
    west, south, east, north = shapely.bounds(turned)
    needed = max(1, int(np.ceil((east - west) / spacing_m)))
    laid = min(needed, 60)
    x = west + (np.arange(laid) + 0.5) * (east - west) / laid
    ends = np.stack(
        [np.column_stack([x, np.full(laid, south - 1)]), np.column_stack([x, np.full(laid, north + 1)])], axis=1
    )
    clipped = shapely.intersection(shapely.linestrings(ends), turned)
    pieces = len(shapely.get_parts(clipped)) * needed / laid
    return round(pieces, 3), round(float(shapely.length(clipped).sum()) * needed / laid, 1)


def rotation(heading_deg: float) -> Floats:
    """Return the matrix that takes turned (x, y) rows to (east, north) rows."""
    angle = np.radians(heading_deg)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def turn(geometry: Any, heading_deg: float) -> Any:
    """Return a geometry in the plane turned so that lines of a heading run along its second axis."""
    forward = rotation(heading_deg).T
    turned = shapely.transform(geometry, lambda points: points @ forward)
    # Rounding lets the corner of a sliver slip across an edge, and GEOS refuses to intersect what then crosses itself.
    return turned if shapely.is_valid(turned).all() else shapely.buffer(turned, 0.0)


def merge_intervals(starts: Floats, ends: Floats) -> tuple[Floats, Floats]:
    """Return the starts and ends of intervals, in order, with those that touch made one."""
    order = np.argsort(starts, kind="stable")
    starts, reach = starts[order], np.maximum.accumulate(ends[order])
    first = np.concatenate([[True], starts[1:] > reach[:-1]])
    return starts[first], np.concatenate([reach[:-1][first[1:]], reach[-1:]])


def merge_by_line(
    index: npt.NDArray[np.intp], starts: Floats, ends: Floats, bridge_m: float
) -> tuple[npt.NDArray[np.intp], Floats, Floats]:
    """Join the intervals of each line that overlap or lie within `bridge_m` of each other."""
    lines, merged_starts, merged_ends = [], [], []
    for i in np.unique(index):
        own = index == i
        begin, end = merge_intervals(starts[own], ends[own] + bridge_m)
        lines.append(np.full(len(begin), i))
        merged_starts.append(begin)
        merged_ends.append(end - bridge_m)
    return np.concatenate(lines), np.concatenate(merged_starts), np.concatenate(merged_ends)


def _clip(
    offsets: Floats, line: npt.NDArray[np.intp], start: Floats, end: Floats, room: Any
) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
    """Cut intervals to where the plane's vertical lines lie inside `room`; order them by line and along it."""
    x = offsets[line]
    ends = np.stack([np.column_stack([x, start]), np.column_stack([x, end])], axis=1)
    parts, origin = shapely.get_parts(shapely.intersection(shapely.linestrings(ends), room), return_index=True)
    straight = shapely.get_type_id(parts) == 1
    bounds = shapely.bounds(parts[straight])
    owner = line[origin[straight]]
    order = np.lexsort((bounds[:, 1], owner))
    return bounds[order, 1], bounds[order, 3], owner[order]


def whole(geometry: Any) -> list[Polygon]:
    """Return the polygons of a geometry, largest first."""
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type == "Polygon" and p.area > 0]
    return sorted(parts, key=lambda p: -p.area)
