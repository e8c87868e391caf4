"""Study areas: the polygons to survey, their strata, what is never flown over, and where one may launch."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from shapely.geometry import MultiPolygon, Polygon

from flightplan.area_formats import Feature, read_features
from flightplan.errors import AreaError
from flightplan.frames import LocalFrame

WHOLE = "all"
"""The name of the only stratum of an area that names none."""

MAX_RADIUS_M = 220_000.0
"""Beyond this distance from its centre a local frame stretches lengths by more than 0.02 %."""

_ROLE_FIELDS = ("role", "type", "kind", "folder", "layer")
_EXCLUSION_ROLES = frozenset(
    {"exclusion", "exclusions", "exclude", "excluded", "no-fly", "no_fly", "nofly", "keep-out"}
)
_LAUNCH_ROLES = frozenset({"launch", "launch_site", "launch site", "takeoff", "take-off", "home"})
_STRATUM_FIELDS = ("stratum", "strata")

# GeoJSON edges are straight in degrees, a frame's in metres: a 0.02° edge leaves its chord by 0.1 m at 50° latitude.
_MAX_EDGE_DEG = 0.02
_OVERLAP_TOLERANCE_M2 = 1.0
_ROOM_DEG = 0.02
_SLIVER_M = 0.5
_NEAR_DEG = 0.1


@dataclass(frozen=True)
class Stratum:
    """A part of the study area with an estimate of its own. `polygon` is geographic: longitude, latitude."""

    name: str
    polygon: Polygon | MultiPolygon


@dataclass(frozen=True)
class LaunchSite:
    """A place to take off from and land at."""

    name: str
    longitude_deg: float
    latitude_deg: float


@dataclass(frozen=True)
class StudyArea:
    """Strata that do not overlap, exclusions never flown over, launch sites. All geographic on WGS 84.

    Holes of the area as read are among the exclusions.
    """

    name: str
    strata: tuple[Stratum, ...]
    exclusions: tuple[Polygon | MultiPolygon, ...] = ()
    launch_sites: tuple[LaunchSite, ...] = ()

    @cached_property
    def boundary(self) -> Polygon | MultiPolygon:
        """The union of the strata, less the exclusions."""
        return shapely.difference(
            shapely.union_all([s.polygon for s in self.strata]), shapely.union_all(list(self.exclusions))
        )

    @cached_property
    def frame(self) -> LocalFrame:
        """The local metric frame that everything over this area is computed in."""
        return LocalFrame.around(shapely.union_all([s.polygon for s in self.strata]))

    @property
    def surroundings_deg(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the strata with room around them: what an elevation model has to cover."""
        west, south, east, north = (float(v) for v in shapely.total_bounds([s.polygon for s in self.strata]))
        return west - _ROOM_DEG, south - _ROOM_DEG, east + _ROOM_DEG, north + _ROOM_DEG

    def localise(self, geometry: Any) -> Any:
        """Return a geographic geometry in the area's frame, its long edges kept where GeoJSON draws them."""
        return self.frame.localise(shapely.segmentize(geometry, _MAX_EDGE_DEG))

    @cached_property
    def local_strata(self) -> tuple[Polygon | MultiPolygon, ...]:
        """Each stratum less the exclusions, in the frame's metres."""
        return tuple(shapely.difference(self.localise(s.polygon), self.local_exclusions) for s in self.strata)

    @cached_property
    def local_exclusions(self) -> Any:
        """The union of the exclusions in the frame's metres; an empty geometry when there are none."""
        return shapely.union_all([self.localise(e) for e in self.exclusions])

    @cached_property
    def area_m2(self) -> float:
        """The area of the strata less the exclusions."""
        return float(sum(s.area for s in self.local_strata))


