"""Study areas from files and to files, and what further files add to them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from flightplan.area_checks import check_degrees, check_polygon
from flightplan.area_crs import to_wgs84
from flightplan.area_features import Feature, printable, property_of
from flightplan.area_formats import read_features, stored_name
from flightplan.area_groups import Piece, groups_of
from flightplan.area_heights import StatedHeight
from flightplan.errors import AreaError
from flightplan.frames import LocalFrame
from flightplan.obstacles import (
    AirspaceZone,
    Obstacle,
    level_properties,
    obstacle_of,
    obstacles_of,
    zone_of,
    zones_of,
)
from flightplan.study_area import (
    MAX_RADIUS_M,
    LaunchSite,
    Stratum,
    StudyArea,
    check_area,
    check_near,
)

__all__ = [
    "MAX_RADIUS_M",
    "WHOLE",
    "AirspaceZone",
    "LaunchSite",
    "Obstacle",
    "Stratum",
    "StudyArea",
    "area_to_geojson",
    "avoiding",
    "check_area",
    "check_polygon",
    "launching",
    "read_area",
    "read_area_parts",
    "with_airspace",
    "with_obstacles",
    "write_area",
]

WHOLE = "all"
"""The name of the only stratum of an area that names none."""

_ROLE_FIELDS = ("role", "type", "kind", "folder", "layer")
_EXCLUSION_ROLES = frozenset(
    {"exclusion", "exclusions", "exclude", "excluded", "no-fly", "no_fly", "nofly", "keep-out"}
)
_LAUNCH_ROLES = frozenset({"launch", "launch_site", "launch site", "takeoff", "take-off", "home"})
_OBSTACLE_ROLES = frozenset({"obstacle", "obstacles"})
_AIRSPACE_ROLES = frozenset({"airspace"})
_KEPT_CLEAR_ROLES = frozenset({"kept clear"})
_ROLES = _EXCLUSION_ROLES | _LAUNCH_ROLES | _OBSTACLE_ROLES | _AIRSPACE_ROLES | _KEPT_CLEAR_ROLES
_STRATUM_FIELDS = ("stratum", "strata")
_SLIVER_M = 0.5
_NEAR_DEG = 0.1


def read_area(
    path: Path | str, *, strata_field: str | None = None, crs: str | None = None, name: str | None = None
) -> StudyArea:
    """Read a study area from GeoJSON, KML, KMZ, Shapefile (also zipped), GeoPackage, FlatGeobuf, CSV or .poly.

    Polygons are strata, told apart by the attribute `strata_field` (or one named "stratum"); without it they are one
    stratum. A feature whose attribute `role` (`type`, `kind`), KML folder or layer is "exclusion" is never flown over,
    and so are holes; a point is a launch site; "obstacle" and "airspace" are as `flightplan.obstacles` reads them.
    `crs` (anything PROJ understands) says what the coordinates are when the file does not.

    Raises UnreadableFileError for a file that is not what it claims, AreaError for an area that cannot be used: no
    reference system, coordinates out of range, a polygon that crosses itself, no area, the antimeridian, strata that
    overlap, larger than one local frame carries.
    """
    contents = _read_contents(Path(path), strata_field, crs)
    area = _area_of(contents, contents.pieces, name or contents.name)
    check_area(area, where=str(path))
    return area


def read_area_parts(
    path: Path | str, *, strata_field: str | None = None, crs: str | None = None, name: str | None = None
) -> tuple[StudyArea, ...]:
    """Read as `read_area` does, and divide what is larger than one local frame carries into areas of their own.

    One area when it is not. Else strata are kept together as long as they fit one frame, then features, then the parts
    of one; a stratum in several areas is then a stratum in each, with the area's number behind its name. Exclusions,
    obstacles and airspace go to the areas they are near, a launch site to the nearest. Raises AreaError for a single
    part that is too large by itself.
    """
    contents = _read_contents(Path(path), strata_field, crs)
    name = name or contents.name
    groups = groups_of(contents.pieces, MAX_RADIUS_M, str(path))
    if len(groups) == 1:
        areas = [_area_of(contents, contents.pieces, name)]
    else:
        divided = {p.stratum for p in contents.pieces if sum(p.stratum in {q.stratum for q in g} for g in groups) > 1}
        areas = [
            _area_of(contents, [p.numbered(i) if p.stratum in divided else p for p in group], f"{name}, part {i}")
            for i, group in enumerate(groups, start=1)
        ]
        areas = _shared_out(areas, contents, str(path))
    for area in areas:
        check_area(area, where=str(path) if len(areas) == 1 else f"{path}, {area.name}")
    return tuple(areas)


def avoiding(area: StudyArea, path: Path | str, *, crs: str | None = None) -> StudyArea:
    """Return the area with every polygon of another file near it as an exclusion, whatever its attributes say.

    Polygons further than about 10 km from the area's bounding box are left out: a file may hold a whole country. Raises
    AreaError when none lies within 100 km: the file is of another place, or its axes are swapped.
    """
    path = Path(path)
    features = [f for f in _features_near(area, path, crs) if f.geometry.geom_type != "Point"]
    extra = [check_polygon(f.geometry, f"{path}, {f.label}") for f in features]
    wider = replace(area, exclusions=(*area.exclusions, *extra))
    check_area(wider, where=str(path))
    return wider


def launching(area: StudyArea, path: Path | str, *, crs: str | None = None) -> StudyArea:
    """Return the area with every point of another file as a launch site, named by its attribute `name`.

    Raises AreaError when the file holds no point, or one that lies further than 100 km from the area.
    """
    path = Path(path)
    features = [to_wgs84(f, crs, path) for f in read_features(path)]
    points = [f for f in features if f.geometry.geom_type == "Point"]
    if not points:
        raise AreaError("holds no point to launch from", where=str(path), hint="Draw launch sites as points")
    first = len(area.launch_sites) + 1
    sites = [_launch_site(f, i, f"{path}, {f.label}") for i, f in enumerate(points, start=first)]
    wider = replace(area, launch_sites=(*area.launch_sites, *sites))
    check_area(wider, where=str(path))
    return wider


def with_obstacles(
    area: StudyArea, path: Path | str, *, height: StatedHeight | None = None, crs: str | None = None
) -> StudyArea:
    """Return the area with the masts, power lines and other obstacles of another file near it.

    `height` says which attribute holds their heights, where its name or text does not. Raises AreaError when none of
    the file lies within 100 km, or for heights without unit or datum.
    """
    path = Path(path)
    return replace(area, obstacles=area.obstacles + obstacles_of(_features_near(area, path, crs), path, height))


def with_airspace(
    area: StudyArea,
    path: Path | str,
    *,
    limits: tuple[StatedHeight, StatedHeight] | None = None,
    crs: str | None = None,
) -> StudyArea:
    """Return the area with the airspace of another file near it.

    `limits` says which attributes hold the lower and the upper limits, where their names or texts do not. Raises
    AreaError when none of the file lies within 100 km, or for limits without unit or datum.
    """
    path = Path(path)
    return replace(area, airspace=area.airspace + zones_of(_features_near(area, path, crs), path, limits))


def write_area(area: StudyArea, path: Path | str) -> None:
    """Write the area as GeoJSON that `read_area` reads back equal."""
    text = json.dumps(area_to_geojson(area), ensure_ascii=False, allow_nan=False, indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8")


def area_to_geojson(area: StudyArea) -> dict[str, Any]:
    """Return the area as a GeoJSON FeatureCollection: everything of it, told apart by `role`."""
    features = [_feature(s.polygon, role="stratum", stratum=s.name) for s in area.strata]
    features += [_feature(e, role="exclusion") for e in area.exclusions]
    features += [
        _feature(shapely.Point(s.longitude_deg, s.latitude_deg), role="launch", name=s.name) for s in area.launch_sites
    ]
    features += [
        _feature(o.geometry, role="obstacle", name=o.name, **level_properties("top", o.top)) for o in area.obstacles
    ]
    features += [
        _feature(
            z.polygon,
            role="airspace",
            name=z.name,
            **({"class": z.kind} if z.kind else {}),
            **level_properties("lower", z.lower),
            **level_properties("upper", z.upper),
        )
        for z in area.airspace
    ]
    features += [_feature(k, role="kept clear") for k in area.kept_clear]
    return {"type": "FeatureCollection", "name": area.name, "features": features}


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Contents:
    """What one file holds, by what it is for; `pieces` are the polygons to survey."""

    name: str
    pieces: tuple[Piece, ...]
    exclusions: tuple[Polygon | MultiPolygon, ...]
    launch_sites: tuple[LaunchSite, ...]
    obstacles: tuple[Obstacle, ...]
    airspace: tuple[AirspaceZone, ...]
    kept_clear: tuple[Polygon | MultiPolygon, ...]


def _read_contents(path: Path, strata_field: str | None, crs: str | None) -> _Contents:
    pieces: list[Piece] = []
    exclusions, kept_clear = [], []
    sites: list[LaunchSite] = []
    obstacles, airspace = [], []
    for feature in (to_wgs84(f, crs, path) for f in read_features(path)):
        where = f"{path}, {feature.label}"
        role = _role(feature.properties)
        if role in _OBSTACLE_ROLES:
            obstacles.append(obstacle_of(feature, where))
        elif role in _AIRSPACE_ROLES:
            airspace.append(zone_of(feature, where))
        elif role in _KEPT_CLEAR_ROLES:
            kept_clear.append(check_polygon(feature.geometry, where))
        elif feature.geometry.geom_type == "Point":
            sites.append(_launch_site(feature, len(sites) + 1, where))
        elif role in _EXCLUSION_ROLES:
            exclusions.append(check_polygon(feature.geometry, where))
        elif role in _LAUNCH_ROLES:
            raise AreaError("is marked as a launch site but is not a point", where=where, hint="Draw it as a point")
        else:
            polygon = check_polygon(feature.geometry, where)
            pieces.append(Piece(_stratum_name(feature, strata_field, where), polygon, feature.label))
    if not pieces:
        raise AreaError("holds no polygon to survey", where=str(path), hint="Draw the area as a polygon")
    return _Contents(
        stored_name(path) or path.stem,
        tuple(pieces),
        tuple(exclusions),
        tuple(sites),
        tuple(obstacles),
        tuple(airspace),
        tuple(kept_clear),
    )


def _area_of(contents: _Contents, pieces: Sequence[Piece], name: str) -> StudyArea:
    parts: dict[str, list[Any]] = {}
    for piece in pieces:
        parts.setdefault(piece.stratum, []).append(piece.polygon)
    strata = tuple(Stratum(n, p[0] if len(p) == 1 else shapely.union_all(p)) for n, p in parts.items())
    return StudyArea(
        name=name,
        strata=strata,
        exclusions=_with_holes(strata, contents.exclusions),
        launch_sites=contents.launch_sites,
        obstacles=contents.obstacles,
        airspace=contents.airspace,
        kept_clear=contents.kept_clear,
    )


def _shared_out(areas: Sequence[StudyArea], contents: _Contents, where: str) -> list[StudyArea]:
    """Return the areas with only what concerns each; a launch site belongs to the nearest."""
    sites: dict[int, list[LaunchSite]] = {}
    for site in contents.launch_sites:
        point = shapely.Point(site.longitude_deg, site.latitude_deg)
        away_m = [area.away_m(point) for area in areas]
        nearest = int(np.argmin(away_m))
        check_near(areas[nearest], point, where, f"launch site {site.name}")
        sites.setdefault(nearest, []).append(site)
    shared = []
    for i, area in enumerate(areas):
        around = shapely.box(*area.bounds_deg(_NEAR_DEG))
        shared.append(
            replace(
                area,
                exclusions=tuple(e for e in area.exclusions if e.intersects(around)),
                launch_sites=tuple(sites.get(i, ())),
                obstacles=tuple(o for o in area.obstacles if o.geometry.intersects(around)),
                airspace=tuple(z for z in area.airspace if z.polygon.intersects(around)),
                kept_clear=tuple(k for k in area.kept_clear if k.intersects(around)),
            )
        )
    return shared


def _features_near(area: StudyArea, path: Path, crs: str | None) -> list[Feature]:
    """Return the features of a file that lie within about 10 km of the area's bounding box; their boxes decide."""
    near = area.bounds_deg(_NEAR_DEG)
    features = [to_wgs84(f, crs, path) for f in read_features(path, near=near)]
    found = [f for f in features if shapely.box(*near).intersects(shapely.envelope(f.geometry))]
    if not found:
        # None near may be as it should; none within a day's drive is another place, or swapped axes.
        features = features or [to_wgs84(f, crs, path) for f in read_features(path)]
        boxes = shapely.union_all(shapely.envelope(np.array([f.geometry for f in features])))
        check_near(area, boxes, str(path), "its nearest feature")
    return found


