"""Ground shown by orthomosaics: each place by one of them, cut into parts that a person can count one by one.

Everything is in the local metric frame of the study area. A mosaic shows every place once, so what is found in it needs
no identity; what is needed is which mosaic answers for a place that several show, and units to check at random.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from counts.assignment import Ints, Polygons
from counts.overlay import overlay
from flightplan.frames import Floats

PARTS_WANTED = 400
PART_PX = (250, 1000)
"""The least and the most pixels along the side of a part: what fits on a screen at the mosaic's own resolution."""

SLIVER = 0.25
"""A part with less than this share of a whole one is joined to its neighbour: nobody is to be sent for so little."""

_LEAST_M2 = 1e-3


@dataclass(frozen=True)
class SharedGround:
    """What each mosaic answers for: `own` (M,) polygons that do not overlap, and the ground `doubled_m2` several show.

    `turn` (M,) is 0 for the mosaic that has first choice.
    """

    own: Polygons
    turn: Ints
    doubled_m2: float


def share_ground(outlines: Polygons, gsd_cm: npt.ArrayLike) -> SharedGround:
    """Give each place to one of the mosaics (M,) that show it, so that nothing on it counts twice.

    The one with the finer ground resolution `gsd_cm` (M,) has it; of those that are alike to a millimetre, the later
    in the order given, which is that of being brought in.
    """
    fine = np.round(np.asarray(gsd_cm, dtype=np.float64), 1)
    order = np.lexsort((-np.arange(len(fine)), fine))
    turn = np.empty(len(fine), dtype=np.int64)
    turn[order] = np.arange(len(fine))
    own = np.full(len(fine), shapely.Polygon(), dtype=object)
    taken, doubled = shapely.Polygon(), 0.0
    for index in order.tolist():
        own[index] = overlay(shapely.difference, outlines[index], taken)
        doubled += float(shapely.area(outlines[index]) - shapely.area(own[index]))
        taken = overlay(shapely.union, taken, outlines[index])
    return SharedGround(own, turn, doubled)


@dataclass(frozen=True)
class Parts:
    """Parts of mosaics, P of them: squares of `side_m` cut to what the mosaic answers for in one stratum.

    `mosaic` and `stratum` (P,) are indices, `number` (P,) counts from 1 within a mosaic, row by row from the north-west
    of each stratum; `polygons` (P,) do not overlap, `areas_m2` (P,).
    """

    mosaic: Ints
    stratum: Ints
    number: Ints
    polygons: Polygons
    areas_m2: Floats
    side_m: float

    def __len__(self) -> int:
        return len(self.number)

    def holding(self, points: npt.ArrayLike, mosaic: npt.ArrayLike, stratum: npt.ArrayLike) -> Ints:
        """The part (N,) of a point (N, 2) shown by a mosaic (N,) in a stratum (N,); −1 where those share no ground.

        What lies a little outside, where a mosaic ends, belongs to the nearest.
        """
        where = shapely.points(np.asarray(points, dtype=np.float64).reshape(-1, 2))
        of, within = np.asarray(mosaic, dtype=np.int64), np.asarray(stratum, dtype=np.int64)
        found = np.full(len(where), -1, dtype=np.int64)
        for one, other in sorted(set(zip(of.tolist(), within.tolist(), strict=True))):
            rows = np.flatnonzero((of == one) & (within == other))
            mine = np.flatnonzero((self.mosaic == one) & (self.stratum == other))
            if len(mine):
                asked, nearest = shapely.STRtree(self.polygons[mine]).query_nearest(where[rows], all_matches=False)
                found[rows[asked]] = mine[nearest]
        return found


def part_side_m(area_m2: float, gsd_cm: float) -> float:
    """How long the side of a part is: `PARTS_WANTED` of them over the area, but neither a speck nor more than a screen.

    `gsd_cm` is that of the finest mosaic. Rounded to decimetres.
    """
    least, most = (gsd_cm / 100 * side_px for side_px in PART_PX)
    side_m = min(max(math.sqrt(area_m2 / PARTS_WANTED), least), most)
    return max(round(side_m, 1), 0.1)


def cut_into_parts(own: Polygons, land: Sequence[shapely.Geometry], side_m: float) -> Parts:
    """Cut what each mosaic (M,) answers for into squares, stratum by stratum (`land`, S polygons)."""
    mosaic: list[int] = []
    stratum: list[int] = []
    number: list[int] = []
    polygons: list[shapely.Geometry] = []
    for one in range(len(own)):
        count = 0
        for other, ground in enumerate(land):
            cells = _joined(_cells(overlay(shapely.intersection, own[one], ground), side_m), SLIVER * side_m**2)
            mosaic += [one] * len(cells)
            stratum += [other] * len(cells)
            number += range(count + 1, count + len(cells) + 1)
            polygons += list(cells)
            count += len(cells)
    shapes = np.empty(len(polygons), dtype=object)
    shapes[:] = polygons
    return Parts(
        np.array(mosaic, dtype=np.int64),
        np.array(stratum, dtype=np.int64),
        np.array(number, dtype=np.int64),
        shapes,
        np.asarray(shapely.area(shapes), dtype=np.float64),
        side_m,
    )


def _cells(ground: shapely.Geometry, side_m: float) -> Polygons:
    """The squares of a grid that the ground reaches into, cut to it, row by row from the north-west."""
    if shapely.is_empty(ground) or not shapely.area(ground) > _LEAST_M2:
        return np.empty(0, dtype=object)
    west, south, east, north = (float(v) for v in shapely.bounds(ground))
    columns = np.arange(math.floor(west / side_m), math.ceil(east / side_m)) * side_m
    rows = np.arange(math.ceil(north / side_m), math.floor(south / side_m), -1) * side_m
    # By rows first: each square is then cut from a strip's few corners instead of all of them.
    strips = overlay(shapely.intersection, shapely.box(west, rows - side_m, east, rows), ground)
    shapely.prepare(strips)
    cells = []
    for top, strip in zip(rows.tolist(), strips, strict=True):
        squares = shapely.box(columns, top - side_m, columns + side_m, top)
        squares = squares[shapely.intersects(strip, squares)]
        cells.append(np.atleast_1d(overlay(shapely.intersection, squares, strip)))
    found: Polygons = np.concatenate(cells)
    kept: Polygons = found[shapely.area(found) > _LEAST_M2]
    return kept


def _joined(cells: Polygons, least_m2: float) -> Polygons:
    """Join what is smaller than that to the nearest that is not; the largest stays where none is."""
    small = shapely.area(cells) < least_m2
    if len(cells) < 2 or not small.any():
        return cells
    if small.all():
        small[int(np.argmax(shapely.area(cells)))] = False
    kept = np.flatnonzero(~small)
    slivers = np.flatnonzero(small)
    asked, nearest = shapely.STRtree(cells[kept]).query_nearest(cells[slivers], all_matches=False)
    joined = cells.copy()
    for target in np.unique(nearest).tolist():
        with_it = slivers[asked[nearest == target]]
        joined[kept[target]] = overlay(shapely.union_all, [cells[kept[target]], *cells[with_it]])
    return joined[kept]
