"""Sightings of others, from a CSV table or GeoJSON points: rangers' notes, an app, a Darwin Core occurrence table."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Any

from counts.columns import canonical_json
from counts.exchange.columns import SIGHTING, find_columns
from counts.exchange.tracks import checked_place
from counts.exchange.untrusted import as_json, as_text, check_row, content_hash, csv_rows, moment, read_bytes, whole
from counts.store.elsewhere import ReportedEntry
from flightplan.errors import Skip, UnreadableFileError

_REQUIRED = ("longitude", "latitude", "species")


@dataclass(frozen=True)
class Reported:
    """Sightings, and the rows that could not be used."""

    sightings: tuple[ReportedEntry, ...]
    skips: tuple[Skip, ...]
    content_hash: str


def read_reported_csv(path: Path, zone: tzinfo, named: Mapping[str, str] | None = None) -> Reported:
    """Read a table with a place and a species in each row; other columns are kept as details.

    A time without a zone is in `zone`; a day alone is no time, and is kept as a detail. A row without an id is known by
    what stands in it. Rows without a place or a species, and those that report an absence, are skipped by line. Raises
    UnreadableFileError for a file without those columns.
    """
    content = read_bytes(path)
    rows = csv_rows(as_text(content, str(path)), str(path))
    columns = find_columns(next(rows)[1], SIGHTING, named)
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        raise UnreadableFileError(
            f"there is no column for {', '.join(missing)}", where=str(path), hint="Name it with --column FIELD=COLUMN"
        )
    return _reported(
        ((f"line {line}", cells) for line, cells in rows), columns, zone, content_hash({path.name: content})
    )


def read_reported_geojson(path: Path, zone: tzinfo, named: Mapping[str, str] | None = None) -> Reported:
    """Read a feature collection of points (RFC 7946): as `read_reported_csv`, each feature a row."""
    content = read_bytes(path)
    rows = []
    header: dict[str, str] = {}
    for number, feature in enumerate(features_of(as_json(content, str(path)), str(path)), start=1):
        cells = {str(k): _cell(v) for k, v in feature["properties"].items()}
        geometry = feature["geometry"]
        place = (
            geometry.get("coordinates") if isinstance(geometry, Mapping) and geometry.get("type") == "Point" else None
        )
        if isinstance(place, list) and len(place) >= 2:
            cells |= {"longitude": str(place[0]), "latitude": str(place[1])}
        else:
            cells |= {"longitude": "", "latitude": ""}
        if feature.get("id") is not None:
            cells.setdefault("id", str(feature["id"]))
        header |= dict.fromkeys(cells, "")
        rows.append((f"feature {number}", cells))
    columns = find_columns(header, SIGHTING, named)
    columns |= {"longitude": "longitude", "latitude": "latitude"}
    if rows and "species" not in columns:
        raise UnreadableFileError(
            "no feature says its species", where=str(path), hint="Name the property with --column species=PROPERTY"
        )
    complete = ((item, {**header, **cells}) for item, cells in rows)
    return _reported(complete, columns, zone, content_hash({path.name: content}))


def features_of(document: Any, where: str) -> list[dict[str, Any]]:
    """Return the features of a collection, or one feature; raises UnreadableFileError for what is neither."""
    listed = document.get("features", [document]) if isinstance(document, Mapping) else document
    if not isinstance(listed, list) or not all(isinstance(f, Mapping) and f.get("type") == "Feature" for f in listed):
        raise UnreadableFileError("this is no GeoJSON feature collection", where=where)
    return [
        {
            **f,
            "properties": f["properties"] if isinstance(f.get("properties"), Mapping) else {},
            "geometry": f.get("geometry"),
        }
        for f in listed
    ]


def _reported(
    rows: Iterator[tuple[str, Mapping[str, str]]], columns: Mapping[str, str], zone: tzinfo, digest: str
) -> Reported:
    found: list[ReportedEntry] = []
    skips: list[Skip] = []
    same: Counter[str] = Counter()
    taken: set[str] = set()
    for item, cells in rows:
        try:
            check_row(cells)
            entry = _entry(cells, columns, zone, same)
            if entry.identifier in taken:
                raise ValueError(f"the id {entry.identifier!r} was there before")
            taken.add(entry.identifier)
            found.append(entry)
        except (ValueError, OverflowError) as error:
            skips.append(Skip(item, str(error)))
    return Reported(tuple(found), tuple(skips), digest)


def _entry(cells: Mapping[str, str], columns: Mapping[str, str], zone: tzinfo, same: Counter[str]) -> ReportedEntry:
    said = {meaning: cells[name].strip() for meaning, name in columns.items()}
    if not said["longitude"] or not said["latitude"]:
        raise ValueError("it has no place")
    if not said["species"]:
        raise ValueError("it names no species")
    count = whole(said.get("count", ""))
    if count == 0 or said.get("status", "").casefold() == "absent":
        raise ValueError("it reports an absence, which is no sighting")
    longitude, latitude = checked_place(float(said["longitude"]), float(said["latitude"]))
    details = {name: cell for name, cell in cells.items() if name not in columns.values() and cell}
    time = said.get("time", "")
    if len(time) == 10:
        moment(time, zone)
        details["day"] = time
    identifier = said.get("identifier")
    if not identifier:
        digest = hashlib.sha256(canonical_json(dict(cells)).encode()).hexdigest()[:16]
        same[digest] += 1
        identifier = digest if same[digest] == 1 else f"{digest}-{same[digest]}"
    return ReportedEntry(
        identifier=identifier,
        species=said["species"],
        longitude_deg=longitude,
        latitude_deg=latitude,
        count=count,
        time_utc=moment(time, zone) if time and len(time) != 10 else None,
        observer=said.get("observer") or None,
        remarks=said.get("remarks") or None,
        details=details,
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else canonical_json(value)
