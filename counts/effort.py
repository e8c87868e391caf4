"""Effort: which captures were on which transect, and the area really searched.

Everything is in the local metric frame of the study area (metres east and north, `flightplan.frames.LocalFrame`). Only
captures on effort count: off the line, in a turn, at the wrong height or without a position they add neither area nor
animals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from counts.overlay import overlay
from flightplan.design import Transect
from flightplan.frames import Floats, LocalFrame

Ints = npt.NDArray[np.int64]
Polygons = npt.NDArray[np.object_]


class OffEffort(IntEnum):
    """Why a capture counts for no transect."""

    ON_EFFORT = 0
    NO_POSITION = 1
    NOT_IN_FLIGHT = 2
    HEIGHT = 3
    OFF_LINE = 4
    BEYOND_END = 5
    HEADING = 6
    NO_FOOTPRINT = 7

    @property
    def text(self) -> str:
        """The reason as a report says it."""
        return _REASONS[self]


_REASONS = {
    OffEffort.ON_EFFORT: "on effort",
    OffEffort.NO_POSITION: "no position is known",
    OffEffort.NOT_IN_FLIGHT: "taken in a turn, a climb or on the ground",
    OffEffort.HEIGHT: "height above ground outside the limits, or unknown",
    OffEffort.OFF_LINE: "too far to the side of every transect",
    OffEffort.BEYOND_END: "beyond the end of its transect",
    OffEffort.HEADING: "flown across its transect, not along it",
    OffEffort.NO_FOOTPRINT: "its footprint on the ground is unknown",
}


_LEAST_PIECE_M2 = 1e-6
"""A piece of ground smaller than that is a rounding of coordinates."""


@dataclass(frozen=True)
class TransectLines:
    """The plan's segments as arrays: starts and ends (S, 2) in metres, and the transect (S,) each belongs to."""

    starts: Floats
    ends: Floats
    transect: Ints
    identifiers: tuple[str, ...]
    strata: tuple[str, ...]

    @classmethod
    def of(cls, transects: Sequence[Transect], frame: LocalFrame) -> TransectLines:
        """Return the segments of transects; indices follow the order of `transects`."""
        pairs = [(i, *segment) for i, transect in enumerate(transects) for segment in transect.segments]
        return cls(
            starts=frame.to_local([p[1] for p in pairs]) if pairs else np.empty((0, 2)),
            ends=frame.to_local([p[2] for p in pairs]) if pairs else np.empty((0, 2)),
            transect=np.array([p[0] for p in pairs], dtype=np.int64),
            identifiers=tuple(t.identifier for t in transects),
            strata=tuple(t.stratum for t in transects),
        )


@dataclass(frozen=True)
class Assignment:
    """Captures on their transects.

    `transect` and `segment` (N,) are indices or −1; `along_m` is the distance along the transect from its first start,
    `cross_m` the distance to the right of the line; both NaN where no line is near. `codes` (N,) are `OffEffort`.
    """

    transect: Ints
    segment: Ints
    along_m: Floats
    cross_m: Floats
    codes: Ints

    def reason(self, index: int) -> str | None:
        """Why a capture is off effort, or None when it is on."""
        code = OffEffort(int(self.codes[index]))
        return None if code is OffEffort.ON_EFFORT else code.text

    @property
    def tally(self) -> dict[str, int]:
        """Number of captures by reason, "on effort" included."""
        return {code.text: int((self.codes == code).sum()) for code in OffEffort if (self.codes == code).any()}


