"""What of the obstacles and the airspace over an area a flight at some height keeps clear of, and what it says.

An obstacle is kept clear of sideways when it reaches within a vertical distance below the flight, or states no height.
Airspace is stayed out of when its limits meet the flight, unless its class is open or there is a permission. What is
kept clear of becomes `StudyArea.kept_clear`: the air, its check, fences and the ground left out all follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from flightplan.area_heights import AGL, Level
from flightplan.areas import StudyArea
from flightplan.errors import PlanError
from flightplan.frames import Floats, HeightDatum
from flightplan.geoid import geoid_height_m
from flightplan.messages import Message, Value, message, plural_message, some_of
from flightplan.obstacles import AirspaceZone, Obstacle
from flightplan.terrain import Terrain

DEFAULT_OBSTACLE_BUFFER_M = 30.0
DEFAULT_VERTICAL_M = 20.0

_ARC = 16
# A buffer's arcs are chords, inside of the circle: drawn larger by what that takes away.
_OUTWARD = 1 / float(np.cos(np.pi / (4 * _ARC)))
_SAMPLES = 4_000
_SAME_M = 1e-6


@dataclass(frozen=True)
class Clearance:
    """How far to stay from obstacles, sideways and above them, and which airspace one may fly in.

    `permissions` are names or classes of airspace, whatever their case.
    """

    obstacle_buffer_m: float = DEFAULT_OBSTACLE_BUFFER_M
    vertical_m: float = DEFAULT_VERTICAL_M
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClearArea:
    """An area with what a flight keeps clear of, and what the plan has to say about it."""

    area: StudyArea
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def keep_clear(
    area: StudyArea,
    clearance: Clearance,
    agl_range_m: tuple[float, float],
    *,
    buffer_m: float,
    reach_m: float,
    terrain: Terrain | None,
) -> ClearArea:
    """Return the area with what a flight between two heights above ground keeps clear of.

    `buffer_m` is what the plan keeps from anything anyhow, `reach_m` how far outside of the area it may fly. Without
    `terrain` an obstacle whose top is told above sea level is kept clear of, and airspace that begins above sea level
    cannot be judged: PlanError. So is a permission for airspace that there is not, and airspace that leaves nothing.
    """
    _check(clearance, area.airspace)
    land = shapely.union_all([area.localise(s.polygon) for s in area.strata])
    judge = _Judge(area, agl_range_m, terrain, shapely.buffer(land, reach_m), clearance)
    warnings: list[str] = []
    notes: list[str] = []
    standing = judge.obstacles(buffer_m, warnings, notes)
    zones = judge.zones(warnings, notes)
    kept = [k for k in (*standing, *zones) if not k.is_empty]
    if kept and shapely.difference(land, shapely.union_all([area.local_exclusions, *kept])).is_empty:
        raise PlanError(
            "obstacles and airspace leave nothing of the area to fly over: " + "; ".join(warnings),
            where=area.name,
            hint="Fly at another height, or with a permission: --permit NAME",
        )
    polygons = tuple(area.frame.delocalise(p) for k in kept for p in shapely.get_parts(k) if p.area > 0)
    return ClearArea(replace(area, kept_clear=polygons), tuple(warnings), tuple(notes))


def over_obstacles_home(
    area: StudyArea, paths_lonlat: Mapping[str, Floats], lowest_m: float, vertical_m: float, terrain: Terrain | None
) -> tuple[list[str], dict[str, float]]:
    """Return what to know of obstacles that a straight way home, as a failsafe flies it, may pass over.

    That is warnings, and the height above home that clears those whose height is known, for each sortie that meets any.

    The paths (N, 2) of sorties, by name, begin at home; `lowest_m` is the least height of the flight above the ground.
    Without `terrain` the ground is taken as level, and a top told above sea level is not known.
    """
    judge = _Judge(area, (0.0, 0.0), terrain, shapely.Point(), Clearance())
    tops = [(o, area.localise(shapely.make_valid(o.geometry))) for o in area.obstacles]
    warnings: list[str] = []
    heights_m: dict[str, float] = {}
    for name, lonlat in paths_lonlat.items():
        path = area.frame.to_local(lonlat)
        # Hulls of home and each leg: from anywhere on the leg straight home.
        swept = shapely.convex_hull(shapely.multipoints([[path[0], a, b] for a, b in pairwise(path)]))
        region = shapely.buffer(shapely.union_all(swept), DEFAULT_OBSTACLE_BUFFER_M)
        shapely.prepare(region)
        met = [(o, judge.above_home_m(o, place, path[0])) for o, place in tops if region.intersects(place)]
        high = [(o, m) for o, m in met if m is None or m + vertical_m > lowest_m]
        if not high:
            continue
        known = [m for _, m in high if m is not None]
        if known:
            heights_m[name] = float(np.ceil(max(known) + vertical_m))
        safe = message("a height that clears it")
        if known:
            safe = message("{height:.0f} m above take-off or higher", height=heights_m[name])
        said = message(
            "{sortie}: coming home straight, as a failsafe does, may pass {obstacles}: set the return height to {safe}",
            sortie=name,
            obstacles=_named([o for o, _ in high]),
            safe=safe,
        )
        if len(known) < len(high):
            unknown = len(high) - len(known)
            said = message("{found}; the height of {number} is not known", found=said, number=unknown)
        warnings.append(said)
    return warnings, heights_m


class _Judge:
    """Holds the levels of obstacles and airspace against those of one flight."""

    def __init__(
        self,
        area: StudyArea,
        agl_range_m: tuple[float, float],
        terrain: Terrain | None,
        reach: Any,
        clearance: Clearance,
    ) -> None:
        self.area, self.terrain, self.reach, self.clearance = area, terrain, reach, clearance
        self.low_m, self.high_m = agl_range_m

    def obstacles(self, buffer_m: float, warnings: list[str], notes: list[str]) -> list[Any]:
        """Return what is kept clear of around obstacles, in the frame's metres: less the plan's own buffer."""
        room_m = self.clearance.obstacle_buffer_m
        around_m = max(room_m * _OUTWARD - buffer_m, 0.5)
        kept: list[Any] = []
        high: list[Obstacle] = []
        unknown: list[Obstacle] = []
        low = 0
        for obstacle in self.area.obstacles:
            place = self.area.localise(shapely.make_valid(obstacle.geometry))
            if shapely.distance(place, self.reach) > room_m:
                continue
            # Over the lowest ground that it is passed at, because there the flight is lowest.
            top_agl_m = self._agl_m(obstacle.top, shapely.buffer(place, room_m + 1.0), np.nanmin)
            if top_agl_m is not None and top_agl_m + self.clearance.vertical_m <= self.low_m + _SAME_M:
                low += 1
                continue
            (unknown if top_agl_m is None else high).append(obstacle)
            kept.append(shapely.buffer(place, around_m, quad_segs=_ARC))
        if high:
            warnings.append(
                message(
                    "{obstacles} reaching to within {vertical:g} m below the flight or higher: kept {away:g} m clear"
                    " of",
                    obstacles=_named(high),
                    vertical=self.clearance.vertical_m,
                    away=max(room_m, buffer_m),
                )
            )
        if unknown:
            warnings.append(
                message(
                    "{obstacles} whose height above the ground is not known: kept {away:g} m clear of at any height",
                    obstacles=_named(unknown),
                    away=max(room_m, buffer_m),
                )
            )
        if low:
            notes.append(f"obstacles more than {self.clearance.vertical_m:g} m below the flight: {low}")
        return kept

    def above_home_m(self, obstacle: Obstacle, place: Any, home: Floats) -> float | None:
        """Return how high an obstacle's top is above the ground at home, None where it is not known."""
        if obstacle.top is None:
            return None
        if self.terrain is None:
            return obstacle.top.metres if obstacle.top.datum == AGL else None
        home_m, ground_m = self._ground_m(shapely.Point(home)), self._ground_m(place)
        top_m = obstacle.top.metres + (float(ground_m.max()) if obstacle.top.datum == AGL else 0.0)
        height_m = top_m - float(home_m[0])
        return height_m if np.isfinite(height_m) else None

    def zones(self, warnings: list[str], notes: list[str]) -> list[Any]:
        """Return what is stayed out of because of airspace, in the frame's metres."""
        kept = []
        permitted = {p.strip().lower() for p in self.clearance.permissions}
        for zone in self.area.airspace:
            place = self.area.localise(zone.polygon)
            inside = shapely.intersection(place, self.reach)
            if inside.is_empty or inside.area <= 0:
                continue
            if not self._meets(zone, inside, permitted):
                notes.append(f"airspace {_called(zone)} does not reach down to the flight, or up to it")
            elif permitted & {zone.name.lower(), zone.kind.lower()}:
                warnings.append(
                    message("airspace {zone} is flown in: a permission for it was said to be held", zone=_called(zone))
                )
            elif zone.is_avoided:
                kept.append(shapely.intersection(place, shapely.buffer(self.reach, 1000.0)))
                warnings.append(
                    message(
                        "airspace {zone} is stayed out of: the flight would be between its limits", zone=_called(zone)
                    )
                )
            else:
                warnings.append(message("airspace {zone} is flown in: look up what it asks of you", zone=_called(zone)))
        return kept

    def _meets(self, zone: AirspaceZone, inside: Any, permitted: set[str]) -> bool:
        """Whether any height of the flight lies between the zone's limits, anywhere inside."""
        upper_m = np.inf if zone.upper is None else self._agl_m(zone.upper, inside, np.nanmin)
        if upper_m is not None and upper_m < self.low_m - _SAME_M:
            return False
        if zone.lower is None or zone.lower.metres <= 0:
            return True
        lower_m = self._agl_m(zone.lower, inside, np.nanmax)
        if lower_m is None:
            if not zone.is_avoided or permitted & {zone.name.lower(), zone.kind.lower()}:
                return True
            raise PlanError(
                f"airspace {_called(zone)} begins above sea level, and the height of the ground is not known",
                where=self.area.name,
                hint="Give an elevation model that covers it (--terrain DEM), or a permission (--permit NAME)",
            )
        return lower_m <= self.high_m + _SAME_M

    def _agl_m(self, level: Level | None, place: Any, ground: Callable[[Floats], Any]) -> float | None:
        """Return a level above the ground at a place, None where it is not known.

        `ground` picks among the heights there: the lowest ground for what reaches up, the highest for what begins.
        """
        if level is None:
            return None
        if level.datum == AGL:
            return level.metres
        if self.terrain is None:
            return None
        heights_m = self._ground_m(place)
        return None if not np.isfinite(heights_m).all() else level.metres - float(ground(heights_m))

    def _ground_m(self, place: Any) -> Floats:
        """Return heights of the ground above sea level at and in a place, NaN where the model has none."""
        assert self.terrain is not None
        points = _sample(place)
        lonlat = self.area.frame.to_lonlat(points)
        heights_m = self.terrain.heights_m(lonlat)
        if self.terrain.datum == HeightDatum.ELLIPSOID:
            heights_m = heights_m - geoid_height_m(lonlat)
        return heights_m


