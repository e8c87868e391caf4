"""Effort: the area really searched, and the part of it that each capture answers for.

Everything is in the local metric frame of the study area; which captures count, `counts.assignment` says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from counts.assignment import Assignment, Ints, Polygons, TransectLines, axes, positions_along
from counts.overlay import overlay
from flightplan.frames import Floats

_LEAST_PIECE_M2 = 1e-6
"""A piece of ground smaller than that is a rounding of coordinates."""


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
    of = {int(unit[rows[0]]): rows for rows in _groups(unit)}
    for members in _groups(assignment.transect):
        inside = of.get(int(assignment.transect[members[0]]))
        if inside is None:
            continue
        ordered = members[np.lexsort((members, assignment.along_m[members]))]
        cuts = _cuts(assignment.along_m[ordered])
        result[inside] = ordered[np.searchsorted(cuts[1:-1], positions_along(where[inside], lines, unit[inside]))]
    return result


def in_core_zones(
    points: npt.ArrayLike,
    captures: npt.ArrayLike,
    footprints: Polygons,
    assignment: Assignment,
    lines: TransectLines,
    land: Sequence[Any] | None = None,
) -> npt.NDArray[np.bool_]:
    """Say which points (M, 2) lie in the core zone of the capture (M,) that shows them.

    What `core_zones` would say of its polygon, but for points on an edge, in a tenth of the time: no polygon is made.
    """
    where, seen_by = np.asarray(points, dtype=np.float64).reshape(-1, 2), np.asarray(captures, dtype=np.int64)
    unit = assignment.transect[seen_by]
    owner = captures_of(where, unit, assignment, lines)
    inside = (unit >= 0) & shapely.contains_xy(footprints[seen_by], where[:, 0], where[:, 1])
    if land is not None and len(unit):
        for index in np.unique(unit[inside]).tolist():
            rows = np.flatnonzero(inside & (unit == index))
            shapely.prepare(land[index])
            inside[rows] = shapely.contains_xy(land[index], where[rows, 0], where[rows, 1])
    beside = np.flatnonzero(inside & (owner != seen_by))
    # At the side of its owner's footprint it belongs to the first capture along the line that saw it.
    missed = ~shapely.contains_xy(footprints[owner[beside]], where[beside, 0], where[beside, 1])
    inside[beside] = False
    beside = beside[missed]
    if len(beside):
        rank = np.empty(len(assignment.transect), dtype=np.int64)
        rank[np.lexsort((np.arange(len(rank)), assignment.along_m))] = np.arange(len(rank))
        row, shown = shapely.STRtree(footprints).query(shapely.points(where[beside]), predicate="within")
        same = assignment.transect[shown] == unit[beside[row]]
        first = np.full(len(beside), len(rank), dtype=np.int64)
        np.minimum.at(first, row[same], rank[shown[same]])
        inside[beside] = rank[seen_by[beside]] == first
    return np.asarray(inside, dtype=np.bool_)


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
    origin, unit = (axis[transect] for axis in axes(lines))
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