def assign_to_transects(
    positions: npt.ArrayLike,
    headings_deg: npt.ArrayLike,
    lines: TransectLines,
    *,
    cross_track_limit_m: float,
    end_slack_m: float = 0.0,
    heading_limit_deg: float = 25.0,
    in_flight: npt.ArrayLike | None = None,
    heights_agl_m: npt.ArrayLike | None = None,
    height_limits_m: tuple[float, float] | None = None,
    footprints: Polygons | None = None,
) -> Assignment:
    """Put each capture on the transect it was flown along, or say why it is on none.

    `positions` (N, 2) in metres, NaN where unknown. `headings_deg` (N,) clockwise from north in the same frame,
    compared with the line in both directions; NaN is not held against a capture. `end_slack_m` lets frames just beyond
    an end count: their footprint still reaches into the strip, and the stratum clips what does not belong. Where
    `height_limits_m` is given, an unknown height is off effort. `footprints` (N,) marks captures with None as off
    effort.
    """
    points = np.asarray(positions, dtype=np.float64).reshape(-1, 2)
    heading = np.asarray(headings_deg, dtype=np.float64)
    count = len(points)
    codes = np.full(count, OffEffort.OFF_LINE, dtype=np.int64)
    known = np.isfinite(points[:, 0]) & np.isfinite(points[:, 1])

    capture, segment = _near(points, known, lines, cross_track_limit_m, end_slack_m)
    cross, beyond = _project(points[capture], lines, segment)
    turned = _turned(heading[capture], lines, segment) > heading_limit_deg
    rank = (
        np.where(turned, 2, 0)
        + np.where(beyond > end_slack_m, 4, 0)
        + np.where(np.abs(cross) > cross_track_limit_m, 8, 0)
    )
    best = np.lexsort((segment, np.abs(cross), rank, capture))
    first = best[np.unique(capture[best], return_index=True)[1]]

    chosen = np.full(count, -1, dtype=np.int64)
    along_m, cross_m = np.full(count, np.nan), np.full(count, np.nan)
    chosen[capture[first]] = segment[first]
    along_m[capture[first]] = _along(points[capture[first]], lines, lines.transect[segment[first]])
    cross_m[capture[first]] = cross[first]
    codes[capture[first]] = np.select(
        [rank[first] >= 8, rank[first] >= 4, rank[first] >= 2],
        [OffEffort.OFF_LINE, OffEffort.BEYOND_END, OffEffort.HEADING],
        OffEffort.ON_EFFORT,
    )
    if footprints is not None:
        codes[shapely.is_missing(footprints) | shapely.is_empty(footprints)] = OffEffort.NO_FOOTPRINT
    if height_limits_m is not None:
        height = np.full(count, np.nan) if heights_agl_m is None else np.asarray(heights_agl_m, dtype=np.float64)
        codes[~((height >= height_limits_m[0]) & (height <= height_limits_m[1]))] = OffEffort.HEIGHT
    if in_flight is not None:
        codes[~np.asarray(in_flight, dtype=bool)] = OffEffort.NOT_IN_FLIGHT
    codes[~known] = OffEffort.NO_POSITION
    on = codes == OffEffort.ON_EFFORT
    transect = np.where(on, lines.transect[chosen] if len(lines.transect) else -1, -1)
    return Assignment(transect, np.where(on, chosen, -1), along_m, cross_m, codes)


@dataclass(frozen=True)
class CoreZones:
    """The strip cut between neighbouring captures.

    `polygons` (N,) are the zones of the captures, None off effort; together they tile the searched strip without
    overlap, and each lies within its own capture's footprint. `from_m` and `to_m` (N,) are the cuts along the transect,
    −inf and +inf at its ends.
    """

    polygons: Polygons
    from_m: Floats
    to_m: Floats
    areas_m2: Floats


def core_zones(
    footprints: Polygons, assignment: Assignment, lines: TransectLines, land: Sequence[Any] | None = None
) -> CoreZones:
    """Cut each transect's searched strip at the mid-points between neighbouring captures along the line.

    `footprints` (N,) in metres. `land` holds one polygon per transect: its stratum less the exclusions; None keeps all.
    What a slab leaves over at its sides (a neighbour that was rolled or higher sees further) goes to the first capture
    that saw it.
    """
    count = len(footprints)
    zones = np.full(count, None, dtype=object)
    from_m, to_m, areas = np.full(count, np.nan), np.full(count, np.nan), np.zeros(count)
    clipped = footprints.copy()
    for members in _groups(assignment.transect):
        index = int(assignment.transect[members[0]])
        ordered = members[np.lexsort((members, assignment.along_m[members]))]
        cuts = _cuts(assignment.along_m[ordered])
        from_m[ordered], to_m[ordered] = cuts[:-1], cuts[1:]
        if land is not None:
            clipped[ordered] = overlay(shapely.intersection, footprints[ordered], land[index])
        zones[ordered] = overlay(shapely.intersection, clipped[ordered], _slabs(lines, index, cuts))
        _share_leftovers(zones, clipped, ordered)
        areas[ordered] = shapely.area(zones[ordered])
    return CoreZones(zones, from_m, to_m, areas)


def captures_of(points: npt.ArrayLike, transect: npt.ArrayLike, assignment: Assignment, lines: TransectLines) -> Ints:
    """The capture (M,) in whose core zone each point of a transect lies, or −1 for a transect without captures.

    `points` (M, 2) in metres, `transect` (M,) their transects. By position along the line alone, so that every
    individual belongs to exactly one capture even where its position error puts it beside the strip.
    """
    where, unit = np.asarray(points, dtype=np.float64).reshape(-1, 2), np.asarray(transect, dtype=np.int64)
    result = np.full(len(where), -1, dtype=np.int64)
    for members in _groups(assignment.transect):
        inside = np.flatnonzero(unit == assignment.transect[members[0]])
        ordered = members[np.lexsort((members, assignment.along_m[members]))]
        cuts = _cuts(assignment.along_m[ordered])
        result[inside] = ordered[np.searchsorted(cuts[1:-1], _along(where[inside], lines, unit[inside]))]
    return result