def read_area(
    path: Path | str, *, strata_field: str | None = None, crs: str | None = None, name: str | None = None
) -> StudyArea:
    """Read a study area from GeoJSON, KML, KMZ, Shapefile, GeoPackage or CSV.

    Polygons are strata, told apart by the attribute `strata_field` (or one named "stratum"); without it they are one
    stratum. A feature whose attribute `role` (`type`, `kind`), KML folder or layer is "exclusion" is never flown over,
    and so are holes; a point is a launch site. `crs` (anything PROJ understands) says what the coordinates are when the
    file does not.

    Raises UnreadableFileError for a file that is not what it claims, AreaError for an area that cannot be used: no
    reference system, coordinates out of range, a polygon that crosses itself, no area, the antimeridian, strata that
    overlap.
    """
    path = Path(path)
    features = [_to_wgs84(f, crs, path) for f in read_features(path)]
    polygons: list[tuple[str, Polygon | MultiPolygon, Feature]] = []
    exclusions: list[Polygon | MultiPolygon] = []
    sites: list[LaunchSite] = []
    for feature in features:
        where = f"{path}, {feature.label}"
        role = _role(feature.properties)
        if feature.geometry.geom_type == "Point":
            sites.append(_launch_site(feature, len(sites) + 1, where))
        elif role in _EXCLUSION_ROLES:
            exclusions.append(check_polygon(feature.geometry, where))
        elif role in _LAUNCH_ROLES:
            raise AreaError("is marked as a launch site but is not a point", where=where)
        else:
            polygons.append((feature.label, check_polygon(feature.geometry, where), feature))
    if not polygons:
        raise AreaError("holds no polygon to survey", where=str(path))
    strata = _strata(polygons, strata_field, path)
    area = StudyArea(
        name=name or _stored_name(path) or path.stem,
        strata=strata,
        exclusions=_with_holes(strata, exclusions),
        launch_sites=tuple(sites),
    )
    check_area(area, where=str(path))
    return area


def avoiding(area: StudyArea, path: Path | str, *, crs: str | None = None) -> StudyArea:
    """Return the area with every polygon of another file near it as an exclusion, whatever its attributes say.

    Polygons further than about 10 km from the area's bounding box are left out: a file may hold a whole country.
    """
    path = Path(path)
    features = [_to_wgs84(f, crs, path) for f in read_features(path)]
    extra = [check_polygon(f.geometry, f"{path}, {f.label}") for f in features if f.geometry.geom_type != "Point"]
    if not extra:
        raise AreaError("holds no polygon to avoid", where=str(path))
    west, south, east, north = shapely.total_bounds([s.polygon for s in area.strata])
    around = shapely.box(west - _NEAR_DEG, south - _NEAR_DEG, east + _NEAR_DEG, north + _NEAR_DEG)
    near = [e for e in extra if e.intersects(around)]
    wider = replace(area, exclusions=(*area.exclusions, *near))
    check_area(wider, where=str(path))
    return wider


def write_area(area: StudyArea, path: Path | str) -> None:
    """Write the area as GeoJSON that `read_area` reads back equal."""
    text = json.dumps(area_to_geojson(area), ensure_ascii=False, allow_nan=False, indent=1)
    Path(path).write_text(text + "\n", encoding="utf-8")


def area_to_geojson(area: StudyArea) -> dict[str, Any]:
    """Return the area as a GeoJSON FeatureCollection: strata, exclusions, launch sites, told apart by `role`."""
    features = [_feature(s.polygon, role="stratum", stratum=s.name) for s in area.strata]
    features += [_feature(e, role="exclusion") for e in area.exclusions]
    features += [
        _feature(shapely.Point(s.longitude_deg, s.latitude_deg), role="launch", name=s.name) for s in area.launch_sites
    ]
    return {"type": "FeatureCollection", "name": area.name, "features": features}


