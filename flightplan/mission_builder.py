"""From a flight to the autopilot's mission: items, fence, rally point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.coverage import whole
from flightplan.frames import Floats
from flightplan.mission import Command, FencePolygon, Frame, Mission, MissionItem, RallyPoint
from flightplan.paths import Airspace
from flightplan.sorties import Flight

MAX_FENCE_POINTS = 70
"""What boards with the smallest fence storage hold, all polygons together (84 points, less headers)."""

_GROUND_SPEED, _THROTTLE_UNCHANGED = 1.0, -1.0
_TRIGGER_NOW = 1.0


def build_mission(
    flight: Flight,
    area: StudyArea,
    airspace: Airspace,
    *,
    altitude_agl_m: float,
    speed_mps: float,
    trigger_distance_m: float,
) -> Mission:
    """Return the mission of a flight: take-off, legal ways, triggered lines, the way home, return to launch.

    The vehicle is led back over its home before NAV_RETURN_TO_LAUNCH, so that its return never cuts across an
    exclusion. Heights are above home, which is the height above ground over flat land only.
    """
    home = _lonlat(area, flight.home[None])[0]
    items = (
        _positioned(Command.NAV_TAKEOFF, home, altitude_agl_m),
        _command(Command.DO_CHANGE_SPEED, (_GROUND_SPEED, speed_mps, _THROTTLE_UNCHANGED, 0.0)),
        *_flown(flight, area, altitude_agl_m, trigger_distance_m),
        _command(Command.NAV_RETURN_TO_LAUNCH),
    )
    return Mission(
        items=items,
        home=home,
        fence=_fence(flight, area, airspace),
        rally=(RallyPoint(*home, altitude_home_m=altitude_agl_m),),
        cruise_speed_mps=speed_mps,
    )


def mission_path(mission: Mission) -> Floats:
    """Return the (longitude, latitude) points that a mission passes, from home and back to it, (N, 2)."""
    points = [(i.longitude_deg, i.latitude_deg) for i in mission.items if i.longitude_deg is not None]
    ends = [mission.home] if mission.home is not None else []
    return np.asarray([*ends, *points, *ends], dtype=np.float64)


def _flown(flight: Flight, area: StudyArea, altitude_m: float, trigger_distance_m: float) -> Iterator[MissionItem]:
    for run, way in zip(flight.runs, flight.ways, strict=False):
        for point in _lonlat(area, way[1:]):
            yield _positioned(Command.NAV_WAYPOINT, point, altitude_m)
        yield _command(
            Command.DO_SET_CAM_TRIGG_DIST, (trigger_distance_m, 0.0, _TRIGGER_NOW, 0.0), transect=run.transect
        )
        end = _lonlat(area, run.ends[1:])[0]
        yield _positioned(Command.NAV_WAYPOINT, end, altitude_m, transect=run.transect)
        yield _command(Command.DO_SET_CAM_TRIGG_DIST)
    for point in _lonlat(area, flight.ways[-1][1:]):
        yield _positioned(Command.NAV_WAYPOINT, point, altitude_m)


def _positioned(
    command: Command, lonlat: tuple[float, float], altitude_m: float, *, transect: str | None = None
) -> MissionItem:
    return MissionItem(
        command=command,
        frame=Frame.GLOBAL_RELATIVE_ALT,
        longitude_deg=lonlat[0],
        latitude_deg=lonlat[1],
        altitude_m=altitude_m,
        transect=transect,
    )


def _command(
    command: Command, params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0), *, transect: str | None = None
) -> MissionItem:
    return MissionItem(command=command, frame=Frame.MISSION, params=params, transect=transect)


def _lonlat(area: StudyArea, points: Floats) -> list[tuple[float, float]]:
    return [(float(lon), float(lat)) for lon, lat in area.frame.to_lonlat(points)] if len(points) else []


def _fence(flight: Flight, area: StudyArea, airspace: Airspace) -> tuple[FencePolygon, ...]:
    """Fence the part of the air that the flight uses, and each exclusion near it, within the points a board holds.

    The inclusion holds all of the allowed air there and a little more; an exclusion's fence lies between the exclusion
    and the edge of its buffer, so a fence never forbids what the plan flies.
    """
    path = shapely.LineString(flight.path)
    parts = [p for p in whole(airspace.allowed) if p.intersects(path)]
    hull = shapely.Polygon(max(parts, key=lambda p: p.area).exterior)
    half = airspace.buffer_m / 2
    kept_out = whole(shapely.buffer(area.local_exclusions, half, quad_segs=4)) if half > 0 else []
    kept_out = [shapely.simplify(shapely.Polygon(p.exterior), half * 0.9) for p in kept_out if p.within(hull)]
    kept_out.sort(key=lambda p: (p.distance(path), -p.area))
    rings, room = [], MAX_FENCE_POINTS // 2
    for polygon in kept_out:
        corners = shapely.get_num_coordinates(polygon) - 1
        if corners <= room:
            rings.append((polygon, False))
            room -= corners
    outer = _around(hull, MAX_FENCE_POINTS - sum(shapely.get_num_coordinates(p) - 1 for p, _ in rings))
    return tuple(
        FencePolygon(tuple(_lonlat(area, shapely.get_coordinates(p)[:-1])), inclusion)
        for p, inclusion in [(outer, True), *rings]
    )


def _around(polygon: shapely.Polygon, most_points: int) -> shapely.Polygon:
    """Return a polygon of few corners that holds all of another, as tight as the number of corners lets it be."""
    tolerance_m = 2.0
    while tolerance_m < 5000.0:
        wider = shapely.buffer(polygon, tolerance_m, join_style="mitre", mitre_limit=2.0)
        simple = shapely.simplify(shapely.Polygon(max(whole(wider), key=lambda p: p.area).exterior), tolerance_m * 0.95)
        if simple.is_valid and shapely.get_num_coordinates(simple) - 1 <= most_points and simple.covers(polygon):
            return simple
        tolerance_m *= 1.5
    return shapely.convex_hull(polygon)