@dataclass(frozen=True)
class Effort:
    """The area searched.

    `area_m2` (T,) per transect: the union of its footprints on effort within the land. `planned_m2` (T,) is the strip
    as planned, when given. `strata_m2` is the sum over the transects of a stratum; `union_m2` their union, smaller
    where strips overlap. `gaps_m2` (T,) is planned land no capture saw, `gaps` its polygons.
    """

    area_m2: Floats
    captures: Ints
    strata_m2: Mapping[str, float]
    union_m2: Mapping[str, float]
    strips: Polygons
    gaps: Polygons
    gaps_m2: Floats
    notes: tuple[str, ...]


def measure_effort(
    footprints: Polygons,
    assignment: Assignment,
    lines: TransectLines,
    land: Sequence[Any] | None = None,
    *,
    planned_width_m: float | None = None,
) -> Effort:
    """Measure the area searched per transect and stratum, in m², from footprints as they were.

    `footprints` (N,) in metres; `land` one polygon per transect (its stratum less the exclusions). With
    `planned_width_m` the strip that was planned is compared with the strip that was searched, and what is missing is
    named.
    """
    number = len(lines.identifiers)
    strips = np.full(number, shapely.Polygon(), dtype=object)
    captures = np.zeros(number, dtype=np.int64)
    for members in _groups(assignment.transect):
        index = assignment.transect[members[0]]
        strips[index] = overlay(shapely.union_all, footprints[members])
        captures[index] = len(members)
    ground = None if land is None else np.array(land, dtype=object)
    if ground is not None:
        strips = overlay(shapely.intersection, strips, ground)
    area = shapely.area(strips)
    gaps = _gaps(strips, lines, ground, planned_width_m)
    gaps_m2 = shapely.area(gaps)
    strata = tuple(dict.fromkeys(lines.strata))
    of = {name: np.array([s == name for s in lines.strata]) for name in strata}
    notes = [
        f"{lines.identifiers[i]}: {gaps_m2[i]:.0f} m² of its strip were not seen"
        for i in np.flatnonzero(gaps_m2 > 0.01 * np.maximum(area, 1.0))
        if captures[i]
    ]
    notes += [f"{lines.identifiers[i]}: no capture on effort" for i in np.flatnonzero(captures == 0)]
    return Effort(
        area_m2=area,
        captures=captures,
        strata_m2={name: float(area[of[name]].sum()) for name in strata},
        union_m2={name: float(shapely.area(overlay(shapely.union_all, strips[of[name]]))) for name in strata},
        strips=strips,
        gaps=gaps,
        gaps_m2=gaps_m2,
        notes=tuple(notes),
    )


def multiplicity(points: npt.ArrayLike, footprints: Polygons) -> Ints:
    """In how many footprints (N,) each point (M, 2) lies: the weight of a sighting is one over it."""
    where = shapely.points(np.asarray(points, dtype=np.float64).reshape(-1, 2))
    present = footprints[~shapely.is_missing(footprints)]
    found, _ = shapely.STRtree(present).query(where, predicate="intersects")
    return np.bincount(found, minlength=len(where)).astype(np.int64)


def _near(
    points: Floats, known: npt.NDArray[np.bool_], lines: TransectLines, cross: float, slack: float
) -> tuple[Ints, Ints]:
    """Pairs of capture and segment worth a look: those within reach, else the nearest segment."""
    if not len(lines.transect) or not known.any():
        empty = np.empty(0, dtype=np.int64)
        return empty, empty
    tree = shapely.STRtree(shapely.linestrings(np.stack([lines.starts, lines.ends], axis=1)))
    index = np.flatnonzero(known)
    geometry = shapely.points(points[index])
    within = tree.query(geometry, predicate="dwithin", distance=float(np.hypot(cross, slack)))
    lonely = np.setdiff1d(np.arange(len(index)), within[0])
    nearest = tree.query_nearest(geometry[lonely])
    capture = np.concatenate([within[0], lonely[nearest[0]]])
    return index[capture].astype(np.int64), np.concatenate([within[1], nearest[1]]).astype(np.int64)


def _project(points: Floats, lines: TransectLines, segment: Ints) -> tuple[Floats, Floats]:
    """Distance to the right of a segment's line, and beyond its nearer end (0 within), per pair."""
    direction = lines.ends[segment] - lines.starts[segment]
    length = np.hypot(direction[:, 0], direction[:, 1])
    unit = direction / length[:, None]
    offset = points - lines.starts[segment]
    along = (offset * unit).sum(axis=1)
    cross = offset[:, 0] * unit[:, 1] - offset[:, 1] * unit[:, 0]
    return cross, np.maximum(np.maximum(-along, along - length), 0.0)


