"""Legal ways through the air over an area: what may be flown over, shortest paths inside it, and the check of a path.

All in one local frame's metres. The air is the area and an allowance around it, less the exclusions and a buffer around
each. Paths are found in a slightly smaller, simplified copy of it; the check uses the exact one and knows nothing of
how a path was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse
import shapely
from scipy.sparse.csgraph import dijkstra

from flightplan.areas import StudyArea
from flightplan.errors import PlanError
from flightplan.frames import Floats
from flightplan.turning import TurningRoom

_OUTER_TOLERANCE_M = 5.0
_OUTER_SHARE = 1 / 40
_INNER_TOLERANCE_M = 1.0
_INSET_M = 0.1
_CHECK_TOLERANCE_M = 1e-3
_STRAIGHT = 1e-9
_LOOKED_AT = (0.5, 0.25, 0.75, 0.1, 0.9, 0.375, 0.625)
_ARC = 32
# A buffer's arcs are drawn as chords, inside of the circle: an exclusion's are drawn larger by what that takes away.
_OUTWARD = 1 / float(np.cos(np.pi / (4 * _ARC)))


@dataclass(frozen=True)
class Airspace:
    """Where the aircraft may be: (multi)polygon `allowed`, made of the area, `allowance_m` and `buffer_m`.

    `turning` is the room that an aircraft has to turn in, None for one that turns on the spot.
    """

    allowed: Any
    flyable: Any
    allowance_m: float
    buffer_m: float
    turning: TurningRoom | None = None
    _routes: dict[bytes, Floats] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def over(
        cls,
        area: StudyArea,
        *,
        allowance_m: float,
        buffer_m: float,
        turn_radius_m: float = 0.0,
        run_in_m: float = 0.0,
    ) -> Airspace:
        """Build the air over an area. Raises PlanError when nothing of it is left.

        With a turn radius, lines are kept to where they can be entered and left in legal turns, with a run-in.
        """
        land = shapely.union_all([area.localise(s.polygon) for s in area.strata])
        kept_out = area.local_no_fly
        allowed = shapely.difference(
            shapely.buffer(land, allowance_m, quad_segs=_ARC),
            shapely.buffer(kept_out, buffer_m * _OUTWARD, quad_segs=_ARC),
        )
        # Around whole seas the allowance is kilometres, and a coast drawn to metres has too many corners to search.
        outer = min(max(_OUTER_TOLERANCE_M, allowance_m * _OUTER_SHARE), allowance_m / 6)
        inside = shapely.simplify(shapely.buffer(land, allowance_m - outer, quad_segs=4), outer * 0.95)
        outside = shapely.simplify(
            shapely.buffer(kept_out, (buffer_m + 2 * _INNER_TOLERANCE_M) * _OUTWARD, quad_segs=_ARC),
            _INNER_TOLERANCE_M * 0.95,
        )
        flyable = shapely.difference(inside, outside)
        if shapely.buffer(flyable, -_INSET_M).is_empty:
            raise PlanError(
                f"the exclusions and their buffer of {buffer_m:g} m leave nothing to fly over", where=area.name
            )
        shapely.prepare(allowed)
        shapely.prepare(flyable)
        if turn_radius_m <= 0:
            return cls(allowed, flyable, allowance_m, buffer_m)
        turning = TurningRoom(flyable, turn_radius_m, run_in_m)
        if turning.centres.is_empty:
            raise PlanError(
                f"there is no room for a turn with a radius of {turn_radius_m:.0f} m",
                where=area.name,
                hint="Ask for a larger allowance, a smaller buffer, or an aircraft that turns on the spot",
            )
        return cls(allowed, flyable, allowance_m, buffer_m, turning)

    @cached_property
    def inset(self) -> Any:
        """The flyable region a hair smaller: points in it can be joined to its corners without rounding trouble."""
        inset = shapely.buffer(self.flyable, -_INSET_M, join_style="mitre")
        shapely.prepare(inset)
        return inset

    def part_of(self, points: npt.ArrayLike) -> npt.NDArray[np.intp]:
        """Return for each of N points the number of the flyable part that holds it, -1 for none."""
        where = np.atleast_2d(np.asarray(points, dtype=np.float64))
        if self.turning is not None:
            # Parts that a narrow passage joins are apart for an aircraft that cannot turn in it.
            return np.asarray(self._tree.nearest(shapely.points(where)), dtype=np.intp)
        if len(self._tree) == 1:
            return np.where(shapely.intersects_xy(self.flyable, where[:, 0], where[:, 1]), 0, -1)
        query, part = self._tree.query(shapely.points(where), predicate="intersects")
        found = np.full(len(where), -1, dtype=np.intp)
        found[query] = part
        return found

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(shapely.get_parts(self.flyable if self.turning is None else self.turning.centres))

    def nearest(self, point: npt.ArrayLike) -> Floats:
        """Return the point of the inset region nearest to a point: itself when it is inside."""
        where = np.asarray(point, dtype=np.float64)
        if shapely.intersects_xy(self._landable, where[0], where[1]):
            return where
        return np.asarray(shapely.get_coordinates(shapely.shortest_line(self._landable, shapely.points(where)))[0])

    def all_nearest(self, points: Floats) -> Floats:
        """Return `nearest` of each of N points."""
        found = points.copy()
        for i in np.flatnonzero(~shapely.intersects_xy(self._landable, points[:, 0], points[:, 1])):
            found[i] = self.nearest(points[i])
        return found

    @cached_property
    def _landable(self) -> Any:
        if self.turning is None:
            return self.inset
        landable = shapely.intersection(self.inset, shapely.buffer(self.turning.circled, -_INSET_M))
        shapely.prepare(landable)
        return landable

    def trim(self, segments: Floats) -> Floats:
        """Cut legal segments (K, 2, 2) to what the aircraft can enter and leave; NaN where nothing is left."""
        return segments if self.turning is None else self.turning.trim(segments)

    def room_along(self, heading_deg: float, step_m: float) -> Any:
        """Return where lines of a heading may be flown; looked at every `step_m` across them where turns need room."""
        return self.inset if self.turning is None else self.turning.along(heading_deg, step_m)

    def route(self, start: npt.ArrayLike, end: npt.ArrayLike) -> Floats:
        """Return the shortest legal path as points (N, 2), both ends included.

        Raises PlanError when no legal path joins them.
        """
        a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
        key = a.tobytes() + b.tobytes()
        if key not in self._routes:
            direct = np.array([a, b])
            straight = shapely.covers(self.flyable, shapely.linestrings(direct))
            self._routes[key] = direct if straight else self._around(a, b)
        return self._routes[key]

    def look_straight(self, ways: Sequence[Sequence[Floats]]) -> None:
        """Look at once whether straight ways (N, 2, 2) are legal; `route` then knows those that are."""
        if not len(ways):
            return
        straight = np.asarray(ways, dtype=np.float64)
        legal = straight[shapely.covers(self.flyable, shapely.linestrings(straight))]
        self._routes.update({way.tobytes(): way for way in legal})

    def metres_outside(self, path: npt.ArrayLike) -> float:
        """Return the length of a path (N, 2) inside an exclusion's buffer or beyond the allowance."""
        points = np.asarray(path, dtype=np.float64)
        if len(points) < 2:
            return 0.0
        legs = shapely.linestrings(np.stack([points[:-1], points[1:]], axis=1))
        suspects = legs[~shapely.covers(self.allowed, legs)]
        if not len(suspects):
            return 0.0
        outside = float(shapely.length(shapely.difference(suspects, self.allowed)).sum())
        return outside if outside > _CHECK_TOLERANCE_M else 0.0

    def all_metres_outside(self, paths: Sequence[Floats]) -> float:
        """Return the sum of `metres_outside` of some paths, looked at together where all is well."""
        legs = np.concatenate([np.stack([path[:-1], path[1:]], axis=1) for path in paths])
        if shapely.covers(self.allowed, shapely.linestrings(legs)).all():
            return 0.0
        return sum(self.metres_outside(path) for path in paths)

    def _around(self, a: Floats, b: Floats) -> Floats:
        """Search the corners inside growing ellipses around the two points.

        A path of length s lies in the ellipse whose foci are its ends and whose string is s: a path found in an ellipse
        and no longer than its string is the shortest of all.
        """
        corners = self._corners
        direct_m = float(np.hypot(*(b - a)))
        detour_m = np.hypot(*(corners - a).T) + np.hypot(*(corners - b).T)
        for string_m in (direct_m + 300.0, 2 * direct_m + 600.0, 5 * direct_m + 3000.0, np.inf):
            near = np.flatnonzero(detour_m <= string_m)
            path, length_m = self._through(a, b, near, string_m)
            if length_m <= string_m and path is not None:
                return path
        raise PlanError(
            "no legal path joins two points of the plan",
            where=f"({a[0]:.0f}, {a[1]:.0f}) and ({b[0]:.0f}, {b[1]:.0f}) m from the area's centre",
            hint="The area falls into parts further apart than the allowance, or an exclusion cuts it",
        )

    def _through(
        self, a: Floats, b: Floats, near: npt.NDArray[np.intp], string_m: float
    ) -> tuple[Floats | None, float]:
        """Return the shortest path by way of some of the corners, and its length; None and infinity without one."""
        n = len(near)
        points = np.vstack([self._corners[near], a, b])
        i, j = np.triu_indices(n, k=1)
        # A step that no path as short as the string can contain need not be looked at.
        to_a, to_b = (np.hypot(*(points[:n] - end).T) for end in (a, b))
        step_m = np.hypot(*(points[i] - points[j]).T)
        useful = step_m + np.minimum(to_a[i] + to_b[j], to_a[j] + to_b[i]) <= string_m
        i, j = i[useful], j[useful]
        taut = self._wraps(near[i], points[j]) & self._wraps(near[j], points[i])
        i, j = i[taut], j[taut]
        visible = self._see_each_other(near[i], near[j])
        ends = np.concatenate([np.full(n, n), np.full(n, n + 1)])
        others = np.concatenate([np.arange(n), np.arange(n)])
        taut = self._wraps(near[others], points[ends])
        ends, others = ends[taut], others[taut]
        seen = self._clear(points[ends], points[others])
        rows = np.concatenate([i[visible], ends[seen]])
        columns = np.concatenate([j[visible], others[seen]])
        cost = np.hypot(*(points[rows] - points[columns]).T)
        graph = scipy.sparse.csr_array((cost, (rows, columns)), shape=(n + 2, n + 2))
        distance, previous = dijkstra(graph, directed=False, indices=n, return_predecessors=True)
        if not np.isfinite(distance[n + 1]):
            return None, np.inf
        steps = [n + 1]
        while steps[-1] != n:
            steps.append(int(previous[steps[-1]]))
        return points[steps[::-1]], float(distance[n + 1])

    @cached_property
    def _grown(self) -> Any:
        """The flyable region a hair larger: a point outside of it is outside, whatever rounding did to it."""
        grown = shapely.buffer(self.flyable, _INSET_M, join_style="mitre")
        shapely.prepare(grown)
        return grown

    @cached_property
    def _corners(self) -> Floats:
        return self._corners_and_sides[0]

    @cached_property
    def _corners_and_sides(self) -> tuple[Floats, Floats, Floats]:
        return _reflex_corners(self.flyable)

    def _wraps(self, corners: npt.NDArray[np.intp], toward: Floats) -> npt.NDArray[np.bool_]:
        """Whether a step between a corner and a point can be part of a taut path: it passes the corner, not through it.

        A shortest path bends at a corner around it, so both sides of the corner lie on one side of the step.
        """
        places, before, after = (v[corners] for v in self._corners_and_sides)
        step = toward - places
        one, other = _cross(step, before), _cross(step, after)
        slack = _STRAIGHT * (step**2).sum(axis=1) * np.hypot(*before.T) * np.hypot(*after.T)
        return np.asarray(one * other >= -slack)

    @cached_property
    def _known(self) -> npt.NDArray[np.int8]:
        """Whether two corners see each other: 1 yes, 0 no, -1 not looked at yet."""
        return np.full((len(self._corners),) * 2, -1, dtype=np.int8)

    def _see_each_other(self, i: npt.NDArray[np.intp], j: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
        unknown = self._known[i, j] < 0
        a, b = i[unknown], j[unknown]
        clear = self._clear(self._corners[a], self._corners[b])
        self._known[a, b] = self._known[b, a] = clear
        return self._known[i, j] > 0

    def _clear(self, starts: Floats, ends: Floats) -> npt.NDArray[np.bool_]:
        clear = np.ones(len(starts), dtype=bool)
        # Most of what is hidden in a large area shows at a few points on the way: a tenth of the work of the whole ray.
        for share in _LOOKED_AT:
            left = np.flatnonzero(clear)
            x, y = (starts[left] + share * (ends[left] - starts[left])).T
            clear[left] = shapely.intersects_xy(self._grown, x, y)
        seen = np.flatnonzero(clear)
        # In blocks, so that a park with a thousand corners does not hold half a million lines at once.
        for block in range(0, len(seen), 50_000):
            part = seen[block : block + 50_000]
            rays = shapely.linestrings(np.stack([starts[part], ends[part]], axis=1))
            clear[part] = shapely.covers(self.flyable, rays)
        return clear


def _reflex_corners(region: Any) -> tuple[Floats, Floats, Floats]:
    """Return the corners where the inner angle exceeds 180°, (N, 2), and the ways from each to its neighbours."""
    found: list[tuple[Floats, Floats, Floats]] = [(np.empty((0, 2)),) * 3]
    for part in shapely.get_parts(region):
        oriented = shapely.orient_polygons(part)
        for ring in (oriented.exterior, *oriented.interiors):
            points = np.asarray(ring.coords)[:-1]
            into, out = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
            reflex = _cross(into, out) < 0
            found.append((points[reflex], -into[reflex], out[reflex]))
    corners, before, after = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return corners, before, after


def _cross(a: Floats, b: Floats) -> Floats:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