def check_polygon(geometry: Any, where: str) -> Polygon | MultiPolygon:
    """Return a geographic polygon as it is, or raise AreaError saying what is wrong with it and where."""
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        what = "a closed line" if geometry.geom_type == "LineString" and geometry.is_closed else geometry.geom_type
        raise AreaError(f"is not a polygon but {what}", where=where, hint="Draw the area as a polygon")
    if geometry.is_empty:
        raise AreaError("is an empty polygon", where=where)
    coordinates = shapely.get_coordinates(geometry)
    if not np.isfinite(coordinates).all():
        raise AreaError("has a coordinate that is not a number", where=where)
    _check_degrees(coordinates, where)
    # A figure of eight has no area either, but its corners span one.
    if geometry.convex_hull.area <= 0:
        raise AreaError("has no area", where=where)
    if not geometry.is_valid:
        raise AreaError(_invalidity(geometry), where=where, hint=_mending(geometry))
    return geometry


def check_area(area: StudyArea, *, where: str | None = None) -> None:
    """Raise AreaError when the area as a whole cannot be surveyed: too large, strata that overlap, nothing left."""
    where = where or area.name
    corners = shapely.get_coordinates([s.polygon for s in area.strata])
    radius_m = float(np.hypot(*area.frame.to_local(corners).T).max())
    if radius_m > MAX_RADIUS_M:
        raise AreaError(
            f"reaches {radius_m / 1000:.0f} km from its centre; one local frame carries {MAX_RADIUS_M / 1000:.0f} km",
            where=where,
            hint="Split it into areas of their own",
        )
    for i, stratum in enumerate(area.strata):
        others = shapely.union_all([area.localise(s.polygon) for s in area.strata[:i]])
        overlap_m2 = float(shapely.intersection(area.localise(stratum.polygon), others).area)
        if overlap_m2 > _OVERLAP_TOLERANCE_M2:
            raise AreaError(
                f"stratum {stratum.name} overlaps the strata before it by {overlap_m2:.0f} m²",
                where=where,
                hint="An animal there would be counted in both; cut one of them",
            )
        if area.local_strata[i].area < 1.0:
            raise AreaError(f"stratum {stratum.name} has nothing left once its exclusions are taken out", where=where)


# --- reading ---------------------------------------------------------------------------------------------------------


def _to_wgs84(feature: Feature, stated: str | None, path: Path) -> Feature:
    where = f"{path}, {feature.label}"
    crs = feature.crs
    if crs is None and stated is not None:
        try:
            crs = pyproj.CRS.from_user_input(stated)
        except pyproj.exceptions.CRSError as error:
            raise AreaError(f"{stated!r} is not a coordinate reference system", hint="Write it as EPSG:4326") from error
    if crs is None:
        raise AreaError(
            "does not state its coordinate reference system",
            where=str(path),
            hint="Say what its coordinates are (--crs EPSG:number), or add the .prj file that belongs to it",
        )
    if not np.isfinite(shapely.get_coordinates(feature.geometry)).all():
        raise AreaError("has a coordinate that is not a number", where=where)
    if (crs.is_geographic and crs.to_epsg() == 4326) or crs.name == "WGS 84 (CRS84)":
        return feature
    transformer = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)

    def transform(points: Any) -> Any:
        return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))

    geometry = shapely.transform(feature.geometry, transform)
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise AreaError(f"has coordinates outside of {crs.name}", where=where, hint="Is that its reference system?")
    return Feature(geometry, feature.properties, feature.label, crs)


def _property(properties: Mapping[str, Any], names: Iterable[str]) -> Any:
    lowered = {str(k).lower(): v for k, v in properties.items()}
    return next((lowered[n] for n in names if lowered.get(n) not in (None, "")), None)


def _role(properties: Mapping[str, Any]) -> str:
    found = [str(_property(properties, (field,)) or "").strip().lower() for field in _ROLE_FIELDS]
    known = _EXCLUSION_ROLES | _LAUNCH_ROLES
    return next((role for role in found if role in known), "")