def _turned(heading_deg: Floats, lines: TransectLines, segment: Ints) -> Floats:
    """Angle between heading and line in degrees, 0 to 90, whichever way the line was flown; 0 when unknown."""
    direction = lines.ends[segment] - lines.starts[segment]
    bearing = np.degrees(np.arctan2(direction[:, 0], direction[:, 1]))
    turned = np.abs((heading_deg - bearing + 90.0) % 180.0 - 90.0)
    return np.where(np.isfinite(turned), turned, 0.0)


def _axes(lines: TransectLines) -> tuple[Floats, Floats]:
    """Origin and unit direction (T, 2) of each transect: those of its first segment, whose line the others continue."""
    _, first = np.unique(lines.transect, return_index=True)
    origin, unit = np.full((len(lines.identifiers), 2), np.nan), np.full((len(lines.identifiers), 2), np.nan)
    direction = lines.ends[first] - lines.starts[first]
    origin[lines.transect[first]] = lines.starts[first]
    unit[lines.transect[first]] = direction / np.hypot(direction[:, 0], direction[:, 1])[:, None]
    return origin, unit


def _along(points: Floats, lines: TransectLines, transect: Ints) -> Floats:
    origin, unit = _axes(lines)
    along: Floats = ((points - origin[transect]) * unit[transect]).sum(axis=1)
    return along


def _cuts(along_m: Floats) -> Floats:
    """Mid-points between neighbours, open at both ends: one more than captures."""
    return np.concatenate([[-np.inf], (along_m[:-1] + along_m[1:]) / 2, [np.inf]])


def _groups(labels: Ints) -> list[Ints]:
    """Indices of equal labels, −1 left out, in rising order of label."""
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order], prepend=-2))
    return [g for g in np.split(order, starts[1:]) if len(g) and labels[g[0]] >= 0] if len(order) else []


def _slabs(lines: TransectLines, transect: int, cuts_m: Floats, reach_m: float = 1e5) -> Polygons:
    """Rectangles across the line between neighbouring cuts, wide and long enough to hold any footprint."""
    origin, unit = (axis[transect] for axis in _axes(lines))
    right = np.array([unit[1], -unit[0]]) * reach_m
    corner = origin + unit * np.clip(cuts_m, -reach_m, reach_m)[:, None]
    near, far = corner[:-1], corner[1:]
    slabs: Polygons = shapely.polygons(np.stack([near - right, near + right, far + right, far - right], axis=1))
    return slabs


def _share_leftovers(zones: Polygons, footprints: Polygons, members: Ints) -> None:
    """Give what no zone holds to the first capture that saw it, in place."""
    left = overlay(
        shapely.difference, overlay(shapely.union_all, footprints[members]), overlay(shapely.union_all, zones[members])
    )
    # Piece by piece, each beside the few captures that saw it: all at once would grow with the square of the line.
    pieces = shapely.get_parts(left)
    pieces = pieces[shapely.area(pieces) >= _LEAST_PIECE_M2]
    found, seen_by = shapely.STRtree(footprints[members]).query(pieces, predicate="intersects")
    order = np.lexsort((seen_by, found))
    found, seen_by = found[order], members[seen_by[order]]
    turn = np.arange(len(found)) - np.searchsorted(found, found)
    given: dict[int, list[Any]] = {}
    for now in range(int(turn.max()) + 1 if len(turn) else 0):
        rows = np.flatnonzero(turn == now)
        taken = overlay(shapely.intersection, pieces[found[rows]], footprints[seen_by[rows]])
        for index, piece in zip(seen_by[rows].tolist(), taken, strict=True):
            if shapely.area(piece) > 0:
                given.setdefault(index, []).append(piece)
        pieces[found[rows]] = overlay(shapely.difference, pieces[found[rows]], footprints[seen_by[rows]])
    for index, parts in given.items():
        zones[index] = overlay(shapely.union_all, [zones[index], *parts])


def _gaps(strips: Polygons, lines: TransectLines, land: Polygons | None, width_m: float | None) -> Polygons:
    gaps = np.full(len(strips), shapely.Polygon(), dtype=object)
    if width_m is None or not len(lines.transect):
        return gaps
    segments = shapely.linestrings(np.stack([lines.starts, lines.ends], axis=1))
    planned = shapely.buffer(segments, width_m / 2, cap_style="flat")
    for members in _groups(lines.transect):
        gaps[lines.transect[members[0]]] = overlay(shapely.union_all, planned[members])
    gaps = gaps if land is None else overlay(shapely.intersection, gaps, land)
    missing: Polygons = overlay(shapely.difference, gaps, strips)
    return missing