def _role(properties: Mapping[str, Any]) -> str:
    found = [str(property_of(properties, (field,)) or "").strip().lower() for field in _ROLE_FIELDS]
    return next((role for role in found if role in _ROLES), "")


def _launch_site(feature: Feature, number: int, where: str) -> LaunchSite:
    if feature.geometry.is_empty:
        raise AreaError("is a launch site without a place", where=where, hint="Take it out of the file")
    ((longitude_deg, latitude_deg),) = shapely.get_coordinates(feature.geometry)
    check_degrees(np.array([[longitude_deg, latitude_deg]]), where)
    name = property_of(feature.properties, ("name",))
    return LaunchSite(printable(str(name or f"launch {number}")), float(longitude_deg), float(latitude_deg))


def _stratum_name(feature: Feature, strata_field: str | None, where: str) -> str:
    if strata_field is None:
        value = property_of(feature.properties, _STRATUM_FIELDS)
    elif strata_field in feature.properties:
        value = feature.properties[strata_field]
    else:
        fields = ", ".join(printable(str(k)) for k in feature.properties) or "none"
        raise AreaError(f"has no attribute {strata_field!r}; it has: {fields}", where=where, hint="Name one of these")
    if value in (None, "") and strata_field is not None:
        raise AreaError(
            f"has nothing in its attribute {strata_field!r}",
            where=where,
            hint="Each polygon needs the name of its stratum there",
        )
    return WHOLE if value in (None, "") else printable(str(value)) or WHOLE


def _with_holes(
    strata: Sequence[Stratum], exclusions: Sequence[Polygon | MultiPolygon]
) -> tuple[Polygon | MultiPolygon, ...]:
    """Add the holes of the whole area to its exclusions.

    A hole of one stratum that another fills is none; nor is a sliver between strata whose borders nearly meet.
    """
    whole = shapely.union_all([s.polygon for s in strata])
    frame = LocalFrame.around(whole)
    given = shapely.union_all(list(exclusions))
    holes = []
    for part in shapely.get_parts(whole):
        for ring in part.interiors:
            hole = shapely.difference(Polygon(ring), given)
            # Islands of the area inside one of its holes stay part of it.
            hole = shapely.difference(hole, whole)
            if not shapely.buffer(frame.localise(hole), -_SLIVER_M).is_empty:
                holes.append(hole)
    return (*exclusions, *holes)


def _feature(geometry: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(geometry)}
