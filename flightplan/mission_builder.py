"""From a flight to the autopilot's mission: items, fence, rally point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice, pairwise

import numpy as np
import shapely

from flightplan.areas import StudyArea
from flightplan.coverage import whole
from flightplan.frames import Floats
from flightplan.hovering import Hover
from flightplan.landing import Approach
from flightplan.mission import Command, FencePolygon, Frame, Mission, MissionItem, RallyPoint
from flightplan.paths import Airspace
from flightplan.profile import Profile
from flightplan.sorties import Flight
from flightplan.ways import follows_on

MAX_FENCE_POINTS = 70
"""What boards with the smallest fence storage hold, all polygons together (84 points, less headers)."""
_MAX_EXCLUSION_POINTS = 30

_GROUND_SPEED, _THROTTLE_UNCHANGED = 1.0, -1.0
_TRIGGER_NOW = 1.0

ONE_PICTURE = (0.0, 0.0, 1.0, 0.0)
"""What IMAGE_START_CAPTURE says for a single picture: of all cameras, no interval, one."""


def build_mission(
    flight: Flight,
    area: StudyArea,
    fences: Fences,
    profile: Profile,
    *,
    speed_mps: float,
    transit_speed_mps: float,
    trigger_distance_m: float,
    hover: Hover | None = None,
    approach: Approach | None = None,
    landing_placed: bool = True,
    places: Places | None = None,
) -> Mission:
    """Return the mission of a flight: take-off, legal ways, triggered lines, the way home, return to launch.

    The trigger is on along the lines only; a line that bends keeps it on from one straight run to the next. With
    `hover` there is no trigger: the vehicle stops for each picture of a line.

    The ways out and home are flown at the transit speed, the lines and the ways between them at the survey's. The
    vehicle is led back over its home before NAV_RETURN_TO_LAUNCH, so that its return never cuts across an exclusion.
    With an `approach` the flight's last way leads to that, and the mission ends with it instead.
    Heights are above home and follow the profile of the flight's path. `places` are what `places_of` says of the
    flight, where it was asked already.
    """
    places = places or places_of([(flight, profile)], area, hover)[0]
    home = places.home
    takeoff_m = float(profile.altitude_home_m[0])
    slower = speed_mps != transit_speed_mps
    stretches = _stretches(flight, places, hover)
    items: list[MissionItem] = [_positioned(Command.NAV_TAKEOFF, home, takeoff_m), _speed(transit_speed_mps)]
    items += next(stretches)
    if slower:
        items.append(_speed(speed_mps))
    on = (trigger_distance_m, 0.0, _TRIGGER_NOW, 0.0)
    for i, run in enumerate(flight.runs):
        goes_on = i > 0 and follows_on(flight.runs[i - 1], run)
        if hover is None and not goes_on:
            items.append(_command(Command.DO_SET_CAM_TRIGG_DIST, on, transect=run.transect))
        items += next(stretches)
        if hover is None and not (i + 1 < len(flight.runs) and follows_on(run, flight.runs[i + 1])):
            items.append(_command(Command.DO_SET_CAM_TRIGG_DIST))
        if slower and i == len(flight.runs) - 1:
            items.append(_speed(transit_speed_mps))
        items += next(stretches)
    if approach is None:
        items.append(_command(Command.NAV_RETURN_TO_LAUNCH))
    else:
        items += approach.items(area.frame.to_lonlat, placed=landing_placed)
    return Mission(
        items=tuple(items),
        home=home,
        home_altitude_msl_m=profile.home_msl_m,
        fence=fences.for_flight(flight),
        rally=(RallyPoint(*home, altitude_home_m=takeoff_m),),
        cruise_speed_mps=speed_mps,
    )


def mission_path(mission: Mission) -> Floats:
    """Return the (longitude, latitude) points that a mission passes, from home to home or its landing, (N, 2)."""
    points = [(i.longitude_deg, i.latitude_deg) for i in mission.items if i.longitude_deg is not None]
    ends = [mission.home] if mission.home is not None else []
    lands = any(i.command == Command.NAV_LAND for i in mission.items)
    return np.asarray([*ends, *points, *([] if lands else ends)], dtype=np.float64)


@dataclass(frozen=True)
class Places:
    """Where a vehicle is sent, (longitude, latitude): its home, and the places on each way and each run in turn.

    Each stretch has its places, how high above home they are, and at which of them the vehicle stops.
    """

    home: tuple[float, float]
    stretches: tuple[tuple[list[tuple[float, float]], list[float], list[bool]], ...]


def places_of(flights: Sequence[tuple[Flight, Profile]], area: StudyArea, hover: Hover | None) -> list[Places]:
    """Return the places of flights: all at once, for a projection costs as much for one point as for a hundred."""
    laid = [_laid_out(flight, profile, hover) for flight, profile in flights]
    points = [
        p for (flight, _), each in zip(flights, laid, strict=True) for p in (flight.home[None], *(s[0] for s in each))
    ]
    lonlats = iter(_lonlat(area, np.concatenate(points)) if points else [])
    return [
        Places(
            next(lonlats),
            tuple((list(islice(lonlats, len(where))), heights_m.tolist(), stops) for where, heights_m, stops in each),
        )
        for each in laid
    ]


def _laid_out(flight: Flight, profile: Profile, hover: Hover | None) -> list[tuple[Floats, Floats, list[bool]]]:
    """Return the places of each way and each run in turn, without the first point: the aircraft is there.

    With `hover` a run is its stops and pictures, the first point among them.
    """
    if profile.is_level and hover is None:
        laid: list[Floats] = [flight.ways[0]]
        for run, way in zip(flight.runs, flight.ways[1:], strict=True):
            laid += [run.ends, way]
        return [_waypoints(path, 0.0, profile) for path in laid]
    flown_m = 0.0
    stretches = []
    for i, way in enumerate(flight.ways):
        stretches.append(_waypoints(way, flown_m, profile))
        flown_m += float(np.hypot(*np.diff(way, axis=0).T).sum())
        if i < len(flight.runs):
            run = flight.runs[i]
            if hover is None:
                stretches.append(_waypoints(run.ends, flown_m, profile))
            else:
                stretches.append(_stops(run.ends, hover.stops_m(run.length_m), flown_m, profile))
            flown_m += run.length_m
    return stretches


def _stretches(flight: Flight, places: Places, hover: Hover | None) -> Iterator[list[MissionItem]]:
    """Yield the items of each way and each run in turn."""
    for i, stretch in enumerate(places.stretches):
        transect = flight.runs[i // 2].transect if i % 2 else None
        items = []
        for lonlat, height_m, stops in zip(*stretch, strict=True):
            waypoint = _positioned(Command.NAV_WAYPOINT, lonlat, round(height_m, 3), transect)
            if stops and hover is not None:
                items.append(replace(waypoint, params=(hover.hold_s, 0.0, 0.0, 0.0)))
                items.append(_command(Command.IMAGE_START_CAPTURE, ONE_PICTURE, transect=transect))
            else:
                items.append(waypoint)
        yield items


def _waypoints(path: Floats, flown_m: float, profile: Profile) -> tuple[Floats, Floats, list[bool]]:
    """Return where the vehicle is sent along a path that begins `flown_m` into the flight, and how high."""
    if profile.is_level:
        if len(path) == 2:
            # Nearly all: a run, or a straight way, which is none where it leads to where it began.
            further = path[1:] if path[0].tolist() != path[1].tolist() else path[:0]
            return further, profile.altitude_home_m[: len(further)], [False] * len(further)
        further = path[1:][(path[1:] != path[:-1]).any(axis=1)]
        return further, np.full(len(further), profile.altitude_home_m[0]), [False] * len(further)
    points, heights = [np.empty((0, 2))], [np.empty(0)]
    for a, b in pairwise(path):
        length_m = float(np.hypot(*(b - a)))
        if length_m == 0.0:
            continue
        distances, heights_m = profile.between(flown_m, flown_m + length_m)
        stops = a + ((distances - flown_m) / length_m)[:, None] * (b - a)
        stops[-1] = b
        points.append(stops)
        heights.append(heights_m)
        flown_m += length_m
    joined = np.concatenate(points)
    return joined, np.concatenate(heights), [False] * len(joined)


def _stops(ends: Floats, stops_m: Floats, flown_m: float, profile: Profile) -> tuple[Floats, Floats, list[bool]]:
    """Return the same for a line with stops, and which of the places are stops."""
    changes, _ = profile.between(flown_m, flown_m + stops_m[-1])
    # Where the slope changes within half a metre of a stop, the stop will do.
    between = [d for d in changes - flown_m if np.abs(stops_m - d).min() > 0.5]
    at = np.sort(np.concatenate([stops_m, between]))
    places = ends[0] + (at / stops_m[-1])[:, None] * (ends[1] - ends[0])
    heights_m = np.interp(flown_m + at, profile.distance_m, profile.altitude_home_m)
    return places, heights_m, np.isin(at, stops_m).tolist()


def _speed(speed_mps: float) -> MissionItem:
    return _command(Command.DO_CHANGE_SPEED, (_GROUND_SPEED, speed_mps, _THROTTLE_UNCHANGED, 0.0))


def _positioned(
    command: Command, lonlat: tuple[float, float], altitude_m: float, transect: str | None = None
) -> MissionItem:
    return MissionItem(
        command=command,
        frame=Frame.GLOBAL_RELATIVE_ALT,
        longitude_deg=lonlat[0],
        latitude_deg=lonlat[1],
        altitude_m=altitude_m,
        transect=transect,
    )


@lru_cache(maxsize=256)
def _command(
    command: Command, params: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0), *, transect: str | None = None
) -> MissionItem:
    return MissionItem(command=command, frame=Frame.MISSION, params=params, transect=transect)


def _lonlat(area: StudyArea, points: Floats) -> list[tuple[float, float]]:
    return [(lon, lat) for lon, lat in area.frame.to_lonlat(points).tolist()] if len(points) else []


class Fences:
    """The fences over an area: a ring around each part of the air, and one around each exclusion in it.

    The ring holds all of the allowed air and a little more; an exclusion's lies between the exclusion and the edge of
    its buffer. So a fence never forbids what the plan flies.
    """

    def __init__(self, area: StudyArea, airspace: Airspace) -> None:
        self._area = area
        half = airspace.buffer_m / 2
        widened = whole(shapely.buffer(area.local_no_fly, half, quad_segs=4)) if half > 0 else []
        exclusions = [shapely.simplify(shapely.Polygon(p.exterior), half * 0.9) for p in widened]
        self._parts = []
        for part in whole(airspace.allowed):
            hull = shapely.Polygon(part.exterior)
            # An exclusion around an island of the area has no fence over the island: a board knows no ring in a ring.
            inside = [e for e in exclusions if hull.covers(e) and not e.intersects(part.representative_point())]
            outer = _around(hull, MAX_FENCE_POINTS - _MAX_EXCLUSION_POINTS)
            self._parts.append((part, self._fence(outer, True), [(e, self._fence(e, False)) for e in inside]))

    def for_flight(self, flight: Flight) -> tuple[FencePolygon, ...]:
        """Return the ring around the part that a flight uses, and the nearest exclusions that a board has room for."""
        alone = len(self._parts) == 1
        if alone and not self._parts[0][2]:
            return (self._parts[0][1],)
        path = shapely.LineString(flight.path)
        outer, exclusions = next((o, e) for part, o, e in self._parts if alone or part.intersects(path))
        rings, room = [outer], MAX_FENCE_POINTS - len(outer.ring)
        for polygon, fence in sorted(exclusions, key=lambda e: (e[0].distance(path), -e[0].area)):
            if len(fence.ring) <= room and not polygon.intersects(path):
                rings.append(fence)
                room -= len(fence.ring)
        return tuple(rings)

    def _fence(self, polygon: shapely.Polygon, inclusion: bool) -> FencePolygon:
        return FencePolygon(tuple(_lonlat(self._area, shapely.get_coordinates(polygon)[:-1])), inclusion)


def _corners(polygon: shapely.Polygon) -> int:
    return int(shapely.get_num_coordinates(polygon)) - 1


def _around(polygon: shapely.Polygon, most_corners: int) -> shapely.Polygon:
    """Return a polygon of few corners that holds all of another, tight where the number of corners lets it be."""
    # Room for an aircraft that overshoots a corner or is pushed by a gust.
    tolerance_m = 10.0
    while tolerance_m < 5000.0:
        wider = whole(shapely.buffer(polygon, tolerance_m, join_style="mitre", mitre_limit=2.0))[0]
        simple = shapely.simplify(shapely.Polygon(wider.exterior), tolerance_m * 0.95)
        if simple.is_valid and _corners(simple) <= most_corners and simple.covers(polygon):
            return simple
        tolerance_m *= 1.5
    return shapely.convex_hull(polygon)