def _launch_site(feature: Feature, number: int, where: str) -> LaunchSite:
    longitude_deg, latitude_deg = shapely.get_coordinates(feature.geometry)[0]
    _check_degrees(np.array([[longitude_deg, latitude_deg]]), where)
    name = _property(feature.properties, ("name",))
    return LaunchSite(str(name or f"launch {number}"), float(longitude_deg), float(latitude_deg))


def _strata(
    polygons: Sequence[tuple[str, Polygon | MultiPolygon, Feature]], strata_field: str | None, path: Path
) -> tuple[Stratum, ...]:
    names: list[str] = []
    for label, _, feature in polygons:
        if strata_field is None:
            value = _property(feature.properties, _STRATUM_FIELDS)
        elif strata_field in feature.properties:
            value = feature.properties[strata_field]
        else:
            fields = ", ".join(str(k) for k in feature.properties) or "none"
            raise AreaError(f"has no attribute {strata_field!r}; it has: {fields}", where=f"{path}, {label}")
        if value in (None, "") and strata_field is not None:
            raise AreaError(f"has nothing in its attribute {strata_field!r}", where=f"{path}, {label}")
        names.append(WHOLE if value in (None, "") else str(value))
    parts: dict[str, list[Any]] = {}
    for name, (_, polygon, _) in zip(names, polygons, strict=True):
        parts.setdefault(name, []).append(polygon)
    return tuple(Stratum(n, p[0] if len(p) == 1 else shapely.union_all(p)) for n, p in parts.items())


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


def _stored_name(path: Path) -> str | None:
    if path.suffix.lower() not in (".geojson", ".json"):
        return None
    stored = json.loads(path.read_text(encoding="utf-8-sig")).get("name")
    return stored if isinstance(stored, str) and stored else None


def _feature(geometry: Any, **properties: str) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": shapely.geometry.mapping(geometry)}


# --- checking --------------------------------------------------------------------------------------------------------


def _check_degrees(coordinates: Any, where: str) -> None:
    longitudes, latitudes = coordinates[:, 0], coordinates[:, 1]
    if np.abs(coordinates).max() > 360:
        raise AreaError(
            f"has coordinates like {coordinates[0, 0]:.1f}, {coordinates[0, 1]:.1f}, which are not degrees",
            where=where,
            hint="They look like metres: say in which coordinate reference system",
        )
    if np.abs(latitudes).max() > 90:
        worst = latitudes[np.abs(latitudes).argmax()]
        swapped = np.abs(longitudes).max() <= 90 and np.abs(latitudes).max() <= 180
        raise AreaError(
            f"has latitude {worst:.4f}",
            where=where,
            hint="Latitude and longitude look swapped: longitude comes first" if swapped else None,
        )
    if np.abs(longitudes).max() > 180 or np.ptp(longitudes) > 180:
        raise AreaError("crosses the antimeridian", where=where, hint="Split it at 180° into two areas")


def _invalidity(geometry: Any) -> str:
    reason = shapely.is_valid_reason(geometry)
    match = re.fullmatch(r"(.+?)\s*\[(\S+) (\S+)\]", reason)
    if match is None:
        return f"is not a valid polygon: {reason}"
    words = {"Self-intersection": "crosses itself", "Ring Self-intersection": "has a ring that touches itself"}
    what = words.get(match[1], f"is not a valid polygon ({match[1].lower()})")
    return f"{what} at longitude {float(match[2]):.6f}, latitude {float(match[3]):.6f}"


def _mending(geometry: Any) -> str:
    """Say what a mended polygon would hold, so that nobody accepts one unseen."""
    frame = LocalFrame.around(geometry)
    mended = [p for p in shapely.get_parts(shapely.make_valid(geometry)) if p.geom_type in ("Polygon", "MultiPolygon")]
    after_km2 = sum(frame.localise(p).area for p in mended) / 1e6
    return (
        "Correct it where it was drawn; mended by its crossings it would be"
        f" {len(mended)} polygons with {after_km2:.4g} km²"
    )
