"""SMART patrols: where they went, and what they saw.

Read: SMART's own patrol export (XML, namespaces .../xml/1.x/patrol: legs, days, a track as hexadecimal WKB, waypoints),
GeoJSON of SMART Connect (lines, or points with a patrol and a time), GPX, CSV with a row for each point, and what GDAL
reads (Shapefile, also zipped, GeoPackage). SMART's clocks show local time without a zone: the zone has to be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import pyproj
import shapely
from pyproj import Geod

from counts.exchange.attachments import Attachment, read_attachment
from counts.exchange.columns import PATROL, find_columns
from counts.exchange.reported import features_of
from counts.exchange.smart_patrol_xml import PatrolXml, child_text, read_patrol_xml
from counts.exchange.tracks import checked_place
from counts.exchange.untrusted import (
    as_json,
    as_text,
    as_xml,
    check_row,
    content_hash,
    csv_rows,
    local_name,
    moment,
    read_bytes,
    whole,
)  # fmt: skip
from counts.store.elsewhere import PatrolEntry, ReportedEntry
from flightplan.area_ogr import read_ogr, read_zipped_shapefile
from flightplan.errors import AreaError, Skip, UnreadableFileError

_GEOD = Geod(ellps="WGS84")
_OGR = {".shp": read_ogr, ".gpkg": read_ogr, ".fgb": read_ogr, ".zip": read_zipped_shapefile}
_Point = tuple[datetime, float, float]


@dataclass(frozen=True)
class PatrolFile:
    """Patrols and missions, what they saw of animals, and what could not be used.

    `others` counts observations without a species, `attachments` are files that came with sightings.
    """

    patrols: tuple[PatrolEntry, ...]
    sightings: tuple[ReportedEntry, ...]
    others: int
    skips: tuple[Skip, ...]
    content_hash: str
    attachments: tuple[Attachment, ...] = ()


def read_smart_patrols(
    path: Path,
    zone: tzinfo,
    *,
    species_key: str = "species",
    count_key: str = "numberofanimals",
    named: Mapping[str, str] | None = None,
) -> PatrolFile:
    """Read a file of patrols by its ending.

    `species_key` and `count_key` are the attributes of the park's data model that say species and number; `named` says
    columns by hand. Raises UnreadableFileError for another ending and for a file that is not what it claims to be.
    """
    suffix = path.suffix.lower()
    if suffix in _OGR:
        return _read_shapes(path, zone)
    if suffix not in (".xml", ".gpx", ".csv", ".geojson", ".json"):
        raise UnreadableFileError(
            f"patrols are not read from {suffix or 'a file without an ending'}",
            where=str(path),
            hint="Export them from SMART as XML, GeoJSON, GPX, CSV or Shapefile",
        )
    content = read_bytes(path)
    digest = content_hash({path.name: content})
    where = str(path)
    sightings: list[ReportedEntry] = []
    others = 0
    if suffix == ".xml":
        return _from_xml(read_patrol_xml(as_xml(content, where), where, zone, species_key, count_key), digest)
    if suffix == ".gpx":
        patrols, skips = _read_gpx(as_xml(content, where), path, zone)
    elif suffix == ".csv":
        patrols, skips = _read_csv(as_text(content, where), where, zone, named)
    else:
        features = features_of(as_json(content, where), where)
        waypoints = [f for f in features if str(f["properties"].get("smartFeatureType", "")).startswith("waypoint")]
        patrols, skips = _read_geojson(features, zone)
        sightings, others, attached, bad = _seen(waypoints, zone, species_key, count_key)
        skips += bad
        kept, twice = _once(patrols)
        return PatrolFile(kept, tuple(sightings), others, (*skips, *twice), digest, tuple(attached))
    kept, twice = _once(patrols)
    return PatrolFile(kept, tuple(sightings), others, (*skips, *twice), digest)


def track_length_m(track: Any) -> float:
    """Return the length of lines, longitude first, along the ellipsoid of WGS 84."""
    return float(sum(_GEOD.geometry_length(part) for part in shapely.get_parts(track)))


def _patrol(
    identifier: str,
    lines: Iterable[Any],
    *,
    transport: str | None = None,
    started: datetime | None = None,
    ended: datetime | None = None,
) -> PatrolEntry:
    """Return a patrol whose lines are on the globe. Raises ValueError where they are not."""
    parts = [part for line in lines for part in shapely.get_parts(line) if len(part.coords) > 1]
    if not parts:
        return PatrolEntry(identifier, transport, started, ended)
    track = shapely.multilinestrings([shapely.force_2d(part) for part in parts])
    corners = shapely.get_coordinates(track)
    if not (np.isfinite(corners).all() and (abs(corners) <= [180, 90]).all()):
        raise ValueError("its track leaves the globe")
    return PatrolEntry(identifier, transport, started, ended, round(track_length_m(track), 1), track)


def _from_points(points: Mapping[str, list[_Point]], transports: Mapping[str, str]) -> list[PatrolEntry]:
    patrols = []
    for identifier, fixes in points.items():
        fixes.sort()
        line = shapely.linestrings([(x, y) for _, x, y in fixes]) if len(fixes) > 1 else None
        patrols.append(
            _patrol(
                identifier,
                [] if line is None else [line],
                transport=transports.get(identifier),
                started=fixes[0][0],
                ended=fixes[-1][0],
            )
        )
    return patrols


def _read_csv(
    text: str, where: str, zone: tzinfo, named: Mapping[str, str] | None
) -> tuple[list[PatrolEntry], list[Skip]]:
    rows = csv_rows(text, where)
    columns = find_columns(next(rows)[1], PATROL, named)
    missing = [name for name in ("identifier", "time", "longitude", "latitude") if name not in columns]
    if missing:
        raise UnreadableFileError(
            f"there is no column for {', '.join(missing)}", where=where, hint="Name it with --column FIELD=COLUMN"
        )
    points: dict[str, list[_Point]] = {}
    transports: dict[str, str] = {}
    skips = []
    for line, cells in rows:
        try:
            check_row(cells)
            said = {meaning: cells[name].strip() for meaning, name in columns.items()}
            if not said["identifier"]:
                raise ValueError("it names no patrol")
            place = checked_place(float(said["longitude"]), float(said["latitude"]))
            time = moment(said["time"], zone)
            points.setdefault(said["identifier"], []).append((time, *place))
            if said.get("transport"):
                transports.setdefault(said["identifier"], said["transport"])
        except ValueError as error:
            skips.append(Skip(f"line {line}", str(error)))
    return _from_points(points, transports), skips


def _read_gpx(root: Element, path: Path, zone: tzinfo) -> tuple[list[PatrolEntry], list[Skip]]:
    if local_name(root) != "gpx":
        raise UnreadableFileError("this is no GPX", where=str(path))
    patrols, skips = [], []
    for number, track in enumerate((e for e in root if local_name(e) == "trk"), start=1):
        name = child_text(track, "name")
        item = f"track {number}" + (f" ({name[:60]})" if name else "")
        try:
            lines, times = [], []
            for segment in (e for e in track if local_name(e) == "trkseg"):
                places = []
                for point in (e for e in segment if local_name(e) == "trkpt"):
                    places.append(checked_place(float(point.get("lon", "")), float(point.get("lat", ""))))
                    said = child_text(point, "time")
                    if said:
                        times.append(moment(said, zone))
                if len(places) > 1:
                    lines.append(shapely.linestrings(places))
            if not lines:
                raise ValueError("it has no two points")
            identifier = f"{path.stem}/{name or number}"
            patrols.append(_patrol(identifier, lines, started=min(times, default=None), ended=max(times, default=None)))
        except ValueError as error:
            skips.append(Skip(item, str(error)))
    return patrols, skips


def _read_geojson(features: list[dict[str, Any]], zone: tzinfo) -> tuple[list[PatrolEntry], list[Skip]]:
    patrols: list[PatrolEntry] = []
    points: dict[str, list[_Point]] = {}
    transports: dict[str, str] = {}
    skips = []
    for number, feature in enumerate(features, start=1):
        if str(feature["properties"].get("smartFeatureType", "")).startswith("waypoint"):
            continue  # where animals were, and not where the patrol went
        try:
            said = _said(_flat(feature["properties"]))
            shape = shapely.geometry.shape(feature["geometry"])
            if not said.get("identifier"):
                raise ValueError("it names no patrol")
            if shape.geom_type == "Point":
                place = checked_place(shape.x, shape.y)
                time = moment(said.get("time", ""), zone)
                points.setdefault(said["identifier"], []).append((time, *place))
                if said.get("transport"):
                    transports.setdefault(said["identifier"], said["transport"])
            else:
                patrols.append(_line(shape, said, zone))
        except (
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            OverflowError,
            shapely.errors.ShapelyError,
        ) as error:
            reason = str(error) if type(error) is ValueError else "it has no geometry that can be read"
            skips.append(Skip(f"feature {number}", reason))
    return [*patrols, *_from_points(points, transports)], skips


def _seen(
    features: list[dict[str, Any]], zone: tzinfo, species_key: str, count_key: str
) -> tuple[list[ReportedEntry], int, list[Attachment], list[Skip]]:
    """Return what waypoints of SMART Connect saw, how many observations name no species, files, and what was wrong."""
    seen: list[ReportedEntry] = []
    attached: list[Attachment] = []
    skips, others = [], 0
    for feature in features:
        said = feature["properties"]
        try:
            own = said["smartAttributes"]
            time, place = moment(said["dateTime"], zone), feature["geometry"]["coordinates"]
            longitude, latitude = checked_place(float(place[0]), float(place[1]))
            files = []
            for each in own.get("attachments") or ():
                try:
                    files.append(read_attachment(each))
                except ValueError as error:
                    skips.append(Skip(f"waypoint {str(said.get('dateTime'))[:40]}", str(error)))
            attached += files
            named = {"attachments": ", ".join(f.file_name for f in files)} if files else {}
            for group in own["observationGroups"]:
                for observation in group["observations"]:
                    attributes = {str(k): str(v) for k, v in observation["attributes"].items()}
                    if not attributes.get(species_key):
                        others += 1
                        continue
                    rest = {k: v for k, v in attributes.items() if k not in (species_key, count_key)}
                    seen.append(
                        ReportedEntry(
                            identifier=str(observation["observationUuid"]),
                            species=attributes[species_key],
                            longitude_deg=longitude,
                            latitude_deg=latitude,
                            count=whole(attributes.get(count_key, ""), 1),
                            time_utc=time,
                            details={"category": str(observation["category"]), **rest, **named},
                        )
                    )
        except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
            reason = (
                str(error) if type(error) is ValueError else "it is no waypoint with a place, a time and observations"
            )
            skips.append(Skip(f"waypoint {str(said.get('dateTime'))[:40]}", reason))
    return seen, others, attached, skips


def _from_xml(read: PatrolXml, digest: str) -> PatrolFile:
    try:
        patrol = _patrol(
            read.identifier,
            read.lines,
            transport=read.transport,
            started=min(read.times, default=None),
            ended=max(read.times, default=None),
        )
    except ValueError as error:
        return PatrolFile((), read.sightings, read.others, (*read.skips, Skip(read.identifier, str(error))), digest)
    return PatrolFile((patrol,), read.sightings, read.others, read.skips, digest)


def _read_shapes(path: Path, zone: tzinfo) -> PatrolFile:
    try:
        features = _OGR[path.suffix.lower()](path)
    except AreaError as error:
        raise UnreadableFileError(error.what, where=error.where or str(path), hint=error.hint) from error
    patrols, skips = [], []
    for feature in features:
        try:
            said = _said({str(k): "" if v is None else str(v) for k, v in feature.properties.items() if k != "layer"})
            if not said.get("identifier"):
                raise ValueError("it names no patrol")
            shape = feature.geometry
            if feature.crs is None:
                raise ValueError("its file states no coordinate system")
            if not feature.crs.equals(pyproj.CRS.from_epsg(4326)):
                turn = pyproj.Transformer.from_crs(feature.crs, 4326, always_xy=True)
                shape = shapely.transform(shape, lambda xy, t=turn: np.column_stack(t.transform(xy[:, 0], xy[:, 1])))
            patrols.append(_line(shape, said, zone))
        except ValueError as error:
            skips.append(Skip(feature.label, str(error)))
    parts = sorted(path.parent.glob(f"{path.stem}.*")) if path.suffix.lower() == ".shp" else [path]
    kept, twice = _once(patrols)
    return PatrolFile(kept, (), 0, (*skips, *twice), content_hash({p.suffix.lower(): read_bytes(p) for p in parts}))


def _once(patrols: Iterable[PatrolEntry]) -> tuple[tuple[PatrolEntry, ...], list[Skip]]:
    kept: dict[str, PatrolEntry] = {}
    twice = [patrol for patrol in patrols if kept.setdefault(patrol.identifier, patrol) is not patrol]
    again = [Skip(f"patrol {patrol.identifier}", "it was there before in the same file") for patrol in twice]
    return tuple(kept.values()), again


def _line(shape: Any, said: Mapping[str, str], zone: tzinfo) -> PatrolEntry:
    if shape is None or shape.geom_type not in ("LineString", "MultiLineString"):
        raise ValueError(f"it is no line but {'nothing' if shape is None else shape.geom_type}")
    return _patrol(
        said["identifier"],
        [shape],
        transport=said.get("transport") or None,
        started=_day_or_moment(said.get("start", ""), zone),
        ended=_day_or_moment(said.get("end", ""), zone),
    )


def _day_or_moment(text: str, zone: tzinfo) -> datetime | None:
    """Return a moment; a day alone is no moment, and a patrol's day is not known to begin at midnight."""
    return moment(text, zone) if len(text.strip()) > 10 else None


def _said(properties: Mapping[str, str]) -> dict[str, str]:
    columns = find_columns(properties, PATROL)
    return {meaning: properties[name].strip() for meaning, name in columns.items()}


def _flat(properties: Mapping[str, Any]) -> dict[str, str]:
    """Return SMART Connect's nested properties (patrol, waypoint, smartAttributes) beside the plain ones."""
    flat = {str(k): str(v) for k, v in properties.items() if isinstance(v, str | int | float)}
    inner = properties.get("smartAttributes")
    if isinstance(inner, Mapping):
        flat |= {str(k): str(v) for k, v in inner.items() if isinstance(v, str | int | float)}
    patrol = properties.get("patrol")
    if isinstance(patrol, Mapping) and isinstance(patrol.get("id"), str):
        flat["patrolid"] = patrol["id"]
    waypoint = properties.get("waypoint")
    if isinstance(waypoint, Mapping) and waypoint.get("date") and waypoint.get("time"):
        flat["datetime"] = f"{waypoint['date']}T{waypoint['time']}"
    return flat
