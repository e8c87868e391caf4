"""Legs of any direction over a polygon: the zigzag's and the segmented grid's.

Everything is in one local frame's metres. As in `coverage`, a plane is turned so that the design axis (the baseline)
runs along x; a zigzag's legs lead from one side of it to the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from flightplan.coverage import SHORTEST_SEGMENT_M, SMALLEST_STRIP_SHARE, Line, Trim, merge_by_line, rotation, turn
from flightplan.errors import DesignError
from flightplan.frames import Floats

HULL, RECTANGLE = "hull", "rectangle"
BOUNDS = (HULL, RECTANGLE)
"""What a zigzag turns at: the stratum's convex hull, or its smallest rectangle along the design axis."""

_SLICES = 400
_STARTS, _HALVINGS = 12, 18
_MOST_STARTS = 240
# Half a strip around a place is legal whichever way the leg runs; a little more for the chords of arcs.
_DISC = 1.01


def zigzag_legs(
    polygon: Any,
    heading_deg: float,
    spacing_m: float,
    start_m: float,
    bounds: str,
    margin_m: float,
    *,
    mirrored: bool = False,
) -> Floats:
    """Return the legs of an equal-spaced zigzag around a polygon, (K, 2, 2), (east, north).

    The turning points lie `spacing_m` apart along the axis across `heading_deg`, in turn on the far and the near side
    of the bounds (Strindberg & Buckland 2004, JABES 9:443-461); of a `mirrored` one, on the near and the far.
    `start_m`, uniform in [0, 2 · spacing), shifts them.
    Beyond the axis' ends the bounds go on at their last height, for `margin_m` and a leg more.
    """
    turned = turn(polygon, heading_deg)
    west, _, east, _ = shapely.bounds(turned)
    before = int(np.ceil(margin_m / spacing_m)) + 3
    number = before + int(np.ceil((east - west + margin_m) / spacing_m)) + 3
    k = np.arange(-before, number - before)
    x = west + start_m + k * spacing_m
    low, high = _sides(turned, x, bounds)
    corners = np.column_stack([x, np.where(k % 2 == int(mirrored), high, low)]) @ rotation(heading_deg)
    return np.stack([corners[:-1], corners[1:]], axis=1)


def segment_legs(
    polygon: Any, heading_deg: float, offsets_m: Floats, segment_m: float, segment_spacing_m: float, start_m: float
) -> Floats:
    """Return equal segments on parallel lines at given offsets, (K, 2, 2), (east, north).

    The segments begin `segment_spacing_m` apart, at the same distances on every line; `start_m`, uniform in
    [0, segment spacing), shifts them. Every other line is listed the other way round, so that each segment follows its
    neighbour.
    """
    _, south, _, north = shapely.bounds(turn(polygon, heading_deg))
    y = np.arange(south - segment_spacing_m + start_m, north, segment_spacing_m)
    legs = np.empty((len(offsets_m), len(y), 2, 2))
    legs[..., 0] = np.asarray(offsets_m)[:, None, None]
    legs[..., 0, 1], legs[..., 1, 1] = y, y + segment_m
    legs[1::2] = legs[1::2, ::-1, ::-1]
    return np.asarray(legs.reshape(-1, 2, 2) @ rotation(heading_deg))


