"""Which captures were on which transect, and why the others are on none.

Everything is in the local metric frame of the study area (metres east and north, `flightplan.frames.LocalFrame`). Only
captures on effort count: off the line, in a turn, at the wrong height or without a position they add neither area nor
animals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import shapely

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
    along_m[capture[first]] = positions_along(points[capture[first]], lines, lines.transect[segment[first]])
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


def axes(lines: TransectLines) -> tuple[Floats, Floats]:
    """Origin and unit direction (T, 2) of each transect: those of its first segment, whose line the others continue."""
    _, first = np.unique(lines.transect, return_index=True)
    origin, unit = np.full((len(lines.identifiers), 2), np.nan), np.full((len(lines.identifiers), 2), np.nan)
    direction = lines.ends[first] - lines.starts[first]
    origin[lines.transect[first]] = lines.starts[first]
    unit[lines.transect[first]] = direction / np.hypot(direction[:, 0], direction[:, 1])[:, None]
    return origin, unit


def positions_along(points: Floats, lines: TransectLines, transect: Ints) -> Floats:
    """Metres (M,) of points (M, 2) along the line of their transects (M,), from its first start."""
    origin, unit = axes(lines)
    return np.asarray(((points - origin[transect]) * unit[transect]).sum(axis=1))


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