def _sample(place: Any) -> Floats:
    """Return points (N, 2) on a geometry's outline, and on a grid inside it."""
    west, south, east, north = shapely.bounds(place)
    step = max(float(np.sqrt((east - west) * (north - south) / _SAMPLES)), 10.0)
    outline = shapely.get_coordinates(shapely.segmentize(place, step))
    x, y = np.meshgrid(np.arange(west, east + step, step), np.arange(south, north + step, step))
    shapely.prepare(place)
    inside = shapely.intersects_xy(place, x.ravel(), y.ravel())
    return np.vstack([outline, np.column_stack([x.ravel(), y.ravel()])[inside]])


def _check(clearance: Clearance, airspace: Sequence[AirspaceZone]) -> None:
    for what, value in (("obstacle buffer", clearance.obstacle_buffer_m), ("clearance", clearance.vertical_m)):
        if not (value >= 0 and np.isfinite(value)):
            raise PlanError(f"a {what} of {value:g} m is not one", hint="It must be 0 or more")
    known = {z.name.lower() for z in airspace} | {z.kind.lower() for z in airspace}
    for name in clearance.permissions:
        if name.strip().lower() not in known:
            names = sorted({z.name for z in airspace})
            raise PlanError(
                f"there is no airspace {name!r} here that a permission could be for",
                hint=f"There are: {', '.join(names[:10])}" if names else "Airspace is read with --airspace FILE",
            )


def _named(obstacles: Sequence[Obstacle]) -> Message:
    shown = (f"{o.name} ({o.top})" if o.top else o.name for o in obstacles)
    return plural_message(
        "{count} obstacle ({names})", "{count} obstacles ({names})", len(obstacles), names=some_of(shown, 3)
    )


def _called(zone: AirspaceZone) -> Message:
    lower: Value = message("the ground") if zone.lower is None or zone.lower.metres <= 0 else str(zone.lower)
    upper: Value = message("unlimited") if zone.upper is None else str(zone.upper)
    if zone.kind:
        return message(
            "{zone} (class {kind}, {lower} to {upper})", zone=zone.name, kind=zone.kind, lower=lower, upper=upper
        )
    return message("{zone} ({lower} to {upper})", zone=zone.name, lower=lower, upper=upper)