def lines_on_legs(
    polygon: Any,
    legs: Floats,
    strip_width_m: float,
    flyable: Any,
    *,
    bridge_m: float,
    trim: Trim | None = None,
) -> list[Line]:
    """Clip legs (K, 2, 2) to what their strips see of a polygon and to where they may fly: one line a leg.

    A leg is flown wherever its strip holds some of the polygon. Pieces less than `bridge_m` apart are flown as one;
    legs that see nothing are left out. A line's `offset_m` is its leg's number. `trim` cuts pieces further.
    """
    half = strip_width_m / 2
    run = legs[:, 1] - legs[:, 0]
    length = np.hypot(*run.T)
    along = run / length[:, None]
    strips = shapely.buffer(shapely.linestrings(legs), half, cap_style="flat")
    pieces, index = shapely.get_parts(_cut(strips, polygon), return_index=True)
    worthwhile = shapely.area(pieces) > SMALLEST_STRIP_SHARE * strip_width_m**2
    pieces, index = pieces[worthwhile], index[worthwhile]
    if not len(pieces):
        return []
    start, end = _extent(pieces, index, legs, along)
    line, start, end = merge_by_line(index, np.clip(start, 0, length[index]), np.clip(end, 0, length[index]), bridge_m)
    ends = _points(legs, along, line, start, end)
    flown, origin = shapely.get_parts(_cut(shapely.linestrings(ends), flyable), return_index=True)
    straight = (shapely.get_type_id(flown) == 1) & ~shapely.is_empty(flown)
    flown, line = flown[straight], line[origin[straight]]
    if not len(flown):
        return []
    start, end = _extent(flown, line, legs, along)
    if trim is not None:
        t = ((trim(_points(legs, along, line, start, end)) - legs[line, 0][:, None]) * along[line][:, None]).sum(axis=2)
        start, end = t.T
    keep = end - start >= SHORTEST_SEGMENT_M
    line, start, end = line[keep], start[keep], end[keep]
    order = np.lexsort((start, line))
    line, start, end = line[order], start[order], end[order]
    ends = _points(legs, along, line, start, end)
    seen = shapely.area(_cut(shapely.buffer(shapely.linestrings(ends), half, cap_style="flat"), polygon))
    return [Line(float(i), ends[line == i], float(seen[line == i].sum())) for i in np.unique(line)]


def out_of_zigzags_reach(
    polygon: Any,
    heading_deg: float,
    spacing_m: float,
    strip_width_m: float,
    bounds: str,
    flyable: Any,
    *,
    mirrored: bool = False,
    trim: Trim | None = None,
) -> Any:
    """Return the ground of a polygon that no leg of a zigzag sees, whatever its start.

    Legs are laid at equal steps of the start, a quarter of a strip apart where that is no more than 240 starts, so the
    ground is right to about that much; ground from which a whole strip around is legal is not looked at.
    """
    half = strip_width_m / 2
    left = shapely.difference(polygon, shapely.buffer(flyable, -half * _DISC))
    if left.is_empty:
        return left
    number = int(np.clip(np.ceil(8 * spacing_m / strip_width_m), 8, _MOST_STARTS))
    for start_m in (np.arange(number) + 0.5) * 2 * spacing_m / number:
        legs = [zigzag_legs(polygon, heading_deg, spacing_m, float(start_m), bounds, strip_width_m)]
        if mirrored:
            legs.append(
                zigzag_legs(polygon, heading_deg, spacing_m, float(start_m), bounds, strip_width_m, mirrored=True)
            )
        ends = np.concatenate(legs)
        strips = shapely.buffer(shapely.linestrings(ends), half, cap_style="flat")
        # Only legs that come near what is still left need be cut to where they may fly.
        near = ends[shapely.intersects(strips, left)]
        if not len(near):
            continue
        lines = lines_on_legs(polygon, near, strip_width_m, flyable, bridge_m=strip_width_m, trim=trim)
        if lines:
            flown = shapely.linestrings(np.concatenate([line.segments for line in lines]))
            left = shapely.difference(left, shapely.union_all(shapely.buffer(flown, half, cap_style="flat")))
    return left


def _cut(shapes: npt.NDArray[np.object_], area: Any) -> npt.NDArray[np.object_]:
    """Return what of each shape lies in an area; those that lie inside whole are told apart first, which is cheap."""
    shapely.prepare(area)
    across = ~shapely.contains_properly(area, shapes)
    found = np.array(shapes, dtype=object)
    found[across] = shapely.intersection(shapes[across], area)
    return found


def zigzag_looks(
    polygon: Any, heading_deg: float, spacing_m: float, strip_width_m: float, bounds: str
) -> tuple[Floats, Floats]:
    """Return the expected looks of a zigzag at a point, by its place along the axis, and the polygon's share there.

    Where the bounds are H high, a leg is √(c² + H²) long for each c of the axis: w·√(c² + H²) / (c·H) looks
    (Strindberg & Buckland 2004), but for the ground beside the turns. Flat over a
    rectangle; more where a hull is narrow.
    """
    height, share = _heights(polygon, heading_deg, bounds)
    return strip_width_m * np.hypot(spacing_m, height) / (spacing_m * height), share


def zigzag_spacing_m(
    polygons: Any, heading_deg: float, strip_width_m: float, bounds: str, *, sampling_fraction: float
) -> float:
    """Return the spacing at which a zigzag's strips are expected to hold a share of the polygons, overlaps twice.

    Raises DesignError when a single leg from one end to the other would hold more.
    """
    total_m2 = sum(p.area for p in polygons)

    def share(spacing_m: float) -> float:
        starts = (np.arange(_STARTS) + 0.5) * 2 * spacing_m / _STARTS
        laid = [zigzag_legs(p, heading_deg, spacing_m, float(u), bounds, 0.0) for p in polygons for u in starts]
        over = [p for p in polygons for _ in starts]
        inside_m = [
            shapely.length(shapely.intersection(shapely.linestrings(legs), p)).sum()
            for legs, p in zip(laid, over, strict=True)
        ]
        return float(sum(inside_m) * strip_width_m / _STARTS / total_m2)

    widest_m = max(float(np.ptp(shapely.bounds(turn(p, heading_deg))[[0, 2]])) for p in polygons)
    # A leg is no shorter than the height it crosses, so its strips hold no less than parallel lines' as far apart.
    low, high = 0.9 * strip_width_m / sampling_fraction, widest_m
    if not share(high) <= sampling_fraction:
        raise DesignError(
            f"one leg of a zigzag from end to end holds {share(high):.3g} of the area, more than"
            f" {sampling_fraction:.3g}",
            hint="Ask for a larger share, a narrower strip, or parallel lines",
        )
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) > sampling_fraction else (low, middle)
    return high


def _sides(turned: Any, x: Floats, bounds: str) -> tuple[Floats, Floats]:
    """Return the near and the far side of the bounds at places along the axis; beyond its ends, the ends'."""
    west, south, east, north = shapely.bounds(turned)
    if bounds == RECTANGLE:
        return np.full(len(x), south), np.full(len(x), north)
    hair = 1e-6 * (east - west)
    inside = np.clip(x, west + hair, east - hair)
    cut = shapely.intersection(_verticals(inside, south, north), shapely.convex_hull(turned))
    spans = shapely.bounds(cut)
    return spans[:, 1], spans[:, 3]


def _heights(polygon: Any, heading_deg: float, bounds: str) -> tuple[Floats, Floats]:
    """Return the height of the bounds in equal slices along the axis, and the share of the polygon in each."""
    turned = turn(polygon, heading_deg)
    west, south, east, north = shapely.bounds(turned)
    x = west + (np.arange(_SLICES) + 0.5) * (east - west) / _SLICES
    low, high = _sides(turned, x, bounds)
    inside = shapely.length(shapely.intersection(_verticals(x, south, north), turned))
    return high - low, inside / inside.sum()


def _verticals(x: Floats, south: float, north: float) -> Any:
    ends = np.empty((len(x), 2, 2))
    ends[:, :, 0] = x[:, None]
    ends[:, 0, 1], ends[:, 1, 1] = south - 1, north + 1
    return shapely.linestrings(ends)


def _extent(pieces: Any, index: npt.NDArray[np.intp], legs: Floats, along: Floats) -> tuple[Floats, Floats]:
    """Return where pieces begin and end along their legs."""
    points, owner = shapely.get_coordinates(pieces, return_index=True)
    leg = index[owner]
    t = ((points - legs[leg, 0]) * along[leg]).sum(axis=1)
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    return np.minimum.reduceat(t, first), np.maximum.reduceat(t, first)


def _points(legs: Floats, along: Floats, line: npt.NDArray[np.intp], start: Floats, end: Floats) -> Floats:
    begin = legs[line, 0]
    return np.stack([begin + start[:, None] * along[line], begin + end[:, None] * along[line]], axis=1)
